/**
 * The journal of a session under seeded schedules: connections break, the stores go away, the process pauses, the machine is suspended, a
 * watcher fences the session when it seems dead, or because somebody wants to. A naive model judges: what was acknowledged is in the stream
 * exactly once and in order, and nothing is proven any more when the watcher fences. Bugs on purpose must be found.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SeededRandom } from '../../../sim/world/random.ts'
import { frameKind, type Writes } from '../../store.ts'
import type { SessionJournal } from './journal.ts'
import {
  checkStream,
  readStream,
  type Stores,
  type TestCluster,
  TestPartition,
  type TestSession,
  testCluster,
  testSession,
} from './session.testing.ts'
import { type SharedSettings, sharedDefaults } from './settings.ts'

interface Plant {
  stores?(stores: Stores): Stores
  settings?: Partial<SharedSettings>
}

interface Outcome {
  acknowledged: number
  refused: number
  ended: string | null
  objects: number
  resent: number
  written: number
  taken: number
  provenMs: number
  history: readonly string[]
}

/** Small, so that a schedule has many frames and objects of few bytes. */
const small = { inlineBytes: 400, inlineBytesPerSecond: 40_000, frameBytes: 3_000, carryBytes: 600, objectBytes: 2_000, objectPuts: 3 }
const { leaseMs, marginMs } = sharedDefaults
const turns = 60
/** Objects that are tried again wait for up to 30 s. */
const healedMs = 120_000

async function schedule(seed: number, plant: Plant = {}): Promise<Outcome> {
  const cluster = testCluster(seed)
  const { world, random, objects, openDatabase } = cluster
  const calm = random.chance(0.2)
  if (!calm) Object.assign(cluster.faults, { database: random.pick([0, 0.05, 0.3]), objects: random.pick([0, 0.1, 0.4]) })
  const opened = await world.run(testSession(cluster, { ...small, ...plant.settings }, plant.stores))
  const { journal } = opened
  const partitions = Array.from({ length: 1 + random.below(4) }, (_, nth) => new TestPartition(random, nth))
  for (const partition of partitions) partition.config = { durability: random.pick([null, 'fsync', 'os', 'inline', 'object'] as const) }
  const outcome: Outcome = {
    acknowledged: 0,
    refused: 0,
    ended: null,
    objects: 0,
    resent: 0,
    written: 0,
    taken: 0,
    provenMs: 0,
    history: world.history,
  }
  const watcher = watch(cluster, opened, outcome)
  const waiting: Promise<unknown>[] = []
  for (let turn = 0; turn < turns; turn++) {
    if (!calm) disturb(cluster, opened, seed, waiting)
    cluster.process.run(() => {
      for (const partition of partitions) if (random.chance(0.6)) waiting.push(...appendSome(journal, partition, random))
      if (random.chance(0.1)) waiting.push(writeRows(journal, cluster, outcome))
    })
    await world.pass(random.fraction() * (random.chance(0.1) ? 1_000 : 40))
  }
  cluster.faults.database = cluster.faults.objects = 0
  cluster.server.start()
  cluster.s3.start()
  while (cluster.process.paused) await world.pass(100)
  if (random.chance(0.5)) waiting.push(journal.close())
  const late = Promise.withResolvers<never>()
  const timer = world.system.timers.after(healedMs, () => late.reject(new Error('something waits though all is well again')))
  await world.run(Promise.race([Promise.all(waiting), late.promise]))
  timer.cancel()
  watcher.over = true
  await world.run(watcher.done)
  const database = openDatabase()
  // Commits of backends that carry on without their client.
  await world.pass(10_000)
  checkStream(await world.run(readStream(database, objects, opened.session)), partitions)
  assert.equal(cluster.s3.finding, null)
  assert.deepEqual(opened.missing, [], 'objects are there before a frame refers to them')
  assert.ok(opened.mostUnsettled <= 2, `${opened.mostUnsettled} unsettled`)
  assert.equal(journal.unsettledBytes, 0)
  for (const partition of partitions) {
    outcome.acknowledged += partition.acknowledged
    outcome.refused += partition.refused
    world.note(`${partition.acknowledged} of ${partition.end}`)
    if (journal.ended === null) assert.deepEqual([partition.acknowledged, partition.highWatermark], [partition.end, partition.end])
  }
  await world.run(journal.close())
  return Object.assign(outcome, { ended: opened.ended[0] ?? null, objects: journal.counts.objects, resent: opened.database.counts.resent })
}

function* appendSome(journal: SessionJournal, partition: TestPartition, random: SeededRandom): Generator<Promise<boolean>> {
  for (let left = 1 + random.below(3); left > 0 && journal.ended === null; left--) {
    if (random.chance(0.05)) yield partition.deleteBefore(journal, random.below(partition.end + 1))
    if (random.chance(0.05)) partition.leaderEpoch++
    yield partition.append(journal, random.chance(0.2) ? 400 + random.below(1_500) : 8 + random.below(100))
  }
}

async function writeRows(journal: SessionJournal, { random, world }: TestCluster, outcome: Outcome): Promise<void> {
  const metadataOffset = outcome.written
  const withMetadata = random.chance(0.5)
  const partition = new TestPartition(random, 100)
  const length = random.pick([0, 100, 1_000])
  const share = {
    topicId: partition.topicId,
    partition: 100,
    leaderEpoch: 0,
    baseOffset: 0,
    endOffset: length === 0 ? 0 : 1,
    length,
    logStart: -1,
    released: true,
  }
  const make = (seq: number): Writes => {
    assert.equal(seq, journal.lastSeq + 1)
    return withMetadata ? { metadata: { offset: metadataOffset, count: 1, records: Buffer.from(`${seq}`) } } : { trimBelow: 0 }
  }
  try {
    const result = await journal.write(frameKind.carry, [{ share, bytes: [Buffer.alloc(length)] }], make)
    if (result === 'metadata-taken') outcome.taken++
    else if (withMetadata) outcome.written++
    world.note(result)
  } catch (error) {
    assert.match((error as Error).name, /NOT_LEADER_OR_FOLLOWER|KAFKA_STORAGE_ERROR/)
  }
}

function disturb(
  { random, server, s3, process, world, suspend, openDatabase }: TestCluster,
  { session }: TestSession,
  seed: number,
  waiting: Promise<unknown>[],
): void {
  if (random.chance(0.03)) server.breakOne()
  if (random.chance(0.02)) process.pause(random.fraction() * 5_000)
  // Not both in one schedule: a clock that is set back by as much as the machine was suspended hides that, and nothing can tell.
  if (seed % 2 === 0 && random.chance(0.01) && !process.paused) suspend(random.fraction() * 5_000)
  if (seed % 2 === 1 && random.chance(0.02)) world.jumpClock(random.below(10_000) - 5_000)
  if (random.chance(0.02)) {
    server.stop()
    world.system.timers.after(random.fraction() * 3_000, () => server.start())
  }
  if (random.chance(0.02)) {
    s3.stop()
    world.system.timers.after(random.fraction() * 20_000, () => s3.start())
  }
  if (random.chance(0.003)) waiting.push(openDatabase().fence(session, 99))
}

/** As other brokers do: fences the session when its stream does not grow for lease + margin, and then nothing may be proven. */
function watch({ world, process, openDatabase }: TestCluster, { journal, session }: TestSession, outcome: Outcome) {
  const database = openDatabase()
  const state = { over: false, fenced: false, done: Promise.resolve() }
  const probe = () => {
    if (state.over) return
    if (journal.proven()) {
      assert.ok(!state.fenced, 'proven, though a watcher may have fenced the session')
      outcome.provenMs += 10
    }
    process.after(10, probe)
  }
  const pass = (ms: number) => new Promise<void>(resolve => world.system.timers.after(ms, resolve))
  const watching = async () => {
    let [seq, grownMs] = [-1, world.system.clock.monotonic()]
    while (!state.over) {
      const head = (await database.heads().catch(() => null))?.find(each => each.session === session)
      const nowMs = world.system.clock.monotonic()
      if (head !== undefined && head.seq > seq) [seq, grownMs] = [head.seq, nowMs]
      else if (head !== undefined && nowMs - grownMs > leaseMs + marginMs) {
        world.note('the watcher fences')
        if (!(await database.fence(session, 99, undefined, seq).catch(() => false))) continue
        // It may have been late, and the session alive again: then whoever takes over has to wait for the lease.
        const [next] = await database.frames(session, seq + 1, 1)
        state.fenced = next!.kind === frameKind.fence
        if (state.fenced) world.note('it was silent until then')
        return
      }
      await pass(100)
    }
  }
  process.run(probe)
  state.done = watching()
  return state
}

const seeds = (count: number, from = 1) => Array.from({ length: count }, (_, nth) => from + nth)

test('acknowledged exactly once and in order, whatever happens', async () => {
  const sum = { acknowledged: 0, refused: 0, objects: 0, resent: 0, written: 0, taken: 0, provenMs: 0, fenced: 0, alive: 0 }
  for (const seed of seeds(60)) {
    try {
      const { ended, history: _, ...counts } = await schedule(seed)
      for (const [name, count] of Object.entries(counts)) sum[name as keyof typeof sum] += count
      if (ended === 'fenced') sum.fenced++
      else sum.alive++
      assert.ok(ended === null || ended === 'fenced', String(ended))
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error })
    }
  }
  // It has seen what it is about.
  const least = { acknowledged: 5_000, refused: 100, objects: 200, resent: 50, written: 20, taken: 10, fenced: 10, alive: 10 }
  for (const [name, count] of Object.entries(least)) assert.ok(sum[name as keyof typeof sum] >= count, `${name}: ${JSON.stringify(sum)}`)
})

test('one seed tells one story', async () => {
  for (const seed of seeds(5)) assert.deepEqual(await schedule(seed), await schedule(seed))
})

const plants: Record<string, Plant> = {
  'acknowledged before it is committed': {
    stores: stores => ({
      ...stores,
      async commit(frame, writes) {
        void stores.commit(frame, writes).catch(() => {})
        return 'committed'
      },
    }),
  },
  'an object that is not there yet': {
    stores({ commit, objects }) {
      return { commit, objects: { ...objects, put: async (name, content) => void objects.put(name, content).catch(() => {}) } }
    },
  },
  'a lease that is longer than what others wait': { settings: { leaseMs: 2 * leaseMs } },
  'a jump of the wall clock that is overlooked': { settings: { marginMs: 1e9 } },
}

for (const [name, plant] of Object.entries(plants)) {
  test(`a planted bug is found: ${name}`, async () => {
    for (const seed of seeds(300)) {
      const found = await schedule(seed, plant).then(
        () => false,
        () => true,
      )
      if (found) return
    }
    assert.fail('it was not found')
  })
}
