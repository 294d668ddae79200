/** The binary format of state log records: a partition's state, the deletion or release of a partition, the end of a checkpoint. */
import { type Int64, readInt64, writeInt64 } from '../../base.ts'
import { header, type Offset, type Uuid, uuidFromBytes, uuidToBytes } from '../../protocol.ts'
import type { EpochStart } from '../partition/leader-epochs.ts'
import type { SegmentState } from '../segments/segment-state.ts'

/** A partition at a moment at which all below `endOffset` was durable in its segments. */
export interface PartitionState {
  topic: string
  topicId: Uuid
  partition: number
  logStartOffset: Offset
  endOffset: Offset
  /** Whether the active segment was synced; those before it always are. If not, only a process may have died since, not the machine. */
  synced: boolean
  leaderEpoch: number
  epochs: readonly EpochStart[]
  /** null while nothing was ever appended. `abortedChecksum`: of its transaction index; null: an earlier release wrote the state. */
  active: { baseOffset: Offset; state: SegmentState; abortedChecksum: number | null } | null
  /** With all retained batches; null without producers. */
  producers: Buffer | null
}

export interface CheckpointEnd {
  /** Journal frames below this one are of no more use. */
  trimmedSequence: number
  /** Identity of the run of the operating system that wrote this; empty when unknown. */
  bootId: string
}

/** What is needed of all partitions before the first is opened. */
export interface BriefState extends Pick<PartitionState, 'topic' | 'topicId' | 'partition' | 'endOffset' | 'synced'> {
  /** Base offset of the active segment, or of the one that would have come next. */
  activeBase: Offset
}

export type RecordStart =
  | { kind: 'partition'; key: string; brief: BriefState }
  | { kind: 'logStart'; key: string; offset: Offset }
  | { kind: 'deleted'; key: string }
  | { kind: 'released'; key: string; sequence: number }
  | { kind: 'trimmed'; end: CheckpointEnd }

const kinds = { partition: 1, deleted: 2, trimmed: 3, unsyncedPartition: 4, logStart: 5, released: 6 } as const
const fixedBytes = 1 + 16 + 4 + 8 + 8 + 4 + 8 * 10 + 2 + 2 + 4
const { readOffset } = header

/** So much of a record's body is enough for {@link decodeStart}: the numbers and the longest topic name. */
export const startBytes = fixedBytes + 65_535

export function partitionKey(topicId: Uuid, partition: number): string {
  return `${topicId}-${partition}`
}

/** null: it is none that we know. */
export function decodeStart(body: Buffer): RecordStart | null {
  const kind = body[0]
  if (kind === kinds.partition || kind === kinds.unsyncedPartition) {
    const topicId = uuidFromBytes(body.subarray(1, 17))
    const partition = body.readInt32BE(17)
    const topic = body.toString('utf8', fixedBytes, fixedBytes + body.readUInt16BE(121))
    const endOffset = readOffset(body, 29)
    const base = readOffset(body, 41)
    const activeBase = base < 0 ? endOffset : base
    const brief = { topic, topicId, partition, endOffset, activeBase, synced: kind === kinds.partition }
    return { kind: 'partition', key: partitionKey(topicId, partition), brief }
  }
  if (kind === kinds.deleted) return { kind: 'deleted', key: body.toString('latin1', 1) }
  if (kind === kinds.logStart) return { kind: 'logStart', key: body.toString('latin1', 9), offset: readOffset(body, 1) }
  if (kind === kinds.released) return { kind: 'released', key: body.toString('latin1', 9), sequence: readOffset(body, 1) }
  if (kind !== kinds.trimmed) return null
  return { kind: 'trimmed', end: { trimmedSequence: readOffset(body, 1), bootId: body.toString('latin1', 9) } }
}

export function encodeDeleted(key: string): Buffer {
  return Buffer.concat([Buffer.from([kinds.deleted]), Buffer.from(key, 'latin1')])
}

/** Stored separately from the partition's state, because if that were damaged, DeleteRecords would be undone. */
export function encodeLogStart(key: string, offset: Offset): Buffer {
  return numberAndText(kinds.logStart, offset, key)
}

/** `sequence`: of the first frame of the journal that may speak of it again. */
export function encodeReleased(key: string, sequence: number): Buffer {
  return numberAndText(kinds.released, sequence, key)
}

export function encodeTrimmed({ trimmedSequence, bootId }: CheckpointEnd): Buffer {
  return numberAndText(kinds.trimmed, trimmedSequence, bootId)
}

function numberAndText(kind: number, number: number, text: string): Buffer {
  const body = Buffer.alloc(9)
  body[0] = kind
  writeInt64(body, 1, number)
  return Buffer.concat([body, Buffer.from(text, 'latin1')])
}

export function encodePartition(state: PartitionState): Buffer {
  const topic = Buffer.from(state.topic)
  const producers = state.producers ?? Buffer.alloc(0)
  const checksum = state.active?.abortedChecksum ?? null
  const body = Buffer.alloc(fixedBytes + topic.length + 12 * state.epochs.length + producers.length + (checksum === null ? 0 : 4))
  body[0] = state.synced ? kinds.partition : kinds.unsyncedPartition
  uuidToBytes(state.topicId).copy(body, 1)
  body.writeInt32BE(state.partition, 17)
  writeInt64(body, 21, state.logStartOffset)
  writeInt64(body, 29, state.endOffset)
  body.writeInt32BE(state.leaderEpoch, 37)
  let at = 41
  for (const number of numbersOf(state.active)) at = put(body, number, at)
  at = body.writeUInt16BE(topic.length, at)
  at = body.writeUInt16BE(state.epochs.length, at)
  at = body.writeUInt32BE(producers.length, at)
  at += topic.copy(body, at)
  for (const { epoch, startOffset } of state.epochs) at = put(body, startOffset, body.writeInt32BE(epoch, at))
  at += producers.copy(body, at)
  // Earlier releases do not look behind the producers.
  if (checksum !== null) body.writeUInt32BE(checksum, at)
  return body
}

export function decodePartition(body: Buffer): PartitionState {
  const numbers: Int64[] = []
  for (let at = 41; numbers.length < 10; at += 8) numbers.push(readInt64(body, at))
  const topicBytes = body.readUInt16BE(121)
  const epochCount = body.readUInt16BE(123)
  const producerBytes = body.readUInt32BE(125)
  let at = fixedBytes + topicBytes
  const epochs: EpochStart[] = []
  for (; epochs.length < epochCount; at += 12) epochs.push({ epoch: body.readInt32BE(at), startOffset: readOffset(body, at + 4) })
  const end = at + producerBytes
  return {
    topicId: uuidFromBytes(body.subarray(1, 17)),
    partition: body.readInt32BE(17),
    logStartOffset: readOffset(body, 21),
    endOffset: readOffset(body, 29),
    synced: body[0] === kinds.partition,
    leaderEpoch: body.readInt32BE(37),
    topic: body.toString('utf8', fixedBytes, fixedBytes + topicBytes),
    epochs,
    active: activeOf(numbers, body.length >= end + 4 ? body.readUInt32BE(end) : null),
    producers: producerBytes === 0 ? null : Buffer.from(body.subarray(at, end)),
  }
}

function put(body: Buffer, value: Int64, at: number): number {
  writeInt64(body, at, value)
  return at + 8
}

function numbersOf(active: PartitionState['active']): Int64[] {
  if (active === null) return [-1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
  const { state } = active
  return [
    active.baseOffset,
    state.size,
    state.lastOffset,
    state.maxTimestamp,
    state.maxTimestampOffset,
    state.firstTimestamp,
    state.bytesSinceIndexEntry,
    state.offsetEntries,
    state.timeEntries,
    state.abortedTransactions,
  ]
}

function activeOf(numbers: Int64[], abortedChecksum: number | null): PartitionState['active'] {
  const [baseOffset, size, lastOffset, maxTimestamp, maxTimestampOffset, firstTimestamp, bytesSinceIndexEntry, ...counts] = numbers as [
    number,
    number,
    number,
    Int64,
    number,
    Int64,
    number,
    number,
    number,
    number,
  ]
  if (baseOffset < 0) return null
  const [offsetEntries, timeEntries, abortedTransactions] = counts
  return {
    baseOffset,
    abortedChecksum,
    state: {
      size,
      lastOffset,
      maxTimestamp,
      maxTimestampOffset,
      firstTimestamp,
      bytesSinceIndexEntry,
      offsetEntries,
      timeEntries,
      abortedTransactions,
    },
  }
}
