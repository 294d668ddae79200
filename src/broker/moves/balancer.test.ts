import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { realSystem, Turns, trustingClock } from '../../base.ts'
import type { BrokerRegistration, PartitionChange, Topic } from '../../coordinator.ts'
import { KafkaError, type Uuid } from '../../protocol.ts'
import { Balancer } from './balancer.ts'
import type { NamedPartition } from './elections.ts'

const topicId = 'AAAAAAAAAAAAAAAAAAAB0Q' as Uuid
const mebibyte = 1024 * 1024

/** Broker 1 of a cluster; time passes when the test says so. */
class World {
  readonly serving = new Map<number, number>()
  readonly partitions: { leader: number; replicas: readonly number[]; removing: readonly number[] }[]
  /** How many partitions were moved at a time. */
  readonly moves: number[] = []
  readonly reported: string[] = []
  isEnabled = true
  failure: KafkaError | null = null
  /** Bytes that each partition takes in a second. */
  rate: (partition: number) => number = () => 0
  readonly balancer: Balancer
  #epoch = 1
  #nowMs = 0
  #timer: { atMs: number; callback: () => void } | null = null

  constructor(brokers: readonly number[], leaders: readonly number[]) {
    this.partitions = leaders.map(leader => ({ leader, replicas: [leader], removing: [] }))
    for (const id of brokers) this.register(id)
    this.balancer = new Balancer({
      brokerId: 1,
      system: {
        clock: trustingClock(
          () => this.#nowMs,
          () => this.#nowMs,
        ),
        timers: {
          ...realSystem().timers,
          after: (ms, callback) => {
            this.#timer = { atMs: this.#nowMs + ms, callback }
            return { cancel: () => void (this.#timer = null) }
          },
        },
      },
      turns: new Turns(realSystem()),
      metadata: {
        brokers: () => [...this.serving].sort(([one], [other]) => one - other).map(([id, epoch]) => registration(id, epoch)),
        changePartitions: async changes => changes.map(change => this.#change(change)),
        finalizedFeatures: () => ({ epoch: this.#epoch, levels: new Map() }),
        topics: () => [this.#topic()],
      },
      elections: { elect: async (_type, named) => this.#elect(named) },
      isEnabled: () => this.isEnabled,
      imbalanceCheckMs: () => 300_000,
      sizes: async id =>
        this.partitions.flatMap(({ leader }, partition) =>
          leader === id ? [{ topic: 't', partition, bytes: (this.rate(partition) * this.#nowMs) / 1_000 }] : [],
        ),
      info() {},
      report: what => void this.reported.push(what),
    })
    this.balancer.start()
  }

  register(id: number): void {
    this.serving.set(id, ++this.#epoch)
  }

  counts(): number[] {
    return [...this.serving.keys()].map(id => this.partitions.filter(({ leader }) => leader === id).length)
  }

  /** So that it is seen. */
  place(partition: number, leader: number): void {
    this.partitions[partition] = { leader, replicas: [leader], removing: [] }
    this.#epoch++
  }

  /** Its leader stays. */
  order(partition: number, replicas: readonly number[]): void {
    this.partitions[partition] = { ...this.partitions[partition]!, replicas }
    this.#epoch++
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    while (this.#timer !== null && this.#timer.atMs <= endMs) {
      const { atMs, callback } = this.#timer
      this.#timer = null
      this.#nowMs = Math.max(this.#nowMs, atMs)
      callback()
      // It looks again later.
      while (this.#timer === null) await new Promise<void>(resolve => setImmediate(resolve))
    }
    this.#nowMs = endMs
  }

  #change({ partition, replicas }: PartitionChange): KafkaError | null {
    const before = this.partitions[partition]!
    const removing = replicas!.includes(before.leader) ? [] : [before.leader]
    this.partitions[partition] = { leader: before.leader, replicas: [...replicas!, ...removing], removing }
    this.#epoch++
    return null
  }

  #elect(named: readonly NamedPartition[]): (KafkaError | null)[] {
    this.moves.push(named.length)
    return named.map(({ partition }) => {
      if (this.failure !== null) return this.failure
      this.place(partition, this.partitions[partition]!.replicas[0]!)
      return null
    })
  }

  #topic(): Topic {
    const rest = { leaderEpoch: 0, isr: [], adding: [], log: null, arrival: null }
    const partitions = this.partitions.map((state, index) => ({ index, ...rest, ...state }))
    return { name: 't', id: topicId, internal: false, partitions }
  }
}

function registration(id: number, epoch: number): BrokerRegistration {
  return { id, epoch, rack: null, fenced: false, leaving: false, endpoints: new Map() }
}

describe('the balance', () => {
  it('gives a broker that comes its share by one plan, and then lets everything be', async () => {
    const world = new World(
      [1, 2],
      Array.from({ length: 60 }, (_, index) => 1 + (index % 2)),
    )
    await world.pass(5_000)
    assert.deepEqual(world.moves, [])
    world.register(3)
    await world.pass(2_000)
    assert.deepEqual(world.counts(), [20, 20, 20])
    assert.deepEqual(world.moves, [20])
    // However an operator places partitions afterwards.
    for (const partition of [0, 1, 2, 3, 4, 5]) world.place(partition, 2)
    await world.pass(60_000)
    assert.deepEqual(world.moves, [20])
    // One that returns has been away.
    for (const [partition, { leader }] of world.partitions.entries()) if (leader === 3) world.place(partition, 1)
    world.register(3)
    await world.pass(2_000)
    assert.equal(world.counts()[2], 20)
  })

  it('moves nothing at once when the order of replicas is changed, but restores preferred leaders after some minutes', async () => {
    const world = new World([1, 2, 3], [1, 2, 3])
    await world.pass(5_000)
    world.order(0, [2, 1])
    await world.pass(290_000)
    assert.deepEqual(world.moves, [])
    await world.pass(10_000)
    assert.deepEqual(world.counts(), [0, 2, 1])
    world.order(2, [1, 3])
    await world.pass(290_000)
    assert.deepEqual(world.moves, [1])
    // Who has come is no such change.
    world.register(1)
    await world.pass(2_000)
    assert.deepEqual(world.counts(), [1, 2, 0])
    world.isEnabled = false
    world.order(1, [3, 2])
    await world.pass(600_000)
    assert.deepEqual(world.moves, [1, 1])
  })

  it('gives shares also when it begins after the broker has come', async () => {
    const world = new World([1, 2], [1, 1, 1, 1])
    await world.pass(2_000)
    assert.deepEqual(world.counts(), [2, 2])
  })

  it('is kept by the first broker only, and only where it is wanted', async () => {
    const other = new World([0, 1], [1, 1, 1, 1])
    await other.pass(60_000)
    assert.deepEqual(other.moves, [])
    const off = new World([1, 2], [1, 1, 1, 1])
    off.isEnabled = false
    await off.pass(60_000)
    assert.deepEqual(off.moves, [])
  })

  it('is tried again after a pause when nothing could be moved', async () => {
    const world = new World([1, 2], [1, 1, 1, 1])
    world.failure = new KafkaError('PREFERRED_LEADER_NOT_AVAILABLE')
    await world.pass(10_500)
    assert.deepEqual(world.moves, [2, 2])
    assert.equal(world.reported.length, 2)
    world.failure = null
    await world.pass(5_000)
    assert.deepEqual(world.counts(), [2, 2])
  })

  it('follows load that stays uneven, and not load that is even', async () => {
    const world = new World([1, 2], [1, 1, 1, 1, 2, 2, 2, 2])
    world.rate = () => 8 * mebibyte
    await world.pass(120_000)
    assert.deepEqual(world.moves, [])
    world.rate = partition => (partition < 4 ? 8 * mebibyte : 0)
    await world.pass(15_000)
    assert.deepEqual(world.moves, [], 'not at once')
    await world.pass(60_000)
    assert.deepEqual(world.moves, [4])
    assert.deepEqual(world.counts(), [4, 4])
    await world.pass(300_000)
    assert.deepEqual(world.moves, [4])
  })
})
