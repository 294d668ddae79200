import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidConfig } from '../../base.ts'
import { timePattern } from './time-pattern.ts'

const at = Date.UTC(2026, 2, 5, 23, 4, 9, 87)

test('patterns of Joda', () => {
  const cases: [pattern: string, text: string][] = [
    ["'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", 'year=2026/month=03/day=05/hour=23'],
    ['yy-M-d', '26-3-5'],
    ['MMM MMMM E EEEE', 'Mar March Thu Thursday'],
    ["h a k 'K'", '11 PM 23 K'],
    ['mm:ss.SSS', '04:09.087'],
    ["D e ''", "64 4 '"],
    ["'it''s' y", "it's 2026"],
  ]
  for (const [pattern, text] of cases) assert.equal(timePattern('k', pattern, 'UTC', 'en')(at), text, pattern)
})

test('zones, also where clocks change', () => {
  const hour = timePattern('k', 'dd HH:mm', 'Europe/Berlin', 'en')
  assert.equal(hour(Date.UTC(2026, 2, 29, 0, 59, 59)), '29 01:59')
  assert.equal(hour(Date.UTC(2026, 2, 29, 1, 0, 0)), '29 03:00')
  assert.equal(timePattern('k', 'dd HH:mm', 'Asia/Kathmandu', 'en')(0), '01 05:30')
  assert.equal(timePattern('k', 'YYYY HH:mm', 'America/New_York', 'en')(-1), '1969 18:59')
})

test('what means nothing is refused with the key', () => {
  for (const pattern of ['YYYY-q', "'open", 'yyyy/MM/ddTHH'])
    assert.throws(() => timePattern('path.format', pattern, 'UTC', 'en'), InvalidConfig, pattern)
})
