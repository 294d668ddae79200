/** The contract of the database: in simulated worlds full of faults, and with a real server if MILLRACE_POSTGRES_URL names one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from 'pg'
import { type CallFate, type PostgresPlant, SimulatedPostgres } from '../../sim/world/postgres.ts'
import { Process } from '../../sim/world/process.ts'
import { seededRandom } from '../../sim/world/random.ts'
import { simulatedWorld, type World } from '../../sim/world/world.ts'
import { realSystem } from '../../src/base.ts'
import { type Database, DatabaseUnavailable, frameKind, openDatabase, parseDatabaseUrl, postgres } from '../../src/store.ts'
import { contract, type Subject, uuidOf, Writer } from './database.contract.ts'

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

const plants: readonly PostgresPlant[] = [
  'no-predecessor-check',
  'unguarded-trim',
  'metadata-apart',
  'no-lock-on-objects',
  'take-over-of-any',
]
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

test('without room for another connection, changes of the metadata are seen nonetheless, and at once when there is room', async () => {
  const subject = simulated(1, 0)
  const { world, server, pass } = subject
  const connect = server.connect(new Process(world.system.timers))
  let connections = 0
  let room = 2
  const limited = () => (++connections > room ? Promise.reject(new DatabaseUnavailable('too many clients')) : connect())
  const following = async () => {
    const writer = await Writer.begin(subject)
    const reports: string[] = []
    const database = openDatabase({ system: world.system, connect: limited, report: what => void reports.push(what) })
    const session = await database.beginSession({ brokerId: 7, incarnation: uuidOf(subject.random), info: {} })
    await database.commit({ session, seq: 1, kind: frameKind.heartbeat, body: Buffer.alloc(0), objects: [] })
    let seen = 0
    database.onMetadata(end => {
      seen = end
    })
    const grow = (offset: number) => writer.database.appendMetadata({ offset, count: 1, records: Buffer.from('x') }, writer.session)
    await grow(0)
    await pass(1_500)
    assert.deepEqual([seen, new Set(reports)], [1, new Set(['no connection that tells changes of the cluster; they are seen later'])])
    room = Number.POSITIVE_INFINITY
    await pass(1_500)
    await grow(1)
    await pass(200)
    assert.equal(seen, 2)
    await database.close()
  }
  await world.run(following())
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

const { MILLRACE_POSTGRES_URL: realUrl } = process.env
const skip = realUrl === undefined && 'set MILLRACE_POSTGRES_URL to run it against a real PostgreSQL'

for (const [name, part] of Object.entries(contract)) {
  test(`PostgreSQL: ${name}`, { skip }, async () => {
    const schema = `contract_${process.pid}`
    assert.equal(parseDatabaseUrl(realUrlIn(schema), process.env).schema, schema)
    await part(realSubject(schema, Date.now() + name.length))
  })
}

const realUrlIn = (schema: string) => `${realUrl}${realUrl!.includes('?') ? '&' : '?'}schema=${schema}`
const graceMs = 200
const realDatabase = (schema: string) => {
  const system = realSystem()
  return openDatabase({ system, connect: postgres({ system, url: realUrlIn(schema), environment: process.env, graceMs }) })
}
const realSubject = (schema: string, seed: number): Subject => ({
  open: () => realDatabase(schema),
  pass: ms => new Promise(resolve => setTimeout(resolve, ms)),
  graceMs,
  random: seededRandom(seed),
})
async function asAdministrator<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: realUrl! })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

test('PostgreSQL: backends are killed under a stream of commits: each frame is there once', { skip }, async () => {
  const subject = realSubject(`killed_${process.pid}`, 1)
  const writer = await Writer.begin(subject)
  let over = false
  const writing = async () => {
    while (!over) assert.equal(await writer.commit(writer.frame(Buffer.alloc(2_000, writer.seq))), 'committed')
  }
  const all = [writing(), writing(), writing()]
  await asAdministrator(async client => {
    for (let round = 0; round < 25; round++) {
      const before = writer.acknowledged.length
      while (writer.acknowledged.length < before + 20) await subject.pass(1 + (round % 7))
      await client.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'millrace'")
    }
  })
  over = true
  await Promise.all(all)
  const { counts } = writer.database
  assert.ok(counts.resent > 10 && counts.reconnects > 20, `${counts.resent} resent, ${counts.reconnects} reconnects`)
  const found = []
  for (let page = null; page === null || page.length > 0; found.push(...page))
    page = await writer.database.frames(writer.session, found.length, 1_000_000)
  assert.deepEqual(
    found.map(({ seq }) => seq),
    Array.from({ length: writer.seq + 1 }, (_, seq) => seq),
  )
  for (const { seq, body } of found.slice(1)) assert.ok(Buffer.from(body).equals(Buffer.alloc(2_000, seq - 1)), `the bytes of ${seq}`)
  assert.equal(writer.acknowledged.length, writer.seq)
  await writer.database.close()
})

test('PostgreSQL: what a standby has not got is not committed, also where its connection breaks while it waits', { skip }, async () => {
  const subject = realSubject(`standby_${process.pid}`, 2)
  const writer = await Writer.begin(subject)
  await writer.committed()
  await asAdministrator(async client => {
    const standbys = async (sql: string) => {
      await client.query(sql)
      await client.query('select pg_reload_conf()')
    }
    const waiting = "from pg_stat_activity where application_name = 'millrace' and wait_event = 'SyncRep'"
    let settled: string | null
    let committing: Promise<void>
    try {
      await standbys("alter system set synchronous_standby_names = 'not_there'")
      // It takes a moment until the server knows.
      do {
        settled = null
        committing = writer.commit().then(outcome => {
          settled = outcome
        })
        await subject.pass(100)
      } while (settled !== null)
      assert.equal((await client.query(`select pg_terminate_backend(pid) ${waiting}`)).rows.length, 1)
      await subject.pass(1_500)
      assert.equal(settled, null)
      assert.equal((await client.query(`select ${waiting}`)).rows.length, 1, 'the attempt that found it waits, too')
      await standbys('alter system reset synchronous_standby_names')
      await committing
      assert.equal(settled, 'committed')
    } finally {
      await standbys('alter system reset synchronous_standby_names')
    }
  })
  await writer.database.close()
})

test('PostgreSQL: who holds what brokers wait for is named', { skip }, async () => {
  const schema = `troubles_${process.pid}`
  const writer = await Writer.begin(realSubject(schema, 1))
  assert.deepEqual(
    (await writer.database.troubles()).filter(({ isOutage }) => isOutage),
    [],
  )
  await asAdministrator(async client => {
    await client.query('begin')
    await client.query(`lock table ${schema}.frame in exclusive mode`)
    const waiting = writer.commit()
    const named = async () => (await writer.database.troubles()).find(({ isOutage }) => isOutage)?.what
    let what: string | undefined
    for (let look = 0; what === undefined && look < 200; look++) {
      await new Promise(resolve => setTimeout(resolve, 50))
      what = await named()
    }
    assert.match(
      what ?? 'nothing',
      /^brokers wait for a lock of process \d+ \(.*, in a transaction for \d+ s, idle in transaction\): let it end/,
    )
    await client.query('rollback')
    assert.equal(await waiting, 'committed')
    assert.equal(await named(), undefined)
    await client.query(`drop schema ${schema} cascade`)
  })
  await writer.database.close()
})

test('PostgreSQL: a server that would lose what it confirms is refused', { skip }, async () => {
  await asAdministrator(async client => {
    for (const value of ['off', 'local', 'remote_write']) {
      await client.query(`alter role current_user set synchronous_commit = ${value}`)
      try {
        const database = realDatabase('refused')
        await assert.rejects(database.check(), new RegExp(`synchronous_commit=${value}: a crash would lose`))
        await database.close()
      } finally {
        await client.query('alter role current_user reset synchronous_commit')
      }
    }
  })
})

test('PostgreSQL: another format is refused, and named', { skip }, async () => {
  const schema = `format_${process.pid}`
  const first = realDatabase(schema)
  await first.start('00000000-0000-0000-0000-000000000001')
  await asAdministrator(client => client.query(`update ${schema}.cluster set format = 99`))
  await assert.rejects(first.start('00000000-0000-0000-0000-000000000002'), /has format 99; this program reads format 1/)
  await first.close()
})
