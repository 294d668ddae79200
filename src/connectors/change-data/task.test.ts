import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readValues } from '../../base.ts'
import { string, struct } from '../../connector.ts'
import { TestContext } from '../task.testing.ts'
import { changeDataKeys } from './keys.ts'
import { ChangeTask } from './task.ts'

const keys = { ...changeDataKeys, 'snapshot.mode': string({ default: 'initial', doc: 'As that of a database.' }) }
const delayMs = 60

/** How long it takes until a session is opened, at least, in ms. */
async function openedAfter(mode: string, isStored: boolean): Promise<number> {
  const config = readValues(keys, {
    ...{ 'topic.prefix': 'shop', 'snapshot.mode': mode },
    ...{ 'snapshot.delay.ms': String(delayMs), 'poll.interval.ms': '10' },
  })
  const context = new TestContext()
  if (isStored) context.offsets.set(JSON.stringify(struct([['server', 'shop']])), struct([]))
  let openedMs: number | null = null
  const open = async () => {
    openedMs = clock.monotonic()
  }
  const session = { position: null, open, poll: async () => [], committed() {}, async end() {}, async close() {} }
  const { clock } = context.system
  const beganMs = clock.monotonic()
  const task = new ChangeTask(
    config,
    context,
    () => 'a position',
    () => session,
  )
  await task.begin()
  while (openedMs === null) assert.deepEqual(await task.poll(), [])
  await task.close()
  return openedMs - beganMs
}

test('a snapshot that is due waits for snapshot.delay.ms; what needs none begins at once', async () => {
  assert.ok((await openedAfter('initial', false)) >= delayMs)
  assert.ok((await openedAfter('initial', true)) < delayMs)
  assert.ok((await openedAfter('no_data', false)) < delayMs)
})
