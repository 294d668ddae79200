/**
 * Record batches: Kafka's format on disk and on the wire, and all operations on it. Once stored, batches are opaque bytes with a
 * correct header. Hides how a producer's batch is checked and brought into that state.
 *
 * Hot: `header.*` (fields in place), `validateBatches`, `stampBatches`, `intactBatchSize`. Opening produced batches is done at once while
 * it is little work, on a thread otherwise. Cold: reading and building records, markers, conversions for old clients.
 */
export { type CompressionType, defaultMaxDecompressedBytes } from './compression.ts'
export { buildBatch, type NewBatch, type NewRecord } from './records/build.ts'
export type { BatchRules, Contents } from './records/contents.ts'
export { type Conversion, fetchMagic } from './records/convert.ts'
export { type ConverterOptions, openRecordConverter, type RecordConverter, workOf } from './records/converter.ts'
export { type FoundRecord, findRecord, type Search } from './records/find.ts'
export * as header from './records/header.ts'
export { type BatchHeader, batchHeaderSize, intactBatchSize, readBatchHeader, type TimestampType } from './records/header.ts'
export { InvalidRecords, OddRecords, type RecordError } from './records/invalid.ts'
export { buildMarkerBatch, markerOfBatch, readMarker, type TransactionMarker } from './records/markers.ts'
export { type Opened, type Opening, openingOf, type ProduceRules } from './records/open.ts'
export {
  batchesIn,
  eachRecordOf,
  forEachRecord,
  forEachRecordOf,
  isIntact,
  nextBatchSize,
  plainRecordsOf,
  type ReadOptions,
} from './records/read.ts'
export { type BatchView, type RecordHeader, RecordView } from './records/record-view.ts'
export { type RetainOptions, retainRecords } from './records/retain.ts'
export { stampBatches, type ValidatedBatches, validateBatches } from './records/validate.ts'
