import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { codecs, rawBatch } from '../../../sim/world/raw-batches.ts'
import * as header from './header.ts'
import { batchesIn, forEachRecord } from './read.ts'
import type { BatchView, RecordView } from './record-view.ts'
import { retainRecords } from './retain.ts'

function only(bytes: Buffer): BatchView {
  const [batch] = batchesIn(bytes)
  return batch!
}

function view(bytes: Buffer): unknown[] {
  const records: unknown[] = []
  forEachRecord(bytes, ({ offset, timestamp, key, value, headers }) => {
    records.push([offset, timestamp, String(key), String(value), headers.map(h => `${h.key}=${h.value}`).join()])
  })
  return records
}

const odd = ({ offset }: RecordView): boolean => offset % 2 === 1

test('what stays of a batch has its offsets, times and headers, whatever the codec, the times and the shape of its records', () => {
  const records = [
    { timestampDelta: 5n },
    { timestampDelta: -(2n ** 62n), headers: [['h', 'x']] as [string, string][] },
    { key: -9, value: -3 },
    { timestampDelta: 7n, value: 'y'.repeat(300), headers: [['h', -2]] as [string, number][] },
    { longNumbers: true },
  ]
  for (const codec of codecs)
    for (const baseTimestamp of [1_700_000_000_000n, 2n ** 60n]) {
      const bytes = rawBatch({ codec, records, baseTimestamp, producerId: 2n ** 60n + 1n, producerEpoch: 3, baseSequence: 9 })
      const kept = retainRecords(only(bytes), odd, { keepEmpty: false })!
      assert.deepEqual(
        view(kept),
        view(bytes).filter((_, index) => index % 2 === 1),
      )
      assert.equal(header.intactBatchSize(kept, 0), kept.length)
      const { baseOffset, lastOffset, producerId, baseSequence, recordCount, maxTimestamp, compression } = header.readBatchHeader(kept, 0)
      assert.deepEqual([baseOffset, lastOffset, recordCount, baseSequence], [0, 4, 2, 9])
      assert.equal(producerId, 2n ** 60n + 1n)
      assert.equal(BigInt(maxTimestamp), baseTimestamp + 7n)
      assert.equal(compression, codec)
    }
})

test('a delete horizon changes the base, and no time', () => {
  for (const codec of codecs) {
    const bytes = rawBatch({ codec, records: [{ value: -1 }, { timestampDelta: 50n }], baseTimestamp: 1000n })
    const kept = retainRecords(only(bytes), () => true, { keepEmpty: false, deleteHorizonMs: 9_000 })!
    assert.ok(header.hasDeleteHorizon(kept, 0))
    assert.equal(header.baseTimestamp(kept, 0), 9_000)
    assert.deepEqual(view(kept), view(bytes))
    // It is set once.
    const later = only(kept)
    assert.equal(
      retainRecords(later, () => true, { keepEmpty: false, deleteHorizonMs: 10_000 }),
      later.bytes,
    )
    const fewer = retainRecords(later, odd, { keepEmpty: false, deleteHorizonMs: 10_000 })!
    assert.equal(header.baseTimestamp(fewer, 0), 9_000)
    assert.deepEqual(view(fewer), view(bytes).slice(1))
  }
})

test('a batch of hundreds of thousands of records is compacted within little memory', async () => {
  const many = rawBatch({ codec: 'zstd', records: Array.from({ length: 300_000 }, () => ({})) })
  const module = new URL('./retain.ts', import.meta.url).href
  const source = `
    const { workerData, parentPort } = require('node:worker_threads')
    import(${JSON.stringify(module)}).then(async ({ retainRecords }) => {
      const { batchesIn } = await import(${JSON.stringify(new URL('./read.ts', import.meta.url).href)})
      const [batch] = batchesIn(Buffer.from(workerData))
      parentPort.postMessage(retainRecords(batch, record => record.offset % 2 === 1, { keepEmpty: false }))
    })`
  const worker = new Worker(source, { eval: true, workerData: many, resourceLimits: { maxOldGenerationSizeMb: 24 } })
  const kept = await new Promise<Uint8Array>((resolve, reject) => worker.once('message', resolve).once('error', reject))
  assert.equal(header.recordCount(Buffer.from(kept), 0), 150_000)
})
