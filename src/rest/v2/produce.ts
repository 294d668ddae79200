/** v2: `POST /topics/{topic}` and `…/partitions/{partition}`. All records of a request go to Kafka together. */
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Sent } from '../../client.ts'
import { type HttpApp, HttpError } from '../../http.ts'
import { badRequestOf, codes, invalidPayload, isRetriable, ofKafka } from '../errors.ts'
import { documentIn, elementsOf, membersOf, type Span } from '../json.ts'
import { base64In } from '../records/record.ts'
import { sendAll } from '../records/send.ts'
import type { Asking, Rest } from '../rest.ts'
import { errors, Int64, idIn } from '../v3/schemas.ts'
import { formatOf, formatTypes } from './media.ts'

const Records = Type.Object({
  records: Type.Array(
    Type.Object({
      key: Type.Optional(Type.Unknown()),
      value: Type.Optional(Type.Unknown()),
      partition: Type.Optional(Type.Union([Type.Integer(), Type.Null()])),
    }),
  ),
})
const nullable = (schema: ReturnType<typeof Type.Integer> | ReturnType<typeof Type.String> | typeof Int64) =>
  Type.Union([schema, Type.Null()])
const Offsets = Type.Object({
  offsets: Type.Array(
    Type.Object({
      partition: nullable(Type.Integer()),
      offset: nullable(Int64),
      error_code: nullable(Type.Integer()),
      error: nullable(Type.String()),
    }),
  ),
  key_schema_id: nullable(Type.Integer()),
  value_schema_id: nullable(Type.Integer()),
})

export async function produceRoutes(rest: Rest): Promise<void> {
  await rest.app.register(async (instance: FastifyInstance) => {
    const scope = instance as unknown as HttpApp
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(formatTypes, { parseAs: 'string' }, (_request, body, done) => done(null, body))
    const schema = { body: Records, response: { 200: Offsets, ...errors } }
    const produce = async (request: Asking & Told, topic: string, partition: number | undefined) => {
      const text = (request.body as string | undefined) ?? ''
      const records = recordsIn(text, request.headers['content-type'], partition)
      const release = rest.budget.take(rest.identity(request).principal, text.length)
      try {
        const outcomes = await sendAll(rest.client(request), topic, records)
        return { status: statusOf(outcomes as Sent[]), body: bodyOf(outcomes as Sent[]) }
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

function recordsIn(text: string, contentType: string | undefined, partition: number | undefined): ReadRecord[] {
  const format = formatOf(contentType)
  if (format !== 'binary' && format !== 'json') throw invalidPayload('Schema Registry must be configured when using schemas.')
  if (text.trim() === '') throw new HttpError(422, 422, 'request body may not be null')
  const document = documentIn(text) as { records?: unknown } | null
  if (!Array.isArray(document?.records) || document.records.length === 0) throw new HttpError(422, 422, 'records may not be empty')
  const toBytes = format === 'binary' ? binaryIn : (_: unknown, raw: string) => Buffer.from(raw)
  const spans = elementsOf(text, membersOf(text)!.get('records')!.start)!
  return document.records.map((given, index) => {
    const members = membersOf(text, spans[index]!.start)
    if (members === null) throw new HttpError(422, 422, 'a record must be an object')
    for (const name of members.keys())
      if (name !== 'key' && name !== 'value' && name !== 'partition') throw new HttpError(422, 422, `Unrecognized field: ${name}`)
    const dataOf = (name: 'key' | 'value') => {
      const data = (given as Record<string, unknown>)[name] ?? null
      return data === null ? null : toBytes(data, textOf(text, members.get(name)!))
    }
    const own = (given as { partition?: unknown }).partition ?? partition
    if (own !== undefined && (!Number.isInteger(own) || (own as number) < 0 || (own as number) > 0x7f_ff_ff_ff))
      throw badRequestOf('partition must be an integer of at least 0')
    return { record: { key: dataOf('key'), value: dataOf('value'), ...(own === undefined ? {} : { partition: own as number }) } }
  })
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

function bodyOf(outcomes: readonly Sent[]): string {
  const offsets = outcomes.map(each =>
    each instanceof Error
      ? `{"partition":null,"offset":null,"error_code":${codeOf(each)},"error":${JSON.stringify(each.message)}}`
      : `{"partition":${each.partition},"offset":${each.offset},"error_code":null,"error":null}`,
  )
  return `{"offsets":[${offsets.join(',')}],"key_schema_id":null,"value_schema_id":null}`
}
