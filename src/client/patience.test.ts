import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem, trustingClock } from '../base.ts'
import { ClientError } from '../channel.ts'
import { patiently, untilReached } from './patience.ts'

/** Time passes in pauses only. */
function world() {
  const pauses: number[] = []
  let nowMs = 0
  const now = () => nowMs
  const after = (ms: number, callback: () => void) => {
    pauses.push(ms)
    nowMs += ms
    queueMicrotask(callback)
    return { cancel() {} }
  }
  return { pauses, system: { ...realSystem(), clock: trustingClock(now, now), timers: { after, soon: queueMicrotask } } }
}

test('what passes is tried again after pauses that grow, and each time the cluster is looked at anew', async () => {
  const { system, pauses } = world()
  const errors = ['NOT_LEADER_OR_FOLLOWER', 'UNREACHABLE', 'TIMEOUT', 'NOT_ENOUGH_REPLICAS', 'UNREACHABLE', 'UNREACHABLE', 'UNREACHABLE']
  let forgotten = 0
  const forget = () => void forgotten++
  const work = async () => {
    const code = errors.shift()
    if (code !== undefined) throw new ClientError(code, 'not now')
    return 'done'
  }
  assert.equal(await patiently(system, { patienceMs: 10_000, forget }, work), 'done')
  assert.deepEqual(pauses, [50, 100, 200, 400, 800, 1_000, 1_000])
  assert.equal(forgotten, 7)
})

test('what stays is thrown at once, and what does not pass in time with the last error', async () => {
  const { system, pauses } = world()
  const refused = new ClientError('TOPIC_AUTHORIZATION_FAILED', 'never')
  for (const error of [refused, new TypeError('a bug')])
    await assert.rejects(
      patiently(system, { patienceMs: 10_000, forget: assert.fail }, () => Promise.reject(error)),
      error,
    )
  assert.deepEqual(pauses, [])
  let attempts = 0
  const away = () => Promise.reject(new ClientError('UNREACHABLE', `attempt ${++attempts}`))
  await assert.rejects(patiently(system, { patienceMs: 300 }, away), { message: 'attempt 4' })
  assert.deepEqual(pauses, [50, 100, 200])
})

test('whoever closes is told at once, in a pause too', async () => {
  const { system } = world()
  const closing = new AbortController()
  const never = { ...system, timers: { after: () => ({ cancel() {} }), soon: queueMicrotask } }
  const away = () => Promise.reject(new ClientError('UNREACHABLE', 'away'))
  const waiting = patiently(never, { patienceMs: Number.POSITIVE_INFINITY, signal: closing.signal }, away)
  await Promise.resolve()
  closing.abort()
  await assert.rejects(waiting, { code: 'UNREACHABLE' })
})

test('brokers that are not there yet are told once, and waited for, for a minute', async () => {
  const { system, pauses } = world()
  const told: string[] = []
  let attempts = 0
  const cluster = async () => {
    if (++attempts < 5) throw new ClientError('UNREACHABLE', `attempt ${attempts}`)
    return { id: 'c', brokers: [], controller: null } as never
  }
  await untilReached({ cluster }, system, error => told.push(error.message))
  assert.deepEqual([told, pauses.length], [['attempt 1'], 4])
  const away = () => Promise.reject(new ClientError('UNREACHABLE', 'away'))
  await assert.rejects(
    untilReached({ cluster: away }, system, () => {}),
    { message: 'away' },
  )
  assert.ok(pauses.reduce((sum, each) => sum + each) > 60_000)
  const refused = new ClientError('SASL_AUTHENTICATION_FAILED', 'never')
  await assert.rejects(untilReached({ cluster: () => Promise.reject(refused) }, system, assert.fail), refused)
})
