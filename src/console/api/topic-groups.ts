/** Who reads a topic: the groups that have committed offsets in it, and new ones whose members have been given partitions of it. */
import { Type } from 'typebox'
import { type Client, ClientError, type GroupListing } from '../../client.ts'
import type { Committed } from '../catalogue.ts'
import { lagOf } from '../lag.ts'
import { digitsOf, MaybeDigits, MaybeNumber, OfTopic, route } from '../route.ts'

/** Each costs a request of its own. */
const mostNew = 20

const readers = route({
  method: 'GET',
  path: '/topics/:topic/groups',
  params: OfTopic,
  response: Type.Object({
    rows: Type.Array(
      Type.Object({
        group: Type.String(),
        type: Type.String(),
        state: Type.String(),
        /** In which it has committed; of a new group, those that its members have. */
        partitions: Type.Integer(),
        /** In this topic; null: nothing is committed yet. */
        lag: MaybeDigits,
        /** Of all that the group reads; null: not known. */
        behindMs: MaybeNumber,
      }),
    ),
    /** What could not be learnt, and why. */
    missing: Type.Array(Type.String()),
  }),
  async handle({ params: { topic }, client, catalogue, shared }) {
    const [[info], all, committed] = await Promise.all([client.topics([topic]), catalogue.groups.get(), catalogue.committed.get()])
    const names = info!.partitions.map(({ partition }) => ({ topic, partition }))
    const [ends, fresh] = await Promise.all([client.manyOffsets(names, 'latest'), newReaders(topic, committed, client)])
    const rows = committed.listed.flatMap(listing => {
      const { group, type, state } = listing
      const read = offsetsOf(listing, committed).filter(each => each.topic === topic)
      const partitions = read.length > 0 ? read.length : (fresh.get(group) ?? 0)
      if (partitions === 0) return []
      const lag = read.length === 0 ? null : read.reduce((sum, each) => sum + (lagOf(each, ends) ?? 0n), 0n)
      return [{ group, type, state, partitions, lag: digitsOf(lag), behindMs: shared.history.groups.behindMs(group) }]
    })
    rows.sort((a, b) => (a.group < b.group ? -1 : 1))
    return { rows, missing: missingOf(all.length, committed) }
  },
})

function offsetsOf({ group }: GroupListing, { offsets }: Committed) {
  const found = offsets.get(group)
  return found === undefined || found instanceof ClientError ? [] : found
}

/** How many partitions the members of a group have that has committed nothing at all. */
async function newReaders(topic: string, committed: Committed, client: Client): Promise<Map<string, number>> {
  const fresh = committed.listed.filter(each => each.state !== 'Empty' && offsetsOf(each, committed).length === 0).slice(0, mostNew)
  const counted = fresh.map(async ({ group, type }) => {
    // It may have gone meanwhile.
    const info = await client.group(group, type).catch(() => null)
    const owned = info?.members.flatMap(each => each.partitions.filter(of => of.topic === topic)) ?? []
    return [group, new Set(owned.map(each => each.partition)).size] as const
  })
  return new Map(await Promise.all(counted))
}

function missingOf(all: number, { listed, offsets }: Committed): string[] {
  const silent = listed.filter(({ group }) => offsets.get(group) instanceof ClientError)
  const [first] = silent
  return [
    ...(all > listed.length ? [`Of ${all} groups, ${listed.length} were asked`] : []),
    ...(first === undefined
      ? []
      : [`${silent.length} of the groups do not tell; the first, ${first.group}: ${(offsets.get(first.group) as ClientError).message}`]),
  ]
}

export const topicGroupRoutes = [readers] as const
