import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MemberState, newMember, type StreamsMember } from './member.ts'
import { reconcile } from './reconcile.ts'
import { TaskRunners } from './task-runners.ts'
import { addActive, type HeldTasks, listOf, noHeldTasks, type TaskSets } from './tasks.ts'

type Roles = { active?: number[]; standby?: number[]; warmup?: number[] }

function held({ active = [], standby = [], warmup = [] }: Roles, epoch = 1): HeldTasks {
  const tasks = new Map<string, Map<number, number>>()
  for (const partition of active) addActive(tasks, '0', partition, epoch)
  return { active: tasks, standby: one(standby), warmup: one(warmup) }
}

function one(partitions: number[]) {
  return new Map(partitions.length === 0 ? [] : [['0', new Set(partitions)]])
}

function sets({ active = [], standby = [], warmup = [] }: Roles): TaskSets {
  return { active: one(active), standby: one(standby), warmup: one(warmup) }
}

function member(memberId: string, processId: string, roles: Roles, state: MemberState = 'STABLE', pending: Roles = {}): StreamsMember {
  return {
    ...newMember(memberId),
    processId,
    memberEpoch: 1,
    state,
    assigned: held(roles),
    pendingRevocation: Object.keys(pending).length === 0 ? noHeldTasks : held(pending),
  }
}

/** The member brought towards the target of epoch 2, among others; `owned` is what it says. */
function next(of: StreamsMember, target: Roles, owned: Roles | null, ...others: StreamsMember[]) {
  const runners = new TaskRunners()
  for (const each of [of, ...others]) runners.add(each)
  const { state, memberEpoch, assigned, pendingRevocation } = reconcile(
    of,
    { epoch: 2, target: sets(target), runners },
    owned === null ? null : sets(owned),
  )
  const text = ({ active, standby, warmup }: HeldTasks) =>
    [active, standby, warmup].map(tasks => listOf(tasks)[0]?.partitions.join('') ?? '').join('|')
  return [state, memberEpoch, text(assigned), text(pendingRevocation)]
}

test('tasks are given back before others come, and the old epoch stays until then', () => {
  const a = member('a', 'p', { active: [0, 1] })
  assert.deepEqual(next(a, { active: [1, 2] }, { active: [0, 1] }), ['UNREVOKED_TASKS', 1, '1||', '0||'])
  assert.deepEqual(next(a, { active: [1, 2] }, null), ['UNREVOKED_TASKS', 1, '1||', '0||'])
  assert.deepEqual(next(a, { active: [1, 2] }, { active: [1] }), ['STABLE', 2, '12||', '||'])
  const revoking = member('a', 'p', { active: [1] }, 'UNREVOKED_TASKS', { active: [0] })
  assert.deepEqual(next(revoking, { active: [1, 2] }, { active: [0] }), ['UNREVOKED_TASKS', 1, '1||', '0||'])
  assert.deepEqual(next(revoking, { active: [1, 2] }, { active: [1] }), ['STABLE', 2, '12||', '||'])
})

test('an active task runs nowhere else', () => {
  const a = member('a', 'p', {})
  assert.deepEqual(next(a, { active: [0, 1] }, {}, member('b', 'q', { active: [0] })), ['UNRELEASED_TASKS', 2, '1||', '||'])
  assert.deepEqual(next(a, { active: [0] }, {}, member('b', 'q', {}, 'UNREVOKED_TASKS', { active: [0] })), [
    'UNRELEASED_TASKS',
    2,
    '||',
    '||',
  ])
  // A copy elsewhere is no obstacle, one of another thread of the same process is: they share the state directory.
  assert.deepEqual(next(a, { active: [0] }, {}, member('b', 'q', { standby: [0] })), ['STABLE', 2, '0||', '||'])
  assert.deepEqual(next(a, { active: [0] }, {}, member('b', 'p', { standby: [0] })), ['UNRELEASED_TASKS', 2, '||', '||'])
  assert.deepEqual(next(a, { active: [0] }, {}, member('b', 'p', { warmup: [0] })), ['UNRELEASED_TASKS', 2, '||', '||'])
})

test('a copy comes where no other thread of the process has the task in any role', () => {
  const a = member('a', 'p', {})
  for (const role of ['standby', 'warmup'] as const) {
    const target = { [role]: [0] }
    const got = role === 'standby' ? '|0|' : '||0'
    assert.deepEqual(next(a, target, {}, member('b', 'q', { active: [0] })), ['STABLE', 2, got, '||'])
    assert.deepEqual(next(a, target, {}, member('b', 'p', { active: [0] })), ['UNRELEASED_TASKS', 2, '||', '||'])
    assert.deepEqual(next(a, target, {}, member('b', 'p', { standby: [0] })), ['UNRELEASED_TASKS', 2, '||', '||'])
    assert.deepEqual(next(a, target, {}, member('b', 'p', { warmup: [0] })), ['UNRELEASED_TASKS', 2, '||', '||'])
  }
})

test('a copy that becomes active is kept until the old owner is gone, and is not given back', () => {
  const a = member('a', 'p', { standby: [0] })
  assert.deepEqual(next(a, { active: [0] }, { standby: [0] }, member('b', 'q', { active: [0] })), ['UNRELEASED_TASKS', 2, '|0|', '||'])
  assert.deepEqual(next(a, { active: [0] }, { standby: [0] }), ['STABLE', 2, '0||', '||'])
  // Something else has to be given back first: the copy stays one meanwhile.
  const busy = member('a', 'p', { active: [5], standby: [0] })
  assert.deepEqual(next(busy, { active: [0] }, { active: [5], standby: [0] }), ['UNREVOKED_TASKS', 1, '|0|', '5||'])
  const warm = member('a', 'p', { warmup: [0] })
  assert.deepEqual(next(warm, { active: [0] }, { warmup: [0] }, member('b', 'q', { active: [0] })), ['UNRELEASED_TASKS', 2, '||0', '||'])
})

test('an active task that becomes a standby task is revoked as active and kept as standby immediately', () => {
  const a = member('a', 'p', { active: [0] })
  assert.deepEqual(next(a, { standby: [0] }, { active: [0] }), ['UNREVOKED_TASKS', 1, '|0|', '0||'])
  assert.deepEqual(next(a, { standby: [0] }, { standby: [0] }), ['STABLE', 2, '|0|', '||'])
})

test('copies change between standby and warm-up without being given back', () => {
  assert.deepEqual(next(member('a', 'p', { standby: [0] }), { warmup: [0] }, { standby: [0] }), ['STABLE', 2, '||0', '||'])
  assert.deepEqual(next(member('a', 'p', { warmup: [0] }), { standby: [0] }, { warmup: [0] }), ['STABLE', 2, '|0|', '||'])
})

test('a state written by a future version makes the member start over', () => {
  const a = member('a', 'p', { active: [0] }, 'UNKNOWN')
  assert.throws(() => next(a, { active: [0] }, { active: [0] }), { name: 'FENCED_MEMBER_EPOCH' })
  assert.deepEqual(next(a, { active: [0] }, {}), ['STABLE', 2, '0||', '||'])
})
