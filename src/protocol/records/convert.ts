/**
 * Converts stored batches for old consumers: Kafka's RecordsUtil.downConvert. A pure, blocking function over bytes; `converter.ts` decides
 * where it runs.
 */
import type { Int64 } from '../../base.ts'
import { KafkaError } from '../errors.ts'
import { unpackBatch } from './contents.ts'
import { invalid } from './invalid.ts'
import { buildMessageSet, mostMessages } from './legacy.ts'
import { batchesIn, forEachRecordOf, visitRecords } from './read.ts'
import type { RecordView } from './record-view.ts'

/** Of decompressed records. Few bytes can expand to thousands of times as many, and the thread serves no other jobs while it converts them. */
const enoughBytes = 8 << 20
/** A message costs about as much as this many bytes. */
const messageWork = 32

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
 * Batches as message sets: the first, and more until they hold `maxBytes`; the consumer asks again for the rest. Control batches, headers,
 * and in v0 timestamps are lost. Records below `firstOffset` are left out of plain batches, which some versions of librdkafka rely on; a
 * compressed batch stays one. `maxBytes` is also the most that one batch may decompress to.
 */
export function convert({ records, toMagic, firstOffset }: Conversion, maxBytes: number): Buffer {
  const sets: Buffer[] = []
  let left = Math.min(maxBytes, enoughBytes)
  for (const batch of batchesIn(records)) {
    if (left <= 0 && sets.length > 0) break
    const { compression, isControl, magic, timestampType, maxTimestamp, recordCount } = batch.header
    if (isControl) continue
    if (compression === 'zstd')
      throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', 'Down-conversion of zstandard-compressed batches is not supported')
    if (magic <= toMagic) {
      sets.push(batch.bytes)
      left -= batch.bytes.length
      continue
    }
    if (recordCount > mostMessages) throw invalid(`A batch of ${recordCount} records is too large for message format ${toMagic}`)
    const messages: RecordView[] = []
    const take = (record: RecordView): void => {
      if (compression !== 'none' || record.offset >= firstOffset) messages.push(record)
    }
    if (magic === 2) {
      const { payload, start } = unpackBatch(batch.bytes, maxBytes)
      visitRecords(payload, start, batch.header, take)
      left -= payload.length - start + recordCount * messageWork
    } else {
      forEachRecordOf(batch, take, { maxBytes })
      left -= batch.bytes.length
    }
    // Of a batch that compaction has cut before its end nothing may be left for the consumer, who would ask for it again and again.
    if (messages.length > 0 && messages.at(-1)!.offset >= firstOffset)
      sets.push(buildMessageSet({ magic: toMagic, compression, timestampType, logAppendTime: maxTimestamp, messages }))
  }
  return sets.length === 1 ? sets[0]! : Buffer.concat(sets)
}
