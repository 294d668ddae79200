/** The cluster as a whole: who is logged in, what is wrong now, and the palette's search by name. */
import { type Static, Type } from 'typebox'
import type { GroupListing, TopicState } from '../../client.ts'
import { HttpError } from '../../http.ts'
import type { Connector } from '../connectors/worker.ts'
import type { History } from '../history/history.ts'
import { MaybeText, route, TopicSearch } from '../route.ts'
import type { TriggerRow } from '../triggers/service.ts'
import { isInternal } from './topics.ts'

const Broker = Type.Object({
  id: Type.Integer(),
  host: Type.String(),
  port: Type.Integer(),
  rack: MaybeText,
  controller: Type.Boolean(),
})

const session = route({
  method: 'GET',
  path: '/session',
  response: Type.Object({
    principal: Type.String(),
    needsLogin: Type.Boolean(),
    bootstrap: Type.String(),
    cluster: Type.String(),
    brokers: Type.Array(Broker),
    /** Whether they are known. */
    registry: Type.Boolean(),
    metrics: Type.Boolean(),
  }),
  async handle({ principal, needsLogin, bootstrap, client, registry, shared }) {
    const { id, brokers, controllerId } = await client.cluster()
    return {
      principal,
      needsLogin,
      bootstrap,
      cluster: id,
      registry: registry !== null,
      metrics: shared.context.settings.metricsUrl !== null,
      brokers: brokers.map(each => ({ ...each, controller: each.id === controllerId })),
    }
  },
})

/** `name`: of the topic, group, connector or trigger, or of the view of a service. */
const Trouble = Type.Object({
  kind: Type.Union([
    Type.Literal('topic'),
    Type.Literal('group'),
    Type.Literal('connector'),
    Type.Literal('trigger'),
    Type.Literal('service'),
    Type.Literal('cluster'),
  ]),
  name: Type.String(),
  text: Type.String(),
  /** Otherwise a warning. */
  bad: Type.Boolean(),
})
type Trouble = Static<typeof Trouble>
const mostTroubles = 20

const overview = route({
  method: 'GET',
  path: '/overview',
  response: Type.Object({
    topics: Type.Integer(),
    /** That somebody has made, and not Kafka, a registry or the console. */
    ownTopics: Type.Integer(),
    partitions: Type.Integer(),
    underReplicated: Type.Integer(),
    offline: Type.Integer(),
    groups: Type.Integer(),
    /** By Kafka's name of the state. */
    groupStates: Type.Record(Type.String(), Type.Integer()),
    /** null: the principal may not see it. */
    bytes: MaybeText,
    troubles: Type.Array(Trouble),
    moreTroubles: Type.Integer(),
  }),
  async handle({ catalogue, worker, triggers, shared: { history } }) {
    const [topics, groups, sizes, connectors, functions] = await Promise.all([
      catalogue.topics.get(),
      catalogue.groups.get(),
      catalogue.sizes.get().catch(() => null),
      worker === null ? [] : catalogue.connectors.get(worker).catch(silenceOf),
      triggers === null ? [] : catalogue.triggers.get(triggers).catch(silenceOf),
    ])
    const groupStates: Record<string, number> = {}
    for (const { state } of groups) groupStates[state] = (groupStates[state] ?? 0) + 1
    const troubles = [
      ...diskTroubles(history),
      ...topics.flatMap(troublesOf),
      ...groups.flatMap(each => groupTroubles(each, history)),
      ...(typeof connectors === 'string' ? serviceTroubles('Connectors', connectors) : connectors.flatMap(connectorTroubles)),
      ...(typeof functions === 'string' ? serviceTroubles('Triggers', functions) : functions.flatMap(triggerTroubles)),
    ].sort((a, b) => Number(b.bad) - Number(a.bad))
    const sum = (part: (topic: TopicState) => number) => topics.reduce((total, each) => total + part(each), 0)
    return {
      topics: topics.length,
      ownTopics: topics.filter(each => !isInternal(each) && each.name !== '_schemas').length,
      partitions: sum(each => each.partitions),
      underReplicated: sum(each => each.underReplicated),
      offline: sum(each => each.offline),
      groups: groups.length,
      groupStates,
      bytes: sizes === null ? null : String([...sizes.values()].reduce((total, each) => total + each, 0n)),
      troubles: troubles.slice(0, mostTroubles),
      moreTroubles: Math.max(troubles.length - mostTroubles, 0),
    }
  },
})

function troublesOf({ name, partitions, offline, underReplicated }: TopicState): Trouble[] {
  const trouble = (text: string, bad: boolean): Trouble[] => [{ kind: 'topic', name, text, bad }]
  if (offline > 0) return trouble(`${offline} of ${partitions} partitions have no leader`, true)
  if (underReplicated > 0) return trouble(`${underReplicated} of ${partitions} partitions have too few in-sync replicas`, false)
  return []
}

const growingForMs = 300_000

/** What the last minutes say; a group that nobody reads with is no trouble as long as nothing waits for it. */
function groupTroubles({ group, state }: GroupListing, { groups }: History): Trouble[] {
  const lag = groups.of(group)?.lag
  const last = lag?.last ?? null
  if (lag === undefined || last === null || last === 0) return []
  const trouble = (text: string): Trouble[] => [{ kind: 'group', name: group, text, bad: false }]
  const since = lag.times.findIndex(each => each >= lag.times.at(-1)! - growingForMs)
  const values = lag.values.slice(since).filter(each => each !== null)
  const isLong = lag.times.at(-1)! - lag.times[since]! > growingForMs * 0.9
  const grows = isLong && values.every((each, at) => at === 0 || each >= values[at - 1]!) && last > values[0]!
  if (!grows) return []
  const text = `its lag has grown for 5 minutes, to ${last} records`
  return trouble(state === 'Empty' ? `${text}, and it has no members` : text)
}

function diskTroubles({ latest: { diskFree, diskFloor } }: History): Trouble[] {
  if (diskFree === undefined || diskFloor === undefined || diskFree > 2 * diskFloor) return []
  const text = `${Math.round(diskFree / 1e6)} MB are free on the disk; below ${Math.round(diskFloor / 1e6)} MB (log.free.bytes.floor) nothing is written any more`
  return [{ kind: 'cluster', name: 'Disk', text, bad: diskFree < diskFloor * 1.2 }]
}

/** Why a service says nothing; what somebody may not see has no troubles here. */
function silenceOf(error: unknown): string | [] {
  const isForbidden = error instanceof HttpError && (error.status === 403 || error.status === 404)
  return isForbidden ? [] : (error as Error).message
}

function serviceTroubles(name: 'Connectors' | 'Triggers', text: string): Trouble[] {
  return [{ kind: 'service', name, text, bad: true }]
}

function connectorTroubles({ name, connector, tasks }: Connector): Trouble[] {
  const failed = [connector, ...tasks].filter(each => each.state === 'FAILED')
  if (failed.length === 0) return []
  const why = failed[0]!.failures.at(-1)?.reason ?? failed[0]!.trace?.split('\n', 1)[0]
  const what = connector.state === 'FAILED' ? 'it has failed' : `${failed.length} of ${tasks.length} tasks have failed`
  return [{ kind: 'connector', name, text: why === undefined ? what : `${what}: ${why}`, bad: true }]
}

function triggerTroubles({ name, state, reason }: TriggerRow): Trouble[] {
  if (state === 'RETRYING')
    return [{ kind: 'trigger', name, text: `it does not get ahead${reason === null ? '' : `: ${reason}`}`, bad: false }]
  if (state !== 'FAILED') return []
  return [{ kind: 'trigger', name, text: reason === null ? 'it has failed' : `it does not read: ${reason}`, bad: true }]
}

const mostNames = 12

const Names = Type.Array(Type.String())

const names = route({
  method: 'GET',
  path: '/names',
  query: Type.Object({ search: TopicSearch }),
  response: Type.Object({ topics: Names, groups: Names, subjects: Names, connectors: Names, triggers: Names }),
  async handle({ query, catalogue, registry, worker, triggers }) {
    const search = (query.search ?? '').toLowerCase()
    // One pass: this is asked with each key that is pressed.
    const best = (all: readonly string[]) => {
      const [first, then]: [string[], string[]] = [[], []]
      for (const name of all) {
        const at = name.toLowerCase().indexOf(search)
        if (at === 0) first.push(name)
        else if (at > 0 && then.length < mostNames) then.push(name)
        if (first.length === mostNames) break
      }
      return [...first, ...then].slice(0, mostNames)
    }
    // What cannot be asked is not found.
    const [topics, groups, subjects, connectors, functions] = await Promise.all([
      catalogue.topics.get(),
      catalogue.groups.get().catch(() => []),
      registry === null ? [] : catalogue.subjects.get(registry).catch(() => []),
      worker === null ? [] : catalogue.connectors.get(worker).catch(() => []),
      triggers === null ? [] : catalogue.triggers.get(triggers).catch(() => []),
    ])
    return {
      subjects: best(subjects),
      topics: best(topics.map(each => each.name)),
      groups: best(groups.map(each => each.group)),
      connectors: best(connectors.map(each => each.name)),
      triggers: best(functions.map(each => each.name)),
    }
  },
})

export const overviewRoutes = [session, overview, names] as const
