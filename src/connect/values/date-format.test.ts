import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dateFormat } from './date-format.ts'

const now = Date.UTC(2026, 10, 30)
const ms = Date.UTC(2024, 1, 9, 15, 4, 5, 6)

test('times are printed as SimpleDateFormat prints them in UTC', () => {
  const cases: [pattern: string, text: string][] = [
    ['yyyyMMdd', '20240209'],
    ["yyyy-MM-dd'T'HH:mm:ss.SSSXXX", '2024-02-09T15:04:05.006Z'],
    ["yyyy-MM-dd'T'HH:mm:ssZ", '2024-02-09T15:04:05+0000'],
    ['EEE, d MMM yyyy hh:mm a z', 'Fri, 9 Feb 2024 03:04 PM UTC'],
    ['EEEE MMMM yy', 'Friday February 24'],
    ['D DDD w W F u', '40 040 6 2 2 5'],
    ['k K H h', '15 3 15 3'],
    ["h 'o''clock' ''", "3 o'clock '"],
    ['G y Y', 'AD 2024 2024'],
    ['yyyy/MM/dd/HH', '2024/02/09/15'],
  ]
  for (const [pattern, text] of cases) assert.equal(dateFormat(pattern, now).format(ms), text, pattern)
  assert.equal(dateFormat('Y-w', now).format(Date.UTC(2024, 11, 30)), '2025-1')
  assert.equal(dateFormat('k K h', now).format(0), '24 0 12')
  assert.equal(dateFormat('yyyy-MM-dd', now).format(Date.UTC(1500, 2, 1)), '1500-03-01')
})

test('times are read leniently', () => {
  const cases: [pattern: string, text: string, time: number | null][] = [
    ['yyyy MM dd HH mm ss SSS z', '1970 01 02 00 00 01 234 UTC', 86_401_234],
    ['yyyy-MM-dd', '2024-02-09T15:04:05Z', Date.UTC(2024, 1, 9)],
    ['yyyyMMddHHmmssSSS', '20240209150405006', ms],
    ["yyyy-MM-dd'T'HH:mm:ss.SSS", '2024-02-09T15:04:05.123456', Date.UTC(2024, 1, 9, 15, 4, 5) + 123_456],
    ['yyyy-MM-dd', '2024-13-45', Date.UTC(2025, 1, 14)],
    ['dd/MMM/yyyy:HH:mm:ss Z', '09/Feb/2024:15:04:05 +0200', Date.UTC(2024, 1, 9, 13, 4, 5)],
    ['EEE, dd MMM yyyy HH:mm:ss zzz', 'Fri, 09 Feb 2024 15:04:05 PST', Date.UTC(2024, 1, 9, 23, 4, 5)],
    ['yyyy-MM-dd HH:mm:ssXXX', '2024-02-09 15:04:05+05:30', Date.UTC(2024, 1, 9, 9, 34, 5)],
    ['MM/dd/yy hh:mm a', '02/09/24 03:04 PM', Date.UTC(2024, 1, 9, 15, 4)],
    ['MM/dd/yy', '02/09/50', Date.UTC(1950, 1, 9)],
    ['yyyy-DDD', '2024-040', Date.UTC(2024, 1, 9)],
    ['yyyy-MM-dd', '2024/02/09', null],
    ['yyyy-MM-dd', '', null],
    ['MMM', 'Foo', null],
    ['XXX', '+0530', null],
    ['Z', 'GMT+02:00', -7_200_000],
    ['Z', '+02:00', null],
    ['z', 'CEST', -7_200_000],
    ['hh:mm a', '12:30 am', 1_800_000],
    ['kk:mm', '24:30', 1_800_000],
    ['HH:mm', '25:61', 93_660_000],
    ['YYYY-ww', '2024-06', Date.UTC(2024, 1, 4)],
  ]
  for (const [pattern, text, time] of cases) assert.equal(dateFormat(pattern, now).parse(text), time, `${pattern} ${text}`)
})

test("patterns that Java refuses are refused in Java's words", () => {
  assert.throws(() => dateFormat('yyyy-bb', now), /Illegal pattern character 'b'/)
  assert.throws(() => dateFormat("yyyy'", now), /Unterminated quote/)
  assert.throws(() => dateFormat('XXXX', now), /invalid ISO 8601 format/)
})
