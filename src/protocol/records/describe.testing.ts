/** The text that RecordFixtures.java makes of record batches, so that what we read can be compared with what Kafka reads. */
import { createHash } from 'node:crypto'
import { type BatchHeader, baseTimestamp, incrementSequence } from './header.ts'
import { batchesIn, forEachRecordOf } from './read.ts'
import type { BatchView } from './record-view.ts'

export function describe(records: Buffer): string {
  let text = ''
  for (const batch of batchesIn(records)) {
    text += `${describeBatch(batch)};`
    forEachRecordOf(batch, record => {
      text += [record.offset, record.timestamp, hex(record.key), hex(record.value)].join(' ')
      for (const { key, value } of record.headers) text += ` ${key.toString()}=${value === null ? '-' : value.toString('hex')}`
      text += ';'
    })
  }
  // Java counts UTF-16 units, as we do.
  return text.length <= 600 ? text : `sha256 ${createHash('sha256').update(text).digest('hex')}`
}

function describeBatch({ header, bytes }: BatchView): string {
  const parts: unknown[] = ['batch', header.lastOffset, header.magic, header.compression]
  if (header.magic > 0) parts.push(header.timestampType, header.maxTimestamp)
  if (header.magic > 1) parts.push(...v2Fields(header), header.hasDeleteHorizon ? baseTimestamp(bytes, 0) : '-')
  return parts.join(' ')
}

function v2Fields(header: BatchHeader): unknown[] {
  const { baseOffset, lastOffset, baseSequence, producerId, producerEpoch, recordCount } = header
  const lastSequence = baseSequence < 0 ? -1 : incrementSequence(baseSequence, lastOffset - baseOffset)
  return [
    baseOffset,
    header.partitionLeaderEpoch,
    header.isTransactional,
    header.isControl,
    producerId,
    producerEpoch,
    baseSequence,
    lastSequence,
    recordCount,
  ]
}

function hex(bytes: Buffer | null): string {
  return bytes === null ? '-' : `'${bytes.toString('hex')}`
}
