/**
 * Makes of stored batches those that are sent: the same records with the same codec, without the traces of their cluster (offsets, producer, transaction).
 *
 * A batch that is whole goes on as it is, with another header. Small ones are merged, because a request takes one batch of each partition. Those with holes
 * (compaction), with the time of the broker, in an old format, or with records that are there already are made anew, because brokers would refuse or misread them.
 */
import type { Int64 } from '../base.ts'
import type { StoredBatch } from '../client.ts'
import { buildBatch, type CompressionType, forEachRecordOf, header, type NewRecord } from '../protocol.ts'

/** Smaller ones are merged. */
const smallBytes = 131_072
const mergedBytes = 524_288
const mergedRecords = 50_000
const maxUnpackedBytes = 2 ** 30
/** About what a record takes beside key and value. */
const recordOverhead = 16

/** Source offsets that follow each other, and are sent so. */
export interface Run {
  start: bigint
  count: number
}

export interface Outgoing {
  bytes: Buffer
  count: number
  runs: Run[]
  /** The source offset behind it. */
  next: bigint
}

export interface Producer {
  producerId: Int64
  producerEpoch: number
  /** Of the first record. */
  sequence: number
}

interface Pending {
  batches: StoredBatch[]
  records: NewRecord[]
  runs: Run[]
  bytes: number
  compression: CompressionType
}

/** Records before `position` are left out. `mostBytes`: what the target takes in one batch. Throws KafkaError for batches that cannot be read. */
export function toOutgoing(batches: readonly StoredBatch[], position: bigint, producer: Producer, mostBytes: number): Outgoing[] {
  const made: Outgoing[] = []
  let sequence = producer.sequence
  const enough = Math.min(mergedBytes, mostBytes >> 1)
  let pending: Pending | null = null
  const push = (bytes: Buffer, count: number, runs: Run[], last: StoredBatch) => {
    made.push({ bytes, count, runs, next: BigInt(last.header.lastOffset) + 1n })
    sequence = header.incrementSequence(sequence, count)
  }
  const flush = () => {
    const some = pending
    pending = null
    if (some === null || some.records.length === 0) return
    const last = some.batches.at(-1)!
    const single = some.batches.length === 1 && isWhole(last, position)
    const fields = { ...producer, baseSequence: sequence }
    const bytes = single ? restamped(last, fields) : buildBatch({ records: some.records, compression: some.compression, ...fields })
    push(bytes, some.records.length, some.runs, last)
  }
  for (const batch of batches) {
    const { compression, recordCount, baseOffset } = batch.header
    if (batch.bytes.length >= smallBytes && isWhole(batch, position)) {
      flush()
      const runs = [{ start: BigInt(baseOffset), count: recordCount }]
      push(restamped(batch, { ...producer, baseSequence: sequence }), recordCount, runs, batch)
      continue
    }
    const own: Pending = { batches: [], records: [], runs: [], bytes: 0, compression }
    take(batch, position, own)
    if (pending !== null && !fits(pending, own, enough)) flush()
    pending = pending === null ? own : together(pending, own)
  }
  flush()
  return made
}

function take(batch: StoredBatch, position: bigint, pending: Pending): void {
  pending.batches.push(batch)
  forEachRecordOf(
    { header: batch.header, bytes: batch.bytes },
    ({ offset: at, timestamp, key, value, headers }) => {
      const offset = BigInt(at)
      if (offset < position) return
      pending.records.push({ key, value, timestamp, headers })
      pending.bytes += (key?.length ?? 0) + (value?.length ?? 0) + recordOverhead
      for (const each of headers) pending.bytes += each.key.length + (each.value?.length ?? 0)
      const run = pending.runs.at(-1)
      if (run !== undefined && run.start + BigInt(run.count) === offset) run.count++
      else pending.runs.push({ start: offset, count: 1 })
    },
    { maxBytes: maxUnpackedBytes },
  )
}

function fits(one: Pending, other: Pending, enough: number): boolean {
  return (
    one.compression === other.compression && one.bytes + other.bytes <= enough && one.records.length + other.records.length <= mergedRecords
  )
}

function together(one: Pending, other: Pending): Pending {
  one.batches.push(...other.batches)
  for (const record of other.records) one.records.push(record)
  const [end, next] = [one.runs.at(-1), other.runs[0]]
  if (end !== undefined && next !== undefined && end.start + BigInt(end.count) === next.start) {
    end.count += next.count
    other.runs.shift()
  }
  for (const run of other.runs) one.runs.push(run)
  one.bytes += other.bytes
  return one
}

/** Brokers take it as it is. */
function isWhole({ header: batch }: StoredBatch, position: bigint): boolean {
  return (
    batch.magic === 2 &&
    batch.timestampType === 'CreateTime' &&
    !batch.hasDeleteHorizon &&
    batch.recordCount > 0 &&
    batch.recordCount === batch.lastOffset - batch.baseOffset + 1 &&
    BigInt(batch.baseOffset) >= position
  )
}

/** In place: the bytes are nobody else's. */
function restamped({ header: batch, bytes }: StoredBatch, producer: Producer & { baseSequence: number }): Buffer {
  header.writeBatchHeader(bytes, 0, {
    ...batch,
    baseOffset: 0,
    lastOffset: batch.recordCount - 1,
    partitionLeaderEpoch: -1,
    compressionId: header.compressionId(bytes, 0),
    isTransactional: false,
    producerId: producer.producerId,
    producerEpoch: producer.producerEpoch,
    baseSequence: producer.baseSequence,
  })
  return bytes
}
