/**
 * Record batches: Kafka's on-disk and on-wire format, and everything that must be done to it. The broker treats batches as opaque bytes
 * with a header; what lies behind this surface is who may look deeper, and how much is believed.
 *
 * Hot: `header.*` (fields in place), `validateBatches`, `stampBatches`, `intactBatchSize`. Cold: reading and building records, markers,
 * and the conversions for old clients and for topics with their own compression, which run on a thread.
 */
export { type CompressionType, defaultMaxDecompressedBytes } from './compression.ts'
export { buildBatch, type NewBatch, type NewRecord } from './records/build.ts'
export { type Conversion, fetchMagic, type ProduceRules, produceConversion } from './records/convert.ts'
export { type ConverterOptions, openRecordConverter, type RecordConverter } from './records/converter.ts'
export * as header from './records/header.ts'
export { type BatchHeader, batchHeaderSize, intactBatchSize, readBatchHeader, type TimestampType } from './records/header.ts'
export { InvalidRecords, type RecordError } from './records/invalid.ts'
export { buildMarkerBatch, markerOfBatch, readMarker, type TransactionMarker } from './records/markers.ts'
export { batchesIn, forEachRecord, forEachRecordOf, type ReadOptions } from './records/read.ts'
export { type BatchView, type RecordHeader, RecordView } from './records/record-view.ts'
export { type RetainOptions, retainRecords } from './records/retain.ts'
export { type BatchRules, stampBatches, type ValidatedBatches, validateBatches } from './records/validate.ts'
