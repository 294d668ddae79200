import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readValues } from '../../base.ts'
import { type Struct, string, struct } from '../../connector.ts'
import { TestContext } from '../../connector-testing.ts'
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
  const task = new ChangeTask(config, context, { positionOf: () => 'a position', offsetOf: () => struct([]) }, () => session)
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

test('where changes begin is stored at once, also when a snapshot had no rows', async () => {
  for (const mode of ['no_data', 'initial']) {
    const context = new TestContext()
    const config = readValues(keys, { 'topic.prefix': 'shop', 'snapshot.mode': mode, 'poll.interval.ms': '10' })
    const form = { positionOf: (offset: Struct) => String(offset['at']), offsetOf: (at: string) => struct([['at', at]]) }
    const starts: (string | null)[] = []
    const newTask = (now: string) =>
      new ChangeTask(config, context, form, position => {
        starts.push(position)
        const session = {
          position,
          async open() {
            if (mode === 'no_data') session.position ??= now
          },
          async poll() {
            session.position ??= now
            return []
          },
          ...{ committed() {}, async end() {}, async close() {} },
        }
        return session
      })
    for (const now of ['first', 'later']) {
      const task = newTask(now)
      await task.begin()
      if (mode === 'initial') assert.deepEqual(await task.poll(), [])
      await task.close()
    }
    assert.deepEqual(starts, [null, 'first'], mode)
  }
})
