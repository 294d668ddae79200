/** Triggers: the list, one with its function, what it has done in the last hour, its versions, its log, and what changes it. */
import { Type } from 'typebox'
import { pause } from '../../base.ts'
import { Confirmed, requireConfirmed } from '../confirmed.ts'
import type { Peer } from '../peers.ts'
import { listQuery, MaybeText, route } from '../route.ts'
import { listTriggers, oneTrigger, pathOf, required } from '../triggers/service.ts'
import { Series, series } from './history.ts'

const Done = Type.Object({})
const TriggerName = Type.String({ minLength: 1, maxLength: 100 })
export const OfTrigger = Type.Object({ trigger: TriggerName })
/** What it may say is the triggers' own word. */
export const Definition = Type.Record(Type.String(), Type.Unknown())
const mostRows = 200

const list = route({
  method: 'GET',
  path: '/triggers',
  query: Type.Object(listQuery(mostRows)),
  response: Type.Object({
    total: Type.Integer(),
    rows: Type.Array(
      Type.Object({
        name: Type.String(),
        version: Type.Integer(),
        state: Type.String(),
        reason: MaybeText,
        /** Empty for whoever may not read all of them. */
        topics: Type.Array(Type.String()),
        envelope: Type.String(),
        /** The language, or a URL without its query. */
        function: Type.String(),
        /** Since this process began. */
        calls: Type.Number(),
        errors: Type.Number(),
        givenUp: Type.Number(),
      }),
    ),
  }),
  async handle({ query: { search = '', from = 0, limit = 100 }, triggers }) {
    const { total, triggers: rows } = await listTriggers(required(triggers), { search: search.slice(0, 100), from, limit })
    return { total, rows: [...rows] as never }
  },
})

const one = route({
  method: 'GET',
  path: '/triggers/:trigger',
  params: OfTrigger,
  response: Type.Object({
    name: Type.String(),
    version: Type.Integer(),
    by: Type.String(),
    at: Type.String(),
    /** The version that it brings back; null: none. */
    restores: Type.Union([Type.Integer(), Type.Null()]),
    definition: Definition,
    state: Type.String(),
    reason: MaybeText,
    /** That this process reads. */
    partitions: Type.Integer(),
    lastError: Type.Union([Type.Object({ at: Type.String(), kind: Type.String(), message: Type.String() }), Type.Null()]),
    /** By kind, since this process began. */
    errors: Type.Record(Type.String(), Type.Number()),
  }),
  async handle({ params, triggers }) {
    const { status, ...found } = await oneTrigger(required(triggers), params.trigger)
    const { state, reason, partitions, lastError, errors } = status
    return { ...found, state, reason, partitions: partitions.length, lastError, errors }
  },
})

const history = route({
  method: 'GET',
  path: '/triggers/:trigger/history',
  params: OfTrigger,
  /** Of the last hour: calls, errors and throttles per second, the mean duration of a call and the age of records in milliseconds. */
  response: Type.Object({ calls: Series, errors: Series, throttles: Series, duration: Series, age: Series }),
  async handle({ params, triggers, shared }) {
    // Whoever may not see the trigger is refused here.
    await oneTrigger(required(triggers), params.trigger)
    const { calls, errors, throttles, duration, age } = shared.history.triggers.of(params.trigger)
    return {
      ...{ calls: series(calls), errors: series(errors), throttles: series(throttles) },
      ...{ duration: series(duration), age: series(age) },
    }
  },
})

const change = route({
  method: 'PUT',
  path: '/triggers/:trigger',
  changes: ['triggers'],
  params: OfTrigger,
  body: Type.Object({ definition: Definition }),
  response: Type.Object({ version: Type.Integer() }),
  audit: ({ body: { definition } }) => ({ keys: Object.keys(definition) }),
  async handle({ params, body: { definition }, triggers }) {
    const service = required(triggers)
    const { method, body } = await asChange(service, params.trigger, definition)
    const { version } = (await service.ask(method, pathOf(params.trigger), body)) as { version: number }
    return { version }
  },
})

/**
 * All of the definition is replaced, but not an output to a connector: its passwords were not shown, so that what comes back has none. Then everything else
 * is a change: null takes the default.
 */
async function asChange(service: Peer, trigger: string, definition: Record<string, unknown>) {
  const { output, ...rest } = definition
  if (typeof output !== 'object' || output === null || !('connector' in output)) return { method: 'PUT', body: definition }
  const stored = Object.keys((await oneTrigger(service, trigger)).definition).filter(each => each !== 'output')
  return { method: 'PATCH', body: { ...Object.fromEntries(stored.map(each => [each, null])), ...rest } }
}

const create = route({
  method: 'POST',
  path: '/triggers',
  changes: ['triggers'],
  body: Type.Object({ name: TriggerName, definition: Definition }),
  response: Done,
  audit: ({ body: { name } }) => ({ trigger: name }),
  async handle({ body: { name, definition }, triggers }) {
    await required(triggers).ask('POST', '/triggers', { ...definition, name })
    return {}
  },
})

const enable = route({
  method: 'PATCH',
  path: '/triggers/:trigger',
  changes: ['triggers'],
  params: OfTrigger,
  body: Type.Object({ enabled: Type.Boolean() }),
  response: Done,
  audit: ({ body }) => body,
  async handle({ params, body: { enabled }, triggers }) {
    await required(triggers).ask('PATCH', pathOf(params.trigger), { enabled })
    return {}
  },
})

const remove = route({
  method: 'DELETE',
  path: '/triggers/:trigger',
  changes: ['triggers'],
  params: OfTrigger,
  query: Confirmed,
  response: Done,
  async handle({ params: { trigger }, query: { confirm }, triggers }) {
    requireConfirmed(confirm, trigger)
    await required(triggers).ask('DELETE', pathOf(trigger))
    return {}
  },
})

const versions = route({
  method: 'GET',
  path: '/triggers/:trigger/versions',
  params: OfTrigger,
  /** The newest first. */
  response: Type.Object({
    versions: Type.Array(
      Type.Object({
        version: Type.Integer(),
        by: Type.String(),
        at: Type.String(),
        restores: Type.Union([Type.Integer(), Type.Null()]),
      }),
    ),
  }),
  handle: ({ params, triggers }) => required(triggers).ask('GET', pathOf(params.trigger, '/versions')) as never,
})

const OfVersion = Type.Object({ trigger: TriggerName, version: Type.Integer({ minimum: 1 }) })

const version = route({
  method: 'GET',
  path: '/triggers/:trigger/versions/:version',
  params: OfVersion,
  response: Type.Object({ definition: Definition }),
  async handle({ params, triggers }) {
    const { definition } = (await required(triggers).ask('GET', pathOf(params.trigger, `/versions/${params.version}`))) as {
      definition: Record<string, unknown>
    }
    return { definition }
  },
})

const rollBack = route({
  method: 'POST',
  path: '/triggers/:trigger/versions/:version/restore',
  changes: ['triggers'],
  params: OfVersion,
  response: Done,
  async handle({ params, triggers }) {
    await required(triggers).ask('POST', pathOf(params.trigger, '/rollback'), { version: params.version })
    return {}
  },
})

const Line = Type.Object({
  time: Type.String(),
  version: Type.Integer(),
  /** `system`: of the service itself. */
  stream: Type.String(),
  requestId: MaybeText,
  message: Type.String(),
})
const firstLines = 200
const mostLines = 1_000
const everyMs = 1_000

const logs = route({
  method: 'GET',
  path: '/triggers/:trigger/logs',
  params: OfTrigger,
  /** The newest lines, then those that come, until the reader goes. */
  response: Type.Object({ lines: Type.Array(Line) }),
  async stream({ params, triggers, shared }, send, signal) {
    const { system } = shared.context
    let after: string | null = null
    while (!signal.aborted) {
      const asked: string = after === null ? `limit=${firstLines}` : `limit=${mostLines}&after=${after}`
      const answer = (await required(triggers).ask('GET', pathOf(params.trigger, `/logs?${asked}`))) as {
        lines: { time: string; version: number; stream: string; requestId: string | null; message: string }[]
        next: string
      }
      if (after === null || answer.lines.length > 0) await send({ lines: answer.lines })
      after = answer.next
      await pause(system, everyMs, signal)
    }
  },
})

export const triggerRoutes = [list, one, history, change, create, enable, remove, versions, version, rollBack, logs] as const
