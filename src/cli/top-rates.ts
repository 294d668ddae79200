/** What two readings of a cluster tell about the time between them. */
import type { Int64 } from '../base.ts'

/** A producer with an id, in one partition. */
export interface Written {
  topic: string
  partition: number
  producerId: Int64
  producerEpoch: number
  /** -1: none. */
  lastSequence: number
}

export interface Reading {
  readonly atMs: number
  readonly ends: ReadonlyMap<string, ReadonlyMap<number, bigint>>
  /** By topic; null: nobody tells. */
  readonly bytes: ReadonlyMap<string, bigint> | null
  readonly written: ReadonlyMap<string, Written>
  /** By group, topic and partition. */
  readonly committed: ReadonlyMap<string, bigint>
  /** The client ids of the members that read them. */
  readonly owners: ReadonlyMap<string, string>
  /** By producer id. */
  readonly transactionalIds: ReadonlyMap<string, string>
}

export interface TopicRate {
  topic: string
  recordsPerSecond: number
  /** On the disks of all brokers; null: not known, or records were deleted meanwhile. */
  bytesPerSecond: number | null
  /** By groups, as far as they commit; null: nobody reads it. */
  readPerSecond: number | null
  endOffset: bigint
}

export interface ClientRate {
  client: string
  does: 'writes' | 'reads'
  topic: string
  recordsPerSecond: number
}

const sequences = 2 ** 31
const nobody = '(producers without an id)'

/** Busy ones first. */
export function rates(before: Reading, now: Reading): { topics: TopicRate[]; clients: ClientRate[] } {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000)
  const readers = readBy(before, now, seconds)
  const writers = writtenBy(before, now, seconds)
  const topics: TopicRate[] = []
  for (const [topic, partitions] of now.ends) {
    let [records, endOffset] = [0, 0n]
    for (const [partition, end] of partitions) {
      const earlier = before.ends.get(topic)?.get(partition)
      if (earlier !== undefined && end > earlier) records += Number(end - earlier)
      endOffset += end
    }
    const recordsPerSecond = records / seconds
    const ofTopic = readers.filter(each => each.topic === topic)
    const readPerSecond = ofTopic.length === 0 ? null : sumOf(ofTopic)
    topics.push({ topic, recordsPerSecond, bytesPerSecond: grown(before, now, topic, seconds), readPerSecond, endOffset })
    const others = recordsPerSecond - sumOf(writers.filter(each => each.topic === topic))
    // Markers of transactions have offsets, too.
    if (others > recordsPerSecond / 20 && !writers.some(each => each.topic === topic && each.isTransactional))
      writers.push({ client: nobody, does: 'writes', topic, recordsPerSecond: others, isTransactional: false })
  }
  const busyFirst = (a: { recordsPerSecond: number; topic: string }, b: { recordsPerSecond: number; topic: string }) =>
    b.recordsPerSecond - a.recordsPerSecond || (a.topic < b.topic ? -1 : 1)
  const clients = [...writers.map(({ isTransactional, ...each }) => each), ...readers].filter(each => each.recordsPerSecond > 0)
  return { topics: topics.sort(busyFirst), clients: clients.sort(busyFirst) }
}

function sumOf(some: readonly ClientRate[]): number {
  return some.reduce((sum, each) => sum + each.recordsPerSecond, 0)
}

function grown(before: Reading, now: Reading, topic: string, seconds: number): number | null {
  const [earlier, later] = [before.bytes?.get(topic), now.bytes?.get(topic)]
  return earlier === undefined || later === undefined || later < earlier ? null : Number(later - earlier) / seconds
}

function writtenBy(before: Reading, now: Reading, seconds: number): (ClientRate & { isTransactional: boolean })[] {
  const found = new Map<string, ClientRate & { isTransactional: boolean }>()
  for (const [key, { topic, producerId, producerEpoch, lastSequence }] of now.written) {
    const earlier = before.written.get(key)
    if (earlier === undefined || lastSequence < 0) continue
    // Another epoch begins to count from 0.
    const from = earlier.producerEpoch === producerEpoch ? earlier.lastSequence : -1
    const records = (lastSequence - from + sequences) % sequences
    const transactionalId = now.transactionalIds.get(String(producerId))
    const client = transactionalId === undefined ? `producer ${producerId}` : `${transactionalId} (producer ${producerId})`
    add(found, { client, does: 'writes', topic, recordsPerSecond: records / seconds, isTransactional: transactionalId !== undefined })
  }
  return [...found.values()]
}

function readBy(before: Reading, now: Reading, seconds: number): ClientRate[] {
  const found = new Map<string, ClientRate>()
  for (const [key, offset] of now.committed) {
    const earlier = before.committed.get(key)
    if (earlier === undefined) continue
    const [group, topic] = JSON.parse(key) as [string, string, number]
    const owner = now.owners.get(key)
    const records = offset > earlier ? Number(offset - earlier) : 0
    add(found, { client: owner === undefined ? group : `${group}/${owner}`, does: 'reads', topic, recordsPerSecond: records / seconds })
  }
  return [...found.values()]
}

function add<Rate extends ClientRate>(found: Map<string, Rate>, rate: Rate): void {
  const key = JSON.stringify([rate.client, rate.topic])
  const known = found.get(key)
  if (known === undefined) found.set(key, rate)
  else known.recordsPerSecond += rate.recordsPerSecond
}
