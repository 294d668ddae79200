/** A simulated PostgreSQL and object store, for brokers of one cluster in this process. */
import assert from 'node:assert/strict'
import { type CallFate, SimulatedPostgres } from '../../sim/world/postgres.ts'
import { Process } from '../../sim/world/process.ts'
import { seededRandom } from '../../sim/world/random.ts'
import { type RequestFate, SimulatedS3 } from '../../sim/world/s3.ts'
import { memoryFileSystem, realSystem, type System } from '../../src/base.ts'
import { type BrokerConfig, loadBrokerConfig, type RunningBroker, type StartOptions, startBroker } from '../../src/broker.ts'
import { silentLogger } from '../../src/logger.ts'
import { type Database, type ObjectStore, openDatabase, openObjectStore } from '../../src/store.ts'

const objectsUrl = 's3://bucket/prefix?endpoint=http://s3.test'
const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' }

/** Of a broker of the cluster. */
export function clusterConfig(set: Record<string, string>): BrokerConfig {
  const stores = { cluster: 'postgres://me@database/events', objects: objectsUrl }
  return loadBrokerConfig({ set: { listeners: 'PLAINTEXT://127.0.0.1:0', 'http.listen': 'none', ...stores, ...set } })
}

export class SimulatedStores {
  readonly postgres: SimulatedPostgres
  s3: SimulatedS3
  readonly system: System
  /** What becomes of the next call of the database. */
  databaseFate: () => CallFate = () => 'well'
  /** For how long a commit of the database takes. */
  stallMs = 0
  /** What becomes of the next request to the object store. */
  objectsFate: () => RequestFate = () => 'well'

  constructor(system: System = realSystem(memoryFileSystem())) {
    this.system = system
    this.postgres = new SimulatedPostgres({
      ...system,
      random: seededRandom(1),
      graceMs: 60_000,
      fate: () => this.databaseFate(),
      stallMs: () => this.stallMs,
    })
    const fate = () => this.objectsFate()
    this.s3 = new SimulatedS3({ ...system, random: seededRandom(2), bucket: 'bucket', fate, listingDelayMs: () => 0 })
  }

  process(): Process {
    return new Process(this.system.timers)
  }

  /** As somebody uses them from a process of his own. */
  async use<T>(process: Process, work: (stores: { database: Database; objects: ObjectStore }) => Promise<T>): Promise<T> {
    const system = { ...this.system, timers: process }
    const database = openDatabase({ system, connect: this.postgres.connect(process) })
    const objects = openObjectStore({ system, url: objectsUrl, environment, transport: this.s3.transport(process) })
    try {
      return await work({ database, objects })
    } finally {
      await database.close()
      objects.close()
    }
  }

  startBroker(process: Process, set: Record<string, string> = {}, more: Pick<StartOptions, 'createServer'> = {}): Promise<RunningBroker> {
    return startBroker({
      ...more,
      system: { ...realSystem(memoryFileSystem()), timers: process },
      config: clusterConfig(set),
      logger: silentLogger,
      stores: { connect: this.postgres.connect(process), transport: this.s3.transport(process) },
      environment,
      onFatal: assert.fail,
    })
  }
}
