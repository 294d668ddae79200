import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assignRanges, assignRoundRobin } from './sink-group.ts'

const subscriptions = new Map([
  ['m1', new Set(['a', 'b'])],
  ['m2', new Set(['a', 'b'])],
  ['m3', new Set(['b'])],
])
const counts = new Map([
  ['a', 3],
  ['b', 1],
])
const shown = (assigned: Map<string, { topic: string; partition: number }[]>) =>
  Object.fromEntries(Array.from(assigned, ([member, some]) => [member, some.map(({ topic, partition }) => `${topic}${partition}`)]))

test('partitions are assigned as by the assignors of Kafka', () => {
  assert.deepEqual(shown(assignRanges(subscriptions, counts)), { m1: ['a0', 'a1', 'b0'], m2: ['a2'], m3: [] })
  assert.deepEqual(shown(assignRoundRobin(subscriptions, counts)), { m1: ['a0', 'a2'], m2: ['a1', 'b0'], m3: [] })
})

test('topics that are missing, and members that read nothing, are no trouble', () => {
  const alone = new Map([['m', new Set(['none'])]])
  for (const assign of [assignRanges, assignRoundRobin]) {
    assert.deepEqual(shown(assign(alone, counts)), { m: [] })
    assert.deepEqual(shown(assign(new Map([['m', new Set<string>()]]), counts)), { m: [] })
  }
})
