import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sinkRecord } from '../../connector-testing.ts'
import { Batches } from './batches.ts'

test('what was written before a failure is not written again', async () => {
  const records = [0n, 1n, 2n, 3n, 4n].map(offset => sinkRecord({ offset }))
  const written: bigint[] = []
  let fails = true
  const batches = new Batches(2)
  const write = () =>
    batches.write(records, async batch => {
      if (batch[0]!.offset === 2n && fails) throw new Error('away')
      written.push(...batch.map(record => record.offset))
    })
  await assert.rejects(write(), /away/)
  fails = false
  await write()
  assert.deepEqual(written, [0n, 1n, 2n, 3n, 4n])
  await write()
  assert.equal(written.length, 10)
})

test('other records than those that failed are written from the beginning', async () => {
  const batches = new Batches(1)
  const written: bigint[] = []
  const records = [0n, 1n].map(offset => sinkRecord({ offset }))
  const failing = batches.write(records, async ([record]) => {
    if (record!.offset === 1n) throw new Error('away')
  })
  await assert.rejects(failing, /away/)
  batches.forget()
  await batches.write(records, async ([record]) => void written.push(record!.offset))
  assert.deepEqual(written, [0n, 1n])
})
