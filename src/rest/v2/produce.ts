/** v2: `POST /topics/{topic}` and `…/partitions/{partition}`. All records of a request go to Kafka together. */
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { type Document, inSlices, later, type MaybePromise, type Span, type Turns } from '../../base.ts'
import type { Sent } from '../../client.ts'
import { type HttpApp, HttpError } from '../../http.ts'
import { badRequestOf, codes, isRetriable, noRegistry, ofKafka, unprocessable } from '../errors.ts'
import { documentIn, losslessIn } from '../json.ts'
import { recordOverhead } from '../records/budget.ts'
import { base64In } from '../records/record.ts'
import type { SchemaFormat, Schemas } from '../records/schemas.ts'
import { sendAll } from '../records/send.ts'
import type { Asking, Rest } from '../rest.ts'
import { ErrorBody, errors, Int64, idIn, Nullable } from '../v3/schemas.ts'
import { formatOf, formatTypes } from './media.ts'

const schemaChoice = {
  key_schema: Type.Optional(Nullable(Type.String())),
  key_schema_id: Type.Optional(Nullable(Type.Integer())),
  value_schema: Type.Optional(Nullable(Type.String())),
  value_schema_id: Type.Optional(Nullable(Type.Integer())),
}
const Records = Type.Object({
  ...schemaChoice,
  records: Type.Array(
    Type.Object({
      key: Type.Optional(Type.Unknown()),
      value: Type.Optional(Type.Unknown()),
      partition: Type.Optional(Nullable(Type.Integer())),
    }),
  ),
})
const Offsets = Type.Object({
  offsets: Type.Array(
    Type.Object({
      partition: Nullable(Type.Integer()),
      offset: Nullable(Int64),
      error_code: Nullable(Type.Integer()),
      error: Nullable(Type.String()),
    }),
  ),
  key_schema_id: Nullable(Type.Integer()),
  value_schema_id: Nullable(Type.Integer()),
})

export async function produceRoutes(rest: Rest): Promise<void> {
  await rest.app.register(async (instance: FastifyInstance) => {
    const scope = instance as unknown as HttpApp
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(formatTypes, { parseAs: 'string' }, (_request, body, done) => done(null, body))
    // Of a login or of rights the status tells, too, and the records which of them it concerns.
    const refused = Type.Union([Offsets, ErrorBody])
    const schema = { body: Records, response: { 200: Offsets, ...errors, 401: refused, 403: refused } }
    const produce = async (request: Asking & Told, topic: string, partition: number | undefined) => {
      const text = (request.body as string | undefined) ?? ''
      const format = formatOf(request.headers['content-type']) ?? 'binary'
      const schemas = rest.schemas(request)
      const { turns } = rest
      const given = await givenIn(text, partition, turns)
      const data =
        format === 'binary' || format === 'json'
          ? plainData(format, text)
          : await schemaData(given.document, format.toUpperCase() as SchemaFormat, { topic, text, schemas, turns })
      const records = await recordsIn(given, data, turns)
      const release = rest.budget.take(rest.identity(request).principal, text.length + records.length * recordOverhead)
      try {
        const outcomes = (await sendAll(rest.client(request), topic, records)) as Sent[]
        return { status: statusOf(outcomes), body: await bodyOf(outcomes, data, turns) }
      } finally {
        release()
      }
    }
    const validatorCompiler = () => () => true
    scope.post(
      '/topics/:topic',
      { validatorCompiler, schema: { params: Type.Object({ topic: Type.String() }), ...schema } },
      async (request, reply) => {
        const { status, body } = await produce(request, request.params.topic, undefined)
        return reply
          .code(status as 200)
          .serializer(String)
          .send(body as never)
      },
    )
    scope.post(
      '/topics/:topic/partitions/:partition',
      { validatorCompiler, schema: { params: Type.Object({ topic: Type.String(), partition: Type.String() }), ...schema } },
      async (request, reply) => {
        const { status, body } = await produce(request, request.params.topic, idIn(request.params.partition))
        return reply
          .code(status as 200)
          .serializer(String)
          .send(body as never)
      },
    )
  })
}

interface Told {
  readonly headers: { readonly 'content-type'?: string | undefined }
  readonly body: unknown
}

interface ReadRecord {
  readonly record: { key: Buffer | null; value: Buffer | null; partition?: number }
}

interface Given {
  readonly document: Record<string, unknown>
  readonly records: readonly { readonly key: Datum; readonly value: Datum; readonly partition: number | undefined }[]
}

/** A key or value. null: there is none, or it is null. */
type Datum = { readonly value: unknown; readonly at: Span } | null

/** Each takes some memory, however short it is. */
const mostRecords = 100_000

const fields: ReadonlySet<string> = new Set(Object.keys(Records.properties))
const recordFields: ReadonlySet<string> = new Set(['key', 'value', 'partition'])

async function givenIn(text: string, partition: number | undefined, turns: Turns): Promise<Given> {
  if (text.trim() === '') throw new HttpError(422, 422, 'request body may not be null')
  // The places of keys and values: in a record of the array of the whole.
  const whole = await documentIn(text, turns, 3)
  const document = whole.value
  if (!isObject(document)) throw badRequestOf('the body must be an object')
  requireKnown(document, fields)
  const { records } = document
  if (!Array.isArray(records) || records.length === 0) throw new HttpError(422, 422, 'records may not be empty')
  if (records.length > mostRecords) throw new HttpError(413, 413, `A request may have ${mostRecords} records, not ${records.length}`)
  const given: Given['records'][number][] = []
  for (const record of records) {
    if (turns.over) await turns.next()
    given.push(givenRecord(record, partition, whole))
  }
  return { document, records: given }
}

function givenRecord(record: unknown, partition: number | undefined, { placesIn }: Document): Given['records'][number] {
  if (!isObject(record)) throw new HttpError(422, 422, 'a record must be an object')
  requireKnown(record, recordFields)
  const places = placesIn(record)
  const datum = (name: 'key' | 'value'): Datum => (record[name] == null ? null : { value: record[name], at: places.get(name)! })
  const own = record['partition'] ?? partition
  if (own !== undefined && (!Number.isInteger(own) || (own as number) < 0 || (own as number) > 0x7f_ff_ff_ff))
    throw badRequestOf('partition must be an integer of at least 0')
  return { key: datum('key'), value: datum('value'), partition: own as number | undefined }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function requireKnown(object: Record<string, unknown>, known: ReadonlySet<string>): void {
  for (const name of Object.keys(object)) if (!known.has(name)) throw new HttpError(422, 422, `Unrecognized field: ${name}`)
}

/** Waits for nothing once the schemas are known. */
async function recordsIn({ records }: Given, { toBytes }: DataOf, turns: Turns): Promise<ReadRecord[]> {
  const read: ReadRecord[] = []
  const bytesOf = (datum: Datum, part: Part) => (datum === null ? null : toBytes(datum, part))
  for (const { key, value, partition } of records) {
    if (turns.over) await turns.next()
    const keyBytes = bytesOf(key, 'key')
    const knownKey = keyBytes instanceof Promise ? await keyBytes : keyBytes
    const valueBytes = bytesOf(value, 'value')
    const record = { key: knownKey, value: valueBytes instanceof Promise ? await valueBytes : valueBytes }
    read.push({ record: partition === undefined ? record : { ...record, partition } })
  }
  return read
}

type Part = 'key' | 'value'

/** How the data of a request becomes bytes. */
interface DataOf {
  toBytes(datum: NonNullable<Datum>, part: Part): MaybePromise<Buffer>
  readonly keySchemaId: number | null
  readonly valueSchemaId: number | null
}

function plainData(format: 'binary' | 'json', text: string): DataOf {
  return {
    toBytes: ({ value, at }) => (format === 'binary' ? binaryIn(value) : Buffer.from(textOf(text, at))),
    keySchemaId: null,
    valueSchemaId: null,
  }
}

interface Sending {
  readonly topic: string
  readonly text: string
  readonly schemas: Schemas | null
  readonly turns: Turns
}

async function schemaData(
  document: Record<string, unknown>,
  format: SchemaFormat,
  { topic, text, schemas, turns }: Sending,
): Promise<DataOf> {
  if (schemas === null) throw noRegistry()
  const find = async (part: Part) => {
    const id = document[`${part}_schema_id`] ?? undefined
    const schema = document[`${part}_schema`] ?? undefined
    if (id === undefined && schema === undefined) return null
    if (id !== undefined && schema !== undefined) throw badRequestOf(`Only one of ${part}_schema_id and ${part}_schema can be used.`)
    if (id !== undefined && !Number.isInteger(id)) throw badRequestOf(`${part}_schema_id must be an integer`)
    if (schema !== undefined && typeof schema !== 'string') throw badRequestOf(`${part}_schema must be a string`)
    const wish = schema === undefined ? { id: id as number } : { text: { format, schema } }
    const found = await schemas.find(wish, topic, part)
    if (found.format !== format) throw badRequestOf(`schema ${found.id} is of type ${found.format}, not ${format}`)
    return found
  }
  const found = { key: await find('key'), value: await find('value') }
  return {
    toBytes({ at }, part) {
      const schema = found[part]
      if (schema === null) throw part === 'key' ? missing(42_201, 'keys', 'key') : missing(42_202, 'values', 'value')
      return later(losslessIn(textOf(text, at), turns), value => schemas.encode(value, schema, topic, part))
    },
    keySchemaId: found.key?.id ?? null,
    valueSchemaId: found.value?.id ?? null,
  }
}

function missing(code: number, what: string, part: Part): HttpError {
  return unprocessable(code, `Request includes ${what} but does not include ${part} schema`)
}

function textOf(text: string, { start, end }: Span): string {
  return text.slice(start, end)
}

function binaryIn(data: unknown): Buffer {
  if (typeof data !== 'string') throw badRequestOf('data is not a base64 string.')
  const bytes = base64In(data)
  if (bytes === null) throw badRequestOf('data is not a valid base64 string.')
  return bytes
}

function codeOf(error: Parameters<typeof ofKafka>[0]): number {
  const { code } = ofKafka(error)
  if (code === codes.unauthenticated || code === codes.forbidden) return code
  // Kafka's producer would look for it again, as for a leader.
  return isRetriable(error) || error.code === 'UNKNOWN_TOPIC_OR_PARTITION' ? codes.retriable : codes.kafka
}

/** Only of a login, or of rights, the status tells. */
function statusOf(outcomes: readonly Sent[]): number {
  for (const each of outcomes) {
    const code = each instanceof Error ? codeOf(each) : 200
    if (code === codes.unauthenticated) return 401
    if (code === codes.forbidden) return 403
  }
  return 200
}

async function bodyOf(outcomes: readonly Sent[], { keySchemaId, valueSchemaId }: DataOf, turns: Turns): Promise<string> {
  const offsets = await inSlices(turns, outcomes, each =>
    each instanceof Error
      ? `{"partition":null,"offset":null,"error_code":${codeOf(each)},"error":${JSON.stringify(each.message)}}`
      : `{"partition":${each.partition},"offset":${each.offset},"error_code":null,"error":null}`,
  )
  return `{"offsets":[${offsets.join(',')}],"key_schema_id":${keySchemaId},"value_schema_id":${valueSchemaId}}`
}
