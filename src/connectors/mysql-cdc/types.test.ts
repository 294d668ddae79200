import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readValues } from '../../base.ts'
import { Decimal } from '../../connector.ts'
import { keys } from './keys.ts'
import { defaultOf, type Raw, typeOf } from './types.ts'

const needed = { 'database.hostname': 'h', 'database.user': 'u', 'topic.prefix': 'p' }
const made = (type: string, given: Readonly<Record<string, string>> = {}) => typeOf(type, readValues(keys, { ...needed, ...given }))!
function read(type: string, raw: Raw, given: Readonly<Record<string, string>> = {}): [string, unknown] {
  const { schema, read: reading } = made(type, given)
  const value = reading(raw)
  return [
    schema.name?.replace(/^.*\./, '') ?? schema.type,
    value instanceof Decimal ? String(value) : Buffer.isBuffer(value) ? value.toString('hex') : value,
  ]
}

test('whole numbers have the type that holds them', () => {
  assert.deepEqual(read('tinyint(1)', 1), ['int16', 1])
  assert.deepEqual(read('smallint(5) unsigned', 65_535), ['int32', 65_535])
  assert.deepEqual(read('int unsigned', 4_294_967_295), ['int64', 4_294_967_295n])
  assert.deepEqual(read('bigint(20)', '-9223372036854775808'), ['int64', -9_223_372_036_854_775_808n])
  assert.throws(() => made('bigint unsigned').read('18446744073709551615'), /bigint\.unsigned\.handling\.mode=precise/)
  assert.deepEqual(read('bigint unsigned', '18446744073709551615', { 'bigint.unsigned.handling.mode': 'precise' }), [
    'Decimal',
    '18446744073709551615',
  ])
  assert.deepEqual(read('decimal(10,2)', '-1.50'), ['Decimal', '-1.50'])
  assert.deepEqual(read('float', 1.1), ['float32', Math.fround(1.1)])
})

test('dates and times are exact, and those that are none are refused', () => {
  assert.deepEqual(read('date', '1500-02-28'), ['Date', -171_606])
  for (const none of ['0000-00-00', '2026-00-10', '2026-10-00', '']) assert.throws(() => made('date').read(none), RangeError, none)
  assert.deepEqual(read('datetime', '2026-11-30 04:05:06'), ['Timestamp', 1_796_011_506_000n])
  assert.deepEqual(read('datetime(6)', '2026-11-30 04:05:06.000001'), ['MicroTimestamp', 1_796_011_506_000_001n])
  assert.deepEqual(read('timestamp(3)', '2026-11-30 04:05:06.789'), ['ZonedTimestamp', '2026-11-30T04:05:06.789Z'])
  assert.deepEqual(read('time(6)', '-838:59:58.500000'), ['MicroTime', -3_020_398_500_000n])
  assert.deepEqual(read('year(4)', 2026), ['Year', 2026])
})

test('times below zero without seconds are right, though the reader of the binlog carries at 64', () => {
  assert.deepEqual(read('time', '-12:29:64'), read('time', '-12:30:00'))
  assert.deepEqual(read('time', '-00:63:64'), read('time', '-01:00:00'))
  assert.deepEqual(read('time', '-01:00:00'), ['MicroTime', -3_600_000_000n])
})

test('bytes, bits, texts, enums and sets', () => {
  assert.deepEqual(read('varbinary(10)', Buffer.from([0, 255])), ['bytes', '00ff'])
  assert.deepEqual(read('bit(1)', Buffer.from([1])), ['boolean', true])
  assert.deepEqual(read('bit(10)', Buffer.from([2, 1])), ['Bits', '0102'])
  assert.deepEqual(read('longtext', 'Grüße'), ['string', 'Grüße'])
  assert.deepEqual(read("enum('a','b''c')", "b'c"), ['Enum', "b'c"])
  assert.deepEqual(made("enum('a','b''c')").schema.parameters, { allowed: "a,b'c" })
  assert.deepEqual(read("set('x','y')", 'x,y'), ['EnumSet', 'x,y'])
  assert.deepEqual(read('json', '{"a":1}'), ['Json', '{"a":1}'])
  assert.equal(typeOf('geometry', readValues(keys, needed)), null)
})

test('a column has the default of the catalogue, or what stands for no value where that is an expression', () => {
  const of = (type: string, preset: string | null) => defaultOf({ text: preset }, made(type))
  assert.equal(of('int', '7'), 7)
  assert.equal(of('varchar(10)', "it's"), "it's")
  assert.equal(String(of('decimal(6,2)', '1.50')), '1.50')
  assert.equal(of('date', '2020-01-01'), 18_262)
  assert.equal(of('time', '01:02:03'), 3_723_000_000n)
  assert.equal(of('bit(1)', "b'1'"), true)
  assert.deepEqual(of('bit(3)', "b'101'"), Buffer.from([5]))
  assert.equal(of('timestamp', null), '1970-01-01T00:00:00Z')
  assert.equal(of('date', '0000-00-00'), 0)
  assert.equal(of('binary(2)', '0x6162'), undefined)
  assert.equal(defaultOf(null, made('int')), undefined)
})
