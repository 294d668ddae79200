/** For tests of the cluster: brokers as far as they are members, over a simulated PostgreSQL. Their logs only write heartbeats. */
import assert from 'node:assert/strict'
import { type CallFate, SimulatedPostgres } from '../../../sim/world/postgres.ts'
import { Process } from '../../../sim/world/process.ts'
import { simulatedWorld, type World } from '../../../sim/world/world.ts'
import { Durations, memoryFileSystem, type System } from '../../base.ts'
import { type ClusterMetadata, openClusterMetadata, type TopicRules } from '../../coordinator.ts'
import type { Log, PartitionLog, PartitionSpec, ReleasedPartition, TopicConfig } from '../../log.ts'
import { KafkaError, type Uuid } from '../../protocol.ts'
import { type Database, frameKind, ObjectError, type ObjectStore, openDatabase } from '../../store.ts'
import { joinCluster, type Member } from '../cluster.ts'

export const leaseMs = 2_500

export interface TestBroker {
  process: Process
  database: Database
  member: Member
  metadata: ClusterMetadata
  log: HeartbeatLog
  /** What it said, one line each. */
  said: string[]
}

export class TestCluster {
  readonly world: World
  readonly server: SimulatedPostgres
  /** How often a call goes wrong. */
  faults = 0
  /** All brokers that start then are processes of one machine. */
  isOneMachine = false
  readonly #processes = new Map<string, Process>()
  readonly #objects = objectsWithOwner()

  constructor(seed: number) {
    this.world = simulatedWorld({ seed })
    const random = this.world.random.fork()
    const fates: readonly CallFate[] = ['lost-before', 'lost-after', 'late']
    const fate = () => (random.chance(this.faults) ? random.pick(fates) : 'well')
    this.server = new SimulatedPostgres({ ...this.world.system, random, graceMs: 5_000, fate })
  }

  connect(): { process: Process; system: System; database: Database } {
    const process = new Process(this.world.system.timers)
    const system = { ...this.world.system, timers: process, files: memoryFileSystem() }
    return { process, system, database: openDatabase({ system, connect: this.server.connect(process) }) }
  }

  /** `id` null: it takes one. */
  async start(id: number | null, address: string | null = null): Promise<TestBroker> {
    const { process, system, database } = this.connect()
    const said: string[] = []
    const report = (what: string, error: unknown) => void said.push(`${what}: ${(error as Error).message}`)
    const info = (what: string) => void said.push(what)
    const own = `process ${this.#processes.size}`
    this.#processes.set(own, process)
    const processes = this.isOneMachine ? { own, hasEnded: (name: string) => this.#processes.get(name)!.dead } : undefined
    const member = await joinCluster({ system, database, objects: this.#objects, brokerId: id, address, processes, info, report })
    const log = new HeartbeatLog(system, database, reason => member.sessionEnded(reason))
    const metadata = await openClusterMetadata({
      system,
      log,
      directory: '',
      brokerId: member.brokerId,
      rules,
      reporter: { info() {}, warn: (details, message) => void said.push(`${message} ${(details as { err?: Error }).err?.message ?? ''}`) },
      metadataLog: member.metadataLog,
      session: () => member.session,
    })
    const endpoints = () => new Map([['PLAINTEXT', { host: 'localhost', port: 9_092 + member.brokerId }]])
    await member.start({ log, metadata, rack: null, endpoints })
    return { process, database, member, metadata, log, said }
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    return this.world.run(work())
  }

  pass(ms: number): Promise<void> {
    return new Promise(resolve => void this.world.system.timers.after(ms, resolve))
  }

  /** Fails unless it becomes true within the time. */
  async until(withinMs: number, what: string, holds: () => boolean): Promise<void> {
    for (let ms = 0; !holds(); ms += 50) {
      assert.ok(ms < withinMs, `${what}, within ${withinMs} ms`)
      await this.pass(50)
    }
  }
}

/** How many partitions of a topic each broker leads, by id, as this one sees it. */
export function leadersOf({ metadata }: TestBroker, topic: string): Record<number, number> {
  const leads: Record<number, number> = {}
  for (const { leader } of metadata.topic(topic)?.partitions ?? []) leads[leader] = (leads[leader] ?? 0) + 1
  return leads
}

export function aliveFor({ metadata }: TestBroker): number[] {
  return metadata
    .brokers()
    .filter(({ fenced }) => !fenced)
    .map(({ id }) => id)
}

export async function createTopic({ metadata }: TestBroker, name: string, numPartitions: number, replicationFactor = 1): Promise<void> {
  const [created] = await metadata.createTopics([{ name, numPartitions, replicationFactor, assignments: [], configs: [] }], false)
  if (created instanceof KafkaError) throw created
}

/** A session that proves its lease, and partitions that are nothing but names. */
class HeartbeatLog implements Log {
  readonly journal = { frames: 0, bytes: 0, syncs: new Durations() }
  readonly space = { freeBytes: null, floorBytes: 0, shortage: null }
  readonly pressure = { on: false, whenOff: (callback: () => void) => callback() }
  readonly partitions = new Map<string, PartitionLog>()
  session: { proven(): boolean; liveBrokers: number } | null = null
  readonly #system: System
  readonly #database: Database
  readonly #ended: (reason: string) => void

  constructor(system: System, database: Database, ended: (reason: string) => void) {
    this.#system = system
    this.#database = database
    this.#ended = ended
  }

  begin(session: number): void {
    this.partitions.clear()
    const { clock } = this.#system
    let untilMs = Number.NEGATIVE_INFINITY
    const own = { proven: () => clock.monotonic() < untilMs, liveBrokers: 1 }
    this.session = own
    const beat = async (seq: number): Promise<void> => {
      const sentMs = clock.monotonic()
      const frame = { session, seq, kind: frameKind.heartbeat, body: Buffer.alloc(0), objects: [] }
      const outcome = await this.#database.commit(frame).catch(() => 'refused')
      if (this.session !== own) return
      if (outcome !== 'committed') {
        this.session = null
        this.partitions.clear()
        this.#ended(outcome)
        return
      }
      untilMs = sentMs + leaseMs
      this.#system.timers.after(500, () => void beat(seq + 1))
    }
    void beat(1)
  }

  get(topicId: Uuid, partition: number): PartitionLog | undefined {
    return this.partitions.get(`${topicId}:${partition}`)
  }

  async lead({ topic, topicId, partition, config }: PartitionSpec, leaderEpoch: number): Promise<PartitionLog> {
    if (this.session === null) throw new KafkaError('NOT_LEADER_OR_FOLLOWER', 'there is no session')
    const log = {
      topic,
      topicId,
      partition,
      config,
      leaderEpoch,
      offline: null,
      raiseLeaderEpoch() {},
    } as Partial<PartitionLog> as PartitionLog
    this.partitions.set(`${topicId}:${partition}`, log)
    return log
  }

  create(): PartitionLog {
    throw new Error('nothing is created here')
  }

  async delete(topicId: Uuid, partition: number): Promise<void> {
    this.partitions.delete(`${topicId}:${partition}`)
  }

  async release(topicId: Uuid, partition: number): Promise<ReleasedPartition> {
    this.partitions.delete(`${topicId}:${partition}`)
    return { topic: '', topicId, partition, directory: '' }
  }

  adopt(): Promise<PartitionLog> {
    return Promise.reject(new Error('nothing is adopted here'))
  }

  released = () => []
  strays = () => []
  writeOut(): void {}
  async close(): Promise<void> {}
}

/** There are no snapshots yet, so all that is in it is whose it is. */
function objectsWithOwner(): ObjectStore {
  const contents = new Map<string, Buffer>()
  const store: Pick<ObjectStore, 'get' | 'place' | 'put'> = {
    place: 's3://bucket/',
    async get(name) {
      const content = contents.get(name)
      if (content === undefined) throw new ObjectError(`${name} is missing`, 'NoSuchKey', 404, false)
      return content
    },
    async put(name, content) {
      contents.set(name, Buffer.concat(content))
    },
  }
  return store as ObjectStore
}

const rules: TopicRules = {
  numPartitions: () => 1,
  defaultReplicationFactor: () => 1,
  validateTopicConfigs() {},
  effectiveTopicConfig: () => ({ cleanupPolicy: { delete: true, compact: false } }) as Partial<TopicConfig> as TopicConfig,
  describeTopicConfigs: () => [],
  internalTopic: () => ({ numPartitions: 1, replicationFactor: 1, configs: new Map() }),
}
