/** Heartbeats, and how long recency may be promised. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { frameKind } from '../../store.ts'
import { steadySession } from './session.testing.ts'

test('an idle session writes a heartbeat twice a second, a busy one none', async () => {
  const { world, journal, partitions, stream } = await steadySession()
  for (let second = 0; second < 10; second++) {
    await world.pass(1_000)
    assert.ok(journal.proven() && journal.marginMs > 1_900, `${journal.marginMs} ms left`)
  }
  const { heartbeats } = journal.counts
  assert.ok(heartbeats >= 19 && heartbeats <= 22, `${heartbeats} heartbeats`)
  for (let turn = 0; turn < 100; turn++) {
    await world.run(partitions[0].append(journal, 10))
    await world.pass(100)
  }
  assert.ok(journal.counts.heartbeats <= heartbeats + 1)
  assert.equal((await stream()).filter(frame => frame.kind === frameKind.heartbeat).length, journal.counts.heartbeats + 1)
})

test('the lease ends when nothing is committed, and begins again with the first frame that is', async () => {
  const { world, server, journal, partitions } = await steadySession()
  server.stop()
  const waiting = partitions[0].append(journal, 10)
  await world.pass(1_900)
  assert.ok(journal.proven())
  await world.pass(700)
  assert.ok(!journal.proven() && journal.ended === null)
  await world.pass(20_000)
  assert.ok(journal.marginMs < -10_000)
  server.start()
  // It was sent long ago: that it is committed says nothing of now.
  assert.equal(await world.run(waiting), true)
  await world.pass(1_200)
  assert.ok(journal.proven())
})

test('what was sent before a pause proves nothing after it', async () => {
  const { world, process, journal } = await steadySession()
  process.pause(4_000)
  await world.pass(3_999)
  assert.ok(!journal.proven())
  await world.pass(200)
  assert.ok(journal.proven())
})

for (const jumpMs of [3_600_000, 400, -400, -3_600_000]) {
  test(`a wall clock that jumps by ${jumpMs} ms: nothing is proven until the next frame`, async () => {
    const { world, journal } = await steadySession()
    await world.pass(1_000)
    assert.ok(journal.proven())
    world.jumpClock(jumpMs)
    assert.ok(!journal.proven())
    await world.pass(1_000)
    assert.ok(journal.proven())
  })
}

test('a small correction of the wall clock changes nothing', async () => {
  const { world, journal } = await steadySession()
  for (let second = 0; second < 20; second++) {
    world.jumpClock(second % 2 === 0 ? 50 : -50)
    assert.ok(journal.proven())
    await world.pass(1_000)
  }
})
