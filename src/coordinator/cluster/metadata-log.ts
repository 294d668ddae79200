/**
 * The metadata log as brokers share it: one sequence of records that all replay, so that all have the same image.
 *
 * There is no controller. Whoever changes something decides on its own image and appends the records at the offset that the image ends
 * at. If the log has grown meanwhile, the append is refused, and the broker catches up and decides again. So no two brokers ever
 * decide on the same state, and each change is in the log once.
 *
 * An answer may get lost. Each append therefore has an id, and the log keeps it: who asks again with the same id gets the true answer, also
 * from another process over the same log. The id is the tagged field of a NoOpRecord behind the records, which Kafka's tools read as
 * a record without effect.
 */
import { ByteWriter, type Turns } from '../../base.ts'
import { type BatchView, isIntact, type Offset, plainRecordsOf } from '../../protocol.ts'
import type { LogRecord } from '../shard.ts'

export interface MetadataLog {
  /**
   * Appends the records as one batch if the log ends at `expected`; durable when resolved. False: it does not, and {@link read} shows what
   * stands there instead. `id` belongs to this append alone; a repeated call with the same arguments answers as the first would have.
   *
   * Rejects with a KafkaError if this call appended nothing and never will (OFFSET_OUT_OF_RANGE: the log ends before `expected`, so the
   * image is not of this log). Any other error means that nobody knows: repeat the call with the same id until it is told. Of a repeated
   * call, only the answer, true or false, and OFFSET_OUT_OF_RANGE say what became of the first.
   */
  append(expected: Offset, records: readonly LogRecord[], id: Buffer): Promise<boolean>
  /**
   * Durable records from `from` on, about a MiB at once; none at the end of the log. From {@link newImage}, or before the start of
   * the log: the newest snapshot. Rejects with OFFSET_OUT_OF_RANGE if the log ends before `from`.
   */
  read(from: Offset): Promise<MetadataSlice>
  /** Where followers put snapshots when it is their turn; absent: who keeps the log takes them. */
  readonly snapshots?: SnapshotPlace
  /** Calls back when the log may have grown; with its end at that moment, if that is known. It may also grow without a call: look from time to time. */
  onChanged(callback: (end?: Offset) => void): { cancel(): void }
  close(): void
}

/** How the records of one decision get into the log: {@link MetadataLog.append}, or a way that does more in the same transaction. */
export type AppendMetadata = MetadataLog['append']

export interface SnapshotPlace {
  /** Whether this follower should take one of the state before `end`. */
  isDue(end: Offset): boolean
  /** Record batches of a whole snapshot. */
  put(batches: readonly Buffer[], end: Offset): Promise<void>
}

export interface MetadataSlice {
  /** The records are the whole state before `end`, for a new image. Otherwise they are what follows. */
  readonly isSnapshot: boolean
  /** With offsets that grow; those of a snapshot mean nothing else. */
  readonly records: readonly PlacedRecord[]
  /** Where reading goes on. */
  readonly end: Offset
}

export interface PlacedRecord {
  readonly offset: Offset
  readonly record: LogRecord
}

/** {@link MetadataLog.read} for an image that contains nothing yet, not even what an import left before offset 0. */
export const newImage: Offset = -1

/** Of an append's id. */
export const mostIdBytes = 64

/** Of Kafka's metadata records. */
const frameVersion = 1
const noOpRecordId = 20
/** No field of a NoOpRecord, in any version. */
const idTag = 10_000

/** The record that stands behind those of the append `id`. */
export function markOf(id: Buffer): LogRecord {
  if (id.length === 0 || id.length > mostIdBytes) throw new RangeError(`an append's id has 1 to ${mostIdBytes} bytes, not ${id.length}`)
  const writer = new ByteWriter(id.length + 16)
  writer.writeUvarint(frameVersion)
  writer.writeUvarint(noOpRecordId)
  writer.writeUvarint(0)
  const tags = 1
  writer.writeUvarint(tags)
  writer.writeUvarint(idTag)
  writer.writeUvarint(id.length)
  writer.writeRaw(id)
  return { key: null, value: writer.toBuffer() }
}

/** Copies, made in time slices, of the batches' records from offset `from` on. */
export async function recordsOf(batches: Iterable<BatchView>, from: Offset, turns: Turns): Promise<PlacedRecord[]> {
  const records: PlacedRecord[] = []
  for (const batch of batches) {
    if (turns.over) await turns.next()
    if (batch.header.isControl) continue
    if (!isIntact(batch)) throw new Error(`the batch at offset ${batch.header.baseOffset} has a wrong checksum; see docs/repair.md`)
    for (const { offset, key, value } of plainRecordsOf({ ...batch, bytes: Buffer.from(batch.bytes) })) {
      if (turns.over) await turns.next()
      if (offset >= from) records.push({ offset, record: { key, value } })
    }
  }
  return records
}
