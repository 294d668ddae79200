import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Uuid } from '../../protocol.ts'
import { type BalancedPartition, type PlannedMove, planDrain, planMoves as planInSteps, type Situation } from './balance.ts'

const most = 16
const topicId = 'AAAAAAAAAAAAAAAAAAAB0Q' as Uuid

function planMoves(situation: Situation, most: number): PlannedMove[] {
  const steps = planInSteps(situation, most)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

interface Made {
  topic?: string
  internal?: boolean
  load?: number
}

/** One partition for each leader; it is the only candidate unless the test says otherwise. */
function led(
  leaders: readonly number[],
  made: Made = {},
  candidates: (leader: number, index: number) => readonly number[] = leader => [leader],
) {
  return leaders.map(
    (leader, partition): BalancedPartition => ({
      topic: 't',
      internal: false,
      load: 0,
      ...made,
      topicId,
      partition,
      leader,
      candidates: candidates(leader, partition),
    }),
  )
}

function situation(more: Partial<Situation> & Pick<Situation, 'brokers' | 'partitions'>): Situation {
  return { owed: new Set(), restored: new Set(more.brokers), byLoad: false, ...more }
}

/** As if all that is planned were done, until nothing is planned any more. */
function settle(begin: Situation): { partitions: readonly BalancedPartition[]; moves: number; rounds: number } {
  let { partitions } = begin
  let moves = 0
  for (let rounds = 0; rounds < 100; rounds++) {
    const plan = planMoves({ ...begin, partitions }, most)
    if (plan.length === 0) return { partitions, moves, rounds }
    assert.ok(plan.length <= most)
    moves += plan.length
    partitions = partitions.map(each => after(each, plan))
  }
  throw new Error('it never settles')
}

function after(partition: BalancedPartition, plan: readonly PlannedMove[]): BalancedPartition {
  const move = plan.find(each => each.partition === partition)
  return move === undefined ? partition : { ...partition, leader: move.to, candidates: move.replicas ?? partition.candidates }
}

function counts(partitions: readonly BalancedPartition[], brokers: readonly number[]): number[] {
  return brokers.map(id => partitions.filter(({ leader }) => leader === id).length)
}

const turns = (count: number, brokers: readonly number[]) => Array.from({ length: count }, (_, index) => brokers[index % brokers.length]!)

describe('a broker that has come', () => {
  it('gets its share, and nothing else moves', () => {
    for (const total of [3, 7, 12, 100, 999]) {
      const partitions = led(turns(total, [1, 2, 3]))
      const brokers = [1, 2, 3, 4]
      const done = settle(situation({ brokers, partitions, owed: new Set([4]) }))
      const share = Math.floor(total / 4)
      assert.equal(counts(done.partitions, brokers)[3], share, `of ${total}`)
      assert.equal(done.moves, share)
      assert.ok(counts(done.partitions, brokers).every(count => count >= share))
    }
  })

  it('gets a share of each topic, and of the internal ones', () => {
    const partitions = [
      ...led(turns(8, [1, 2]), { topic: 'a' }),
      ...led(turns(4, [1, 2]), { topic: 'b' }),
      ...led(turns(50, [1, 2]), { topic: '__consumer_offsets', internal: true }),
    ]
    const done = settle(situation({ brokers: [1, 2, 3], partitions, owed: new Set([3]) }))
    const of = (name: string) =>
      counts(
        done.partitions.filter(({ topic }) => topic === name),
        [1, 2, 3],
      )
    assert.deepEqual(of('a').sort(), [2, 3, 3])
    assert.ok(of('b')[2]! >= 1)
    assert.ok(of('__consumer_offsets')[2]! >= 16)
    assert.ok(counts(done.partitions, [3])[0]! >= Math.floor(62 / 3))
  })

  it('becomes the preferred replica; the number of replicas stays', () => {
    const partitions = led([1, 1, 1, 1], {}, () => [1, 2])
    const plan = planMoves(situation({ brokers: [1, 2, 3], partitions, owed: new Set([2, 3]) }), most)
    assert.deepEqual(
      plan.map(({ to, replicas }) => [to, replicas]),
      [
        [2, [2, 1]],
        [3, [3, 2]],
      ],
    )
  })

  it('gets nothing once it has had its share, however the partitions are arranged', () => {
    const partitions = led([1, 1, 1, 1, 1, 1, 2])
    assert.deepEqual(planMoves(situation({ brokers: [1, 2, 3], partitions }), most), [])
  })

  it('gets nothing of what others lead only until a replica is back', () => {
    const partitions = led([1, 1, 1, 1, 1, 3, 3, 3], {}, (leader, index) => (index < 5 ? [9] : [leader]))
    const plan = planMoves(situation({ brokers: [1, 2, 3], partitions, owed: new Set([2]) }), most)
    assert.deepEqual(
      plan.map(({ partition: { partition } }) => partition),
      [5],
    )
  })

  it('gets no share of what is away', () => {
    // Broker 9 is away, and what it leads cannot be had.
    const partitions = led([9, 9, 9, 9, 1, 2])
    assert.deepEqual(planMoves(situation({ brokers: [1, 2, 3], partitions, owed: new Set([3]) }), most), [])
  })
})

describe('preferred leaders', () => {
  it('lead when they are there', () => {
    const partitions = led([1, 1, 2], {}, (_, index) => [[2, 1], [3, 1], [2]][index]!)
    const plan = planMoves(situation({ brokers: [1, 2], partitions }), most)
    assert.deepEqual(
      plan.map(({ partition: { partition }, to, replicas }) => [partition, to, replicas]),
      [[0, 2, null]],
    )
    assert.deepEqual(planMoves(situation({ brokers: [1, 2], partitions, restored: new Set([1]) }), most), [])
  })

  it('are restored before shares are given', () => {
    const partitions = led(turns(12, [1]), {}, (_, index) => (index < 4 ? [3, 1] : [1]))
    const done = settle(situation({ brokers: [1, 3], partitions, owed: new Set([3]), restored: new Set([3]) }))
    assert.deepEqual(counts(done.partitions, [1, 3]), [6, 6])
    assert.equal(done.moves, 6)
  })

  it('a leader that a reassignment takes out goes to the first that is there, also where nothing is balanced', () => {
    const partitions = led([1], {}, () => [9, 2, 3])
    const plan = planMoves(situation({ brokers: [1, 2, 3], partitions, restored: new Set() }), most)
    assert.deepEqual(
      plan.map(({ to, replicas }) => [to, replicas]),
      [[2, null]],
    )
  })
})

describe('load', () => {
  const busy = 8 * 1024 * 1024

  it('that is even, or small, moves nothing', () => {
    const even = led(turns(12, [1, 2, 3]), { load: busy })
    assert.deepEqual(planMoves(situation({ brokers: [1, 2, 3], partitions: even, byLoad: true }), most), [])
    const small = led([1, 1, 2, 2]).map((each, index) => ({ ...each, load: index < 2 ? 1000 : 0 }))
    assert.deepEqual(planMoves(situation({ brokers: [1, 2], partitions: small, byLoad: true }), most), [])
  })

  it('makes busy partitions change places with quiet ones, so that the numbers stay', () => {
    const partitions = led([1, 1, 1, 1, 2, 2, 2, 2]).map(each => ({ ...each, load: each.leader === 1 ? busy : 0 }))
    assert.deepEqual(planMoves(situation({ brokers: [1, 2], partitions }), most), [])
    const done = settle(situation({ brokers: [1, 2], partitions, byLoad: true }))
    assert.deepEqual(counts(done.partitions, [1, 2]), [4, 4])
    const load = (id: number) => done.partitions.filter(({ leader }) => leader === id).reduce((sum, each) => sum + each.load, 0)
    assert.deepEqual([load(1), load(2)], [2 * busy, 2 * busy])
  })

  it('of one partition alone is not moved to and fro', () => {
    const partitions = led([1, 2]).map(each => ({ ...each, load: each.leader === 1 ? 4 * busy : 0 }))
    assert.deepEqual(planMoves(situation({ brokers: [1, 2], partitions, byLoad: true }), most), [])
  })
})

describe('a broker that stops', () => {
  it('gives to those that may lead, and otherwise to those that lead least', () => {
    const partitions = led([1, 1, 1, 1], {}, (_, index) => (index === 0 ? [1, 3] : [1]))
    const plan = planDrain(
      partitions,
      [2, 3],
      new Map([
        [2, 5],
        [3, 7],
      ]),
    )
    assert.deepEqual(
      plan.map(({ to }) => to),
      [3, 2, 2, 2],
    )
  })
})
