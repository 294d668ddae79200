/**
 * Reads without a group, with our own fetches, because looking at a topic should neither join a group nor commit.
 *
 * Each round fetches from all brokers that lead a partition still to be read, in parallel. Control records are skipped; with `committedOnly`
 * also those of aborted transactions, by Kafka's rule (a producer's batches are aborted from its first aborted offset to its marker).
 * The checksum of every batch is verified, as with `check.crcs` of Kafka's consumer.
 */
import { runInSlices, type Turns } from '../base.ts'
import { ClientError } from '../channel.ts'
import { type BatchView, batchesIn, forEachRecordOf, intactBatchSize, KafkaError, type RecordView, readMarker } from '../protocol.ts'
import { type FetchedPartition, fetchPositions } from './fetching.ts'
import type { Ask, Requests } from './requests.ts'
import { leaders, refusePartition } from './topics.ts'
import type { FetchedBatches, ReadOptions, ReceivedRecord } from './types.ts'

const defaultMaxWaitMs = 500
const maxBytesPerPartition = 1_048_576
const maxBytesPerFetch = 16_777_216
/** Of one batch, unpacked; far above what brokers let in by default. */
export const maxUnpackedBytes = 2 ** 30

export async function* readRecords(ask: Ask, options: ReadOptions, turns: Turns): AsyncGenerator<ReceivedRecord[], void> {
  const positions = new Map(options.from)
  for await (const { fetched } of fetches(ask, options, positions)) {
    const taken = await runInSlices(turns, take(fetched, options, positions))
    if (taken.records.length > 0) yield taken.records
    // After the records before the damage.
    if (taken.damage !== null) throw taken.damage
  }
}

/** The same without opening the batches, for a thread that does. */
export async function* readBatches(ask: Ask, options: ReadOptions): AsyncGenerator<FetchedBatches, void> {
  const positions = new Map(options.from)
  for await (const { fetched, alone } of fetches(ask, options, positions)) {
    const { partitionIndex: partition, records } = fetched
    const from = positions.get(partition)
    if (records === null || from === undefined) continue
    let next = from
    for (const { header } of batchesIn(records)) if (BigInt(header.lastOffset) >= next) next = BigInt(header.lastOffset) + 1n
    positions.set(partition, next)
    if (next > from) yield { partition, from, next, batches: records, alone: alone && hasOwnMemory(records) }
  }
}

/** Larger than any read of a socket, so that it was put together from several, into memory of its own. */
const surelyJoined = 2 ** 20

function hasOwnMemory({ length, buffer }: Buffer): boolean {
  return length > surelyJoined && length > 0.9 * buffer.byteLength
}

interface FetchedPart {
  readonly fetched: FetchedPartition
  /** No other partition of this round has records. */
  readonly alone: boolean
}

/** What all leaders answer, until `positions`, which whoever takes it advances, are at the end. */
async function* fetches(ask: Ask, options: ReadOptions, positions: Map<number, bigint>): AsyncGenerator<FetchedPart, void> {
  const { until, signal } = options
  for (;;) {
    for (const [partition, position] of positions) if (until !== null && position >= until.get(partition)!) positions.delete(partition)
    if (positions.size === 0 || signal?.aborted) return
    const round = await ask(requests => fetchRound(requests, options, positions))
    const alone = round.filter(({ records }) => records !== null && records.length > 0).length === 1
    for (const fetched of round) {
      if (signal?.aborted) return
      yield { fetched, alone }
    }
  }
}

/** Fetches once from every leader. */
async function fetchRound(requests: Requests, options: ReadOptions, positions: ReadonlyMap<number, bigint>): Promise<FetchedPartition[]> {
  const { topic, committedOnly = false, maxWaitMs = defaultMaxWaitMs } = options
  const { info, byLeader } = await leaders(requests, topic, [...positions.keys()])
  const asked = { committedOnly, maxWaitMs, maxBytes: maxBytesPerFetch, maxBytesPerPartition }
  const rounds = Array.from(byLeader, ([node, partitions]) => {
    const wanted = partitions.map(partition => ({ topic, partition, offset: positions.get(partition)! }))
    return fetchPositions(requests, node, wanted, () => info.id, asked)
  })
  const fetched = (await Promise.all(rounds)).flat().map(each => each.fetched)
  for (const { partitionIndex, errorCode } of fetched) refusePartition(topic, partitionIndex, errorCode)
  return fetched
}

interface Taken {
  readonly records: ReceivedRecord[]
  readonly damage: ClientError | null
}

/** The records of one response, and the error of the batch after them, if it is damaged. Advances the position. A step for each batch. */
export function* take(fetched: FetchedPartition, options: ReadOptions, positions: Map<number, bigint>): Generator<void, Taken> {
  const { partitionIndex: partition } = fetched
  const records: ReceivedRecord[] = []
  const position = positions.get(partition)
  if (position === undefined) return { records, damage: null }
  const end = options.until?.get(partition) ?? null
  const { next, damage } = yield* walk(options.topic, fetched, options.committedOnly === true, position, batch => {
    const made = maker(options.topic, partition, batch)
    forEachRecordOf(
      batch,
      record => {
        const one = made(record)
        if (one.offset >= position && (end === null || one.offset < end)) records.push(one)
      },
      { maxBytes: maxUnpackedBytes },
    )
  })
  positions.set(partition, next)
  return { records: damage === null ? records : records.filter(({ offset }) => offset < next), damage }
}

/** Makes what is received of the records of one batch. */
export function maker(topic: string, partition: number, { header }: BatchView): (record: RecordView) => ReceivedRecord {
  const isAppendTime = header.timestampType === 'LogAppendTime'
  // Most of a batch have one time.
  let ms = Number.NaN
  let timestampMs = 0n
  return ({ offset, timestamp, key, value, headers }) => {
    if (timestamp !== ms) {
      timestampMs = BigInt(timestamp)
      ms = Number(timestamp)
    }
    const made: ReceivedRecord = { topic, partition, offset: BigInt(offset), timestampMs, key, value, headers }
    if (isAppendTime) made.isAppendTime = true
    return made
  }
}

/** The batches with records of one response, as they are, and where to go on. A step for each. */
export function* takeBatches(
  topic: string,
  fetched: FetchedPartition,
  committedOnly: boolean,
  position: bigint,
): Generator<void, { batches: BatchView[]; next: bigint; damage: ClientError | null }> {
  const batches: BatchView[] = []
  return { batches, ...(yield* walk(topic, fetched, committedOnly, position, batch => batches.push(batch))) }
}

/** Calls `visit` for each batch with records to be read, until one is damaged. */
function* walk(
  topic: string,
  fetched: FetchedPartition,
  committedOnly: boolean,
  position: bigint,
  visit: (batch: BatchView) => unknown,
): Generator<void, { next: bigint; damage: ClientError | null }> {
  const isAborted = committedOnly ? abortedBatches(fetched) : () => false
  let next = position
  try {
    for (const batch of batchesIn(fetched.records ?? Buffer.alloc(0))) {
      yield
      requireIntact(batch)
      const after = BigInt(batch.header.lastOffset) + 1n
      if (!isAborted(batch) && !batch.header.isControl && after > position) visit(batch)
      if (after > next) next = after
    }
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    const message = `${topic}-${fetched.partitionIndex} cannot be read at offset ${next}: ${error.message}`
    return { next, damage: new ClientError('CORRUPT_MESSAGE', message, error) }
  }
  return { next, damage: null }
}

function requireIntact({ header, bytes }: BatchView): void {
  if (header.magic < 2 || intactBatchSize(bytes, 0) === bytes.length) return
  throw new KafkaError('CORRUPT_MESSAGE', 'the checksum of the batch is wrong')
}

function abortedBatches({ abortedTransactions }: FetchedPartition): (batch: BatchView) => boolean {
  const waiting = [...(abortedTransactions ?? [])].sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1))
  const open = new Set<bigint>()
  return batch => {
    const { lastOffset, producerId, isControl, isTransactional } = batch.header
    while (waiting.length > 0 && waiting[0]!.firstOffset <= lastOffset) open.add(BigInt(waiting.shift()!.producerId))
    if (isControl) {
      forEachRecordOf(batch, record => {
        if (readMarker(record)?.committed === false) open.delete(BigInt(producerId))
      })
      return false
    }
    return isTransactional && open.has(BigInt(producerId))
  }
}
