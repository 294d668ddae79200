/** Groups: the list, by page; one with members and lag; reset offsets, after a preview; delete. */
import { Type } from 'typebox'
import { Confirmed, requireConfirmed } from '../confirmed.ts'
import { lagOf, progressOf } from '../lag.ts'
import { Digits, digitsOf, listQuery, MaybeDigits, MaybeNumber, MaybeText, OfGroup, route } from '../route.ts'

const Name = OfGroup.properties.group
const mostRows = 500

const list = route({
  method: 'GET',
  path: '/groups',
  query: Type.Object({
    ...listQuery(mostRows),
    state: Type.Optional(Type.String({ maxLength: 40 })),
  }),
  response: Type.Object({
    total: Type.Integer(),
    rows: Type.Array(
      Type.Object({
        group: Type.String(),
        state: Type.String(),
        type: Type.String(),
        protocolType: Type.String(),
        topics: Type.Integer(),
        /** null: not known. */
        lag: MaybeDigits,
        behindMs: MaybeNumber,
      }),
    ),
  }),
  async handle({ query: { search = '', state, from = 0, limit = 50 }, catalogue, client, shared }) {
    const wanted = search.toLowerCase()
    const all = await catalogue.groups.get()
    const matching = all.filter(each => each.group.toLowerCase().includes(wanted) && (state === undefined || each.state === state))
    const page = matching.slice(from, from + limit)
    const progress = await progressOf(page, client)
    const rows = page.map((each, at) => {
      const { offsets, lag } = progress[at]!
      const behindMs = shared.history.groups.behindMs(each.group)
      return { ...each, topics: new Set(offsets?.map(offset => offset.topic)).size, lag: digitsOf(lag), behindMs }
    })
    return { total: matching.length, rows }
  },
})

const Owned = Type.Object({ topic: Type.String(), partition: Type.Integer() })

const one = route({
  method: 'GET',
  path: '/groups/:group',
  params: OfGroup,
  response: Type.Object({
    group: Type.String(),
    type: Type.String(),
    state: Type.String(),
    protocolType: Type.String(),
    /** The assignor. */
    protocol: Type.String(),
    epoch: Type.Union([Type.Integer(), Type.Null()]),
    members: Type.Array(
      Type.Object({
        id: Type.String(),
        instanceId: MaybeText,
        clientId: Type.String(),
        host: Type.String(),
        partitions: Type.Array(Owned),
      }),
    ),
    partitions: Type.Array(
      Type.Object({
        topic: Type.String(),
        partition: Type.Integer(),
        /** null: nothing is committed. */
        offset: MaybeDigits,
        start: MaybeDigits,
        end: MaybeDigits,
        lag: MaybeDigits,
        /** Of the member that has it. */
        member: MaybeText,
        /** What the committer added. */
        metadata: Type.String(),
      }),
    ),
    lag: Digits(),
    behindMs: MaybeNumber,
  }),
  async handle({ params: { group }, client, shared }) {
    const info = await client.group(group)
    const offsets = await client.groupOffsets(group, info.type)
    const owners = new Map<string, { topic: string; partition: number; member: string }>()
    for (const { id, partitions } of info.members)
      for (const each of partitions) owners.set(`${each.topic}-${each.partition}`, { ...each, member: id })
    const known = new Map(offsets.map(each => [`${each.topic}-${each.partition}`, each]))
    const names = [...new Set([...known.keys(), ...owners.keys()])]
    const place = (name: string) => known.get(name) ?? owners.get(name)!
    const places = names.map(place)
    const [starts, ends] = await Promise.all([client.manyOffsets(places, 'earliest'), client.manyOffsets(places, 'latest')])
    const partitions = names.map(name => {
      const { topic, partition } = place(name)
      const offset = known.get(name)
      return {
        topic,
        partition,
        offset: digitsOf(offset?.offset),
        start: digitsOf(starts.get(topic)?.get(partition)),
        end: digitsOf(ends.get(topic)?.get(partition)),
        lag: offset === undefined ? null : digitsOf(lagOf(offset, ends)),
        member: owners.get(name)?.member ?? null,
        metadata: offset?.metadata ?? '',
      }
    })
    partitions.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
    const members = info.members.map(({ id, instanceId, clientId, host, partitions: owned }) => ({
      id,
      instanceId,
      clientId,
      host,
      partitions: owned,
    }))
    const lag = partitions.reduce((sum, each) => sum + BigInt(each.lag ?? 0), 0n)
    const { type, state, protocolType, protocol, epoch } = info
    const behindMs = shared.history.groups.behindMs(group)
    return { group, type, state, protocolType, protocol, epoch, members, partitions, lag: String(lag), behindMs }
  },
})

const reset = route({
  method: 'POST',
  path: '/groups/:group/offsets',
  changes: ['groups'],
  params: OfGroup,
  body: Type.Object({
    topic: Name,
    /** Otherwise all of the topic. */
    partitions: Type.Optional(Type.Array(Type.Integer({ minimum: 0 }))),
    to: Type.Union([
      Type.Object({ kind: Type.Literal('earliest') }),
      Type.Object({ kind: Type.Literal('latest') }),
      Type.Object({ kind: Type.Literal('time'), timestamp: Digits() }),
      Type.Object({ kind: Type.Literal('offset'), offset: Digits() }),
      Type.Object({ kind: Type.Literal('group'), group: Name }),
    ]),
    dryRun: Type.Boolean(),
  }),
  response: Type.Object({
    changes: Type.Array(Type.Object({ partition: Type.Integer(), before: MaybeDigits, after: Digits(), end: Digits() })),
  }),
  audit: ({ body: { topic, dryRun } }) => (dryRun ? null : { topic }),
  async handle({ params: { group }, body: { topic, partitions: chosen, to, dryRun }, client }) {
    const [[info], described] = await Promise.all([client.topics([topic]), client.group(group)])
    const partitions = chosen ?? info!.partitions.map(each => each.partition)
    const [starts, ends, before] = await Promise.all([
      client.offsets(topic, partitions, 'earliest'),
      client.offsets(topic, partitions, 'latest'),
      client.groupOffsets(group, described.type),
    ])
    const target = await targetOf()
    const within = (partition: number, offset: bigint) => {
      const [low, high] = [starts.get(partition)!, ends.get(partition)!]
      return offset < low ? low : offset > high ? high : offset
    }
    const committed = new Map(before.filter(each => each.topic === topic).map(each => [each.partition, each.offset]))
    const changes = partitions.flatMap(partition => {
      const wanted = target.get(partition)
      if (wanted === undefined) return []
      return [
        {
          partition,
          before: digitsOf(committed.get(partition)),
          after: String(within(partition, wanted)),
          end: String(ends.get(partition)!),
        },
      ]
    })
    if (!dryRun) {
      const offsets = changes.map(({ partition, after }) => ({ topic, partition, offset: BigInt(after) }))
      await (described.type === 'share' ? client.setShareGroupOffsets(group, offsets) : client.setGroupOffsets(group, offsets))
    }
    return { changes }

    async function targetOf(): Promise<ReadonlyMap<number, bigint>> {
      switch (to.kind) {
        case 'earliest':
          return starts
        case 'latest':
          return ends
        case 'time':
          return client.offsets(topic, partitions, { timestampMs: BigInt(to.timestamp) })
        case 'offset':
          return new Map(partitions.map(partition => [partition, BigInt(to.offset)]))
        case 'group': {
          const { type } = await client.group(to.group)
          const theirs = await client.groupOffsets(to.group, type)
          return new Map(theirs.filter(each => each.topic === topic).map(each => [each.partition, each.offset]))
        }
      }
    }
  },
})

const remove = route({
  method: 'DELETE',
  path: '/groups/:group',
  changes: ['groups'],
  params: OfGroup,
  query: Confirmed,
  response: Type.Object({}),
  async handle({ params: { group }, query: { confirm }, client }) {
    requireConfirmed(confirm, group)
    await client.deleteGroup(group)
    return {}
  },
})

export const groupRoutes = [list, one, reset, remove] as const
