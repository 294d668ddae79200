/** A filter that is tried on records takes no more of the event loop than it may, however long each record takes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem, Turns } from '../../base.ts'
import type { ReceivedRecord } from '../../client.ts'
import { verdicts } from './samples.ts'

const { timers } = realSystem()
const records = (count: number, value: string) =>
  Array.from(
    { length: count },
    (_, at): ReceivedRecord => ({
      ...{ topic: 't', partition: 0, offset: BigInt(at), timestampMs: 0n, key: null, headers: [] },
      value: Buffer.from(value),
    }),
  )

test('of records that take long, only the first are judged, and others get turns between them', async () => {
  // Each look at the clock is 20 ms later, so that each record takes as long.
  let nowMs = 0
  const clock = { ...realSystem().clock, monotonic: () => (nowMs += 20) }
  let turnsOfOthers = 0
  let isOver = false
  const other = () => {
    turnsOfOthers++
    if (!isOver) timers.soon(other)
  }
  timers.soon(other)
  const found = await verdicts(null, records(20, '{}'), { clock, turns: new Turns({ clock, timers }) })
  isOver = true
  assert.deepEqual(found.slice(0, 13), Array(13).fill({ matches: true }))
  assert.deepEqual(found.slice(13), Array(7).fill({ error: 'the records before it took more than 250 ms: try fewer' }))
  assert.ok(turnsOfOthers >= 10, `${turnsOfOthers}`)
})

test('records that take no time are all judged', async () => {
  const { clock } = realSystem()
  const turns = new Turns({ clock, timers })
  const filter = { Filters: [{ Pattern: '{"value":{"a":[1]}}' }] }
  assert.deepEqual(await verdicts(filter, records(20, '{"a":1}'), { clock, turns }), Array(20).fill({ matches: true }))
  assert.match(JSON.stringify(await verdicts({ cel: 'value.b == 1' }, records(1, '{"a":1}'), { clock, turns })), /error/)
})
