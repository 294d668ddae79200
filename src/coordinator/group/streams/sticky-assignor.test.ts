import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AssignorMember, assignSticky } from './sticky-assignor.ts'
import { listOf, type Tasks } from './tasks.ts'

interface Given {
  process?: string
  active?: Record<string, number[]>
  standby?: Record<string, number[]>
  offsets?: Record<string, Record<number, number>>
}

function sets(tasks: Record<string, number[]> = {}): Tasks {
  return new Map(Object.entries(tasks).map(([id, partitions]) => [id, new Set(partitions)]))
}

function assign(members: Record<string, Given>, subtopologies: Record<string, [taskCount: number, stateful: boolean]>, replicas = 0) {
  const asked = Object.entries(members).map(
    ([memberId, { process = `p-${memberId}`, active, standby, offsets = {} }]): AssignorMember => ({
      memberId,
      processId: process,
      active: sets(active),
      standby: sets(standby),
      taskOffsets: new Map(
        Object.entries(offsets).map(([id, of]) => [
          id,
          new Map(Object.entries(of).map(([partition, offset]) => [Number(partition), offset])),
        ]),
      ),
    }),
  )
  const described = Object.entries(subtopologies).map(([subtopologyId, [taskCount, stateful]]) => ({ subtopologyId, taskCount, stateful }))
  const print = (tasks: Tasks) =>
    listOf(tasks).flatMap(({ subtopologyId, partitions }) => partitions.map(each => `${subtopologyId}_${each}`))
  return Object.fromEntries(
    Array.from(assignSticky(asked, described, replicas), ([memberId, { active, standby }]) => [
      memberId,
      { active: print(active), standby: print(standby) },
    ]),
  )
}

test('tasks stay where they are, and a newcomer gets its share', () => {
  const before = { a: { active: { 0: [0, 1, 2, 3] } }, b: {} }
  assert.deepEqual(assign(before, { 0: [4, false] }), {
    a: { active: ['0_0', '0_1'], standby: [] },
    b: { active: ['0_2', '0_3'], standby: [] },
  })
  const balanced = { a: { active: { 0: [0, 3] } }, b: { active: { 0: [1, 2] } } }
  assert.deepEqual(assign(balanced, { 0: [4, false] }), {
    a: { active: ['0_0', '0_3'], standby: [] },
    b: { active: ['0_1', '0_2'], standby: [] },
  })
})

test('all tasks are dealt out once, and evenly', () => {
  for (let members = 1; members <= 7; members++) {
    const asked = Object.fromEntries(Array.from({ length: members }, (_, index) => [`m${index}`, {}]))
    const dealt = Object.values(assign(asked, { 0: [5, true], 1: [6, false] }))
    assert.equal(new Set(dealt.flatMap(({ active }) => active)).size, 11)
    const counts = dealt.map(({ active }) => active.length)
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      11,
    )
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${counts}`)
  }
})

test('a process with more threads gets more tasks', () => {
  const { a, b, c } = assign({ a: { process: 'p' }, b: { process: 'p' }, c: { process: 'q' } }, { 0: [6, false] })
  assert.deepEqual([a!.active.length + b!.active.length, c!.active.length], [4, 2])
})

test('a lost active task goes to the member with its copy', () => {
  const { b } = assign({ a: {}, b: { standby: { 0: [1] } } }, { 0: [2, true] })
  assert.deepEqual(b!.active, ['0_1'])
  // State left on disk counts as well, the fuller the better.
  const { c } = assign({ a: {}, b: { offsets: { 0: { 1: 5 } } }, c: { offsets: { 0: { 1: 9 } } } }, { 0: [3, true] })
  assert.ok(c!.active.includes('0_1'))
})

test('standby tasks are on other processes than the active task, as many as requested if there are enough', () => {
  const members = { a: {}, b: {}, c: { process: 'p-b' } }
  const dealt = assign(members, { 0: [3, true], 1: [2, false] }, 1)
  const processOf = (id: string) => (id === 'c' ? 'p-b' : `p-${id}`)
  for (const task of ['0_0', '0_1', '0_2']) {
    const runs = Object.entries(dealt).filter(([, { active }]) => active.includes(task))
    const copies = Object.entries(dealt).filter(([, { standby }]) => standby.includes(task))
    assert.deepEqual([runs.length, copies.length], [1, 1], task)
    assert.notEqual(processOf(runs[0]![0]), processOf(copies[0]![0]))
  }
  assert.ok(Object.values(dealt).every(({ standby }) => standby.every(task => task.startsWith('0'))))
  assert.deepEqual(assign({ a: {} }, { 0: [2, true] }, 2), { a: { active: ['0_0', '0_1'], standby: [] } })
})

test('copies stay where they are', () => {
  const stable = { a: { active: { 0: [0] }, standby: { 0: [1] } }, b: { active: { 0: [1] }, standby: { 0: [0] } } }
  assert.deepEqual(assign(stable, { 0: [2, true] }, 1), {
    a: { active: ['0_0'], standby: ['0_1'] },
    b: { active: ['0_1'], standby: ['0_0'] },
  })
})
