import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { atOnce, newTopic, testRules } from './cluster.testing.ts'
import { type Candidate, placeNewPartitions, placeTopic } from './placement.ts'

function brokers(...racks: (string | null)[]): Candidate[] {
  return racks.map((rack, id) => ({ id, rack, fenced: false }))
}

function place(partitions: number, factor: number, candidates: readonly Candidate[], placed = 0): number[][] {
  const topic = newTopic('t', { numPartitions: partitions, replicationFactor: factor })
  return atOnce(placeTopic(topic, candidates, placed, testRules))
}

/** How often each id occurs. */
function counts(ids: readonly number[]): Record<number, number> {
  const found: Record<number, number> = {}
  for (const id of ids) found[id] = (found[id] ?? 0) + 1
  return found
}

describe('placement', () => {
  it('gives each broker the same number of leaders, and of replicas', () => {
    const placed = place(12, 2, brokers(null, null, null))
    assert.deepEqual(counts(placed.map(([leader]) => leader!)), { 0: 4, 1: 4, 2: 4 })
    assert.deepEqual(counts(placed.flat()), { 0: 8, 1: 8, 2: 8 })
    // The brokers that follow one leader change from round to round.
    assert.equal(new Set(placed.filter(([leader]) => leader === 0).map(String)).size, 2)
  })

  it('goes on where the last one ended, so that topics with one partition are spread', () => {
    const leaders = [0, 1, 2, 3].map(placed => place(1, 1, brokers(null, null, null), placed)[0]![0])
    assert.deepEqual(leaders, [0, 1, 2, 0])
  })

  it('has no broker twice in one partition, whatever the racks', () => {
    for (const racks of [
      [null, null, null],
      ['a', 'a', 'b'],
      ['a', 'b', 'c', 'c'],
      ['a', 'a', 'a', 'b', 'c', 'c'],
      ['a', null, 'b', null],
    ]) {
      for (let factor = 1; factor <= racks.length; factor++) {
        for (const replicas of place(24, factor, brokers(...racks))) {
          assert.equal(replicas.length, factor)
          assert.equal(new Set(replicas).size, factor, `${racks}: ${replicas}`)
        }
      }
    }
  })

  it('uses every rack before it uses one twice', () => {
    const racks = ['a', 'a', 'b', 'b', 'c', 'c']
    for (const replicas of place(36, 3, brokers(...racks))) assert.equal(new Set(replicas.map(id => racks[id])).size, 3, String(replicas))
    for (const replicas of place(36, 5, brokers(...racks))) {
      assert.deepEqual(Object.values(counts(replicas.map(id => id >> 1))).sort(), [1, 2, 2], String(replicas))
    }
    assert.deepEqual(counts(place(36, 3, brokers(...racks)).flat()), { 0: 18, 1: 18, 2: 18, 3: 18, 4: 18, 5: 18 })
  })

  it('lets no fenced broker lead, but counts it', () => {
    const candidates = [...brokers(null, null), { id: 2, rack: null, fenced: true }]
    const placed = place(8, 3, candidates)
    assert.deepEqual(counts(placed.map(([leader]) => leader!)), { 0: 4, 1: 4 })
    assert.ok(placed.every(replicas => replicas.at(-1) === 2))
    const allFenced = candidates.map(each => ({ ...each, fenced: true }))
    assert.throws(() => place(1, 1, allFenced), { name: 'INVALID_REPLICATION_FACTOR', message: /All brokers are currently fenced/ })
  })

  it('refuses a factor above the number of registered brokers, in the words of Kafka', () => {
    const message =
      'Unable to replicate the partition 4 time(s): The target replication factor of 4 cannot be reached because only 3 broker(s) are registered.'
    assert.throws(() => place(1, 4, brokers(null, null, null)), { name: 'INVALID_REPLICATION_FACTOR', message })
  })

  it('places new partitions with the factor of the others', () => {
    const wanted = { name: 't', count: 5, assignments: null }
    assert.deepEqual(atOnce(placeNewPartitions(wanted, 3, 1, brokers(null, null, null), 3)), [[0], [1]])
    const manual = { ...wanted, assignments: [{ brokerIds: [2, 1] }, { brokerIds: [1, 3] }] }
    assert.throws(() => atOnce(placeNewPartitions(manual, 3, 2, brokers(null, null, null), 3)), {
      name: 'INVALID_REPLICA_ASSIGNMENT',
      message: /broker 3, but no such broker is registered/,
    })
  })

  it('takes manual assignments of registered brokers of which one is alive', () => {
    const candidates = [...brokers(null, null), { id: 2, rack: null, fenced: true }]
    const assign = (...brokerIds: number[]) =>
      atOnce(placeTopic(newTopic('t', { assignments: [{ partitionIndex: 0, brokerIds }] }), candidates, 0, testRules))
    assert.deepEqual(assign(2, 1), [[2, 1]])
    assert.throws(() => assign(2), { name: 'INVALID_REPLICA_ASSIGNMENT', message: /partition 0 are fenced/ })
    assert.throws(() => assign(1, 3), { name: 'INVALID_REPLICA_ASSIGNMENT', message: /broker 3, but no such broker is registered/ })
  })
})
