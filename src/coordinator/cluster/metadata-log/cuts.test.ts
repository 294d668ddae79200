import assert from 'node:assert/strict'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { type TestSystem, testSystem } from '../../runtime.testing.ts'
import { countIn, follow, increment } from '../followed-metadata.testing.ts'
import { connection, NaiveMetadataLog } from '../metadata-log.testing.ts'
import type { MetadataLog } from '../metadata-log.ts'
import { MetadataClient } from './client.ts'
import { serveMetadataLog } from './server.ts'

/** The same numbers for the same seed. */
function seeded(seed: number): (bound: number) => number {
  let state = seed
  return bound => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % bound
  }
}

/** Bytes travel in turns of the event loop of their own. */
async function pass(system: TestSystem, ms: number): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
  await system.advance(ms)
}

/** Answers late, so that a cut may come before or after the append. */
function slow(log: MetadataLog, system: TestSystem, below: (bound: number) => number): MetadataLog {
  const later = () => new Promise<void>(resolve => void system.timers.after(below(10), resolve))
  return {
    async append(...args) {
      await later()
      const accepted = await log.append(...args)
      await later()
      return accepted
    },
    read: from => log.read(from),
    onChanged: callback => log.onChanged(callback),
    close() {},
  }
}

test('over connections that break at any moment, acknowledged changes are made once, and refused ones never', async () => {
  let cuts = 0
  let lost = 0
  for (let seed = 1; seed <= 10; seed++) {
    const below = seeded(seed)
    const system = testSystem()
    const log = new NaiveMetadataLog()
    const followers = [0, 1].map(() => {
      let stream: Duplex | null = null
      const client = new MetadataClient({
        system,
        async connect() {
          const [ours, theirs] = connection(1 + below(50))
          serveMetadataLog(slow(log, system, below), theirs, error => assert.fail(String(error)))
          stream = ours
          return ours
        },
        report: (what, error) => assert.fail(`${what}: ${error}`),
      })
      return { ...follow(system, client), client, cut: () => stream?.destroy() }
    })
    const told = { done: 0 }
    const writing: Promise<void>[] = []
    for (let step = 0; step < 60; step++) {
      const { home, cut } = followers[below(2)]!
      writing.push(
        home.write(increment).then(
          () => void told.done++,
          error => assert.equal(error.name, 'COORDINATOR_NOT_AVAILABLE'),
        ),
      )
      if (below(4) === 0) {
        cut()
        cuts++
      }
      await pass(system, below(10))
    }
    let pending = true
    void Promise.all(writing).then(() => (pending = false))
    for (let ms = 0; ms < 20_000 && pending; ms += 10) await pass(system, 10)
    await Promise.all(writing)
    for (let turn = 0; turn < 5; turn++) await pass(system, 1_000)
    for (const { home } of followers) {
      const count = await home.write(shard => ({ records: [], response: countIn(shard) }))
      assert.equal(count, told.done, `seed ${seed}`)
    }
    assert.equal(log.records.length, 2 * told.done)
    lost += followers.reduce((sum, { reports }) => sum + reports.filter(text => text.startsWith('asking again')).length, 0)
    for (const { home } of followers) home.close()
  }
  assert.ok(cuts > 50 && lost > 10, `${cuts} cuts, ${lost} lost answers`)
})
