/**
 * Reading without a group: fetches by hand, because who looks at a topic must neither join a group nor commit.
 *
 * A round asks every broker that leads a partition still to be read, all at once. Control records are left out; with `committedOnly`
 * also those of aborted transactions, by Kafka's rule (a producer's batches are aborted from its first aborted offset to its marker).
 */
import type { Consumer, RecordsBatch } from '@platformatic/kafka'
import { ClientError, settled } from './errors.ts'
import type { ReadOptions, ReceivedRecord } from './types.ts'

type FetchResponsePartition = Awaited<ReturnType<Consumer['fetch']>>['responses'][number]['partitions'][number]

const defaultMaxWaitMs = 500
const maxBytesPerPartition = 1_048_576
const maxBytesPerFetch = 16_777_216
const controlBit = 0x20

export async function* readRecords(consumer: Consumer, bootstrap: string, options: ReadOptions): AsyncGenerator<ReceivedRecord[], void> {
  const { topic, from, until, signal } = options
  const positions = new Map(from)
  consumer.topics.track(topic)
  let partitionMaxBytes = maxBytesPerPartition
  for (;;) {
    for (const [partition, position] of positions) if (until !== null && position >= until.get(partition)!) positions.delete(partition)
    if (positions.size === 0 || signal?.aborted) return
    let found: ReceivedRecord[][]
    try {
      found = await settled(bootstrap, fetchRound(consumer, options, positions, partitionMaxBytes))
    } catch (error) {
      // A damaged batch fails the whole fetch. Batch by batch, what lies before it is still delivered.
      if (!(error instanceof ClientError) || error.code !== 'CORRUPT_MESSAGE' || partitionMaxBytes === 1) throw error
      partitionMaxBytes = 1
      continue
    }
    for (const records of found) {
      if (signal?.aborted) return
      if (records.length > 0) yield records
    }
  }
}

/** Fetches once from every leader and moves the positions on. */
async function fetchRound(
  consumer: Consumer,
  options: ReadOptions,
  positions: Map<number, bigint>,
  partitionMaxBytes: number,
): Promise<ReceivedRecord[][]> {
  const { topic } = options
  const metadata = await consumer.metadata({ topics: [topic] })
  const known = metadata.topics.get(topic)
  if (known === undefined) throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${topic}`)
  const byLeader = Map.groupBy(positions, ([partition]) => known.partitions[partition]?.leader ?? -1)
  const responses = await Promise.all(
    Array.from(byLeader, ([node, wanted]) => {
      if (node < 0) throw new ClientError('LEADER_NOT_AVAILABLE', `${topic}-${wanted[0]![0]} has no leader now`)
      return consumer.fetch({
        node,
        minBytes: 1,
        maxBytes: maxBytesPerFetch,
        maxWaitTime: options.maxWaitMs ?? defaultMaxWaitMs,
        isolationLevel: options.committedOnly === true ? 1 : 0,
        topics: [
          {
            topicId: known.id,
            partitions: wanted.map(([partition, fetchOffset]) => ({
              partition,
              fetchOffset,
              currentLeaderEpoch: -1,
              lastFetchedEpoch: -1,
              partitionMaxBytes,
            })),
          },
        ],
      })
    }),
  )
  const found: ReceivedRecord[][] = []
  for (const response of responses) {
    for (const { partitions } of response.responses)
      for (const partition of partitions) found.push(take(topic, partition, options, positions))
  }
  return found
}

function take(topic: string, fetched: FetchResponsePartition, options: ReadOptions, positions: Map<number, bigint>): ReceivedRecord[] {
  const { partitionIndex: partition } = fetched
  const position = positions.get(partition)
  if (position === undefined) return []
  const end = options.until?.get(partition) ?? null
  const isAborted = options.committedOnly === true ? abortedBatches(fetched) : () => false
  const records: ReceivedRecord[] = []
  let next = position
  for (const batch of fetched.records ?? []) {
    const aborted = isAborted(batch)
    const after = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n
    if (after > next) next = after
    if (aborted || (batch.attributes & controlBit) !== 0) continue
    for (const record of batch.records) {
      const offset = batch.firstOffset + BigInt(record.offsetDelta)
      if (offset < position || (end !== null && offset >= end)) continue
      records.push({
        topic,
        partition,
        offset,
        timestampMs: (batch.attributes & 0x08) !== 0 ? batch.maxTimestamp : batch.firstTimestamp + record.timestampDelta,
        key: record.key,
        value: record.value,
        headers: record.headers.map(([key, value]) => ({ key: key ?? Buffer.alloc(0), value })),
      })
    }
  }
  positions.set(partition, next)
  return records
}

function abortedBatches({ abortedTransactions }: FetchResponsePartition): (batch: RecordsBatch) => boolean {
  const waiting = [...(abortedTransactions ?? [])].sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1))
  const open = new Set<bigint>()
  return batch => {
    const last = batch.firstOffset + BigInt(batch.lastOffsetDelta)
    while (waiting.length > 0 && waiting[0]!.firstOffset <= last) open.add(waiting.shift()!.producerId)
    // A control record's key: version, type (0 = abort).
    if ((batch.attributes & controlBit) !== 0) {
      if (batch.records[0]?.key?.readInt16BE(2) === 0) open.delete(batch.producerId)
      return false
    }
    return (batch.attributes & 0x10) !== 0 && open.has(batch.producerId)
  }
}
