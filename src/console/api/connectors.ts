/** Connectors, as a worker of Kafka Connect has them: the list, one with its tasks and why they have failed, and what makes them pause, stop and start again. */
import { type Static, Type } from 'typebox'
import { parseLossless, stringifyLossless } from '../../base.ts'
import type { Client } from '../../client.ts'
import { HttpError } from '../../http.ts'
import { Confirmed, requireConfirmed } from '../confirmed.ts'
import { type Connector, listOf, oneConnector, type Part, pathOf, recordOf, required } from '../connectors/worker.ts'
import type { Peer } from '../peers.ts'
import { listQuery, MaybeDigits, MaybeNumber, MaybeText, route } from '../route.ts'
import { recordsOf } from './topics.ts'

const Done = Type.Object({})
const ConnectorName = Type.String({ minLength: 1, maxLength: 1_000 })
export const OfConnector = Type.Object({ connector: ConnectorName })
const mostRows = 200

const Kind = Type.Union([Type.Literal('sink'), Type.Literal('source'), Type.Literal('unknown')])

const list = route({
  method: 'GET',
  path: '/connectors',
  query: Type.Object(listQuery(mostRows)),
  response: Type.Object({
    total: Type.Integer(),
    rows: Type.Array(
      Type.Object({
        name: Type.String(),
        kind: Kind,
        /** As its configuration names it. */
        class: Type.String(),
        state: Type.String(),
        tasks: Type.Integer(),
        running: Type.Integer(),
        failed: Type.Integer(),
        /** Of its configuration, or a pattern of them; empty: it does not name them so. */
        topics: Type.String(),
        /** That are known. */
        failures: Type.Integer(),
        /** Of the newest failure. */
        reason: MaybeText,
        /** When what has failed is started again, at the earliest; null: not by itself, or nothing has failed. */
        nextTryMs: MaybeNumber,
      }),
    ),
  }),
  async handle({ query: { search = '', from = 0, limit = 100 }, worker, catalogue }) {
    const wanted = search.toLowerCase()
    const all = (await catalogue.connectors.get(required(worker))).filter(each => each.name.toLowerCase().includes(wanted))
    return { total: all.length, rows: all.slice(from, from + limit).map(rowOf) }
  },
})

function rowOf({ name, kind, config, connector, tasks }: Connector) {
  const parts = [connector, ...tasks]
  const newest = parts.flatMap(each => each.failures).sort((a, b) => b.atMs - a.atMs)[0]
  const tries = parts.map(nextTryOf).filter(each => each !== null)
  return {
    ...{ name, kind, class: config['connector.class'] ?? '', state: connector.state },
    tasks: tasks.length,
    running: tasks.filter(each => each.state === 'RUNNING').length,
    failed: parts.filter(each => each.state === 'FAILED').length,
    topics: config['topics'] ?? config['topics.regex'] ?? config['topic'] ?? config['kafka.topic'] ?? '',
    failures: parts.reduce((sum, each) => sum + each.failures.length, 0),
    reason: newest?.reason ?? null,
    nextTryMs: tries.length === 0 ? null : Math.min(...tries),
  }
}

function nextTryOf({ state, failures }: Part): number | null {
  const last = failures.at(-1)
  return state !== 'FAILED' || last === undefined || last.retryMs === null ? null : last.atMs + last.retryMs
}

const ShownPart = {
  state: Type.String(),
  /** That runs it. */
  worker: Type.String(),
  trace: MaybeText,
  /** The newest first. */
  failures: Type.Array(Type.Object({ at: Type.String(), reason: Type.String(), retryMs: MaybeNumber })),
  nextTryMs: MaybeNumber,
}

const one = route({
  method: 'GET',
  path: '/connectors/:connector',
  params: OfConnector,
  response: Type.Object({
    name: Type.String(),
    kind: Kind,
    class: Type.String(),
    ...ShownPart,
    tasks: Type.Array(Type.Object({ task: Type.Integer(), ...ShownPart })),
    /** Without secrets. */
    config: Type.Record(Type.String(), Type.String()),
    /** Of a sink: the group in which it reads. */
    group: MaybeText,
    /** That it has used. */
    topics: Type.Array(Type.String()),
    deadLetters: Type.Union([Type.Object({ topic: Type.String(), records: MaybeDigits, headers: Type.Boolean() }), Type.Null()]),
  }),
  async handle({ params: { connector: name }, worker, client }) {
    const peer = required(worker)
    const found = await oneConnector(peer, name)
    const { config, kind, tasks } = found
    const [topics, deadLetters] = await Promise.all([topicsOf(peer, name), deadLettersOf(config, client)])
    return {
      ...{ name, kind, class: config['connector.class'] ?? '', config, topics, deadLetters },
      ...shownPart(found.connector),
      tasks: tasks.map(each => ({ task: each.task, ...shownPart(each) })),
      group: kind === 'sink' ? (config['consumer.override.group.id'] ?? `connect-${name}`) : null,
    }
  },
})

function shownPart(part: Part) {
  const { state, worker, trace, failures } = part
  const shown = failures.map(({ atMs, reason, retryMs }) => ({ at: String(atMs), reason, retryMs })).reverse()
  return { state, worker, trace, failures: shown, nextTryMs: nextTryOf(part) }
}

/** A worker need not track them. */
async function topicsOf(worker: Peer, name: string): Promise<string[]> {
  const answer = await worker.ask('GET', pathOf(name, '/topics')).catch(() => null)
  return listOf(recordOf(recordOf(answer)[name])['topics'])
    .map(String)
    .sort()
}

async function deadLettersOf(config: Connector['config'], client: Client) {
  const topic = (config['errors.deadletterqueue.topic.name'] ?? '').trim()
  if (topic === '') return null
  const headers = (config['errors.deadletterqueue.context.headers.enable'] ?? 'false').toLowerCase() === 'true'
  return { topic, records: await recordsOf(client, topic), headers }
}

const actions = Type.Union([Type.Literal('pause'), Type.Literal('resume'), Type.Literal('stop')])

const act = route({
  method: 'POST',
  path: '/connectors/:connector/:action',
  changes: ['connectors'],
  params: Type.Object({ connector: ConnectorName, action: actions }),
  response: Done,
  async handle({ params: { connector, action }, worker }) {
    await required(worker).ask('PUT', pathOf(connector, `/${action}`))
    return {}
  },
})

const restart = route({
  method: 'POST',
  path: '/connectors/:connector/restart',
  changes: ['connectors'],
  params: OfConnector,
  body: Type.Object({ onlyFailed: Type.Optional(Type.Boolean()) }),
  response: Done,
  async handle({ params: { connector }, body: { onlyFailed = false }, worker }) {
    await required(worker).ask('POST', pathOf(connector, `/restart?includeTasks=true&onlyFailed=${onlyFailed}`))
    return {}
  },
})

const restartTask = route({
  method: 'POST',
  path: '/connectors/:connector/tasks/:task/restart',
  changes: ['connectors'],
  params: Type.Object({ connector: ConnectorName, task: Type.Integer({ minimum: 0 }) }),
  response: Done,
  async handle({ params: { connector, task }, worker }) {
    await required(worker).ask('POST', pathOf(connector, `/tasks/${task}/restart`))
    return {}
  },
})

const remove = route({
  method: 'DELETE',
  path: '/connectors/:connector',
  changes: ['connectors'],
  params: OfConnector,
  query: Confirmed,
  response: Done,
  async handle({ params: { connector }, query: { confirm }, worker }) {
    requireConfirmed(confirm, connector)
    await required(worker).ask('DELETE', pathOf(connector))
    return {}
  },
})

const Offset = Type.Object({
  /** As JSON: of a sink, topic and partition. */
  partition: Type.String(),
  /** As JSON. */
  offset: MaybeText,
})
export type Offset = Static<typeof Offset>

const offsets = route({
  method: 'GET',
  path: '/connectors/:connector/offsets',
  params: OfConnector,
  response: Type.Object({ offsets: Type.Array(Offset) }),
  async handle({ params: { connector }, worker }) {
    const answer = recordOf(await required(worker).ask('GET', pathOf(connector, '/offsets')))
    return { offsets: listOf(answer['offsets']).map(shownOffset) }
  },
})

function shownOffset(each: unknown): Offset {
  const { partition, offset } = recordOf(each)
  return { partition: stringifyLossless(partition), offset: offset === null || offset === undefined ? null : stringifyLossless(offset) }
}

const setOffset = route({
  method: 'PATCH',
  path: '/connectors/:connector/offsets',
  changes: ['groups'],
  params: OfConnector,
  /** `offset` null: it begins anew there. */
  body: Offset,
  response: Done,
  audit: ({ body: { partition, offset } }) => ({ partition, offset }),
  async handle({ params: { connector }, body, worker }) {
    const offsets = [{ partition: parsed(body.partition), offset: body.offset === null ? null : parsed(body.offset) }]
    await required(worker).ask('PATCH', pathOf(connector, '/offsets'), { offsets })
    return {}
  },
})

function parsed(text: string): unknown {
  try {
    return parseLossless(text)
  } catch (error) {
    throw new HttpError(400, 400, `This is not JSON: ${text.slice(0, 100)} (${(error as Error).message})`)
  }
}

const resetOffsets = route({
  method: 'DELETE',
  path: '/connectors/:connector/offsets',
  changes: ['groups'],
  params: OfConnector,
  query: Confirmed,
  response: Done,
  async handle({ params: { connector }, query: { confirm }, worker }) {
    requireConfirmed(confirm, connector)
    await required(worker).ask('DELETE', pathOf(connector, '/offsets'))
    return {}
  },
})

export const connectorRoutes = [list, one, act, restart, restartTask, remove, offsets, setOffset, resetOffsets] as const
