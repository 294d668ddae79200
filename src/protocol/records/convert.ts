/**
 * What stored batches must become before an old consumer is sent them: Kafka's RecordsUtil.downConvert. A pure function over bytes that
 * blocks; `converter.ts` decides where it runs.
 */
import type { Int64 } from '../../base.ts'
import { KafkaError } from '../errors.ts'
import { buildMessageSet } from './legacy.ts'
import { batchesIn, forEachRecordOf } from './read.ts'
import type { RecordView } from './record-view.ts'

export interface Conversion {
  kind: 'fetch'
  records: Buffer
  toMagic: 0 | 1
  firstOffset: Int64
}

/** The message format that a Fetch version may be answered with; 2 needs no conversion. */
export function fetchMagic(version: number): 0 | 1 | 2 {
  return version < 2 ? 0 : version < 4 ? 1 : 2
}

/**
 * Batches as message sets. Control batches, headers, and in v0 timestamps are lost. Records below `firstOffset` are left out of plain
 * batches, which some versions of librdkafka rely on; a compressed batch stays one.
 */
export function convert({ records, toMagic, firstOffset }: Conversion, maxBytes: number): Buffer {
  const sets: Buffer[] = []
  for (const batch of batchesIn(records)) {
    const { compression, isControl, magic, timestampType, maxTimestamp } = batch.header
    if (isControl) continue
    if (compression === 'zstd')
      throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', 'Down-conversion of zstandard-compressed batches is not supported')
    if (magic <= toMagic) {
      sets.push(batch.bytes)
      continue
    }
    const messages: RecordView[] = []
    forEachRecordOf(
      batch,
      record => {
        if (compression !== 'none' || record.offset >= firstOffset) messages.push(record)
      },
      { maxBytes },
    )
    sets.push(buildMessageSet({ magic: toMagic, compression, timestampType, logAppendTime: maxTimestamp, messages }))
  }
  return sets.length === 1 ? sets[0]! : Buffer.concat(sets)
}
