/** The contract of the database in simulated worlds full of faults. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CallFate, type PostgresPlant, SimulatedPostgres } from '../../sim/world/postgres.ts'
import { Process } from '../../sim/world/process.ts'
import { simulatedWorld, type World } from '../../sim/world/world.ts'
import { type Database, openDatabase } from '../../src/store.ts'
import { contract, type Subject, Writer } from './database.contract.ts'

interface Simulated extends Subject {
  world: World
  server: SimulatedPostgres
  opened: Database[]
}

function simulated(seed: number, faults: number, plant?: PostgresPlant): Simulated {
  const world = simulatedWorld({ seed })
  const random = world.random.fork()
  const fates: readonly CallFate[] = ['lost-before', 'lost-after', 'late']
  const graceMs = 5_000
  const fate = () => (random.chance(faults) ? random.pick(fates) : 'well')
  const server = new SimulatedPostgres({ ...world.system, random, graceMs, fate, ...(plant === undefined ? {} : { plant }) })
  const opened: Database[] = []
  const open = () => {
    const database = openDatabase({ system: world.system, connect: server.connect(new Process(world.system.timers)), timeoutMs: 60_000 })
    opened.push(database)
    return database
  }
  const pass = (ms: number) => new Promise<void>(resolve => world.system.timers.after(ms, resolve))
  return { world, server, opened, open, pass, graceMs, random: world.random.fork() }
}

for (const [name, part] of Object.entries(contract)) {
  test(`simulated: ${name}`, async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const subject = simulated(seed, [0, 0.05, 0.2][seed % 3]!)
      try {
        await subject.world.run(part(subject))
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error })
      }
    }
  })
}

const plants: readonly PostgresPlant[] = ['no-predecessor-check', 'unguarded-trim', 'metadata-apart', 'no-lock-on-objects']
for (const plant of plants) {
  test(`the contract finds a planted bug: ${plant}`, async () => {
    for (let seed = 1; seed <= 40; seed++) {
      for (const part of Object.values(contract)) {
        const subject = simulated(seed, 0.05, plant)
        const found = await subject.world.run(part(subject)).then(
          () => false,
          () => true,
        )
        if (found) return
      }
    }
    assert.fail('it was not found')
  })
}

test('faults happen: commits are sent again, connections are replaced', async () => {
  let [resent, reconnects] = [0, 0]
  for (let seed = 1; seed <= 10; seed++) {
    const subject = simulated(seed, 0.2)
    await subject.world.run(contract['frames are committed in order, once each, with their bytes']!(subject))
    for (const { counts } of subject.opened) {
      resent += counts.resent
      reconnects += counts.reconnects
    }
  }
  assert.ok(resent > 20 && reconnects > 20, `${resent} resent, ${reconnects} reconnects`)
})

test('commits wait while the server is away, and are committed once when it is back', async () => {
  const subject = simulated(1, 0)
  const { world, server, pass } = subject
  const frames = async () => {
    const writer = await Writer.begin(subject)
    await writer.committed()
    server.stop()
    const waiting = Promise.all(Array.from({ length: 10 }, () => writer.commit()))
    await pass(60_000)
    assert.deepEqual(writer.acknowledged, [1])
    server.start()
    const before = world.system.clock.monotonic()
    assert.deepEqual(new Set(await waiting), new Set(['committed']))
    assert.ok(world.system.clock.monotonic() - before < 2_000, 'soon after')
    assert.equal((await writer.database.frames(writer.session, 0, 100_000)).length, 12)
  }
  await world.run(frames())
})

test('a failover that lost an acknowledged frame is reported as that, not as a fence', async () => {
  const subject = simulated(1, 0)
  const forgotten = async () => {
    const writer = await Writer.begin(subject)
    await writer.committed()
    await writer.committed()
    await subject.server.forgetNewestFrame(writer.session)
    assert.equal(await writer.commit(), 'predecessor-missing')
    assert.equal(await writer.commit(), 'predecessor-missing')
  }
  await subject.world.run(forgotten())
})

test('a read gives up after its time, a commit does not', async () => {
  const subject = simulated(1, 0)
  const reading = async () => {
    const writer = await Writer.begin(subject)
    subject.server.stop()
    await assert.rejects(writer.database.heads(), /refused|lost|stopped/)
    assert.ok(subject.world.system.clock.monotonic() >= 60_000)
  }
  await subject.world.run(reading())
})

test('one seed tells one story', async () => {
  const stories = []
  for (let run = 0; run < 2; run++) {
    const subject = simulated(7, 0.2)
    const part = contract['whoever is fenced while writing keeps what was acknowledged, and no more']!
    await subject.world.run(part(subject))
    stories.push([
      subject.world.system.clock.monotonic(),
      ...subject.opened.map(({ counts }) => [counts.commits, counts.resent, counts.queries]),
    ])
  }
  assert.deepEqual(stories[1], stories[0])
})
