/** A data directory goes into a cluster, over a simulated database and object store, and back into a new directory. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, test } from 'node:test'
import type { CallFate } from '../../sim/world/postgres.ts'
import type { Process } from '../../sim/world/process.ts'
import { seededRandom } from '../../sim/world/random.ts'
import { simulatedWorld, type World } from '../../sim/world/world.ts'
import { type FileSystem, memoryFileSystem, realSystem } from '../../src/base.ts'
import {
  type ClusterExportReport,
  type ClusterImportReport,
  exportCluster,
  importIntoCluster,
  loadBrokerConfig,
  processDirectory,
  type RunningBroker,
  startBroker,
} from '../../src/broker.ts'
import { openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { apis, buildBatch, errorName } from '../../src/protocol.ts'
import { connect, produce } from '../support/client.ts'
import { SimulatedStores } from './simulated-stores.ts'
import { brokerSettings, contentOf, copyOf, dataDirectory, type Filled, fill, startAlone } from './transfer-data.ts'
import { eventually } from './two-brokers.ts'

/** Of a broker that was stopped; and of the same one, as if it had been killed before. */
let stopped: FileSystem
let killed: FileSystem
let content: Record<string, unknown>
let filled: Filled

before(async () => {
  stopped = memoryFileSystem()
  const running = await startAlone(stopped, 1, { 'log.cleaner.backoff.ms': '50' })
  filled = await fill(running)
  content = await contentOf(running)
  killed = copyOf(stopped)
  await running.close()
  // What is loaded on demand does not come while time is simulated.
  const stores = new Stores()
  await stores.makeCluster()
  await stores.import(stopped, { dryRun: true })
  await stores.export(memoryFileSystem(), { dryRun: true })
})

/** Where nobody has to wait, and nothing else happens meanwhile. */
function simulated(seed = 1): { stores: Stores; run: World['run'] } {
  const world = simulatedWorld({ seed })
  return { stores: new Stores(world.system), run: world.run }
}

const otherId = '00000000-0000-4000-8000-000000000002'

interface Attempt {
  process?: Process
  dryRun?: boolean
}

class Stores extends SimulatedStores {
  /** What becomes of the next call of the database, or request to the object store. */
  set fate(fate: () => CallFate) {
    this.databaseFate = fate
    this.objectsFate = fate
  }

  async makeCluster(): Promise<void> {
    await this.use(this.process(), ({ database }) => database.start('00000000-0000-4000-8000-000000000001'))
  }

  import(files: FileSystem, { process = this.process(), dryRun = false }: Attempt = {}): Promise<ClusterImportReport> {
    const system = { ...this.system, timers: process, files }
    const directory = dataDirectory
    return this.use(process, stores => importIntoCluster({ ...stores, system, logger: silentLogger, directory, dryRun }))
  }

  export(files: FileSystem, { process = this.process(), dryRun = false }: Attempt = {}): Promise<ClusterExportReport> {
    const system = { ...this.system, timers: process, files }
    const directory = dataDirectory
    return this.use(process, stores => exportCluster({ ...stores, system, logger: silentLogger, directory, nodeId: 7, dryRun }))
  }

  override startBroker(process: Process, set: Record<string, string> = {}): Promise<RunningBroker> {
    return super.startBroker(process, { ...brokerSettings, ...set })
  }
}

/** Nothing may be written to it, and nobody locks it for good. */
function readOnly(files: FileSystem): FileSystem {
  const refuse = (what: string) => (): never => assert.fail(`${what} in the source`)
  return {
    ...files,
    open: (path, mode) => (mode === 'r' ? files.open(path, 'r') : refuse(`open ${path} ${mode}`)()),
    makeDirectory: refuse('makeDirectory'),
    rename: refuse('rename'),
    remove: refuse('remove'),
    removeFile: refuse('removeFile'),
    removeDirectory: refuse('removeDirectory'),
    replaceFile: refuse('replaceFile'),
    copyFile: refuse('copyFile'),
    lock: refuse('lock'),
    lockForReading: () => null,
  }
}

async function contentIn(files: FileSystem): Promise<Record<string, unknown>> {
  const running = await startAlone(files, 7)
  try {
    return await contentOf(running)
  } finally {
    await running.close()
  }
}

test('there and back, every batch, offset, producer, user and config is the same', async () => {
  const { stores, run } = simulated()
  const imported = await run(stores.import(readOnly(stopped)))
  assert.deepEqual([imported.outcome, imported.topics, imported.groups, imported.groupOffsets], ['imported', 5, 1, 2])
  assert.deepEqual([imported.transactionalIds, imported.openTransactions, imported.clusterId], [3, 1, imported.sourceClusterId])
  const files = memoryFileSystem()
  const exported = await run(stores.export(files))
  const { batches, records, bytes, partitions } = imported
  assert.deepEqual({ ...exported }, { ...exported, batches, records, bytes, partitions, kept: 0, outcome: 'exported' })
  assert.deepEqual(await contentIn(files), content)
  assert.equal(stores.s3.finding, null)
})

/** A batch that is sent again gets the offset that it has, and is not appended; and the transaction that is open can be ended. */
async function assertKnown({ broker, ports }: RunningBroker): Promise<void> {
  const raw = await connect(ports.get('PLAINTEXT')!)
  const log = (partition: number) => broker.metadata.partitionByName('orders', partition)!
  const end = log(0).logEndOffset
  const { errorCode, baseOffset } = await produce(raw, 'orders', filled.batch)
  assert.deepEqual([errorName(errorCode), baseOffset, log(0).logEndOffset], ['NONE', filled.baseOffset, end])
  assert.ok(log(1).lastStableOffset < log(1).logEndOffset)
  const endOpen = async () =>
    errorName((await raw.request(apis.endTxn, 5, { transactionalId: 'open', ...filled.open, committed: true })).errorCode)
  let ended = ''
  await patiently(async () => (ended = await endOpen()) !== 'COORDINATOR_LOAD_IN_PROGRESS')
  assert.equal(ended, 'NONE')
  await patiently(() => log(1).lastStableOffset === log(1).logEndOffset)
  raw.close()
}

/** On a busy machine it may take long. */
const patiently: typeof eventually = done => eventually(done, 5_000)

/** The lease of a broker may not be proven for a moment. */
const contentWhenProven = (running: RunningBroker) => patiently(() => contentOf(running).catch(() => false as const))

const leadsAll = ({ broker }: RunningBroker) => {
  const topics = broker.metadata.topics()
  return topics.length >= 5 && topics.every(({ partitions }) => partitions.every(({ log }) => log !== null && log.offline === null))
}

test('a broker that was killed left its last records in the journal; brokers of the cluster serve them, and so does the way back', async () => {
  const stores = new Stores()
  // One that was started before there was anything, and has died.
  const before = stores.process()
  const early = await stores.startBroker(before)
  before.kill()
  early.unref()
  await stores.import(readOnly(killed))
  const process = stores.process()
  const running = await stores.startBroker(process)
  await patiently(() => leadsAll(running))
  assert.deepEqual(await contentWhenProven(running), content)
  await assert.rejects(stores.export(memoryFileSystem()), {
    name: 'TransferRefused',
    message: /brokers of this cluster are running \(\d\)/,
  })
  await assert.rejects(stores.import(stopped), { name: 'TransferRefused', message: /brokers of this cluster are running/ })
  // What the cluster has beside that is in no piece yet, and stays in the stream of a session that nobody has ended.
  const raw = await connect(running.ports.get('PLAINTEXT')!)
  await patiently(async () => (await produce(raw, 'orders', batchAfter(), { partition: 1 })).errorCode === 0)
  await running.broker.metadata.partitionByName('orders', 0)!.deleteBefore(4)
  raw.close()
  const wanted = await contentWhenProven(running)
  process.kill()
  running.unref()
  const files = memoryFileSystem()
  await stores.export(files)
  assert.deepEqual(await contentIn(files), wanted)
  const alone = await startAlone(files, 7)
  await assertKnown(alone)
  await alone.close()
})

test('brokers of a cluster know the producers and the open transaction of an imported directory', async () => {
  const stores = new Stores()
  await stores.import(stopped)
  // Who coordinates what follows from the number of partitions that there are, not from these.
  const set = { 'offsets.topic.num.partitions': '7', 'transaction.state.log.num.partitions': '7' }
  const running = await stores.startBroker(stores.process(), set)
  await patiently(() => leadsAll(running))
  await assertKnown(running)
  const client = openClient({ bootstrap: `127.0.0.1:${running.ports.get('PLAINTEXT')}` })
  assert.deepEqual(await client.groups(), [{ group: 'workers', state: 'Empty', protocolType: '', type: 'classic' }])
  await client.close()
  await running.close()
})

/** Its process is killed at this call of a store; -1: at none. Answers how many calls there were. */
async function importKilledAt(stores: Stores, killAt: number): Promise<number> {
  const process = stores.process()
  const dead = Promise.withResolvers<void>()
  let count = 0
  stores.fate = () => {
    if (count++ === killAt) {
      process.kill()
      dead.resolve()
    }
    return 'well'
  }
  await Promise.race([stores.import(readOnly(killed), { process }), dead.promise])
  stores.fate = () => 'well'
  return count
}

test('an import goes on with a directory on which a broker ran meanwhile, and writes anew what was damaged', async () => {
  const { stores, run } = simulated()
  const all = await run(importKilledAt(new Stores(stores.system), -1))
  // It lacks little more than the metadata.
  await run(importKilledAt(stores, all - 12))
  const rows = await run(stores.use(stores.process(), ({ database }) => database.partitionsOf(1)))
  assert.ok(rows.length > 0)
  for (const [name, object] of stores.s3.objects)
    if (name !== 'prefix/cluster') stores.s3.objects.set(name, Buffer.concat([Buffer.from('x'), object.subarray(1)]))
  const files = copyOf(killed)
  const running = await startAlone(files)
  const raw = await connect(running.ports.get('PLAINTEXT')!)
  for (const partition of [0, 1, 2]) assert.equal(errorName((await produce(raw, 'orders', batchAfter(), { partition })).errorCode), 'NONE')
  raw.close()
  const wanted = await contentOf(running)
  await running.close()
  await run(stores.import(files))
  const exported = memoryFileSystem()
  await run(stores.export(exported))
  assert.deepEqual(await contentIn(exported), wanted)
})

function batchAfter(): Buffer {
  return buildBatch({ records: [{ key: null, value: Buffer.from('after') }], timestamp: 1_700_000_000_000 })
}

test('the directory of several processes becomes one cluster', async t => {
  const socketDirectory = mkdtempSync(join(tmpdir(), 'millrace-transfer-'))
  t.after(() => rmSync(socketDirectory, { recursive: true }))
  const files = memoryFileSystem()
  const directories = new Map([1, 2].map(id => [id, processDirectory(dataDirectory, id - 1)]))
  const start = async (id: number, clusterId?: string): Promise<RunningBroker> =>
    await startBroker({
      system: realSystem(files),
      config: loadBrokerConfig({ set: { ...brokerSettings, 'log.dirs': directories.get(id)!, 'node.id': id, processes: '2' } }),
      logger: silentLogger,
      onThisMachine: false,
      onFatal: assert.fail,
      ...(clusterId === undefined ? {} : { clusterId }),
      processes: { metadataSocket: join(socketDirectory, 'metadata'), keepsMetadata: id === 1, directories },
    })
  const first = await start(1)
  const second = await start(2, first.broker.self.clusterId)
  const topic = { name: 'spread', numPartitions: 4, replicationFactor: 1, assignments: [], configs: [] }
  await first.broker.metadata.createTopics([topic], false)
  const logs = () =>
    [0, 1, 2, 3].map(partition => [first, second].map(({ broker }) => broker.metadata.partitionByName('spread', partition)))
  await patiently(() => logs().every(both => both.filter(log => log !== undefined).length === 1))
  const ends: number[] = []
  for (const [partition, both] of logs().entries()) {
    const log = both.find(each => each !== undefined)!
    for (let count = 0; count <= partition; count++) await log.append(batchAfter(), { origin: 'client' }).durable
    ends.push(log.logEndOffset)
  }
  assert.ok(
    logs().some(([, log]) => log !== undefined),
    'both lead',
  )
  await second.close()
  await first.close()
  const { stores, run } = simulated()
  const report = await run(stores.import(readOnly(files)))
  assert.deepEqual([report.partitions, report.records], [4, 10])
  const exported = memoryFileSystem()
  await run(stores.export(exported))
  const alone = await startAlone(exported, 7)
  assert.deepEqual(
    [0, 1, 2, 3].map(partition => alone.broker.metadata.partitionByName('spread', partition)!.logEndOffset),
    ends,
  )
  await alone.close()
})

test('an import that is killed at any step goes on, and nothing is lost or there twice', async () => {
  const world = simulatedWorld({ seed: 1 })
  const all = await world.run(importKilledAt(new Stores(world.system), -1))
  assert.ok(all > 40, `${all} calls`)
  const whole = await segmentsAfter(world.run, new Stores(world.system))
  for (let killAt = 0; killAt < all; killAt += killAt < 6 || killAt > all - 8 ? 1 : 9) {
    const stores = new Stores(world.system)
    await world.run(importKilledAt(stores, killAt))
    assert.deepEqual(await segmentsAfter(world.run, stores), whole, `killed at call ${killAt}`)
  }
})

test('an object store that does not keep what was written is noticed before rows name it', async () => {
  const { stores, run } = simulated()
  const { objects } = stores.s3
  const set = objects.set.bind(objects)
  objects.set = (name, content) => set(name, Buffer.concat([content.subarray(0, -1), Buffer.of(content.at(-1)! ^ 1)]))
  await assert.rejects(run(stores.import(readOnly(killed))), /does not hold what was written|cannot be read/)
  const rows = await run(stores.use(stores.process(), ({ database }) => database.partitionsOf(1)))
  assert.deepEqual(rows, [])
})

test('an import is not mistaken for a broker by the one that began before it', async () => {
  const { stores, run } = simulated()
  const { objects } = stores.s3
  const set = objects.set.bind(objects)
  let isOther: Promise<number> | null = null
  // When the first data arrives, another import begins, and its session does not end.
  objects.set = (name, content) => {
    const info = { import: true }
    if (!name.endsWith('cluster'))
      isOther ??= stores.use(stores.process(), ({ database }) => database.beginSession({ brokerId: -1, incarnation: otherId, info }))
    return set(name, content)
  }
  const { outcome } = await run(stores.import(readOnly(killed)))
  assert.deepEqual([outcome, await run(isOther!)], ['imported', 2])
})

test('of two imports at the same time one is done', async () => {
  const { stores, run } = simulated()
  // So both are on their way for a while.
  stores.s3.stop()
  stores.system.timers.after(20_000, () => stores.s3.start())
  const both = await run(Promise.allSettled([stores.import(readOnly(killed)), stores.import(readOnly(killed))]))
  const refusal = both.flatMap(each => (each.status === 'rejected' ? [String(each.reason)] : []))
  assert.deepEqual(refusal, ['TransferRefused: an import into this cluster is running'])
  const files = memoryFileSystem()
  await run(stores.export(files))
  const { stores: other, run: runOther } = simulated()
  assert.deepEqual(segmentsIn(files), await segmentsAfter(runOther, other))
})

test('lost answers and late requests harm neither import nor export', async () => {
  const { stores: sound, run: runSound } = simulated()
  const whole = await segmentsAfter(runSound, sound)
  for (const seed of [1, 2, 3]) {
    const { stores, run } = simulated(seed)
    const random = seededRandom(seed)
    stores.fate = () => (random.chance(0.1) ? random.pick(['lost-before', 'lost-after', 'late'] as const) : 'well')
    assert.deepEqual(await segmentsAfter(run, stores), whole)
  }
})

/** What is exported after an attempt to import. */
async function segmentsAfter(run: World['run'], stores: Stores): Promise<unknown> {
  const report = await run(stores.import(readOnly(killed)))
  assert.ok(report.outcome === 'imported' || report.outcome === 'there')
  const files = memoryFileSystem()
  await run(stores.export(files))
  assert.equal(stores.s3.finding, null)
  return segmentsIn(files)
}

/** Names, sizes and content of all segments. */
function segmentsIn(files: FileSystem): unknown {
  return files
    .list(dataDirectory)
    .filter(({ name }) => /-\d+$/.test(name) && name !== '__cluster_metadata-0')
    .map(({ name }) => [
      name,
      files
        .list(`${dataDirectory}/${name}`)
        .filter(file => file.name.endsWith('.log'))
        .map(file => [
          file.name,
          createHash('sha256')
            .update(files.readFile(`${dataDirectory}/${name}/${file.name}`)!)
            .digest('hex'),
        ]),
    ])
}

test('an export that is interrupted at any step continues where it stopped; meanwhile no broker starts on it', async () => {
  const { stores, run } = simulated()
  await run(stores.import(stopped))
  /** Every step that an export writes with, but for what says how the clock has run. */
  const failing = (files: FileSystem, failAt: number) => {
    const counted = { steps: 0, files }
    const step = <T>(work: () => T): T => {
      if (counted.steps++ === failAt) throw new Error('interrupted')
      return work()
    }
    counted.files = {
      ...files,
      rename: (from, to) => step(() => files.rename(from, to)),
      makeDirectory: path => step(() => files.makeDirectory(path)),
      replaceFile: async (path, content) =>
        await (path.endsWith('clock.json') ? files.replaceFile(path, content) : step(() => files.replaceFile(path, content))),
      syncDirectory: async path => await step(() => files.syncDirectory(path)),
      remove: path => step(() => files.remove(path)),
    }
    return counted
  }
  const whole = failing(memoryFileSystem(), -1)
  await run(stores.export(whole.files))
  assert.ok(whole.steps > 40, `${whole.steps} steps`)
  // In the last one the directory is complete.
  for (let failAt = 0; failAt < whole.steps - 1; failAt += failAt < 4 || failAt > whole.steps - 6 ? 1 : 4) {
    const files = memoryFileSystem()
    await assert.rejects(run(stores.export(failing(files, failAt).files)), /interrupted/)
    if (files.exists(`${dataDirectory}/import.json`))
      await assert.rejects(startAlone(files, 7), { name: 'DirectoryRefused', message: /interrupted import or export/ })
    await run(stores.export(files))
    assert.deepEqual(segmentsIn(files), segmentsIn(whole.files), `interrupted at step ${failAt}`)
  }
  assert.deepEqual(await contentIn(whole.files), content)
})

test('a dry run reads everything and writes nothing', async () => {
  const { stores, run } = simulated()
  await run(stores.makeCluster())
  const checked = await run(stores.import(readOnly(stopped), { dryRun: true }))
  const written = await run(stores.use(stores.process(), async ({ database }) => [await database.sessions(), await database.metadataEnd()]))
  assert.deepEqual([checked.outcome, stores.s3.objects.size, ...written], ['checked', 0, [], 0])
  const imported = await run(stores.import(stopped))
  assert.deepEqual({ ...checked, outcome: 'imported' }, imported)
  const files = memoryFileSystem()
  const exported = await run(stores.export(files, { dryRun: true }))
  assert.deepEqual([exported.outcome, exported.records, files.exists(dataDirectory)], ['checked', imported.records, false])
})

test('what cannot be done is refused, with what to do', async () => {
  const { stores, run } = simulated()
  const refused = (work: Promise<unknown>, message: RegExp) => assert.rejects(run(work), { name: 'TransferRefused', message })
  await refused(stores.import(memoryFileSystem()), /\/data does not exist/)
  const foreign = memoryFileSystem()
  foreign.makeDirectory(dataDirectory)
  await refused(stores.import(foreign), /is not a data directory of Millrace: it has no meta.properties/)
  const used = copyOf(stopped)
  const lock = used.lock(dataDirectory)
  await refused(stores.import(used), /is in use by .*: stop it first/)
  lock.release()
  const damaged = copyOf(stopped)
  const file = damaged.open(`${dataDirectory}/orders-0/00000000000000000000.log`, 'r+')
  file.writeSync([Buffer.from('x')], 100_000)
  file.close()
  const wrong = { name: 'CopyFailed', message: /00000000000000000000.log: wrong checksum at position/ }
  await assert.rejects(run(stores.import(damaged)), wrong)
  await run(stores.import(stopped))
  assert.equal((await run(stores.import(stopped))).outcome, 'there')
  const other = memoryFileSystem()
  const running = await startAlone(other)
  await running.broker.metadata.createTopics([{ name: 'x', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }], false)
  await running.close()
  await refused(stores.import(other), /the cluster is not empty, it has 5 topics/)
})
