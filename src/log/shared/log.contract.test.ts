/** The contract of `log` for the shared home, over a simulated PostgreSQL and S3. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Log } from '../../log.ts'
import { type Home, type Homes, runContract } from '../log.contract.ts'
import { type TestBroker, testBroker } from './log.testing.ts'
import { type TestCluster, testCluster } from './session.testing.ts'
import type { SharedSettings } from './settings.ts'

/** A broker that is started again and again. Before another session reads what one has left, that one is fenced. */
function sharedHome(cluster: TestCluster, brokerId: number, shared: Partial<SharedSettings>): Home {
  const others = cluster.openDatabase()
  let running: TestBroker | null = null
  return {
    async open(): Promise<Log> {
      running = await testBroker(cluster, brokerId, { settings: { tailBytes: 200_000, producerIdExpirationMs: 1e15 }, shared })
      return running.log
    },
    async kill() {
      if (running === null) return
      running.process.kill()
      assert.equal(await others.fence(running.session, 0), true)
    },
    async giveAway(log, { topicId, partition }) {
      const { database } = running!
      const metadata = async () => ({ offset: await database.metadataEnd(), count: 1, records: Buffer.from('moved') })
      assert.equal(await (log as TestBroker['log']).releaseWith([{ topicId, partition }], metadata), true)
      // The broker has read that record. Nobody leads the partition yet: clients are told after a while.
      await log.release(topicId, partition)
      await new Promise<void>(resolve => cluster.world.system.timers.after(1_000, resolve))
    },
  }
}

function sharedHomes(cluster: TestCluster, shared: Partial<SharedSettings>): Homes {
  return { homes: [sharedHome(cluster, 0, shared), sharedHome(cluster, 1, shared)], bring: null }
}

/** Everything happens in small worlds, too: pieces of a few batches, objects as soon as something is large, cached blocks that come and go. */
const small: Partial<SharedSettings> = {
  inlineBytes: 4_000,
  objectBytes: 50_000,
  flushBytes: 100_000,
  blockBytes: 16_384,
  cacheBytes: 65_536,
}

for (let seed = 1; seed <= 2; seed++) {
  for (const [name, shared] of [
    ['', {}],
    [', small', small],
  ] as const) {
    test(`seed ${seed}${name}`, async () => {
      const cluster = testCluster(seed)
      await cluster.world.run(runContract(sharedHomes(cluster, shared), seed, 100))
      assert.equal(cluster.s3.finding, null)
    })
  }
}
