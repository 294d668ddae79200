import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { realSystem, Turns } from '../../base.ts'
import type { BrokerRegistration, PartitionKey, Topic, TopicPartition } from '../../coordinator.ts'
import { KafkaError, type Uuid } from '../../protocol.ts'
import { Elections, type NamedPartition } from './elections.ts'

const topicId = 'AAAAAAAAAAAAAAAAAAAB0Q' as Uuid
const system = realSystem()

interface State {
  leader: number
  replicas: number[]
  removing?: number[]
}

/** Broker 1 of three, with one topic. */
class World {
  readonly fenced = new Set<number>()
  readonly leaving = new Set<number>()
  readonly moved: string[] = []
  readonly asked: string[] = []
  /** What the mover of this broker, and another broker, answer. */
  refusal: KafkaError | null = null
  answers: (KafkaError | null | 'away')[] = []
  readonly partitions: State[]

  constructor(partitions: State[]) {
    this.partitions = partitions
  }

  elect(type: 'preferred' | 'unclean', indexes: readonly number[], limits = { timeoutMs: 5_000 }): Promise<string[]> {
    const elections = new Elections({
      brokerId: 1,
      system,
      turns: new Turns(system),
      metadata: {
        broker: id => (id > 3 ? undefined : this.#broker(id)),
        topic: name => (name === 't' ? this.#topic() : undefined),
        leaderOf: (_, partition) => this.partitions[partition]?.leader,
      },
      mover: {
        move: async (keys: readonly PartitionKey[], to: number) => {
          this.moved.push(`${keys.map(({ partition }) => partition)} to ${to}`)
          if (this.refusal === null) for (const { partition } of keys) this.partitions[partition]!.leader = to
          return keys.map(() => this.refusal)
        },
      },
      ask: async (broker: number, wanted: readonly NamedPartition[]) => {
        this.asked.push(`${broker}: ${wanted.map(({ partition }) => partition)}`)
        const answer = this.answers.shift() ?? null
        if (answer === 'away') throw new KafkaError('NETWORK_EXCEPTION', 'gone')
        if (answer === null)
          for (const { partition } of wanted) this.partitions[partition]!.leader = this.partitions[partition]!.replicas[0]!
        return wanted.map(() => answer)
      },
    })
    const named = indexes.map(partition => ({ topic: 't', partition }))
    return elections.elect(type, named, limits).then(outcomes => outcomes.map(outcome => outcome?.name ?? 'NONE'))
  }

  #broker(id: number): BrokerRegistration {
    return { id, epoch: 1, rack: null, fenced: this.fenced.has(id), leaving: this.leaving.has(id), endpoints: new Map() }
  }

  #topic(): Topic {
    const partitions = this.partitions.map(({ leader, replicas, removing = [] }, index) => {
      const log = leader === 1 ? ({ offline: null } as TopicPartition['log']) : null
      return { index, leader, leaderEpoch: 0, replicas, isr: replicas, adding: [], removing, log, arrival: null }
    })
    return { name: 't', id: topicId, internal: false, partitions }
  }
}

describe('preferred leaders', () => {
  it('are given their partitions by this broker where it leads, in groups', async () => {
    const partitions = Array.from({ length: 18 }, () => ({ leader: 1, replicas: [2, 1] }))
    const world = new World([...partitions, { leader: 1, replicas: [3] }, { leader: 1, replicas: [1, 2] }])
    const all = world.partitions.map((_, index) => index)
    const outcomes = await world.elect('preferred', [...all, 99])
    assert.deepEqual(outcomes.slice(0, 19), new Array(19).fill('NONE'))
    assert.deepEqual(outcomes.slice(19), ['ELECTION_NOT_NEEDED', 'UNKNOWN_TOPIC_OR_PARTITION'])
    assert.deepEqual(world.moved.sort(), ['0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 to 2', '16,17 to 2', '18 to 3'])
  })

  it('are not available when they are away or leave', async () => {
    const world = new World([
      { leader: 1, replicas: [2, 1] },
      { leader: 1, replicas: [3, 1] },
      { leader: 1, replicas: [9, 1] },
    ])
    world.fenced.add(2)
    world.leaving.add(3)
    assert.deepEqual(await world.elect('preferred', [0, 1, 2]), new Array(3).fill('PREFERRED_LEADER_NOT_AVAILABLE'))
  })

  it('of a reassignment may be the second when the first is away', async () => {
    const world = new World([{ leader: 1, replicas: [2, 3, 1], removing: [1] }])
    world.fenced.add(2)
    assert.deepEqual(await world.elect('preferred', [0]), ['NONE'])
    assert.deepEqual(world.moved, ['0 to 3'])
  })

  it('are asked for at the broker that leads, again while it does not know yet what this one knows', async () => {
    const world = new World([{ leader: 2, replicas: [3, 2] }])
    world.answers = [new KafkaError('ELECTION_NOT_NEEDED'), new KafkaError('NOT_LEADER_OR_FOLLOWER'), null]
    assert.deepEqual(await world.elect('preferred', [0]), ['NONE'])
    assert.deepEqual(world.asked, ['2: 0', '2: 0', '2: 0'])
  })

  it('are not available when the leader cannot be asked', async () => {
    const world = new World([{ leader: 2, replicas: [3, 2] }])
    world.answers = ['away']
    assert.deepEqual(await world.elect('preferred', [0]), ['PREFERRED_LEADER_NOT_AVAILABLE'])
  })

  it('are not asked for elsewhere on behalf of another broker', async () => {
    const world = new World([{ leader: 2, replicas: [3, 2] }])
    assert.deepEqual(await world.elect('preferred', [0], { timeoutMs: 5_000, isAsked: true } as { timeoutMs: number }), [
      'NOT_LEADER_OR_FOLLOWER',
    ])
    assert.deepEqual(world.asked, [])
  })

  it('are reported as late when there is no time', async () => {
    const world = new World([{ leader: 1, replicas: [2, 1] }])
    assert.deepEqual(await world.elect('preferred', [0], { timeoutMs: 0 }), ['REQUEST_TIMED_OUT'])
    assert.deepEqual(world.moved, [])
  })

  it('stay away when the partition cannot be released', async () => {
    const world = new World([{ leader: 1, replicas: [2, 1] }])
    world.refusal = new KafkaError('KAFKA_STORAGE_ERROR')
    assert.deepEqual(await world.elect('preferred', [0]), ['KAFKA_STORAGE_ERROR'])
  })
})

it('unclean leaders are not needed where one leads, and not available where none does', async () => {
  const world = new World([
    { leader: 1, replicas: [2, 1] },
    { leader: 2, replicas: [2, 3] },
  ])
  world.fenced.add(2)
  assert.deepEqual(await world.elect('unclean', [0, 1, 2]), [
    'ELECTION_NOT_NEEDED',
    'ELIGIBLE_LEADERS_NOT_AVAILABLE',
    'UNKNOWN_TOPIC_OR_PARTITION',
  ])
})
