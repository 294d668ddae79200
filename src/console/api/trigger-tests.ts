/** What a function does with an event, and what a filter says of records, before anything is deployed. */
import { Type } from 'typebox'
import { parseLossless, stringifyLossless } from '../../base.ts'
import { HttpError } from '../../http.ts'
import { toSample } from '../../samples.ts'
import { newestOf } from '../newest.ts'
import { MaybeText, route, TopicName } from '../route.ts'
import { pathOf, required } from '../triggers/service.ts'
import { Definition, OfTrigger } from './triggers.ts'

const mostEvent = 6_291_456
/** Of a function there; then it is ended. */
const longestMs = 905_000

const test = route({
  method: 'POST',
  path: '/triggers/:trigger/test',
  changes: [],
  params: OfTrigger,
  body: Type.Object({
    /** What is being written; it need not be a trigger yet. */
    definition: Definition,
    /** JSON. */
    event: Type.Optional(Type.String({ maxLength: mostEvent })),
    /** Without an event: one with the newest record of this topic; without both, one is made up. */
    topic: Type.Optional(TopicName),
  }),
  response: Type.Object({
    /** JSON. */
    event: Type.String(),
    /** JSON; null: it has failed. */
    result: MaybeText,
    error: Type.Union([Type.Object({ kind: Type.String(), type: Type.String(), message: Type.String(), stack: MaybeText }), Type.Null()]),
    durationMs: Type.Number(),
    isCold: Type.Boolean(),
    /** What the function has written. */
    output: Type.String(),
  }),
  // Nothing is changed, but code runs.
  audit: ({ body: { topic } }) => ({ topic: topic ?? null }),
  async handle({ params, body: { definition, event, topic }, triggers, client, shared }) {
    const given = event === undefined ? {} : { event: parsed(event) }
    const found = event !== undefined || topic === undefined ? [] : await newestOf(client, topic, 1, shared.context.system)
    const records = found.length === 0 ? {} : { records: found.map(toSample) }
    const body = { definition, ...given, ...records }
    const answer = (await required(triggers).ask('POST', pathOf(params.trigger, '/test'), body, longestMs)) as {
      event: unknown
      result: unknown
      error: { kind: string; type: string; message: string; stack: string | null } | null
      durationMs: number
      isCold: boolean
      output: string
    }
    const { error } = answer
    return {
      ...answer,
      event: stringifyLossless(answer.event, 2),
      result: error === null ? stringifyLossless(answer.result ?? null, 2) : null,
    }
  },
})

function parsed(event: string): unknown {
  try {
    return parseLossless(event)
  } catch (error) {
    throw new HttpError(400, 400, `The event is not JSON: ${(error as Error).message}`)
  }
}

const mostSampled = 20
const mostShown = 200

const filter = route({
  method: 'POST',
  path: '/trigger-filter',
  changes: [],
  body: Type.Object({
    /** As a definition has it. */
    filter: Type.Union([Type.Null(), Type.Record(Type.String(), Type.Unknown())]),
    topic: TopicName,
    records: Type.Integer({ minimum: 1, maximum: mostSampled }),
  }),
  response: Type.Object({
    records: Type.Array(
      Type.Object({
        partition: Type.Integer(),
        offset: Type.String(),
        /** The beginning of it; null: there is none, or it is no text. */
        value: MaybeText,
        matches: Type.Boolean(),
        /** Why it cannot be said. */
        problem: MaybeText,
      }),
    ),
  }),
  // Nothing is changed.
  audit: () => null,
  async handle({ body: { filter: wanted, topic, records: most }, triggers, client, shared }) {
    const service = required(triggers)
    const found = await newestOf(client, topic, most, shared.context.system)
    if (found.length === 0) return { records: [] }
    const body = { filter: wanted, records: found.map(toSample) }
    const answer = (await service.ask('POST', '/filter/records', body)) as { records: ({ matches: boolean } | { error: string })[] }
    return {
      records: found.map(({ partition, offset, value }, at) => {
        const verdict = answer.records[at]!
        const said = 'error' in verdict ? { matches: false, problem: verdict.error } : { matches: verdict.matches, problem: null }
        return { partition, offset: String(offset), value: value?.toString('utf8', 0, mostShown) ?? null, ...said }
      }),
    }
  },
})

export const triggerTestRoutes = [test, filter] as const
