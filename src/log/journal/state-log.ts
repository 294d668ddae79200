/**
 * `journal/state.log`: what recovery needs to know of a partition in order not to read its segments.
 *
 * Records are appended, checksummed, when a checkpoint has made a partition's segments durable; the latest of a partition counts. A torn end is
 * normal: a checkpoint is finished only by its `trimmed` record, and until then the journal files it covers are kept. When most of the
 * file is out of date it is written anew and replaced.
 */
import { crc32c, type FileHandle, type FileSystem, type Int64, readInt64, writeInt64 } from '../../base.ts'
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
  /** null while nothing was ever appended. */
  active: { baseOffset: Offset; state: SegmentState } | null
  /** With all retained batches; null without producers. */
  producers: Buffer | null
}

const kinds = { partition: 1, deleted: 2, trimmed: 3, unsyncedPartition: 4 } as const
const recordHeaderBytes = 8
const compactAboveBytes = 1 << 20
const fixedBytes = 1 + 16 + 4 + 8 + 8 + 4 + 8 * 10 + 2 + 2 + 4
const { readOffset } = header

export function partitionKey(topicId: Uuid, partition: number): string {
  return `${topicId}-${partition}`
}

export interface CheckpointEnd {
  /** Journal frames below this one are of no more use. */
  trimmedSequence: number
  /** Identity of the run of the operating system that wrote this; empty when unknown. */
  bootId: string
}

export interface LoadedState extends CheckpointEnd {
  partitions: Map<string, PartitionState>
}

export class StateLog {
  readonly #files: FileSystem
  readonly #path: string
  #handle: FileHandle
  #end = 0
  /** Size of the latest record of each partition. */
  readonly #live = new Map<string, number>()
  #liveBytes = 0

  constructor(files: FileSystem, path: string) {
    this.#files = files
    this.#path = path
    this.#handle = files.open(path, 'rw')
  }

  /** Reads all records up to the first that is torn or damaged, and goes on writing there. */
  load(): LoadedState {
    const file = this.#files.readFile(this.#path) ?? Buffer.alloc(0)
    const loaded: LoadedState = { partitions: new Map(), trimmedSequence: 0, bootId: '' }
    let at = 0
    for (;;) {
      const body = recordAt(file, at)
      if (body === null) break
      this.#take(body, loaded)
      at += recordHeaderBytes + body.length
    }
    this.#end = at
    return loaded
  }

  /** Appends records and makes them durable. `end`: all partitions are noted, which says how far the journal is of no more use. */
  async append(states: readonly PartitionState[], deleted: readonly string[], end: CheckpointEnd | null): Promise<void> {
    const bodies = [...states.map(encodePartition), ...deleted.map(encodeDeleted)]
    if (end !== null) bodies.push(encodeTrimmed(end))
    if (bodies.length === 0) return
    for (let at = 0; at < states.length; at++) this.#count(partitionKey(states[at]!.topicId, states[at]!.partition), bodies[at]!.length)
    for (const key of deleted) this.#count(key, 0)
    const records = bodies.map(frameRecord)
    const bytes = records.reduce((sum, record) => sum + record.length, 0)
    await this.#handle.write(records, this.#end)
    this.#end += bytes
    await this.#handle.datasync()
    if (end !== null && this.#end > compactAboveBytes && this.#end > 2 * this.#liveBytes) await this.#compact(end)
  }

  close(): void {
    this.#handle.close()
  }

  #count(key: string, bytes: number): void {
    this.#liveBytes += bytes - (this.#live.get(key) ?? 0)
    if (bytes === 0) this.#live.delete(key)
    else this.#live.set(key, bytes)
  }

  #take(body: Buffer, loaded: LoadedState): void {
    const kind = body[0]
    if (isPartition(body)) {
      const state = decodePartition(body)
      const key = partitionKey(state.topicId, state.partition)
      loaded.partitions.set(key, state)
      this.#count(key, body.length)
    } else if (kind === kinds.deleted) {
      const key = body.toString('latin1', 1)
      loaded.partitions.delete(key)
      this.#count(key, 0)
    } else if (kind === kinds.trimmed) {
      loaded.trimmedSequence = readOffset(body, 1)
      loaded.bootId = body.toString('latin1', 9)
    }
  }

  async #compact(checkpoint: CheckpointEnd): Promise<void> {
    const file = this.#files.readFile(this.#path) ?? Buffer.alloc(0)
    const latest = new Map<string, Buffer>()
    let at = 0
    for (let body = recordAt(file, at); body !== null; body = recordAt(file, at)) {
      if (isPartition(body)) {
        const state = decodePartition(body)
        latest.set(partitionKey(state.topicId, state.partition), body)
      } else if (body[0] === kinds.deleted) latest.delete(body.toString('latin1', 1))
      at += recordHeaderBytes + body.length
    }
    const content = Buffer.concat([...latest.values(), encodeTrimmed(checkpoint)].map(frameRecord))
    await this.#files.replaceFile(this.#path, content)
    this.#handle.close()
    this.#handle = this.#files.open(this.#path, 'rw')
    this.#end = content.length
  }
}

function frameRecord(body: Buffer): Buffer {
  const record = Buffer.allocUnsafe(recordHeaderBytes + body.length)
  record.writeUInt32BE(body.length, 0)
  record.writeUInt32BE(crc32c(body), 4)
  body.copy(record, recordHeaderBytes)
  return record
}

function recordAt(file: Buffer, at: number): Buffer | null {
  if (at + recordHeaderBytes > file.length) return null
  const length = file.readUInt32BE(at)
  const start = at + recordHeaderBytes
  if (length === 0 || length > file.length - start) return null
  const body = file.subarray(start, start + length)
  return crc32c(body) === file.readUInt32BE(at + 4) ? body : null
}

function isPartition(body: Buffer): boolean {
  return body[0] === kinds.partition || body[0] === kinds.unsyncedPartition
}

function encodeDeleted(key: string): Buffer {
  return Buffer.concat([Buffer.from([kinds.deleted]), Buffer.from(key, 'latin1')])
}

function encodeTrimmed({ trimmedSequence, bootId }: CheckpointEnd): Buffer {
  const body = Buffer.alloc(9)
  body[0] = kinds.trimmed
  writeInt64(body, 1, trimmedSequence)
  return Buffer.concat([body, Buffer.from(bootId, 'latin1')])
}

function encodePartition(state: PartitionState): Buffer {
  const topic = Buffer.from(state.topic)
  const producers = state.producers ?? Buffer.alloc(0)
  const body = Buffer.alloc(fixedBytes + topic.length + 12 * state.epochs.length + producers.length)
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
  producers.copy(body, at)
  return body
}

function decodePartition(body: Buffer): PartitionState {
  const numbers: Int64[] = []
  for (let at = 41; numbers.length < 10; at += 8) numbers.push(readInt64(body, at))
  const topicBytes = body.readUInt16BE(121)
  const epochCount = body.readUInt16BE(123)
  const producerBytes = body.readUInt32BE(125)
  let at = fixedBytes + topicBytes
  const epochs: EpochStart[] = []
  for (; epochs.length < epochCount; at += 12) epochs.push({ epoch: body.readInt32BE(at), startOffset: readOffset(body, at + 4) })
  return {
    topicId: uuidFromBytes(body.subarray(1, 17)),
    partition: body.readInt32BE(17),
    logStartOffset: readOffset(body, 21),
    endOffset: readOffset(body, 29),
    synced: body[0] === kinds.partition,
    leaderEpoch: body.readInt32BE(37),
    topic: body.toString('utf8', fixedBytes, fixedBytes + topicBytes),
    epochs,
    active: activeOf(numbers),
    producers: producerBytes === 0 ? null : Buffer.from(body.subarray(at, at + producerBytes)),
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

function activeOf(numbers: Int64[]): PartitionState['active'] {
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
