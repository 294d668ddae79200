import assert from 'node:assert/strict'
import { test } from 'node:test'
import { processorMs } from '../../../../test/support/processor-time.ts'
import type { Uuid } from '../../../protocol.ts'
import { type AssignorMember, assignorsNamed } from './assignor.ts'
import { noTarget, type Target } from './partitions.ts'

const uniform = assignorsNamed(['uniform']).get('uniform')!
const range = assignorsNamed(['range']).get('range')!
const one = 'one' as Uuid
const two = 'two' as Uuid

function member(memberId: string, topics: Uuid[], target: Target = noTarget, instanceId: string | null = null): AssignorMember {
  return { memberId, instanceId, topics: new Set(topics), target }
}

function show(targets: ReadonlyMap<string, Target>): Record<string, string> {
  return Object.fromEntries(
    Array.from(targets, ([memberId, target]) => [
      memberId,
      [...target]
        .sort()
        .map(([topic, partitions]) => `${topic}:${[...partitions].sort((a, b) => a - b).join(',')}`)
        .join(' '),
    ]),
  )
}

function checkComplete(targets: ReadonlyMap<string, Target>, counts: ReadonlyMap<Uuid, number>): void {
  for (const [topicId, count] of counts) {
    const all = [...targets.values()].flatMap(target => [...(target.get(topicId) ?? [])])
    assert.equal(all.length, count)
    assert.equal(new Set(all).size, count)
  }
}

test('range gives neighbours, and the same numbers of topics of one size', () => {
  const counts = new Map([
    [one, 5],
    [two, 5],
  ])
  const members = [member('b', [one, two]), member('a', [one, two])]
  assert.deepEqual(show(range.assign(members, counts, true)), { a: 'one:0,1,2 two:0,1,2', b: 'one:3,4 two:3,4' })
  const withStatic = [member('a', [one]), member('z', [one, two], noTarget, 'instance')]
  assert.deepEqual(show(range.assign(withStatic, counts, false)), { z: 'one:0,1,2 two:0,1,2,3,4', a: 'one:3,4' })
})

test('uniform is even and sticky', () => {
  const counts = new Map([
    [one, 4],
    [two, 3],
  ])
  const first = uniform.assign([member('a', [one, two])], counts, true)
  assert.deepEqual(show(first), { a: 'one:0,1,2,3 two:0,1,2' })
  const second = uniform.assign([member('a', [one, two], first.get('a')), member('b', [one, two])], counts, true)
  assert.deepEqual(show(second), { a: 'one:0,1,2,3', b: 'two:0,1,2' })
  const grown = new Map([
    [one, 6],
    [two, 3],
  ])
  const third = uniform.assign([member('a', [one, two], second.get('a')), member('b', [one, two], second.get('b'))], grown, true)
  assert.deepEqual(show(third), { a: 'one:0,1,2,3,4', b: 'one:5 two:0,1,2' })
  const fourth = uniform.assign([member('b', [one], third.get('b'))], new Map([[one, 6]]), true)
  assert.deepEqual(show(fourth), { b: 'one:0,1,2,3,4,5' })
})

test('uniform balances members with different subscriptions', () => {
  const counts = new Map([
    [one, 4],
    [two, 8],
  ])
  const members = [member('a', [one]), member('b', [one, two]), member('c', [two])]
  const targets = uniform.assign(members, counts, false)
  checkComplete(targets, counts)
  const loads = members.map(({ memberId }) => [...targets.get(memberId)!.values()].reduce((sum, partitions) => sum + partitions.size, 0))
  assert.deepEqual(loads, [4, 4, 4])
  assert.equal(targets.get('a')!.has(two), false)
  const kept = uniform.assign(
    members.map(each => ({ ...each, target: targets.get(each.memberId)! })),
    counts,
    false,
  )
  assert.deepEqual(show(kept), show(targets))
})

test('uniform serves 500 members and 1,000 partitions of mixed subscriptions quickly', () => {
  const counts = new Map([
    [one, 500],
    [two, 500],
  ])
  const members = Array.from({ length: 500 }, (_, index) => member(`m${index}`, index % 3 === 0 ? [one] : [one, two]))
  const started = processorMs()
  const targets = uniform.assign(members, counts, false)
  checkComplete(targets, counts)
  assert.ok(processorMs() - started < 1_000)
})
