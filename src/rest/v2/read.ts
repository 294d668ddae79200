/** v2: `GET …/records` of a consumer instance, in the format that it was made for. */
import { isUtf8 } from 'node:buffer'
import { Type } from 'typebox'
import { later, type MaybePromise, stringifyLossless, type Turns } from '../../base.ts'
import type { ReceivedRecord } from '../../client.ts'
import { HttpError } from '../../http.ts'
import { SerdeError } from '../../serde.ts'
import type { Take } from '../consumer/instance.ts'
import { noRegistry } from '../errors.ts'
import { problemIn } from '../json.ts'
import { sendList } from '../records/answer.ts'
import { type Schemas, serdeOf } from '../records/schemas.ts'
import type { Rest } from '../rest.ts'
import { errors, Int64 } from '../v3/schemas.ts'
import { InInstance, instancePath, type Use } from './instances.ts'
import { chooseType, type Format, formatTypes, isAccepted, plainTypes, typeOf } from './media.ts'

const Reading = Type.Object({ timeout: Type.Optional(Type.String()), max_bytes: Type.Optional(Type.String()) })
const ReadRecord = Type.Object({
  topic: Type.String(),
  key: Type.Unknown(),
  value: Type.Unknown(),
  partition: Type.Integer(),
  offset: Int64,
})
const mostResponseBytes = 64 * 1024 * 1024
/** The bytes that are counted are those of keys and values, and there are records without. */
const mostRecords = 100_000

export function readRoute(rest: Rest, use: Use): void {
  rest.app.get(
    `${instancePath}/records`,
    { exposeHeadRoute: false, schema: { params: InInstance, querystring: Reading, response: { 200: Type.Array(ReadRecord), ...errors } } },
    async (request, reply) => {
      const { format, records } = await use(request, request.params, async instance => {
        const { requestTimeoutMs } = instance.options
        const own = instance.options.format as Format
        requireFormat(request.headers.accept, own)
        const timeout = Number(request.query.timeout ?? -1)
        const maxBytes = Number(request.query.max_bytes ?? -1)
        if (!Number.isInteger(timeout) || !Number.isInteger(maxBytes)) throw new HttpError(404, 404, 'HTTP 404 Not Found')
        const read = await instance.read(
          {
            timeoutMs: timeout > 0 ? Math.min(timeout, requestTimeoutMs) : requestTimeoutMs,
            maxBytes: maxBytes > 0 ? Math.min(maxBytes, mostResponseBytes) : mostResponseBytes,
            maxRecords: mostRecords,
          },
          takeOf(own, own === 'binary' || own === 'json' ? null : rest.schemas(request), rest.turns),
        )
        return { format: own, records: read }
      })
      return sendList(rest, request, reply.header('content-type', typeOf(format)), ['[', ']'], records) as never
    },
  )
}

/** Of what is accepted something must be of the format of the instance. A type without a format stands for binary. */
function requireFormat(accept: string | undefined, own: Format): void {
  const fitting = [typeOf(own), 'application/json', ...(own === 'binary' ? plainTypes : [])]
  if (fitting.some(each => isAccepted(accept, each))) return
  // Nothing that this API has at all: 406 of another kind.
  chooseType(accept, [...formatTypes, ...plainTypes])
  throw new HttpError(406, 40_601, 'The requested embedded data format does not match the deserializer for this consumer instance')
}

function takeOf(format: Format, schemas: Schemas | null, turns: Turns): Take<string> {
  if (format === 'binary') return record => recordText(record, binaryIn(record.key), binaryIn(record.value))
  if (format === 'json')
    return record =>
      later(jsonIn(record, 'key', turns), key => later(jsonIn(record, 'value', turns), value => recordText(record, key, value)))
  if (schemas === null) throw noRegistry()
  const { serdes } = schemas
  const serde = serdeOf[format.toUpperCase() as keyof typeof serdeOf]
  const dataIn = (record: ReceivedRecord, part: Part): string | Promise<string> => {
    const bytes = record[part]
    if (bytes === null) return 'null'
    const told = (error: unknown): never => {
      throw error instanceof SerdeError ? undecoded(record, part, error) : error
    }
    const place = { topic: record.topic, part, key: record.key, headers: record.headers, form: 'confluent' as const }
    try {
      const decoded = serdes.decode(serde, bytes, place)
      return decoded instanceof Promise ? decoded.then(({ value }) => stringifyLossless(value), told) : stringifyLossless(decoded.value)
    } catch (error) {
      return told(error)
    }
  }
  return record => {
    const key = dataIn(record, 'key')
    // If the value cannot be read nobody waits for the key any more.
    if (key instanceof Promise) key.catch(() => {})
    const value = dataIn(record, 'value')
    if (typeof key === 'string' && typeof value === 'string') return recordText(record, key, value)
    return Promise.all([key, value]).then(both => recordText(record, ...both))
  }
}

type Part = 'key' | 'value'

function binaryIn(bytes: Buffer | null): string {
  return bytes === null ? 'null' : `"${bytes.toString('base64')}"`
}

/** The text itself, once it is known to be JSON. */
function jsonIn(record: ReceivedRecord, part: Part, turns: Turns): MaybePromise<string> {
  const bytes = record[part]
  if (bytes === null) return 'null'
  if (!isUtf8(bytes)) throw undecoded(record, part, new SyntaxError('it is not valid UTF-8'))
  const text = bytes.toString('utf8')
  return later(problemIn(text, turns), problem => {
    if (problem !== null) throw undecoded(record, part, problem)
    return text
  })
}

/** Confluent's words, and the reason. */
function undecoded({ topic, partition, offset }: ReceivedRecord, part: Part, { message }: Error): HttpError {
  const where = `Error deserializing ${part.toUpperCase()} for partition ${topic}-${partition} at offset ${offset}.`
  return new HttpError(408, 40_801, `${where} If needed, please seek past the record to continue consumption. ${message}`)
}

function recordText({ topic, partition, offset }: ReceivedRecord, key: string, value: string): string {
  return `{"topic":${JSON.stringify(topic)},"key":${key},"value":${value},"partition":${partition},"offset":${offset}}`
}
