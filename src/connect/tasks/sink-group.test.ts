import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trustingClock } from '../../base.ts'
import { type Client, ClientError } from '../../client.ts'
import { assignRanges, assignRoundRobin, SinkGroup } from './sink-group.ts'

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

/** A member whose heartbeats are answered by `answer`, one for each `beat`. */
async function joined(answer: () => Promise<void>, memberId = '') {
  let due: (() => void) | null = null
  let generation = 0
  const client = {
    topicStates: async () => [{ name: 't', internal: false, partitions: 1 }],
    joinGroup: async () => ({ group: 'g', memberId: 'm', generation: ++generation, leader: 'other', protocol: 'range', members: [] }),
    syncGroup: async () => Buffer.alloc(0),
    heartbeatGroup: answer,
  }
  const after = (_: number, call: () => void) => {
    due = call
    return { cancel: () => void (due = null) }
  }
  const clock = trustingClock(
    () => 0,
    () => 0,
  )
  const group = new SinkGroup({
    ...{ client: client as unknown as Client, group: 'g', topics: ['t', 'none'], pattern: null, memberId, joined: () => {} },
    ...{ sessionTimeoutMs: 45_000, heartbeatMs: 3_000, rebalanceTimeoutMs: 60_000, refreshMs: 300_000 },
    stopSignal: new AbortController().signal,
    system: { clock, timers: { after, soon() {} } },
  })
  await group.join()
  return {
    group,
    /** Whether one was due. */
    async beat(): Promise<boolean> {
      const call = due
      due = null
      call?.()
      await new Promise(resolve => setImmediate(resolve))
      return call !== null
    },
  }
}

test('heartbeats go on while a rebalance waits for the member, until it has been removed', async () => {
  const answers = ['REBALANCE_IN_PROGRESS', 'REBALANCE_IN_PROGRESS', 'UNKNOWN_MEMBER_ID']
  const { group, beat } = await joined(async () => {
    assert.deepEqual(group.missing, ['none'])
    const code = answers.shift()
    if (code !== undefined) throw new ClientError(code, code)
  })
  for (const _ of [1, 2]) {
    assert.ok(await beat())
    assert.deepEqual([group.mustRejoin, group.hasLost], [true, false])
  }
  assert.ok(await beat())
  assert.deepEqual([group.mustRejoin, group.hasLost], [true, true])
  assert.ok(!(await beat()))
  await group.join()
  assert.deepEqual([group.mustRejoin, group.hasLost], [false, false])
  assert.ok(await beat())
})

test('what is answered to a heartbeat of an earlier generation does not count', async () => {
  const late = Promise.withResolvers<void>()
  const answers = [late.promise, Promise.resolve()]
  const { group, beat } = await joined(() => answers.shift()!)
  await beat()
  await group.join()
  late.reject(new ClientError('ILLEGAL_GENERATION', 'late'))
  assert.ok(await beat())
  assert.deepEqual([group.mustRejoin, group.hasLost], [false, false])
})
