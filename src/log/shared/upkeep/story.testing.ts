/**
 * Brokers of the shared home that live through everything upkeep has to survive, over a simulated database and object store. A ledger knows what
 * was appended, acknowledged and deleted; at the end all of it is read back, and the objects in the store are compared with the rows.
 */
import assert from 'node:assert/strict'
import { Process } from '../../../../sim/world/process.ts'
import type { SeededRandom } from '../../../../sim/world/random.ts'
import type { System } from '../../../base.ts'
import type { TopicConfig } from '../../../log.ts'
import { buildBatch, forEachRecord, KafkaError, type Offset, randomUuid, type Uuid } from '../../../protocol.ts'
import { type Database, ObjectError, type ObjectStore, openDatabase, openObjectStore, type Writes } from '../../../store.ts'
import { settings, topicConfig } from '../../log.testing.ts'
import { SharedLog } from '../log.ts'
import type { SharedPartition } from '../partition.ts'
import { type TestCluster, testCluster } from '../session.testing.ts'
import { sharedDefaults } from '../settings.ts'
import { topicIdOf } from '../topic-id.ts'
import { Collector } from './collector.ts'

/** Bugs on purpose, which a story must find. */
export type Plant = 'trim-before-flush' | 'rows-before-objects' | 'sweep-of-the-living' | 'sweep-of-the-named' | 'no-grace'

export const graceMs = 5_000
const hourMs = 3_600_000

/** Small enough that all of it happens within a minute. */
const shared = {
  ...sharedDefaults,
  heartbeatMs: 400,
  inlineBytes: 400,
  objectBytes: 4_000,
  carryBytes: 2_000,
  flushBytes: 6_000,
  flushMs: 3_000,
  journalMaxBytes: 1 << 20,
  graceMs,
}

const configs: readonly Partial<TopicConfig>[] = [
  {},
  { retentionBytes: 5_000 },
  { retentionMs: 6_000 },
  { cleanupPolicy: { delete: false, compact: true }, minCleanableDirtyRatio: 0.3 },
  { cleanupPolicy: { delete: true, compact: true }, retentionMs: 20_000 },
  { segmentMs: 2_000, segmentBytes: 4_000 },
]

const keys = 7
const valueAt = (offset: Offset) => `${offset}`.padEnd(40, '.')

/** What is known of a topic with one partition, whoever leads it. */
interface Ledger {
  readonly topic: string
  readonly topicId: Uuid
  readonly config: TopicConfig
  leaderEpoch: number
  /** All below was acknowledged. */
  acknowledged: Offset
  /** What was appended, acknowledged or not. */
  end: Offset
  /** DeleteRecords was acknowledged. */
  deletedBelow: Offset
  isDeleted: boolean
}

class Broker {
  readonly process: Process
  readonly system: System
  readonly database: Database
  readonly objects: ObjectStore
  readonly log: SharedLog
  session = 0
  /** It learns late that its session has ended. */
  hasEnded = false

  /** `objectsMs`: so long it waits for the object store. */
  constructor(story: Story, objectsMs: number) {
    this.process = new Process(story.cluster.world.system.timers)
    this.system = { ...story.cluster.world.system, timers: this.process }
    const { database, objects } = storesOf(story.cluster, this.system, this.process, objectsMs)
    this.database = database
    this.objects = objects
    this.log = new SharedLog({
      system: this.system,
      database:
        story.plant === 'trim-before-flush'
          ? changed(database, { commit: (frame, writes) => database.commit(frame, this.#trimming(frame.seq, writes)) })
          : database,
      objects: story.plant === 'rows-before-objects' ? hasty(objects) : objects,
      settings: { ...settings, retentionCheckIntervalMs: 1_500, cleanerBackoffMs: 1_000 },
      shared,
      onThisMachine: false,
      report: what => story.reports.push(what),
      onEnded: () => {
        this.hasEnded = true
      },
    })
  }

  /** Trims as if all partitions were flushed when one of them is. */
  #trimming(seq: number, writes: Writes | undefined): Writes | undefined {
    if (writes?.addSegments === undefined) return writes
    const takeOver = [...this.log.partitions.values()]
      .filter(({ writable }) => writable)
      .map(({ key, fromSeq }) => ({ ...key, fromSeq: seq, before: { session: this.session, fromSeq } }))
    return { ...writes, takeOver, trimBelow: seq }
  }

  async begin(random: SeededRandom): Promise<void> {
    await this.database.start('00000000-0000-4000-8000-000000000001')
    this.session = await this.database.beginSession({ brokerId: 1, incarnation: topicIdOf(randomUuid(random)), info: {} })
    this.log.begin(this.session)
  }
}

export class Story {
  readonly cluster: TestCluster
  readonly plant: Plant | null
  readonly reports: string[] = []
  /** The first thing that must not be. */
  finding: Error | null = null
  /** How often what happened. */
  readonly counts = {
    lost: 0,
    troubles: 0,
    moves: 0,
    deletedTopics: 0,
    reads: 0,
    flushes: 0,
    removedPieces: 0,
    cleanedPieces: 0,
    mergedPieces: 0,
    carriedForward: 0,
  }
  readonly #random: SeededRandom
  readonly #ledgers: Ledger[] = []
  readonly #brokers: Broker[] = []
  readonly #zombies: Broker[] = []
  readonly #owners = new Map<Ledger, Broker>()
  #isOver = false
  #isTroubled = false

  constructor(seed: number, plant: Plant | null) {
    this.cluster = testCluster(seed, plant === 'no-grace' ? 0 : graceMs)
    this.#random = this.cluster.random.fork()
    this.plant = plant
  }

  /** Resolves with the finding, null without one. */
  async tell(rounds: number): Promise<Error | null> {
    const all = async () => {
      await this.#live(rounds)
      if (this.finding !== null) return
      await this.#rest()
      await this.#checkObjects()
    }
    const { world } = this.cluster
    await world.run(all().catch(error => this.#note(error)))
    return this.finding
  }

  #note(error: unknown): void {
    this.finding ??= error as Error
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => this.cluster.world.system.timers.after(ms, resolve))
  }

  /** What others who can try again would do. */
  async #again<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        if (error instanceof assert.AssertionError || attempt === 50) throw error
      }
      await this.#pause(200)
    }
  }

  async #live(rounds: number): Promise<void> {
    for (let nth = 0; nth < 2; nth++) await this.#begin()
    for (let nth = 0; nth < configs.length; nth++) await this.#create(this.#brokers[nth % 2]!, nth)
    void this.#readOn().catch(error => this.#note(error))
    for (let round = 0; round < rounds && this.finding === null; round++) {
      await this.#pause(1_500)
      const dice = this.#random.fraction()
      if (dice < 0.3) void this.#trouble()
      else if (dice < 0.45) await this.#lose()
      else if (dice < 0.55) await this.#move()
      else if (dice < 0.65) this.#deleteTopic()
      else if (dice < 0.75) await this.#create(this.#random.pick(this.#brokers), this.#random.below(configs.length))
      // Two at once are harmless.
      if (round % 2 === 0) for (const broker of this.#brokers) void this.#collector(broker).run(() => !broker.process.dead)
    }
  }

  /** It gives the object store up soon, so that others see what happens then. */
  async #begin(objectsMs = 1_000): Promise<Broker> {
    const broker = new Broker(this, objectsMs)
    await broker.begin(this.#random)
    this.#brokers.push(broker)
    return broker
  }

  async #create(broker: Broker, nth: number): Promise<void> {
    const topicId = randomUuid(this.#random)
    const config = topicConfig({ retentionMs: -1, ...configs[nth % configs.length] })
    const topic = `t${this.#ledgers.length}`
    const ledger = { topic, topicId, config, leaderEpoch: -1, acknowledged: 0, end: 0, deletedBelow: 0, isDeleted: false }
    this.#ledgers.push(ledger)
    await this.#lead(broker, ledger)
  }

  async #lead(broker: Broker, ledger: Ledger): Promise<void> {
    const { topic, topicId, config } = ledger
    ledger.leaderEpoch++
    const partition = await this.#again(() => broker.log.lead({ topic, topicId, partition: 0, config }, ledger.leaderEpoch))
    assert.equal(partition.offline, null, `${topic} is offline: ${partition.offline}`)
    this.#owners.set(ledger, broker)
    void this.#write(partition, ledger, broker)
  }

  /** Appends until the partition goes elsewhere or the story is over. */
  async #write(partition: SharedPartition, ledger: Ledger, broker: Broker): Promise<void> {
    const { clock } = this.cluster.world.system
    for (;;) {
      await this.#pause(50 + this.#random.fraction() * 400)
      if (partition.gone !== null || broker.process.dead || this.#isOver) return
      const from = partition.logEndOffset
      const offsets = Array.from({ length: 1 + this.#random.below(20) }, (_, nth) => from + nth)
      const records = offsets.map(offset => ({ key: Buffer.from(`k${offset % keys}`), value: Buffer.from(valueAt(offset)) }))
      const end = from + offsets.length
      try {
        const appended = partition.append(buildBatch({ timestamp: clock.now(), records }), { origin: 'client' })
        if (appended.baseOffset >= 0) ledger.end = Math.max(ledger.end, end)
        const durable = Promise.resolve(appended.durable).then(
          () => {
            ledger.acknowledged = Math.max(ledger.acknowledged, end)
          },
          // The session has ended, or it is being given away.
          () => {},
        )
        if (this.#random.chance(0.5)) await durable
        if (this.#random.chance(0.03)) await this.#deleteRecords(partition, ledger)
      } catch (error) {
        if (!(error instanceof KafkaError)) this.#note(error)
      }
    }
  }

  async #deleteRecords(partition: SharedPartition, ledger: Ledger): Promise<void> {
    const below = this.#random.below(partition.highWatermark + 1)
    await partition.deleteBefore(below)
    ledger.deletedBelow = Math.max(ledger.deletedBelow, below)
  }

  /** It dies, or stands still and wakes up when others have taken its place. */
  async #lose(): Promise<void> {
    const lost = this.#random.pick(this.#brokers)
    this.counts.lost++
    this.#count(lost)
    if (this.#random.chance(0.5)) lost.process.kill()
    else lost.process.pause(500 + this.#random.fraction() * 8_000)
    this.#brokers.splice(this.#brokers.indexOf(lost), 1)
    this.#zombies.push(lost)
    await this.#begin()
    await this.#failOver(lost, this.#brokers)
  }

  #count({ log }: Broker): void {
    if (log.upkeep === null) return
    const { flushes, removedPieces, cleanedPieces, mergedPieces, carriedForward } = log.upkeep
    this.counts.flushes += flushes
    this.counts.removedPieces += removedPieces
    this.counts.cleanedPieces += cleanedPieces
    this.counts.mergedPieces += mergedPieces
    this.counts.carriedForward += carriedForward
  }

  async #failOver(dead: Broker, heirs: readonly Broker[]): Promise<void> {
    const fence = () => heirs[0]!.database.fence(dead.session, heirs[0]!.session)
    assert.equal(await this.#again(fence), true)
    const lost = this.#ledgers.filter(ledger => !ledger.isDeleted && this.#owners.get(ledger) === dead)
    await Promise.all(lost.map(ledger => this.#lead(this.#random.pick(heirs), ledger)))
  }

  async #move(): Promise<void> {
    const from = this.#random.pick(this.#brokers)
    const to = this.#random.pick(this.#brokers)
    const some = this.#ledgers.filter(each => this.#owners.get(each) === from && !each.isDeleted && this.#random.chance(0.5))
    if (from === to || some.length === 0) return
    const metadata = async () => ({ offset: await from.database.metadataEnd(), count: 1, records: Buffer.from('moved') })
    const moved = await from.log
      .releaseWith(
        some.map(({ topicId }) => ({ topicId, partition: 0 })),
        metadata,
      )
      .catch(() => false)
    if (!moved) return
    this.counts.moves += some.length
    await Promise.all(some.filter(each => !each.isDeleted).map(ledger => this.#lead(to, ledger)))
  }

  /** Its owner learns of it, unless that dies before. */
  #deleteTopic(): void {
    const ledger = this.#random.pick(this.#ledgers)
    const owner = this.#owners.get(ledger)
    if (owner === undefined || ledger.isDeleted) return
    ledger.isDeleted = true
    this.counts.deletedTopics++
    if (this.#random.chance(0.7)) void owner.log.delete(ledger.topicId, 0)
    else void owner.log.release(ledger.topicId, 0)
  }

  /** Some trouble, for a while. */
  async #trouble(): Promise<void> {
    const { server, s3, faults } = this.cluster
    if (this.#isTroubled) return
    this.#isTroubled = true
    this.counts.troubles++
    const kind = this.#random.below(5)
    let healed = () => {}
    if (kind === 0) s3.stop()
    else if (kind === 1) server.stop()
    else if (kind === 2) faults.objects = 0.2
    else if (kind === 3) faults.database = 0.1
    else healed = this.#sicken()
    await this.#pause(this.#random.fraction() * 6_000)
    this.#isTroubled = false
    healed()
    s3.start()
    server.start()
    faults.objects = 0
    faults.database = 0
  }

  /** One partition cannot be flushed where it is now, for a while. */
  #sicken(): () => void {
    const ledger = this.#random.pick(this.#ledgers)
    const partition = this.#owners.get(ledger)?.log.get(ledger.topicId, 0)
    if (partition !== undefined) partition.takeForFlush = () => assert.fail('it is sick')
    return () => void delete (partition as Partial<SharedPartition> | undefined)?.takeForFlush
  }

  #collector({ system, database, objects, log }: Broker): Collector {
    return new Collector({
      system,
      database: this.#planted(database),
      objects,
      journal: () => log.session,
      topics: async () => topicId => this.#ledgers.some(ledger => ledger.topicId === topicId && !ledger.isDeleted),
      report: what => this.reports.push(what),
    })
  }

  #planted(database: Database): Database {
    if (this.plant === 'sweep-of-the-living')
      return changed(database, { sweepable: async () => (await database.sessions()).map(each => each.session) })
    if (this.plant === 'sweep-of-the-named')
      return changed(database, {
        sweepable: async () => (await database.sessions()).filter(each => each.ended).map(each => each.session),
        unreferenced: async names => [...names],
      })
    return database
  }

  /** Reads what rows name, almost a grace later. */
  async #readOn(): Promise<void> {
    const { system } = this.cluster.world
    const { database, objects } = storesOf(this.cluster, system, new Process(system.timers))
    while (!this.#isOver) {
      const askedMs = system.clock.monotonic()
      const rows = await database.segments([{ topicId: topicIdOf(this.#random.pick(this.#ledgers).topicId), partition: 0 }])
      await this.#pause(this.#random.fraction() * 0.8 * graceMs)
      for (const row of rows.filter(each => each.bytes > 0)) {
        try {
          await objects.get(row.object, row.position, 1)
          this.counts.reads++
        } catch (error) {
          const isInTime = system.clock.monotonic() - askedMs < graceMs
          if (isInTime && error instanceof ObjectError && error.code === 'NoSuchKey') this.#note(new Error(`a reader missed ${row.object}`))
        }
      }
    }
  }

  /** All is well again: one broker takes over everything, and time passes. */
  async #rest(): Promise<void> {
    this.#isOver = true
    while (this.#isTroubled) await this.#pause(100)
    for (const zombie of this.#zombies) zombie.process.kill()
    const before = this.#brokers.splice(0)
    // What it writes late would be left over until it ends, and it does not.
    const last = await this.#begin(60_000)
    for (const broker of before) {
      this.#count(broker)
      broker.process.kill()
      await this.#failOver(broker, [last])
    }
    // Retention, compaction and merges have their time, too.
    await this.#pause(20_000)
    const living = this.#ledgers.filter(each => !each.isDeleted)
    for (const ledger of living) await check(last.log.get(ledger.topicId, 0)!, ledger)
    await this.#collector(last).run(() => true)
    await this.#pause(20_000)
    await last.log.close()
    last.process.kill()
  }

  /** The objects in the store are those that rows name. */
  async #checkObjects(): Promise<void> {
    const { world, s3 } = this.cluster
    const system = { ...world.system, timers: new Process(world.system.timers) }
    const { database, objects } = storesOf(this.cluster, system, system.timers)
    const report = (what: string) => this.reports.push(what)
    const collector = new Collector({ system, database, objects, journal: () => null, topics: async () => () => true, report })
    for (const hours of [2, 24, 24]) {
      await this.#pause(hours * hourMs)
      await collector.run(() => true)
    }
    const named = new Set<string>()
    for (const { topic, topicId, isDeleted } of this.#ledgers) {
      const rows = await database.segments([{ topicId: topicIdOf(topicId), partition: 0 }])
      assert.ok(!isDeleted || rows.length === 0, `${topic} was deleted, and has ${rows.length} rows`)
      for (const row of rows) named.add(row.object)
    }
    for (const { session } of await database.sessions())
      for (const frame of await database.frames(session, 0, 1 << 30)) for (const object of frame.objects) named.add(object)
    const there = [...s3.objects.keys()].map(name => name.replace(/^c\//, '')).sort()
    assert.deepEqual(there, [...named].sort(), 'what is in the store is what rows name')
    assert.equal(s3.finding, null)
  }
}

/** All of the partition is read back: what was acknowledged is there, and nothing else. */
async function check(partition: SharedPartition, ledger: Ledger): Promise<void> {
  const found = await recordsOf(partition)
  const { logStartOffset: start, logEndOffset: end } = partition
  const { topic, acknowledged, deletedBelow, config } = ledger
  assert.ok(end >= acknowledged && end <= ledger.end, `${topic}: ${acknowledged} of ${ledger.end} acknowledged, the log ends at ${end}`)
  assert.ok(start >= deletedBelow, `${topic}: ${deletedBelow} was deleted, the log starts at ${start}`)
  assert.deepEqual(
    found,
    [...new Set(found)].toSorted((a, b) => a - b),
    `${topic}: in order, each once`,
  )
  const kept = new Set(found)
  // Of each key the newest record is there, whatever was compacted.
  const from = config.cleanupPolicy.compact ? Math.max(start, end - keys) : start
  for (let offset = from; offset < end; offset++) assert.ok(kept.has(offset), `${topic}: ${offset} of [${start}, ${end})`)
}

async function recordsOf(partition: SharedPartition): Promise<Offset[]> {
  const found: Offset[] = []
  for (let next = 0; ; ) {
    // Retention goes on.
    next = Math.max(next, partition.logStartOffset)
    const { chunks } = await partition.read(next, { maxBytes: 10_000, atLeastOne: true, upTo: 'high-watermark' })
    if (chunks.length === 0) break
    for (const chunk of chunks)
      forEachRecord(chunk, ({ offset, key, value }) => {
        if (offset < next) return true
        assert.deepEqual([String(key), String(value)], [`k${offset % keys}`, valueAt(offset)], `the record at ${offset}`)
        found.push(offset)
        next = offset + 1
        return true
      })
  }
  return found
}

function storesOf(
  cluster: TestCluster,
  system: System,
  process: Process,
  timeoutMs = 60_000,
): { database: Database; objects: ObjectStore } {
  const database = openDatabase({ system, connect: cluster.server.connect(process), timeoutMs: 600_000 })
  const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' }
  const transport = cluster.s3.transport(process)
  const url = 's3://bucket/c?endpoint=https://s3.test'
  return { database, objects: openObjectStore({ system, url, environment, transport, timeoutMs }) }
}

/** The same, but for some calls. */
function changed<T extends object>(original: T, changes: Partial<T>): T {
  return new Proxy(original, {
    get(target, name) {
      const value = (changes as Record<PropertyKey, unknown>)[name] ?? Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** Says that it has written what it only begins to write. */
function hasty(objects: ObjectStore): ObjectStore {
  return changed(objects, { put: async (name, content) => void objects.put(name, content).catch(() => {}) })
}
