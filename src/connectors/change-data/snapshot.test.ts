import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SourceRecord, struct } from '../../connector.ts'
import { snapshotRecords } from './snapshot.ts'

/** The marks of a snapshot of tables with so many rows. */
async function marksOf(...tables: readonly number[]): Promise<string[]> {
  async function* batches() {
    for (const count of tables) {
      const table = { count }
      for (let row = 0; row < count; row++) yield { table, rows: [row] }
    }
  }
  const record = (value: string): SourceRecord => ({
    ...{ topic: 't', partition: null, keySchema: null, key: null, valueSchema: null, value, timestampMs: null, headers: [] },
    ...{ sourcePartition: struct(), sourceOffset: struct() },
  })
  const found: string[] = []
  for await (const records of snapshotRecords(batches(), (_, __, mark) => record(mark)))
    found.push(...records.map(({ value }) => String(value)))
  return found
}

test('rows of a snapshot say where in it they are, as with Debezium', async () => {
  assert.deepEqual(await marksOf(3, 1, 2), [
    ...['first', 'true', 'last_in_data_collection'],
    'last_in_data_collection',
    ...['first_in_data_collection', 'last'],
  ])
  assert.deepEqual(await marksOf(1, 1), ['last_in_data_collection', 'last'])
  assert.deepEqual(await marksOf(0, 1), ['last'])
  assert.deepEqual(await marksOf(), [])
})
