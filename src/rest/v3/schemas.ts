/** Parts of v3's schemas that several resources share, and the errors that any route may give. */
import { type TProperties, type TSchema, Type } from 'typebox'
import { HttpError } from '../../http.ts'
import { badRequestOf } from '../errors.ts'

/** An int64 as a number with all its digits. In what was read it is a number or a bigint; `asInt64` checks it. */
export const Int64 = Type.Unsafe<number | bigint>({ format: 'int64' })
/** As Kafka has most of its numbers. */
export const Int32 = Type.Integer({ minimum: -0x80_00_00_00, maximum: 0x7f_ff_ff_ff })
/** The number of a partition in a request. */
export const PartitionId = Type.Integer({ minimum: 0, maximum: 0x7f_ff_ff_ff })
export const Nullable = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()])
export const Relationship = Type.Object({ related: Type.String() })
const Metadata = Type.Object({ self: Type.String(), resource_name: Type.Optional(Type.String()) })

export function Resource<P extends TProperties>(properties: P) {
  return Type.Object({ kind: Type.String(), metadata: Metadata, ...properties })
}

export function List<S extends TSchema>(data: S) {
  return Type.Object({
    kind: Type.String(),
    metadata: Type.Object({ self: Type.String(), next: Nullable(Type.String()) }),
    data: Type.Array(data),
  })
}

export const ErrorBody = Type.Object({ error_code: Type.Integer(), message: Type.String() })
export const errors = { '4xx': ErrorBody, '5xx': ErrorBody }
export const NoContent = Type.Null({ description: 'No content' })

export const InCluster = Type.Object({ cluster_id: Type.String() })
export const InTopic = Type.Object({ cluster_id: Type.String(), topic_name: Type.String() })
export const InPartition = Type.Object({ cluster_id: Type.String(), topic_name: Type.String(), partition_id: Type.String() })

const Data = Type.Object({
  type: Type.Optional(
    Nullable(Type.String({ description: 'BINARY (base64), JSON or STRING; with `schema` AVRO, JSONSCHEMA or PROTOBUF' })),
  ),
  data: Type.Optional(Type.Unknown()),
  schema: Type.Optional(Nullable(Type.String({ description: 'Registered if it is new' }))),
  schema_id: Type.Optional(Nullable(Type.Integer())),
  schema_version: Type.Optional(
    Nullable(Type.Integer({ description: 'Of the subject; without any of these and without a type: the latest' })),
  ),
  subject: Type.Optional(Nullable(Type.String({ description: 'Default: the topic with -key or -value' }))),
  subject_name_strategy: Type.Optional(Nullable(Type.String({ description: 'TOPIC_NAME, RECORD_NAME or TOPIC_RECORD_NAME' }))),
})
const Header = Type.Object({ name: Type.String(), value: Type.Optional(Nullable(Type.String({ description: 'Base64' }))) })

/** One of a stream of records. */
export const NewRecord = Type.Object({
  partition_id: Type.Optional(Nullable(Type.Integer())),
  headers: Type.Optional(Nullable(Type.Array(Header))),
  key: Type.Optional(Nullable(Data)),
  value: Type.Optional(Nullable(Data)),
  timestamp: Type.Optional(Nullable(Type.String({ description: 'ISO 8601' }))),
})
const Told = Type.Object({
  type: Type.String(),
  subject: Type.Optional(Type.String()),
  schema_id: Type.Optional(Type.Integer()),
  schema_version: Type.Optional(Type.Integer()),
  size: Type.Integer(),
})
export const RecordReport = Type.Object({
  error_code: Type.Integer({ description: '200: stored' }),
  cluster_id: Type.String(),
  topic_name: Type.String(),
  partition_id: Type.Integer(),
  offset: Int64,
  timestamp: Type.String(),
  key: Type.Optional(Told),
  value: Type.Optional(Told),
})

/** A number in a path. What is none names nothing, as in Confluent's. */
export function idIn(text: string): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > 0x7f_ff_ff_ff) throw new HttpError(404, 404, 'HTTP 404 Not Found')
  return Number(text)
}

export function asInt64(value: unknown, name: string): bigint {
  if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) return value
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  throw badRequestOf(`${name} must be an integer of 64 bits`)
}
