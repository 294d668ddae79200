/** A data directory goes into a cluster, over a simulated database and object store, and back into a new directory. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { before, test } from 'node:test'
import { SimulatedPostgres } from '../../sim/world/postgres.ts'
import { Process } from '../../sim/world/process.ts'
import { seededRandom } from '../../sim/world/random.ts'
import { SimulatedS3 } from '../../sim/world/s3.ts'
import { simulatedWorld } from '../../sim/world/world.ts'
import { type FileSystem, memoryFileSystem, realSystem, type System } from '../../src/base.ts'
import {
  type ClusterExportReport,
  type ClusterImportReport,
  exportCluster,
  importIntoCluster,
  loadBrokerConfig,
  type RunningBroker,
  silentLogger,
  startBroker,
} from '../../src/broker.ts'
import { apis, buildBatch, errorName } from '../../src/protocol.ts'
import { type Database, type ObjectStore, openDatabase, openObjectStore } from '../../src/store.ts'
import { connect } from '../support/client.ts'
import { brokerSettings, contentOf, copyOf, dataDirectory, fill, produce, type Retry, startAlone } from './transfer-data.ts'

const objectsUrl = 's3://bucket/prefix?endpoint=http://s3.test'
const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' }

/** Of a broker that was stopped; and of the same one, as if it had been killed before. */
let stopped: FileSystem
let killed: FileSystem
let content: Record<string, unknown>
let retry: Retry

before(async () => {
  stopped = memoryFileSystem()
  const running = await startAlone(stopped, 1, { 'log.cleaner.backoff.ms': '50' })
  retry = await fill(running)
  content = await contentOf(running)
  killed = copyOf(stopped)
  await running.close()
})

/** Stores that somebody uses from a process of his own. */
class Stores {
  readonly postgres: SimulatedPostgres
  readonly s3: SimulatedS3
  readonly #system: System
  /** Called before each call of the database, and before each request to the object store. */
  onCall = () => {}

  constructor(system: System = realSystem(memoryFileSystem())) {
    this.#system = system
    const fate = () => {
      this.onCall()
      return 'well' as const
    }
    this.postgres = new SimulatedPostgres({ ...system, random: seededRandom(1), graceMs: 60_000, fate })
    this.s3 = new SimulatedS3({ ...system, random: seededRandom(2), bucket: 'bucket', fate, listingDelayMs: () => 0 })
  }

  open(process: Process): { system: System; database: Database; objects: ObjectStore } {
    const system = { ...this.#system, timers: process }
    const transport = this.s3.transport(process)
    return {
      system,
      database: openDatabase({ system, connect: this.postgres.connect(process) }),
      objects: openObjectStore({ system, url: objectsUrl, environment, transport }),
    }
  }

  startBroker(process: Process, set: Record<string, string> = {}): Promise<RunningBroker> {
    const cluster = { cluster: 'postgres://me@database/events', objects: objectsUrl }
    return startBroker({
      system: { ...realSystem(memoryFileSystem()), timers: process },
      config: loadBrokerConfig({ set: { ...brokerSettings, ...cluster, ...set } }),
      logger: silentLogger,
      stores: { connect: this.postgres.connect(process), transport: this.s3.transport(process) },
      environment,
      onFatal: assert.fail,
    })
  }

  async import(files: FileSystem, process = new Process(this.#system.timers), dryRun = false): Promise<ClusterImportReport> {
    const { system, database, objects } = this.open(process)
    try {
      const directory = dataDirectory
      return await importIntoCluster({ system: { ...system, files }, logger: silentLogger, directory, database, objects, dryRun })
    } finally {
      await database.close()
      objects.close()
    }
  }

  async export(files: FileSystem, process = new Process(this.#system.timers), dryRun = false): Promise<ClusterExportReport> {
    const { system, database, objects } = this.open(process)
    try {
      const options = { system: { ...system, files }, logger: silentLogger, directory: dataDirectory, nodeId: 7, database, objects, dryRun }
      return await exportCluster(options)
    } finally {
      await database.close()
      objects.close()
    }
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
  const stores = new Stores()
  const imported = await stores.import(readOnly(stopped))
  assert.deepEqual([imported.outcome, imported.topics, imported.groups, imported.groupOffsets], ['imported', 5, 1, 2])
  assert.deepEqual([imported.transactionalIds, imported.openTransactions, imported.clusterId], [3, 1, imported.sourceClusterId])
  const files = memoryFileSystem()
  const exported = await stores.export(files)
  const { batches, records, bytes, partitions } = imported
  assert.deepEqual({ ...exported }, { ...exported, batches, records, bytes, partitions, kept: 0, outcome: 'exported' })
  assert.deepEqual(await contentIn(files), content)
  assert.equal(stores.s3.finding, null)
})

/** A batch that is sent again gets the offset that it has, and is not appended. */
async function assertKnown({ broker, ports }: RunningBroker): Promise<void> {
  const raw = await connect(ports.get('PLAINTEXT')!)
  const log = broker.metadata.partitionByName('orders', 0)!
  const end = log.logEndOffset
  const topicData = [{ name: 'orders', partitionData: [{ index: 0, records: retry.batch }] }]
  const { responses } = await raw.request(apis.produce, 12, { transactionalId: null, acks: -1, timeoutMs: 10_000, topicData })
  const { errorCode, baseOffset } = responses[0]!.partitionResponses[0]!
  assert.deepEqual([errorName(errorCode), Number(baseOffset), log.logEndOffset], ['NONE', retry.baseOffset, end])
  raw.close()
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; !(await isTrue()); attempt++) {
    assert.ok(attempt < 1_000, 'it happens')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

const leadsAll = ({ broker }: RunningBroker) => {
  const topics = broker.metadata.topics()
  return topics.length >= 5 && topics.every(({ partitions }) => partitions.every(({ log }) => log !== null && log.offline === null))
}

test('a broker that was killed left its last records in the journal; brokers of the cluster serve them, and so does the way back', async () => {
  const stores = new Stores()
  await stores.import(readOnly(killed))
  const process = new Process(realSystem().timers)
  const running = await stores.startBroker(process)
  await until(() => leadsAll(running))
  assert.deepEqual(await contentOf(running), content)
  await assertKnown(running)
  const raw = await connect(running.ports.get('PLAINTEXT')!)
  // What the cluster has beside that is in no piece yet, and stays in the stream of a session that nobody has ended.
  const { records } = batchAfter()
  assert.equal(await produce(raw, 'orders', 1, records), 'NONE')
  await running.broker.metadata.partitionByName('orders', 0)!.deleteBefore(4)
  raw.close()
  const wanted = await contentOf(running)
  await assert.rejects(stores.export(memoryFileSystem()), { name: 'TransferRefused', message: /brokers of this cluster are running \(1\)/ })
  await assert.rejects(stores.import(stopped), { name: 'TransferRefused', message: /brokers of this cluster are running/ })
  process.kill()
  running.unref()
  const files = memoryFileSystem()
  await stores.export(files)
  assert.deepEqual(await contentIn(files), wanted)
  const alone = await startAlone(files, 7)
  await assertKnown(alone)
  await alone.close()
})

function batchAfter(): { records: Buffer } {
  return { records: buildBatch({ records: [{ key: null, value: Buffer.from('after') }], timestamp: 1_700_000_000_000 }) }
}

test('an import that is killed at any step goes on, and nothing is lost or there twice', async () => {
  const world = simulatedWorld({ seed: 1 })
  const { system } = world
  const calls = async (stores: Stores, killAt: number): Promise<number> => {
    const process = new Process(system.timers)
    const dead = Promise.withResolvers<void>()
    let count = 0
    stores.onCall = () => {
      if (count++ !== killAt) return
      process.kill()
      dead.resolve()
    }
    await world.run(Promise.race([stores.import(readOnly(killed), process), dead.promise]))
    stores.onCall = () => {}
    return count
  }
  const all = await calls(new Stores(system), -1)
  assert.ok(all > 40, `${all} calls`)
  const whole = await objectsOf(world, new Stores(system))
  for (let killAt = 0; killAt < all; killAt += killAt < 10 || killAt > all - 10 ? 1 : 6) {
    const stores = new Stores(system)
    await calls(stores, killAt)
    assert.deepEqual(await objectsOf(world, stores), whole, `killed at call ${killAt}`)
  }
})

/** What is exported after another attempt. */
async function objectsOf(world: ReturnType<typeof simulatedWorld>, stores: Stores): Promise<unknown> {
  const report = await world.run(stores.import(readOnly(killed)))
  assert.ok(report.outcome === 'imported' || report.outcome === 'there')
  const files = memoryFileSystem()
  await world.run(stores.export(files))
  assert.equal(stores.s3.finding, null)
  return partitionsIn(files)
}

/** Names, sizes and content of all segments. */
function partitionsIn(files: FileSystem): unknown {
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

test('an export that is interrupted continues where it stopped; meanwhile no broker starts on it', async () => {
  const stores = new Stores()
  await stores.import(stopped)
  const files = memoryFileSystem()
  let left = 4
  const failing = {
    ...files,
    rename(from: string, to: string) {
      if (from.endsWith('.import') && left-- === 0) throw new Error('interrupted')
      files.rename(from, to)
    },
  }
  await assert.rejects(stores.export(failing), /interrupted/)
  await assert.rejects(startAlone(files, 7), { name: 'DirectoryRefused', message: /interrupted import or export/ })
  const report = await stores.export(files)
  assert.equal(report.kept, 4)
  assert.deepEqual(await contentIn(files), content)
})

test('a dry run reads everything and writes nothing', async () => {
  const stores = new Stores()
  const { database } = stores.open(new Process(realSystem().timers))
  await database.start('00000000-0000-4000-8000-000000000001')
  const checked = await stores.import(readOnly(stopped), undefined, true)
  assert.equal(checked.outcome, 'checked')
  assert.deepEqual([await database.sessions(), stores.s3.objects.size, await database.metadataEnd()], [[], 0, 0])
  const imported = await stores.import(stopped)
  assert.deepEqual({ ...checked, outcome: 'imported' }, imported)
  const files = memoryFileSystem()
  const exported = await stores.export(files, undefined, true)
  assert.deepEqual([exported.outcome, exported.records, files.exists(dataDirectory)], ['checked', imported.records, false])
  await database.close()
})

test('what cannot be done is refused, with what to do', async () => {
  const stores = new Stores()
  const refused = async (work: Promise<unknown>, message: RegExp) => await assert.rejects(work, { name: 'TransferRefused', message })
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
  await assert.rejects(stores.import(damaged), { name: 'CopyFailed', message: /00000000000000000000.log: wrong checksum at position/ })
  await stores.import(stopped)
  assert.equal((await stores.import(stopped)).outcome, 'there')
  const other = memoryFileSystem()
  const running = await startAlone(other)
  await running.broker.metadata.createTopics([{ name: 'x', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }], false)
  await running.close()
  await refused(stores.import(other), /the cluster is not empty, it has 5 topics/)
})
