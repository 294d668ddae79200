/** The cluster as a whole: who is logged in, what is wrong now, and the palette's search by name. */
import { Type } from 'typebox'
import type { TopicState } from '../../client.ts'
import { route } from '../route.ts'

const Broker = Type.Object({
  id: Type.Integer(),
  host: Type.String(),
  port: Type.Integer(),
  rack: Type.Union([Type.String(), Type.Null()]),
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
  }),
  async handle({ principal, needsLogin, bootstrap, client }) {
    const { id, brokers, controllerId } = await client.cluster()
    return {
      principal,
      needsLogin,
      bootstrap,
      cluster: id,
      brokers: brokers.map(each => ({ ...each, controller: each.id === controllerId })),
    }
  },
})

const Trouble = Type.Object({ text: Type.String(), topic: Type.String() })
const mostTroubles = 20

const overview = route({
  method: 'GET',
  path: '/overview',
  response: Type.Object({
    topics: Type.Integer(),
    partitions: Type.Integer(),
    underReplicated: Type.Integer(),
    offline: Type.Integer(),
    groups: Type.Integer(),
    /** By Kafka's name of the state. */
    groupStates: Type.Record(Type.String(), Type.Integer()),
    /** null: the principal may not see it. */
    bytes: Type.Union([Type.String(), Type.Null()]),
    troubles: Type.Array(Trouble),
    moreTroubles: Type.Integer(),
  }),
  async handle({ catalogue }) {
    const [topics, groups, sizes] = await Promise.all([
      catalogue.topics.get(),
      catalogue.groups.get(),
      catalogue.sizes.get().catch(() => null),
    ])
    const groupStates: Record<string, number> = {}
    for (const { state } of groups) groupStates[state] = (groupStates[state] ?? 0) + 1
    const troubles = topics.flatMap(troublesOf)
    const sum = (part: (topic: TopicState) => number) => topics.reduce((total, each) => total + part(each), 0)
    return {
      topics: topics.length,
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

function troublesOf({ name, partitions, offline, underReplicated }: TopicState) {
  if (offline > 0) return [{ topic: name, text: `${offline} of ${partitions} partitions have no leader` }]
  if (underReplicated > 0) return [{ topic: name, text: `${underReplicated} of ${partitions} partitions have too few in-sync replicas` }]
  return []
}

const mostNames = 12

const names = route({
  method: 'GET',
  path: '/names',
  query: Type.Object({ search: Type.Optional(Type.String({ maxLength: 249 })) }),
  response: Type.Object({ topics: Type.Array(Type.String()), groups: Type.Array(Type.String()) }),
  async handle({ query, catalogue }) {
    const search = (query.search ?? '').toLowerCase()
    const best = (all: readonly string[]) =>
      all
        .filter(name => name.toLowerCase().includes(search))
        .sort((a, b) => Number(b.toLowerCase().startsWith(search)) - Number(a.toLowerCase().startsWith(search)))
        .slice(0, mostNames)
    const [topics, groups] = await Promise.all([catalogue.topics.get(), catalogue.groups.get().catch(() => [])])
    return { topics: best(topics.map(each => each.name)), groups: best(groups.map(each => each.group)) }
  },
})

export const overviewRoutes = [session, overview, names] as const
