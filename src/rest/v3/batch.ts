/** `POST …/records:batch`: some records with ids of the sender; 207 tells which of them were stored. */
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { type HttpApp, HttpError } from '../../http.ts'
import { badRequestOf } from '../errors.ts'
import { documentIn } from '../json.ts'
import { recordOverhead } from '../records/budget.ts'
import { type Reading, type ReadRecord, rawAt, readOne } from '../records/record.ts'
import { failureOf, isFailure, placeOf, successOf } from '../records/report.ts'
import { type Outcome, sendAll } from '../records/send.ts'
import type { Rest } from '../rest.ts'
import { ErrorBody, errors, InTopic, NewRecord, RecordReport } from './schemas.ts'

const mostEntries = 1000
const mostIdLength = 80
const id = Type.Object({ id: Type.String({ minLength: 1, maxLength: mostIdLength }) })
const Batch = Type.Object({ entries: Type.Array(Type.Intersect([id, NewRecord])) })
const Result = Type.Object({
  successes: Type.Array(Type.Intersect([id, Type.Omit(RecordReport, ['error_code'])])),
  failures: Type.Array(Type.Intersect([id, ErrorBody])),
})
const idField = new Set(['id'])

export async function batchRoutes(rest: Rest): Promise<void> {
  await rest.app.register(async (instance: FastifyInstance) => {
    const scope = instance as unknown as HttpApp
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body))
    scope.post(
      '/v3/clusters/:cluster_id/topics/:topic_name/records::batch',
      {
        validatorCompiler: () => () => true,
        schema: { params: InTopic, body: Batch, response: { 207: Result, ...errors } },
      },
      async (request, reply) => {
        const text = request.body as unknown as string | undefined
        const { cluster_id, topic_name } = request.params
        const { turns, system } = rest
        const reading = { topic: topic_name, nowMs: system.clock.now(), schemas: rest.schemas(request), turns, more: idField }
        const entries = await entriesIn(text ?? '', reading)
        const release = rest.budget.take(rest.identity(request).principal, (text ?? '').length + entries.length * recordOverhead)
        try {
          const outcomes = await sendAll(
            rest.client(request),
            topic_name,
            entries.map(each => each.read),
          )
          const body = resultOf(entries, outcomes, placeOf(cluster_id, topic_name))
          return reply
            .code(207)
            .serializer(String)
            .header('content-type', 'application/json')
            .send(body as never)
        } finally {
          release()
        }
      },
    )
  })
}

interface Entry {
  readonly id: string
  readonly read: ReadRecord | HttpError
}

async function entriesIn(text: string, reading: Reading): Promise<Entry[]> {
  if (text.trim() === '') throw refusal('Request body is empty. Data is required.')
  // The places of `data`: in the key of an entry of the array of the whole.
  const whole = await documentIn(text, reading.turns, 4)
  const documents = (whole.value as { entries?: unknown } | null)?.entries
  if (!Array.isArray(documents)) throw badRequestOf('entries must be an array')
  const ids = new Set<unknown>()
  for (const each of documents) {
    const given = (each as { id?: unknown } | null)?.id
    if (typeof given !== 'string' || given === '' || given.length > mostIdLength)
      throw refusal('Batch entry identifier is not a valid string.')
    ids.add(given)
  }
  if (ids.size !== documents.length) throw refusal('Batch entry IDs are not distinct.')
  if (documents.length === 0) throw refusal('Empty batch.')
  if (documents.length > mostEntries) throw refusal('Too many entries in batch.')
  const entries: Entry[] = []
  for (const document of documents) {
    if (reading.turns.over) await reading.turns.next()
    const read = readOne(document, rawAt(text, document, whole), reading)
    // One after the other: an entry may use the schema of the one before it.
    entries.push({ id: document.id, read: read instanceof Promise ? await read : read })
  }
  return entries
}

function refusal(message: string): HttpError {
  return new HttpError(422, 42_208, message)
}

function resultOf(entries: readonly Entry[], outcomes: readonly Outcome[], place: string): string {
  const successes: string[] = []
  const failures: string[] = []
  for (const [index, { id: name, read }] of entries.entries()) {
    const outcome = outcomes[index]!
    if (isFailure(outcome)) failures.push(`{"id":${JSON.stringify(name)},${failureOf(outcome)}}`)
    else successes.push(`{"id":${JSON.stringify(name)},${successOf(place, read as ReadRecord, outcome)}}`)
  }
  return `{"successes":[${successes.join(',')}],"failures":[${failures.join(',')}]}`
}
