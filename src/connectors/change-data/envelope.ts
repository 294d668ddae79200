/**
 * Debezium's envelope: what every record of a change looks like, whatever database it comes from. Names, versions and the order of fields are those of
 * Debezium 3, so that its consumers and its transforms read them.
 */
import type { ConnectValue, Field, Schema, Struct } from '../../connector.ts'
import { struct } from '../../connector.ts'

/** Read by a snapshot, created, updated, deleted, truncated, logical message. */
export type Operation = 'r' | 'c' | 'u' | 'd' | 't' | 'm'

/** Where in a snapshot a record is; `false`: it is of the stream. */
export type SnapshotMark = 'first' | 'first_in_data_collection' | 'true' | 'last_in_data_collection' | 'last' | 'incremental' | 'false'

export const optionalString: Schema = { type: 'string', optional: true }
export const optionalInt64: Schema = { type: 'int64', optional: true }
const string: Schema = { type: 'string' }
const int64: Schema = { type: 'int64' }

function fields(...named: readonly (readonly [name: string, schema: Schema])[]): readonly Field[] {
  return named.map(([name, schema]) => ({ name, schema }))
}

function structSchema(name: string, version: number, ...named: readonly (readonly [name: string, schema: Schema])[]): Schema {
  return { type: 'struct', name, version, fields: fields(...named) }
}

const snapshotSchema: Schema = {
  type: 'string',
  name: 'io.debezium.data.Enum',
  version: 1,
  optional: true,
  default: 'false',
  parameters: { allowed: 'true,first,first_in_data_collection,last_in_data_collection,last,false,incremental' },
}

/** Of the field `source`; the fields that are the database's own follow. */
export function sourceSchema(name: string, ...own: readonly (readonly [name: string, schema: Schema])[]): Schema {
  return structSchema(
    name,
    1,
    ['version', string],
    ['connector', string],
    ['name', string],
    ['ts_ms', int64],
    ['snapshot', snapshotSchema],
    ['db', string],
    ['sequence', optionalString],
    ['ts_us', optionalInt64],
    ['ts_ns', optionalInt64],
    ...own,
  )
}

export interface Origin {
  readonly version: string
  readonly connector: string
  /** `topic.prefix` */
  readonly name: string
  readonly db: string
}

/** `micros`: when it was committed, since 1970. */
export function sourceOf(
  { version, connector, name, db }: Origin,
  micros: bigint,
  snapshot: SnapshotMark,
  sequence: string | null,
  own: readonly (readonly [string, ConnectValue])[],
): Struct {
  return struct([
    ['version', version],
    ['connector', connector],
    ['name', name],
    ['ts_ms', BigInt.asIntN(64, floorThousand(micros))],
    ['snapshot', snapshot],
    ['db', db],
    ['sequence', sequence],
    ['ts_us', micros],
    ['ts_ns', micros * 1_000n],
    ...own,
  ])
}

function floorThousand(micros: bigint): bigint {
  return micros >= 0n ? micros / 1_000n : -((-micros + 999n) / 1_000n)
}

const transactionBlock: Schema = {
  ...structSchema('event.block', 1, ['id', string], ['total_order', int64], ['data_collection_order', int64]),
  optional: true,
}

/** `prefix`: of its name. `row` is optional. */
export function envelopeSchema(prefix: string, row: Schema, source: Schema): Schema {
  return structSchema(
    `${prefix}.Envelope`,
    2,
    ['before', row],
    ['after', row],
    ['source', source],
    ['transaction', transactionBlock],
    ['op', string],
    ['ts_ms', optionalInt64],
    ['ts_us', optionalInt64],
    ['ts_ns', optionalInt64],
  )
}

export interface Change {
  readonly op: Operation
  readonly before: Struct | null
  readonly after: Struct | null
  readonly source: Struct
  readonly transaction: Struct | null
  /** When it was seen here. */
  readonly nowMs: number
}

export function envelope({ op, before, after, source, transaction, nowMs }: Change): Struct {
  const now = BigInt(Math.floor(nowMs))
  return struct([
    ['before', before],
    ['after', after],
    ['source', source],
    ['transaction', transaction],
    ['op', op],
    ['ts_ms', now],
    ['ts_us', now * 1_000n],
    ['ts_ns', now * 1_000_000n],
  ])
}

export function messageSchema(source: Schema, content: Schema): Schema {
  const message = structSchema(
    'io.debezium.connector.postgresql.Message',
    1,
    ['prefix', optionalString],
    ['content', { ...content, optional: true }],
  )
  return structSchema(
    'io.debezium.connector.postgresql.MessageValue',
    1,
    ['op', string],
    ['ts_ms', optionalInt64],
    ['source', source],
    ['transaction', transactionBlock],
    ['message', message],
  )
}

export const messageKeySchema = structSchema('io.debezium.connector.postgresql.MessageKey', 1, ['prefix', optionalString])

export const heartbeatKeySchema = structSchema('io.debezium.connector.common.ServerNameKey', 1, ['serverName', string])
export const heartbeatSchema = structSchema('io.debezium.connector.common.Heartbeat', 1, ['ts_ms', int64])

export const transactionKeySchema = structSchema('io.debezium.connector.common.TransactionMetadataKey', 1, ['id', string])
const eventCollection: Schema = {
  ...structSchema('event.collection', 1, ['data_collection', string], ['event_count', int64]),
  optional: true,
}
export const transactionSchema = structSchema(
  'io.debezium.connector.common.TransactionMetadataValue',
  1,
  ['status', string],
  ['id', string],
  ['event_count', optionalInt64],
  ['data_collections', { type: 'array', items: eventCollection, optional: true }],
  ['ts_ms', int64],
)
