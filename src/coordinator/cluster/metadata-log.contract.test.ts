import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { SimulatedPostgres } from '../../../sim/world/postgres.ts'
import { Process } from '../../../sim/world/process.ts'
import { seededRandom } from '../../../sim/world/random.ts'
import { SimulatedS3 } from '../../../sim/world/s3.ts'
import { memoryFileSystem, realSystem, type System } from '../../base.ts'
import { metadataTopicUuid, type Offset } from '../../protocol.ts'
import { type Database, openDatabase, openObjectStore } from '../../store.ts'
import type { LogRecord } from '../shard.ts'
import { TestLog, testRules } from './cluster.testing.ts'
import { MetadataClient } from './metadata-log/client.ts'
import { DatabaseMetadataLog } from './metadata-log/database.ts'
import { serveMetadataLog } from './metadata-log/server.ts'
import { brokerConfig, NaiveMetadataLog } from './metadata-log.testing.ts'
import { type MetadataLog, newImage } from './metadata-log.ts'
import { decodeMetadataRecord, encodeMetadataRecord } from './metadata-records.ts'
import { openClusterMetadata } from './open-cluster.ts'

interface Home {
  /** Two ways to one log. */
  one: MetadataLog
  other: MetadataLog
}

const silent = { info() {}, warn() {} }

function system(): System {
  return realSystem(memoryFileSystem())
}

/** Of a broker that keeps the log. */
async function ownLog(t: TestContext, snapshotAfterRecords?: number): Promise<MetadataLog> {
  const limit = snapshotAfterRecords === undefined ? {} : { snapshotAfterRecords }
  const options = { system: system(), log: new TestLog(), directory: '/data', brokerId: 0, rules: testRules, reporter: silent, ...limit }
  const cluster = await openClusterMetadata(options)
  t.after(() => cluster.close())
  return cluster.sharedLog!
}

/** Clients of the log, each with a connection over a Unix socket. */
async function overSocket(t: TestContext, log: MetadataLog): Promise<Home> {
  const path = join(tmpdir(), `millrace-${randomBytes(8).toString('hex')}`)
  const open = new Set<net.Socket>()
  const server = net.createServer(socket => {
    open.add(socket)
    serveMetadataLog(log, socket, error => assert.fail(String(error)))
  })
  await new Promise<void>(resolve => void server.listen(path, resolve))
  const client = async () => {
    const connected = Promise.withResolvers<void>()
    const made = new MetadataClient({
      system: system(),
      connect: () =>
        new Promise((resolve, reject) => {
          const socket = net.connect(path, () => resolve(socket)).on('error', reject)
        }),
      report: (what, error) => assert.fail(`${what}: ${error}`),
    })
    made.onChanged(connected.resolve)
    await connected.promise
    t.after(() => made.close())
    return made
  }
  t.after(async () => {
    for (const socket of open) socket.destroy()
    await new Promise(resolve => server.close(resolve))
    rmSync(path, { force: true })
  })
  return { one: await client(), other: await client() }
}

/** Ways of two brokers to one database. */
interface DatabaseHome extends Home {
  one: DatabaseMetadataLog
  other: DatabaseMetadataLog
  server: SimulatedPostgres
  /** Of `one`. */
  database: Database
}

async function overDatabase(t: TestContext, snapshotAfterRecords = 1_000): Promise<DatabaseHome> {
  // Nothing else keeps the process alive.
  const timers: System['timers'] = {
    after(delayMs, callback) {
      const timer = setTimeout(callback, delayMs)
      return { cancel: () => clearTimeout(timer) }
    },
    soon: callback => void setImmediate(callback),
  }
  const real = { ...system(), timers }
  const random = seededRandom(1)
  const server = new SimulatedPostgres({ ...real, random, graceMs: 60_000, fate: () => 'well' })
  const s3 = new SimulatedS3({ ...real, random, bucket: 'bucket', fate: () => 'well', listingDelayMs: () => 0 })
  const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' }
  const open = async () => {
    const process = new Process(timers)
    const database = openDatabase({ system: real, connect: server.connect(process) })
    t.after(() => database.close())
    const session = await database.beginSession({ brokerId: 1, incarnation: randomBytes(16).toString('hex'), info: {} })
    const url = 's3://bucket/prefix?endpoint=https://s3.test'
    const objects = openObjectStore({ system: real, url, environment, transport: s3.transport(process) })
    const options = { system: real, database, objects, session: 1, snapshotSession: () => session, snapshotAfterRecords }
    return { database, log: new DatabaseMetadataLog(options) }
  }
  const { database, log: one } = await open()
  return { one, other: (await open()).log, server, database }
}

const twice = (log: MetadataLog): Home => ({ one: log, other: log })

const homes: Record<string, (t: TestContext) => Promise<Home>> = {
  'in memory': async () => twice(new NaiveMetadataLog()),
  'of this broker': async t => twice(await ownLog(t)),
  'over a socket': async t => overSocket(t, await ownLog(t)),
  'over a database': t => overDatabase(t),
}

const noted = (name: string) => brokerConfig(name, 'x')
const id = () => randomBytes(16)

interface Loaded {
  end: Offset
  /** Names of the configs, in the order of their records. */
  names: string[]
  snapshots: number
}

/** All that is there, as a new broker reads it. */
async function load(log: MetadataLog): Promise<Loaded> {
  const loaded: Loaded = { end: newImage, names: [], snapshots: 0 }
  for (;;) {
    const { isSnapshot, records, end } = await log.read(loaded.end)
    if (!isSnapshot && end === loaded.end) return loaded
    if (isSnapshot) loaded.snapshots++
    for (const [index, { offset, record }] of records.entries()) {
      if (index > 0) assert.ok(offset > records[index - 1]!.offset)
      if (!isSnapshot) assert.ok(offset >= loaded.end && offset < end)
      const decoded = decodeMetadataRecord(record.value!)
      if (decoded.type === 'ConfigRecord') loaded.names.push(decoded.name)
    }
    loaded.end = end
  }
}

async function namesIn(log: MetadataLog): Promise<string[]> {
  return (await load(log)).names
}

for (const [where, open] of Object.entries(homes)) {
  describe(`a metadata log ${where}`, () => {
    it('begins with a snapshot, and ends where nothing follows', async t => {
      const { one } = await open(t)
      assert.equal((await one.read(newImage)).isSnapshot, true)
      const { end, names, snapshots } = await load(one)
      assert.deepEqual(await one.read(end), { isSnapshot: false, records: [], end })
      assert.deepEqual({ names, snapshots }, { names: [], snapshots: 1 })
    })

    it('takes what is decided on its end, and refuses the rest', async t => {
      const { one, other } = await open(t)
      const { end } = await load(one)
      assert.equal(await one.append(end, [noted('a'), noted('b')], id()), true)
      assert.equal(await other.append(end, [noted('c')], id()), false)
      const { isSnapshot, records } = await other.read(end)
      assert.equal(isSnapshot, false)
      assert.deepEqual(
        records.slice(0, 2).map(({ offset, record }) => [offset, record.key, record.value]),
        [
          [end, null, noted('a').value],
          [end + 1, null, noted('b').value],
        ],
      )
      assert.equal(await other.append((await load(other)).end, [noted('c')], id()), true)
      assert.deepEqual(await namesIn(one), ['a', 'b', 'c'])
    })

    it('takes one of two that are decided on the same state', async t => {
      const { one, other } = await open(t)
      const { end } = await load(one)
      // Equal in all but the id, as two brokers that delete the same topic.
      const outcomes = await Promise.all([one, other, one, other].map(log => log.append(end, [noted('a')], id())))
      assert.deepEqual(outcomes.filter(Boolean), [true])
      assert.deepEqual(await namesIn(other), ['a'])
    })

    it('gives a repeated append the answer of the first', async t => {
      const { one, other } = await open(t)
      const { end } = await load(one)
      const [first, second] = [id(), id()]
      assert.equal(await one.append(end, [noted('a')], first), true)
      assert.equal(await one.append(end, [noted('a')], second), false)
      assert.equal(await one.append((await load(one)).end, [noted('b')], id()), true)
      assert.equal(await other.append(end, [noted('a')], first), true)
      assert.equal(await other.append(end, [noted('a')], second), false)
      assert.deepEqual(await namesIn(one), ['a', 'b'])
    })

    it('refuses what is not decided on any state of it', async t => {
      const { one } = await open(t)
      const { end } = await load(one)
      await assert.rejects(one.append(end + 1, [noted('a')], id()), { name: 'OFFSET_OUT_OF_RANGE' })
      await assert.rejects(one.read(end + 1), { name: 'OFFSET_OUT_OF_RANGE' })
      assert.deepEqual(await load(one), { end, names: [], snapshots: 1 })
    })

    it('refuses what is larger than a batch, and goes on', async t => {
      const { one } = await open(t)
      const { end } = await load(one)
      const large = (count: number): LogRecord[] => Array.from({ length: count }, (_, n) => brokerConfig(String(n), 'x'.repeat(30_000)))
      await assert.rejects(one.append(end, large(300), id()), { name: /RECORD_LIST_TOO_LARGE|UNKNOWN_SERVER_ERROR/ })
      await assert.rejects(one.append(end, large(1_000), id()), { name: /RECORD_LIST_TOO_LARGE|UNKNOWN_SERVER_ERROR/ })
      assert.equal(await one.append(end, [noted('a')], id()), true)
      assert.deepEqual(await namesIn(one), ['a'])
    })

    it('is read in pieces', async t => {
      const { one, other } = await open(t)
      const names: string[] = []
      for (let batch = 0; batch < 4; batch++) {
        const own = Array.from({ length: 60 }, (_, n) => `${batch}-${n}`)
        const records = own.map(name => brokerConfig(name, 'x'.repeat(30_000)))
        assert.equal(await one.append((await load(one)).end, records, id()), true)
        names.push(...own)
      }
      assert.deepEqual(await namesIn(other), names)
    })

    it('tells when it has grown', async t => {
      const { one, other } = await open(t)
      const { end } = await load(one)
      const told = Promise.withResolvers<void>()
      const subscription = other.onChanged(() => told.resolve())
      let calls = 0
      other.onChanged(() => void calls++).cancel()
      await one.append(end, [noted('a')], id())
      await told.promise
      assert.equal(calls, 0)
      subscription.cancel()
    })
  })
}

describe('the metadata log of a cluster', () => {
  it('gives a new reader, or one that is far behind, a snapshot that a follower has taken', async t => {
    const { one, other } = await overDatabase(t, 10)
    const before = await load(one)
    const options = { system: system(), log: new TestLog(), directory: '', brokerId: 0, rules: testRules, reporter: silent }
    const cluster = await openClusterMetadata({ ...options, metadataLog: other })
    t.after(() => cluster.close())
    const names: string[] = []
    const isTrimmed = async () => (await one.read(before.end)).isSnapshot
    for (let n = 0; n < 500 && !(await isTrimmed()); n++) {
      names.push(`n${String(n).padStart(3, '0')}`)
      const edit = () => new Map([[names.at(-1)!, 'x']])
      await cluster.applyConfigs([{ type: 'BROKER', name: '', edit }], false)
    }
    for (const from of [newImage, before.end]) {
      const slice = await one.read(from)
      assert.equal(slice.isSnapshot, true)
      assert.ok(slice.records.length > 0 && slice.end > before.end)
    }
    assert.deepEqual((await namesIn(one)).sort(), names)
  })
})

describe('the metadata log of a cluster with few large records', () => {
  it('is trimmed long before there are many of them', async t => {
    const { one, other, server } = await overDatabase(t, 1_000_000)
    const options = { system: system(), log: new TestLog(), directory: '', brokerId: 0, rules: testRules, reporter: silent }
    const cluster = await openClusterMetadata({ ...options, metadataLog: other })
    t.after(() => cluster.close())
    const { end } = await load(one)
    const isTrimmed = async () => (await one.read(end)).isSnapshot
    for (let n = 0; n < 60 && !(await isTrimmed()); n++) {
      const edit = () => new Map(Array.from({ length: 100 }, (_, name) => [`large-${name}`, String(n % 10).repeat(30_000)]))
      await cluster.applyConfigs([{ type: 'BROKER', name: '', edit }], false)
    }
    assert.ok(await isTrimmed())
    const bytes = server.rows<{ records: Uint8Array }>('metadata/').reduce((sum, { records }) => sum + records.length, 0)
    assert.ok(bytes < 60_000_000, `${bytes} bytes`)
  })
})

describe('the metadata log of a cluster that is filled at once', () => {
  it('takes as much as is allowed for that', async t => {
    const { one, other, database } = await overDatabase(t)
    const { end } = await load(one)
    const names = Array.from({ length: 400 }, (_, n) => `n${n}`)
    const records = names.map(name => brokerConfig(name, 'x'.repeat(30_000)))
    await assert.rejects(one.append(end, records, id()), { name: 'RECORD_LIST_TOO_LARGE' })
    const whole = one.by(append => database.appendMetadata(append, 1), 64 << 20)
    assert.equal(await whole(end, records, id()), true)
    assert.deepEqual(await namesIn(other), names)
  })
})

describe('the metadata log of a cluster whose database is taken over by a standby that lagged', () => {
  it('is read anew, though others have appended as much as was lost', async t => {
    const { one, other, server } = await overDatabase(t)
    const options = { system: system(), log: new TestLog(), directory: '', brokerId: 0, rules: testRules, reporter: silent }
    const cluster = await openClusterMetadata({ ...options, metadataLog: other })
    t.after(() => cluster.close())
    const set = (name: string) => cluster.applyConfigs([{ type: 'BROKER', name: '', edit: () => new Map([[name, 'x']]) }], false)
    await set('kept')
    await set('lost')
    await server.forgetNewestMetadata()
    assert.equal(await one.append((await load(one)).end, [noted('theirs')], id()), true)
    await set('more')
    assert.deepEqual([...cluster.configs('BROKER', '').keys()].sort(), ['kept', 'more', 'theirs'])
    assert.deepEqual((await namesIn(one)).sort(), ['kept', 'more', 'theirs'])
  })

  it('goes on where it was when nothing was lost', async t => {
    const { one, other, server } = await overDatabase(t)
    const { end } = await load(other)
    assert.equal(await other.append(end, [noted('a')], id()), true)
    assert.equal(await one.append(end + 1, [noted('b')], id()), true)
    server.breakAll()
    // The image of who has appended has it a moment later.
    assert.equal((await other.read(end)).records.length, 2)
    server.breakAll()
    assert.equal((await other.read(end + 2)).records.length, 0)
    assert.equal(await other.append(end + 2, [noted('c')], id()), true)
    assert.deepEqual(await namesIn(one), ['a', 'b', 'c'])
  })
})

describe('the metadata log of this broker', () => {
  it('does not take what no broker could replay', async t => {
    const log = await ownLog(t)
    const { end } = await load(log)
    for (const record of [
      { key: null, value: Buffer.from([1, 200, 1, 0]) },
      { key: null, value: null },
      { ...noted('a'), key: Buffer.from('k') },
    ])
      await assert.rejects(log.append(end, [record], id()), { name: 'INVALID_RECORD' })
    assert.deepEqual(await load(log), { end, names: [], snapshots: 1 })
  })

  it('does not take what contradicts its state, and goes on', async t => {
    const log = await ownLog(t)
    const { end } = await load(log)
    const unknown = encodeMetadataRecord({ type: 'RemoveTopicRecord', topicId: metadataTopicUuid })
    await assert.rejects(log.append(end, [noted('a'), unknown], id()), { name: 'UNKNOWN_SERVER_ERROR' })
    let accepted = false
    // It loads its state anew.
    for (let turn = 0; turn < 100 && !accepted; turn++) {
      await new Promise(resolve => setImmediate(resolve))
      accepted = await log.append(end, [noted('b')], id()).catch(() => false)
    }
    assert.deepEqual(await namesIn(log), ['b'])
  })

  it('gives a new reader, or one that is far behind, a snapshot', async t => {
    const own = await ownLog(t, 10)
    const { one } = await overSocket(t, own)
    const before = await load(one)
    const names: string[] = []
    for (let n = 0; n < 40; n++) {
      names.push(`n${String(n).padStart(2, '0')}`)
      assert.equal(await one.append((await load(one)).end, [noted(names.at(-1)!)], id()), true)
    }
    for (const from of [newImage, before.end]) {
      const slice = await one.read(from)
      assert.equal(slice.isSnapshot, true)
      assert.ok(slice.records.length > 0 && slice.end > before.end)
    }
    assert.deepEqual((await namesIn(one)).sort(), names)
  })
})
