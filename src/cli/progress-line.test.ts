import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trustingClock } from '../base.ts'
import { ProgressLine, shownWhile } from './progress-line.ts'

function made(isTTY: boolean, columns = 80) {
  const told: string[] = []
  const now = { ms: 1_000 }
  const clock = trustingClock(
    () => 0,
    () => now.ms,
  )
  const line = new ProgressLine({ clock }, { isTTY, columns, write: text => told.push(text) })
  return { told, now, line }
}

test('what is done within two seconds shows nothing', () => {
  for (const isTTY of [true, false]) {
    const { told, now, line } = made(isTTY)
    for (let at = 0; at < 2_000; at += 100) {
      line.show('copying', () => ({ part: at / 2_000, text: 'copied' }))
      now.ms += 99
    }
    line.end()
    assert.deepEqual(told, [])
  }
})

test('a terminal gets a bar with the time that is left, redrawn and taken away', () => {
  const { told, now, line } = made(true)
  line.show('copying', () => ({ part: 0, text: '0 B' }))
  now.ms += 30_000
  line.show('copying', () => ({ part: 0.25, text: '1 B' }))
  now.ms += 100
  line.show('copying', () => ({ part: 0.26, text: 'too soon' }))
  line.say('a note')
  now.ms += 200
  line.show('copying', () => ({ part: 1.2, text: '4 B' }))
  line.end()
  line.end()
  assert.deepEqual(told, [
    '\r\x1b[K[######..................]  25 %  1 B, 1:30 left',
    '\r\x1b[K',
    'a note\n',
    '\r\x1b[K[########################] 100 %  4 B',
    '\r\x1b[K',
  ])
})

test('a continued step promises by what this run has done', () => {
  const { told, now, line } = made(true)
  line.show('copying', () => ({ part: 0.5, text: '' }))
  now.ms += 10_000
  line.show('copying', () => ({ part: 0.6, text: '' }))
  assert.match(told.at(-1)!, / 0:40 left$/)
})

test('a narrow terminal gets one line', () => {
  const { told, now, line } = made(true, 20)
  now.ms += 3_000
  line.show('reading', () => ({ part: null, text: 'x'.repeat(50) }))
  assert.equal(told[0], `\r\x1b[K${'x'.repeat(19)}`)
})

test('anything else gets a plain line from time to time, and for each step', () => {
  const { told, now, line } = made(false)
  const show = (step: string, part: number | null) => line.show(step, () => ({ part, text: step }))
  show('reading', null)
  now.ms += 3_000
  show('reading', null)
  now.ms += 9_000
  show('reading', null)
  show('writing', 0.5)
  now.ms += 10_000
  show('writing', 0.75)
  line.end()
  assert.deepEqual(told, ['reading\n', ' 50 %  writing\n', ' 75 %  writing, 0:10 left\n'])
})

test('beside work that does not tell it is looked at again and again, until the work ends', async () => {
  const told: string[] = []
  let [nowMs, next] = [0, () => {}]
  const system = {
    clock: trustingClock(
      () => 0,
      () => nowMs,
    ),
    timers: {
      after: (_: number, act: () => void) => {
        next = act
        return { cancel() {} }
      },
      soon() {},
    },
  }
  const work = Promise.withResolvers<number>()
  let done = 0
  const progress = () => ({ part: done / 10, text: `${done} of 10` })
  const shown = shownWhile(system, 'repair', progress, work.promise, { isTTY: true, columns: 80, write: text => told.push(text) })
  for (done = 1; done <= 4; done++) {
    nowMs += 1_500
    next()
  }
  work.resolve(7)
  assert.equal(await shown, 7)
  next()
  assert.equal(told.length, 4)
  assert.match(told[2]!, /4 of 10/)
  assert.equal(told[3], '\r\x1b[K')
})
