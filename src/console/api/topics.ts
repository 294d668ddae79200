/** Topics: the list, by page; one with its partitions; create, delete, empty, add partitions. */
import { Type } from 'typebox'
import { type Client, ClientError, everyPartition, type PartitionName, type TopicState } from '../../client.ts'
import { Confirmed, requireConfirmed } from '../confirmed.ts'
import { digitsOf, listQuery, MaybeDigits, OfTopic, route, TopicName, TopicSearch } from '../route.ts'
import { operationsOnTopic } from './rights.ts'

const Done = Type.Object({})

const mostRows = 500
const Sort = Type.Union([Type.Literal('name'), Type.Literal('partitions'), Type.Literal('replicas'), Type.Literal('bytes')])

const list = route({
  method: 'GET',
  path: '/topics',
  query: Type.Object({
    ...listQuery(mostRows),
    search: TopicSearch,
    internal: Type.Optional(Type.Boolean()),
    sort: Type.Optional(Sort),
    descending: Type.Optional(Type.Boolean()),
  }),
  response: Type.Object({
    /** Of those that match. */
    total: Type.Integer(),
    rows: Type.Array(
      Type.Object({
        name: Type.String(),
        internal: Type.Boolean(),
        partitions: Type.Integer(),
        replicas: Type.Integer(),
        underReplicated: Type.Integer(),
        offline: Type.Integer(),
        bytes: MaybeDigits,
        /** End offsets less start offsets: an upper bound, where records were compacted or are markers. */
        records: MaybeDigits,
      }),
    ),
  }),
  async handle({ query, catalogue, client }) {
    const { search = '', internal = false, sort = 'name', descending = false, from = 0, limit = 100 } = query
    const [all, sizes] = await Promise.all([catalogue.topics.get(), catalogue.sizes.get().catch(() => null)])
    const wanted = search.toLowerCase()
    const matching = all.filter(each => (internal || !isInternal(each)) && each.name.toLowerCase().includes(wanted))
    const bytesOf = ({ name }: TopicState) => sizes?.get(name) ?? 0n
    const by = {
      // They come in this order.
      name: null,
      partitions: (a: TopicState, b: TopicState) => a.partitions - b.partitions,
      replicas: (a: TopicState, b: TopicState) => a.replicas - b.replicas,
      bytes: (a: TopicState, b: TopicState) => Number(bytesOf(a) - bytesOf(b)),
    }[sort]
    if (by !== null) matching.sort(by)
    if (descending) matching.reverse()
    const page = matching.slice(from, from + limit)
    // Of a broker that is silent the counts are not known.
    const counts = await recordCounts(page, client).catch(() => new Map<string, bigint>())
    const rows = page.map(each => ({
      ...each,
      internal: isInternal(each),
      bytes: sizes === null ? null : String(bytesOf(each)),
      records: digitsOf(counts.get(each.name)),
    }))
    return { total: matching.length, rows }
  },
})

export function isInternal({ name, internal }: TopicState): boolean {
  return internal || name.startsWith('__')
}

/** A page with more has no counts. */
const mostCounted = 4_000

async function recordCounts(topics: readonly TopicState[], client: Pick<Client, 'manyOffsets'>): Promise<Map<string, bigint>> {
  const partitions = everyPartition(topics)
  return partitions.length > mostCounted ? new Map() : recordsIn(partitions, client)
}

/** End offsets less start offsets, by topic. */
async function recordsIn(partitions: readonly PartitionName[], client: Pick<Client, 'manyOffsets'>): Promise<Map<string, bigint>> {
  const [starts, ends] = await Promise.all([client.manyOffsets(partitions, 'earliest'), client.manyOffsets(partitions, 'latest')])
  const counts = new Map<string, bigint>()
  for (const [topic, byPartition] of ends) {
    let count = 0n
    for (const [partition, end] of byPartition) count += end - (starts.get(topic)?.get(partition) ?? end)
    counts.set(topic, count)
  }
  return counts
}

/** null: the topic is not there, or may not be seen. */
export async function recordsOf(client: Client, topic: string): Promise<string | null> {
  try {
    const [info] = await client.topics([topic])
    const names = info!.partitions.map(({ partition }) => ({ topic, partition }))
    return digitsOf((await recordsIn(names, client)).get(topic))
  } catch (error) {
    if (error instanceof ClientError) return null
    throw error
  }
}

const one = route({
  method: 'GET',
  path: '/topics/:topic',
  params: OfTopic,
  response: Type.Object({
    name: Type.String(),
    id: Type.String(),
    records: MaybeDigits,
    /** On the disks of all brokers. */
    bytes: MaybeDigits,
    partitions: Type.Array(
      Type.Object({
        partition: Type.Integer(),
        /** -1: none. */
        leader: Type.Integer(),
        replicas: Type.Array(Type.Integer()),
        isr: Type.Array(Type.Integer()),
        /** null: there is no leader to ask. */
        start: MaybeDigits,
        end: MaybeDigits,
        bytes: MaybeDigits,
      }),
    ),
    /** Kafka's operations that the principal is allowed; null: the cluster does not say. */
    may: Type.Union([Type.Array(Type.String()), Type.Null()]),
    /** What could not be learnt, and why. */
    missing: Type.Array(Type.String()),
  }),
  async handle({ params: { topic }, client }) {
    const [[info], may] = await Promise.all([client.topics([topic]), operationsOnTopic(client, topic)])
    const numbers = info!.partitions.map(each => each.partition)
    const names = numbers.map(partition => ({ topic, partition }))
    const missing = new Set<string>()
    const unless = async <T>(what: string, asking: Promise<T>): Promise<T | null> => {
      try {
        return await asking
      } catch (error) {
        missing.add(`${what}: ${(error as Error).message}`)
        return null
      }
    }
    const [starts, ends, sizes] = await Promise.all([
      unless('Offsets', client.manyOffsets(names, 'earliest')),
      unless('Offsets', client.manyOffsets(names, 'latest')),
      unless('Sizes on disk', client.replicaSizes(topic, numbers)),
    ])
    const sizeAt = new Map(sizes?.map(each => [`${each.partition} ${each.broker}`, each.bytes]))
    const partitions = info!.partitions.map(({ partition, leader, replicas, isr }) => {
      const size = sizeAt.get(`${partition} ${leader}`)
      const [start, end] = [starts?.get(topic)?.get(partition), ends?.get(topic)?.get(partition)]
      return { partition, leader, replicas, isr, start: digitsOf(start), end: digitsOf(end), bytes: digitsOf(size) }
    })
    const counted = partitions.reduce((sum, { start, end }) => sum + BigInt(end ?? 0) - BigInt(start ?? 0), 0n)
    const records = starts === null || ends === null ? null : String(counted)
    const bytes = sizes === null ? null : String(sizes.reduce((sum, each) => sum + each.bytes, 0n))
    return { name: topic, id: info!.id, records, bytes, partitions, may, missing: [...missing] }
  },
})

const create = route({
  method: 'POST',
  path: '/topics',
  changes: ['topics'],
  body: Type.Object({
    name: TopicName,
    /** Otherwise the cluster's default. */
    partitions: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
    replicas: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
    configs: Type.Optional(Type.Record(Type.String(), Type.String())),
  }),
  response: Type.Object({ partitions: Type.Integer(), replicas: Type.Integer() }),
  async handle({ body: { name, partitions, replicas, configs = {} }, client }) {
    const created = await client.createTopic({ name, partitions, replicas, configs: new Map(Object.entries(configs)) })
    return created
  },
})

const remove = route({
  method: 'DELETE',
  path: '/topics/:topic',
  changes: ['topics', 'groups'],
  params: OfTopic,
  query: Confirmed,
  response: Done,
  async handle({ params: { topic }, query: { confirm }, client }) {
    requireConfirmed(confirm, topic)
    await client.deleteTopics([topic])
    return {}
  },
})

const empty = route({
  method: 'DELETE',
  path: '/topics/:topic/records',
  changes: [],
  params: OfTopic,
  query: Confirmed,
  response: Done,
  async handle({ params: { topic }, query: { confirm }, client }) {
    requireConfirmed(confirm, topic)
    const [info] = await client.topics([topic])
    const ends = await client.offsets(
      topic,
      info!.partitions.map(each => each.partition),
      'latest',
    )
    await client.deleteRecords(topic, ends)
    return {}
  },
})

const addPartitions = route({
  method: 'POST',
  path: '/topics/:topic/partitions',
  changes: ['topics'],
  params: OfTopic,
  body: Type.Object({ count: Type.Integer({ minimum: 1, maximum: 100_000 }) }),
  response: Done,
  async handle({ params: { topic }, body: { count }, client }) {
    const [info] = await client.topics([topic])
    const now = info!.partitions.length
    if (count <= now) throw new ClientError('INVALID_PARTITIONS', `${topic} has ${now} partitions; there can only be more`)
    await client.setPartitions(topic, count)
    return {}
  },
})

export const topicRoutes = [list, one, create, remove, empty, addPartitions] as const
