/** Control records, which the transaction coordinator writes to partitions to end a transaction (Kafka's EndTransactionMarker). */
import type { Int64 } from '../../base.ts'
import { buildBatch } from './build.ts'
import { batchHeaderSize, isControl } from './header.ts'
import { invalid } from './invalid.ts'
import { forEachRecord } from './read.ts'
import type { RecordView } from './record-view.ts'

export interface TransactionMarker {
  committed: boolean
  /** Of the transaction coordinator that wrote it: fences its predecessors. */
  coordinatorEpoch: number
}

/** Of ControlRecordType; the others belong to Kafka's own metadata quorum. */
const abortType = 0
const commitType = 1

/** The control batch of one marker. */
export function buildMarkerBatch(
  marker: TransactionMarker & { producerId: Int64; producerEpoch: number; timestamp: Int64; baseOffset?: number },
): Buffer {
  const key = Buffer.alloc(4)
  key.writeInt16BE(marker.committed ? commitType : abortType, 2)
  const value = Buffer.alloc(6)
  value.writeInt32BE(marker.coordinatorEpoch, 2)
  return buildBatch({
    records: [{ key, value }],
    timestamp: marker.timestamp,
    producerId: marker.producerId,
    producerEpoch: marker.producerEpoch,
    isTransactional: true,
    isControl: true,
    ...(marker.baseOffset === undefined ? {} : { baseOffset: marker.baseOffset }),
  })
}

/** The marker that a control record is; null for control records of other kinds, which are to be ignored. */
export function readMarker(record: RecordView): TransactionMarker | null {
  const { key, value } = record
  if (key === null || key.length < 4) throw invalid('Invalid value size found for end control record key')
  if (key.readInt16BE(0) < 0) throw invalid(`Invalid version found for control record: ${key.readInt16BE(0)}`)
  const type = key.readInt16BE(2)
  if (type !== abortType && type !== commitType) return null
  if (value === null || value.length < 6) throw invalid('Invalid value size found for end transaction marker')
  if (value.readInt16BE(0) < 0) throw invalid(`Invalid version found for end transaction marker: ${value.readInt16BE(0)}`)
  return { committed: type === commitType, coordinatorEpoch: value.readInt32BE(2) }
}

/** The marker in the batch at `position`, which must be complete; null if it is not a marker. */
export function markerOfBatch(records: Buffer, position: number, size: number): TransactionMarker | null {
  if (size <= batchHeaderSize || !isControl(records, position)) return null
  let marker: TransactionMarker | null = null
  forEachRecord(records.subarray(position, position + size), record => {
    marker = readMarker(record)
    return false
  })
  return marker
}
