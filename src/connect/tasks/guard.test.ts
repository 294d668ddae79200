import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type SourceRecord, struct } from '../../connector.ts'
import { Guard, guardedSink, guardedSource, offsetsIn } from './guard.ts'

const never = () => new Promise<never>(() => {})

function world() {
  const due: { ms: number; call: () => void }[] = []
  const timers = {
    after(ms: number, call: () => void) {
      const one = { ms, call }
      due.push(one)
      return { cancel: () => void due.splice(due.indexOf(one) >>> 0, 1) }
    },
    soon: () => {},
  }
  return { due, guard: new Guard({ timers }, 1_000) }
}

test('a call gives what it gives, and throws what it throws, at once or later; no timer is left', async () => {
  const { guard, due } = world()
  assert.equal(await guard.call('x', () => 1), 1)
  assert.equal(await guard.call('x', async () => 2), 2)
  const thrown = new Error('thrown')
  const throws = () => {
    throw thrown
  }
  await assert.rejects(guard.call('x', throws), thrown)
  await assert.rejects(
    guard.call('x', async () => throws()),
    thrown,
  )
  assert.deepEqual(due, [])
})

test('what does not return fails when its time is over, or when the task has to end, and has less time then', async () => {
  const { guard, due } = world()
  const late = guard.call('put', never)
  assert.equal(due[0]!.ms, 1_000)
  due[0]!.call()
  await assert.rejects(late, /put of the connector has not returned within 1000 ms \(task.call.timeout.ms\)/)
  const under = assert.rejects(guard.call('put', never), /the task has to end/)
  guard.hurry(50)
  await under
  void guard.call('close', never).catch(() => {})
  await turn()
  assert.equal(due[0]!.ms, 50)
})

const task = { put: async () => {}, flush: async () => undefined, poll: async (): Promise<unknown> => [], close: async () => {} }

test('what is no task is refused', () => {
  const { guard } = world()
  for (const [made, words] of [
    [undefined, /open of the connector has given undefined instead of a task/],
    [42, /has given 42 instead/],
    [{ ...task, put: 'x' }, /no method put/],
    [{ ...task, flush: undefined }, /no method flush/],
    [{ put: task.put, flush: task.flush }, /no method close/],
  ] as const)
    assert.throws(() => guardedSink(made, guard), words)
  assert.throws(() => guardedSource({ close: task.close }, guard), /no method poll/)
  assert.equal('committed' in guardedSource(task, guard), false)
})

test('offsets that are none are refused', () => {
  const good = { topic: 't', partition: 0, offset: 5n }
  assert.deepEqual(offsetsIn([good]), [good])
  assert.equal(offsetsIn(null), undefined)
  for (const given of [
    5,
    {},
    'x',
    [null],
    [{ ...good, offset: 5 }],
    [{ ...good, offset: -1n }],
    [{ ...good, partition: '0' }],
    [{ ...good, topic: 1 }],
  ])
    assert.throws(() => offsetsIn(given), /flush of the connector/, JSON.stringify(String(given)))
})

test('records that are none are refused with what is wrong; nothing means none', async () => {
  const good: SourceRecord = {
    ...{ topic: 't', partition: null, keySchema: null, key: null, valueSchema: null, value: 'v', timestampMs: null, headers: [] },
    ...{ sourcePartition: struct(), sourceOffset: {} },
  }
  const { guard } = world()
  const polled = (given: unknown) => guardedSource({ ...task, poll: async () => given }, guard).poll()
  assert.deepEqual(await polled([good, { ...good, partition: 3, timestampMs: 5n }]), [good, { ...good, partition: 3, timestampMs: 5n }])
  for (const given of [null, undefined, []]) assert.deepEqual(await polled(given), [])
  for (const [given, words] of [
    ['x', /has given a string instead of records/],
    [[good, undefined], /record 1 .* is undefined/],
    [[{ ...good, topic: 5 }], /has 5 as topic/],
    [[{ ...good, topic: '' }], /as topic/],
    [[{ ...good, partition: -1 }], /has -1 as partition/],
    [[{ ...good, partition: 1.5 }], /has 1.5 as partition/],
    [[{ ...good, timestampMs: 5 }], /has 5 as timestampMs/],
    [[{ ...good, headers: undefined }], /has undefined as headers/],
    [[{ ...good, sourcePartition: [] }], /has an array as sourcePartition/],
    [[{ ...good, sourceOffset: null }], /has null as sourceOffset/],
  ] as const)
    await assert.rejects(polled(given), words)
})
