import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError, type Offset, type Uuid } from '../../protocol.ts'
import { type TestSystem, testSystem } from '../runtime.testing.ts'
import type { LogRecord } from '../shard.ts'
import { newTopic, TestLog, type TestPartition, testRules } from './cluster.testing.ts'
import { countIn, type Follower, follow, increment, makeShard, settled } from './followed-metadata.testing.ts'
import type { MetadataHome } from './metadata-home.ts'
import type { MetadataLog, MetadataSlice } from './metadata-log.ts'
import { decodeMetadataRecord, encodeMetadataRecord } from './metadata-records.ts'
import { OwnMetadata } from './own-metadata.ts'
import type { ClusterShard } from './shard.ts'

type Chance = (probability: number) => boolean

function seeded(seed: number): { chance: Chance; below(bound: number): number } {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { chance: probability => next() < probability, below: bound => Math.floor(next() * bound) }
}

/** The way to the log of a broker: slow and lossy, and with requests that arrive after their connection was lost. */
class Rough implements MetadataLog {
  readonly #system: TestSystem
  readonly #random: ReturnType<typeof seeded>
  readonly #log: () => MetadataLog
  calm = false

  constructor(system: TestSystem, random: ReturnType<typeof seeded>, log: () => MetadataLog) {
    this.#system = system
    this.#random = random
    this.#log = log
  }

  async append(expected: Offset, records: readonly LogRecord[], id: Buffer): Promise<boolean> {
    if (this.#happens(0.1)) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', 'not sent')
    await this.#delay()
    if (this.#happens(0.1)) throw new Error('the request was lost')
    if (this.#happens(0.1)) {
      const late = () => this.#log().append(expected, records, id)
      this.#system.timers.after(this.#random.below(200), () => void late().catch(() => {}))
      throw new Error('the connection was lost, and the request is still under way')
    }
    const accepted = await this.#log().append(expected, records, id)
    await this.#delay()
    if (this.#happens(0.2)) throw new Error('the answer was lost')
    return accepted
  }

  async read(from: Offset): Promise<MetadataSlice> {
    await this.#delay()
    if (this.#happens(0.1)) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', 'lost')
    const slice = await this.#log().read(from)
    await this.#delay()
    return slice
  }

  onChanged(callback: () => void): { cancel(): void } {
    return this.#log().onChanged(() => {
      if (!this.#happens(0.3)) this.#system.timers.after(this.#random.below(20), callback)
    })
  }

  close(): void {}

  #happens(probability: number): boolean {
    return !this.calm && this.#random.chance(probability)
  }

  #delay(): Promise<void> {
    return new Promise(resolve => void this.#system.timers.after(this.#random.below(20), resolve))
  }
}

/** What the callers of all writes were told. */
interface Told {
  increments: number
  perhapsIncrements: number
  created: Map<Uuid, number>
  deleted: Uuid[]
  perhapsDeleted: Set<Uuid>
  producerBlocks: unknown[]
}

class Race {
  readonly system = testSystem()
  readonly random: ReturnType<typeof seeded>
  readonly disk = new TestLog()
  readonly told: Told = {
    increments: 0,
    perhapsIncrements: 0,
    created: new Map(),
    deleted: [],
    perhapsDeleted: new Set(),
    producerBlocks: [],
  }
  readonly ways: Rough[] = []
  readonly followers: Follower[] = []
  keeper!: OwnMetadata
  keeperShard!: ClusterShard
  partition!: TestPartition
  #topics = 0

  constructor(seed: number) {
    this.random = seeded(seed)
    this.#startKeeper()
    for (let n = 0; n < 2; n++) {
      const way = new Rough(this.system, this.random, () => this.keeper.shared)
      this.ways.push(way)
      this.followers.push(follow(this.system, way))
    }
  }

  #startKeeper(): void {
    const loaded = (shard: ClusterShard) => {
      this.keeperShard = shard
    }
    this.keeper = new OwnMetadata({
      system: this.system,
      log: this.disk,
      directory: '/data',
      rules: testRules,
      reporter: { info() {}, warn() {} },
      snapshotAfterRecords: 1_000_000,
      makeShard: () => makeShard(this.system, loaded),
      changed() {},
    })
    this.partition = [...this.disk.disk.values()][0]!
  }

  /** The process ends and starts again; its disk stays. */
  restartKeeper(): void {
    this.keeper.close()
    this.partition.sync()
    this.#startKeeper()
  }

  async run(): Promise<void> {
    const { random, system } = this
    const running: Promise<void>[] = []
    for (let step = 0; step < 60; step++) {
      const home = random.below(3)
      running.push(this.#act(home === 2 ? this.keeper : this.followers[home]!.home))
      if (random.chance(0.2)) this.partition.durable = false
      if (random.chance(0.05)) this.partition.failNext = new KafkaError('KAFKA_STORAGE_ERROR', 'refused')
      if (random.chance(0.1)) this.restartKeeper()
      await system.advance(random.below(30))
      if (random.chance(0.3)) this.#allDurable()
    }
    for (const way of this.ways) way.calm = true
    this.#allDurable()
    await settled(system, Promise.all(running), 60_000)
    // Until all have looked again.
    await system.advance(2_500)
  }

  #allDurable(): void {
    this.partition.durable = true
    this.partition.sync()
  }

  #act(home: MetadataHome): Promise<void> {
    const kind = this.random.below(4)
    if (kind === 0) return this.#increment(home)
    if (kind === 1) return this.#create(home)
    if (kind === 2) return this.#delete(home)
    return home
      .write(shard => shard.allocateProducerIds())
      .then(
        block => void this.told.producerBlocks.push(block.first),
        () => {},
      )
  }

  #increment(home: MetadataHome): Promise<void> {
    return home.write(increment).then(
      () => void this.told.increments++,
      error => {
        if (this.#isUnknown(home, error)) this.told.perhapsIncrements++
      },
    )
  }

  #create(home: MetadataHome): Promise<void> {
    const name = `t${this.#topics++}`
    return home
      .write(shard => shard.createTopics([newTopic(name)], false))
      .then(
        ([created]) => {
          assert.ok(created !== undefined && !(created instanceof KafkaError), `${name}: ${created}`)
          this.told.created.set(created.id, (this.told.created.get(created.id) ?? 0) + 1)
        },
        () => {},
      )
  }

  async #delete(home: MetadataHome): Promise<void> {
    const ids = [...this.told.created.keys()]
    if (ids.length === 0) return
    const id = ids[this.random.below(ids.length)]!
    try {
      const [outcome] = await home.write(shard => shard.deleteTopics([id]))
      if (outcome === null) this.told.deleted.push(id)
    } catch (error) {
      if (this.#isUnknown(home, error)) this.told.perhapsDeleted.add(id)
    }
  }

  /** A broker that keeps the log does not always know either: its own process may end. */
  #isUnknown(home: MetadataHome, error: unknown): boolean {
    return home instanceof OwnMetadata || (error as KafkaError).name === 'REQUEST_TIMED_OUT'
  }

  check(): void {
    const { told, keeperShard, partition } = this
    const images = [keeperShard, ...this.followers.map(({ shard }) => shard)].map(shard => ({
      end: shard.nextOffset,
      records: Array.from(shard.image.records(), encodeMetadataRecord),
    }))
    for (const image of images.slice(1)) assert.deepEqual(image, images[0])
    assert.equal(images[0]!.end, partition.logEndOffset)
    const count = countIn(keeperShard)
    assert.ok(count >= told.increments && count <= told.increments + told.perhapsIncrements, `${count} of ${JSON.stringify(told)}`)
    const records = partition.records().map(({ value }) => decodeMetadataRecord(value!))
    for (const id of told.created.keys()) {
      const created = records.filter(each => each.type === 'TopicRecord' && each.topicId === id).length
      const deleted = records.filter(each => each.type === 'RemoveTopicRecord' && each.topicId === id).length
      assert.equal(created, 1)
      const acknowledged = told.deleted.filter(each => each === id).length
      const isExact = deleted === acknowledged || (told.perhapsDeleted.has(id) && deleted === 1 && acknowledged === 0)
      assert.ok(isExact, `${id}: deleted ${deleted} times, acknowledged ${acknowledged} times`)
    }
    assert.equal(new Set(told.producerBlocks).size, told.producerBlocks.length)
  }

  close(): void {
    for (const { home } of this.followers) home.close()
    this.keeper.close()
  }
}

test('brokers that race over a rough way end with equal images, and each acknowledged change is there once', async () => {
  let acknowledged = 0
  for (let seed = 1; seed <= 8; seed++) {
    const race = new Race(seed)
    try {
      await race.run()
      race.check()
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    } finally {
      race.close()
    }
    acknowledged += race.told.increments + race.told.deleted.length
  }
  assert.ok(acknowledged > 40, `only ${acknowledged} changes were acknowledged`)
})
