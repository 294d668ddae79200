import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Statements } from './statements.ts'

function begin() {
  const due: (() => void)[] = []
  const timers = { after: (_: number, call: () => void) => ({ cancel: () => void 0, ...(due.push(call) && {}) }), soon: () => {} }
  const warnings: string[] = []
  const statements = new Statements({ timers }, (_, message) => void warnings.push(message))
  const stored: string[] = []
  const state = { isAway: false }
  const say = (part: string, what: string) =>
    statements.say(part, async () => {
      await turn()
      if (state.isAway) throw new Error('away')
      stored.push(`${part} ${what}`)
    })
  const pass = async () => {
    for (let turns = 0; turns < 10; turns++) await turn()
    for (const call of due.splice(0)) call()
    for (let turns = 0; turns < 10; turns++) await turn()
  }
  return { statements, state, stored, warnings, say, pass }
}

test('statements of a part are stored in their order', async () => {
  const { stored, say, pass } = begin()
  for (const what of ['RUNNING', 'FAILED', 'RESTARTING']) say('a', what)
  await pass()
  assert.deepEqual(stored, ['a RUNNING', 'a FAILED', 'a RESTARTING'])
})

test('while brokers are away only the newest of each part is kept, and is stored afterwards', async () => {
  const { state, stored, warnings, say, pass } = begin()
  state.isAway = true
  say('a', 'FAILED')
  await pass()
  say('a', 'RUNNING')
  say('b', 'PAUSED')
  await pass()
  await pass()
  state.isAway = false
  await pass()
  assert.deepEqual(stored.sort(), ['a RUNNING', 'b PAUSED'])
  assert.equal(warnings.length, 3)
})

test('what was said last is said again, but not of what is forgotten, and nothing is tried again after the end', async () => {
  const { statements, state, stored, say, pass } = begin()
  say('a', 'RUNNING')
  await pass()
  statements.again('a')
  statements.again('b')
  await pass()
  assert.deepEqual(stored, ['a RUNNING', 'a RUNNING'])
  statements.forget('a')
  statements.again('a')
  state.isAway = true
  say('c', 'UNASSIGNED')
  const closing = statements.close(60_000)
  await pass()
  await closing
  assert.equal(stored.length, 2)
})
