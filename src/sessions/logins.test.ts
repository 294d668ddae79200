import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem, trustingClock } from '../base.ts'
import { Logins } from './logins.ts'
import { seal, unseal } from './seal.ts'

const login = { credentials: { kind: 'password', username: 'alice', password: 'a-secret' }, refreshToken: null, expiresMs: null } as const

function open() {
  let now = 0
  const clock = trustingClock(
    () => now,
    () => now,
  )
  const logins = new Logins({ idleMs: 1_000, mostMs: 10_000, system: { clock, random: realSystem().random } })
  return { logins, pass: (ms: number) => void (now += ms) }
}

test('a token finds its login until it is idle, too old, or ended, and nothing else finds one', () => {
  const { logins, pass } = open()
  const token = logins.begin('User:alice', login)
  assert.match(token, /^[\w-]{43}$/)
  for (let at = 0; at < 10; at++) {
    assert.deepEqual(logins.find(token), login)
    pass(1_000)
  }
  pass(1)
  assert.equal(logins.find(token), null, 'too old')
  const idle = logins.begin('User:alice', login)
  pass(1_001)
  assert.equal(logins.find(idle), null)
  assert.equal(logins.find(idle), null)
  const watched = logins.begin('User:alice', login)
  for (let at = 1; at <= 2; at++) {
    pass(500)
    assert.deepEqual(logins.find(watched, 500 * at), login)
  }
  pass(1)
  assert.equal(logins.find(watched, 1_001), null, 'a page that is open, but not used')
  const ended = logins.begin('User:alice', login)
  logins.end(ended)
  for (const other of [ended, undefined, '', `${ended}x`, 'A'.repeat(43)]) assert.equal(logins.find(other), null)
})

test('what is sealed needs its key, and cannot be changed', () => {
  const [key, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
  const sealed = seal(key, 'a-secret', realSystem().random)
  assert.equal(unseal(key, sealed), 'a-secret')
  assert.equal(unseal(other, sealed), null)
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed)
    changed[at]! ^= 1
    assert.equal(unseal(key, changed), null)
  }
  for (let length = 0; length < sealed.length; length++) assert.equal(unseal(key, sealed.subarray(0, length)), null)
})

test('logins of a person, and of all, are bounded: the longest unused one ends', () => {
  const { logins } = open()
  const tokens = Array.from({ length: 51 }, () => logins.begin('User:alice', login))
  assert.equal(logins.find(tokens[0]), null)
  assert.notEqual(logins.find(tokens[1]), null)
  for (let at = 0; at < 2_000; at++) logins.begin(`User:${at}`, login)
  assert.equal(logins.find(tokens[50]), null)
})
