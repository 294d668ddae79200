import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hidingValues, trustingClock } from '../../base.ts'
import type { FromTask } from './messages.ts'
import { TaskLog, TaskMetrics } from './task-log.ts'

function begin() {
  const time = { now: 20_000 }
  const told: FromTask[] = []
  const clock = trustingClock(
    () => 0,
    () => time.now,
  )
  const log = new TaskLog('info', message => void told.push(structuredClone(message)), { clock })
  const messages = () => told.map(each => (each.kind === 'log' ? each.message : each.kind))
  return { time, log, told, messages }
}

test('whoever says too much is heard for a thousand lines, and then it is said how many were left out', () => {
  const { time, log, told, messages } = begin()
  for (let line = 0; line < 5_000; line++) log.info({ line }, 'again')
  assert.equal(told.length, 1_000)
  time.now += 10_000
  log.info({}, 'later')
  assert.deepEqual(messages().slice(1_000), ['a task says too much; lines were left out', 'later'])
  assert.deepEqual((told[1_000] as { fields: object }).fields, { lines: 4_000 })
})

test('what is written to stdout becomes lines, without secrets, however it comes', () => {
  const { log, messages } = begin()
  log.hiding = hidingValues(['geheim'])
  log.wrote('one\ntw')
  log.wrote('o geheim\n\n')
  log.wrote(`${'x'.repeat(1_000_000)}\nend\n`)
  log.wrote('y'.repeat(1_000_000))
  assert.deepEqual(
    messages().map(each => each.slice(0, 12)),
    ['one', 'two [hidden]', 'xxxxxxxxxxxx', 'end'],
  )
  assert.ok(messages().every(each => each.length <= 8_192))
})

test('whatever a connector gives to the log and the metrics can be told', () => {
  const { log, told } = begin()
  log.warn(null as never, { toString: () => 'odd' } as never)
  log.warn({ call: () => 1 }, 'with a function')
  assert.equal(told.length, 2)
  const metrics = new TaskMetrics()
  assert.throws(() => metrics.count(Symbol('x') as never), TypeError)
  assert.throws(() => metrics.gauge('x', 5n as never), TypeError)
})
