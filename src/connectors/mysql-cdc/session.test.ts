import assert from 'node:assert/strict'
import { test } from 'node:test'
import { struct } from '../../connector.ts'
import { openSource, TestContext } from '../../connector-testing.ts'
import { offsetOf } from './position.ts'
import { mysqlCdc } from './source.ts'

test('snapshot.mode=initial_only reads no changes, also when it is started again', async () => {
  const context = new TestContext()
  const place = { file: 'bin.000001', pos: 4, gtids: null }
  context.offsets.set(JSON.stringify(struct([['server', 'shop']])), offsetOf({ place, rows: 0, records: 0 }, null, false))
  // Nobody listens there, and nobody has to.
  const config = {
    ...{ 'database.hostname': '127.0.0.1', 'database.port': '1', 'database.user': 'me', 'topic.prefix': 'shop' },
    ...{ 'snapshot.mode': 'initial_only', 'poll.interval.ms': '10' },
  }
  const { task } = await openSource(mysqlCdc, config, context)
  for (let polls = 3; polls > 0; polls--) assert.deepEqual(await task.poll(), [])
  await task.close()
})
