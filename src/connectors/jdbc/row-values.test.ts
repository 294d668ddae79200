import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decimal, logical } from '../../connector.ts'
import { readerOf } from './row-values.ts'

const settings = { bestFit: false, timezone: 'UTC' }

test('values of both databases are read exactly', () => {
  const cases: readonly (readonly [type: string, raw: string, schema: string, value: unknown])[] = [
    ['boolean', 't', 'boolean', true],
    ['tinyint(1)', '-1', 'int8', -1],
    ['smallint', '7', 'int16', 7],
    ['integer', '7', 'int32', 7],
    ['int(10) unsigned', '4294967295', 'int64', 4_294_967_295n],
    ['bigint', '-9223372036854775808', 'int64', -(2n ** 63n)],
    ['bigint(20) unsigned', '18446744073709551615', logical.decimal, new Decimal(2n ** 64n - 1n, 0)],
    ['double precision', '0.1', 'float64', 0.1],
    ['real', '0.5', 'float32', 0.5],
    ['numeric(20,3)', '-12.5', logical.decimal, new Decimal(-12_500n, 3)],
    ['numeric', '1.50', 'string', '1.50'],
    ['bytea', '\\x00ff', 'bytes', Buffer.from([0, 255])],
    ['date', '1582-10-14', logical.date, -141_428],
    ['time(6)', '01:02:03.004005', logical.time, 3_723_004],
    ['timestamp without time zone', '2026-11-30 04:05:06.123456', logical.timestamp, 1_796_011_506_123n],
    ['timestamp(3) with time zone', '2026-11-30 12:05:06.123+08', logical.timestamp, 1_796_011_506_123n],
    ['character varying(20)', 'Zoë', 'string', 'Zoë'],
    ['jsonb', '{"a":1}', 'string', '{"a":1}'],
  ]
  for (const [type, raw, schema, value] of cases) {
    const reader = readerOf(type, true, settings)
    assert.deepEqual(reader.read(raw), value, type)
    assert.equal(reader.schema.name ?? reader.schema.type, schema, type)
    assert.equal(reader.schema.optional, true)
    assert.equal(reader.read(null), null)
  }
})

test('times without a zone are in the zone of the database, to the microsecond', () => {
  const reader = readerOf('timestamp without time zone', false, { bestFit: false, timezone: 'America/New_York' })
  assert.equal(reader.micros('2026-07-01 00:00:00.000001'), 1_782_878_400_000_001n)
  assert.equal(reader.micros('2026-12-01 00:00:00'), 1_796_101_200_000_000n)
  assert.equal(reader.schema.optional, undefined)
})

test('best_fit makes integers and doubles of numerics', () => {
  const best = { bestFit: true, timezone: 'UTC' }
  assert.equal(readerOf('numeric(9,0)', false, best).read('123'), 123)
  assert.equal(readerOf('decimal(18,0)', false, best).read('123456789012345678'), 123_456_789_012_345_678n)
  assert.equal(readerOf('numeric', false, best).read('1.5'), 1.5)
})
