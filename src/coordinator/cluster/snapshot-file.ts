/**
 * The file format of a metadata snapshot, Kafka's or ours: record batches that describe the state, between a header and a footer control
 * record. Its name contains the first offset that is not included, and the epoch.
 */
import type { FileSystem } from '../../base.ts'
import {
  batchesIn,
  buildBatch,
  controlRecords,
  encodeMessage,
  forEachRecordOf,
  intactBatchSize,
  type NewRecord,
  type Offset,
} from '../../protocol.ts'
import { encodeMetadataRecord, type MetadataRecord } from './metadata-records.ts'

/** Of Kafka's ControlRecordType. */
const headerType = 3
const footerType = 4
const recordsPerBatch = 1_000
const namePattern = /^(\d{20})-(\d{10})\.checkpoint$/

export interface Snapshot {
  name: string
  offset: Offset
}

export function snapshotName(offset: Offset, epoch: number): string {
  return `${String(offset).padStart(20, '0')}-${String(epoch).padStart(10, '0')}.checkpoint`
}

/** Newest first. */
export function listSnapshots(files: FileSystem, directory: string): Snapshot[] {
  if (!files.exists(directory)) return []
  const snapshots: Snapshot[] = []
  for (const { name, kind } of files.list(directory)) {
    const match = kind === 'file' ? namePattern.exec(name) : null
    if (match !== null) snapshots.push({ name, offset: Number(match[1]) })
  }
  return snapshots.sort((a, b) => b.offset - a.offset || (a.name < b.name ? 1 : -1))
}

export function encodeSnapshot(state: Iterable<MetadataRecord>, timestamp: number): Buffer {
  return Buffer.concat([...snapshotBatches(state, timestamp)])
}

/** The same, in steps that each take little time. */
export function* snapshotInSteps(state: Iterable<MetadataRecord>, timestamp: number): Generator<void, Buffer> {
  const batches: Buffer[] = []
  for (const batch of snapshotBatches(state, timestamp)) {
    yield
    batches.push(batch)
  }
  return Buffer.concat(batches)
}

/** All of a file, in pieces that each take little time. */
export function* snapshotBatches(state: Iterable<MetadataRecord>, timestamp: number): Generator<Buffer> {
  let baseOffset = 0
  const batch = (records: NewRecord[], isControl: boolean) => {
    const bytes = buildBatch({ records, isControl, baseOffset, timestamp, partitionLeaderEpoch: 0 })
    baseOffset += records.length
    return bytes
  }
  const { snapshotHeaderRecord, snapshotFooterRecord } = controlRecords
  yield batch(
    [controlRecord(headerType, encodeMessage(snapshotHeaderRecord, 0, { version: 0, lastContainedLogTimestamp: timestamp }))],
    true,
  )
  let records: NewRecord[] = []
  for (const record of state) {
    records.push(encodeMetadataRecord(record))
    if (records.length < recordsPerBatch) continue
    yield batch(records, false)
    records = []
  }
  if (records.length > 0) yield batch(records, false)
  yield batch([controlRecord(footerType, encodeMessage(snapshotFooterRecord, 0, { version: 0 }))], true)
}

function controlRecord(type: number, value: Buffer): NewRecord {
  const key = Buffer.alloc(4)
  key.writeInt16BE(type, 2)
  return { key, value }
}

/** From the header to the footer without a damaged byte: a torn one has no footer. */
export function isWholeSnapshot(bytes: Buffer): boolean {
  const types: number[] = []
  let position = 0
  while (position < bytes.length) {
    const size = intactBatchSize(bytes, position)
    if (size === 0) return false
    position += size
  }
  for (const batch of batchesIn(bytes)) {
    let type = 0
    if (batch.header.isControl) forEachRecordOf(batch, record => void (type = record.key?.readInt16BE(2) ?? 0))
    types.push(type)
  }
  return types.length >= 2 && types[0] === headerType && types.at(-1) === footerType
}
