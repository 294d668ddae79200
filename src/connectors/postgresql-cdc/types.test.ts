import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConnectValue, Decimal, isStruct } from '../../connector.ts'
import type { PostgresType } from './catalog.ts'
import { configOf } from './recorded.testing.ts'
import { defaultOf, typeOf } from './types.ts'

const named = (name: string): PostgresType => ({ name, labels: null, element: null })
const arrayOf = (name: string): PostgresType => ({ name: `_${name}`, labels: null, element: named(name) })
const made = (type: string | PostgresType, modifier = -1, given: Readonly<Record<string, string>> = {}) =>
  typeOf(typeof type === 'string' ? named(type) : type, modifier, configOf(given))!
/** The name of the schema, or its type, and the value. */
function read(type: string | PostgresType, text: string, modifier = -1, given: Readonly<Record<string, string>> = {}): [string, unknown] {
  const { schema, read: reading } = made(type, modifier, given)
  return [schema.name?.replace(/^.*\./, '') ?? schema.type, plain(reading(text))]
}
function plain(value: ConnectValue): unknown {
  if (value instanceof Decimal) return String(value)
  if (Buffer.isBuffer(value)) return value.toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  return isStruct(value) ? { ...value } : value
}

test('whole numbers keep all digits, also of bigint and oid', () => {
  assert.deepEqual(read('int8', '-9223372036854775808'), ['int64', -9_223_372_036_854_775_808n])
  assert.deepEqual(read('oid', '4294967295'), ['int64', 4_294_967_295n])
  assert.deepEqual(read('int2', '-7'), ['int16', -7])
  assert.deepEqual(read('float8', 'NaN'), ['float64', Number.NaN])
  assert.deepEqual(read('float4', '-Infinity'), ['float32', Number.NEGATIVE_INFINITY])
})

test('decimals are as decimal.handling.mode says', () => {
  const twelveTwo = ((12 << 16) | 2) + 4
  assert.deepEqual(read('numeric', '-1234567890.12', twelveTwo), ['Decimal', '-1234567890.12'])
  assert.deepEqual(made('numeric', twelveTwo).schema.parameters, { scale: '2', 'connect.decimal.precision': '12' })
  // numeric(3,-2)
  assert.deepEqual(read('numeric', '12300', ((3 << 16) | (-2 & 0x7ff)) + 4), ['Decimal', '12300'])
  assert.deepEqual(made('numeric').schema.name, 'io.debezium.data.VariableScaleDecimal')
  const values: readonly (readonly [text: string, scale: number, value: string])[] = [
    ['-1.500', 1, 'f1'],
    ['256', 0, '0100'],
    ['0.0', 0, '00'],
    ['100', 0, '64'],
  ]
  for (const [text, scale, hex] of values) {
    const value = made('numeric').read(text)
    assert.ok(isStruct(value))
    assert.deepEqual([value['scale'], plain(value['value']!)], [scale, hex], text)
  }
  assert.throws(() => made('numeric').read('NaN'), /decimal\.handling\.mode=string/)
  assert.deepEqual(read('numeric', 'NaN', -1, { 'decimal.handling.mode': 'string' }), ['string', 'NAN'])
  assert.deepEqual(read('numeric', '1.10', twelveTwo, { 'decimal.handling.mode': 'string' }), ['string', '1.10'])
  assert.deepEqual(read('numeric', '1.10', -1, { 'decimal.handling.mode': 'double' }), ['float64', 1.1])
  assert.deepEqual(read('money', '-$1,234.50'), ['Decimal', '-1234.50'])
})

test('dates are days of the Gregorian calendar, also before 1583 and before Christ', () => {
  const days: readonly (readonly [string, number])[] = [
    ['1970-01-01', 0],
    ['2000-02-29', 11_016],
    ['1582-10-15', -141_427],
    // The day before it, where Java's GregorianCalendar changes to the Julian calendar.
    ['1582-10-14', -141_428],
    ['1500-02-28', -171_606],
    ['1500-03-01', -171_605],
    ['0001-01-01', -719_162],
    ['0001-12-31 BC', -719_163],
    ['4713-01-01 BC', -2_440_550],
    ['5874897-12-31', 2_145_042_905],
  ]
  for (const [text, expected] of days) assert.deepEqual(read('date', text), ['Date', expected], text)
  assert.deepEqual(read('date', '0044-03-15 BC', -1, { 'time.precision.mode': 'isostring' }), ['IsoDate', '-0043-03-15Z'])
  assert.throws(() => made('date').read('yesterday'), RangeError)
})

test('times and timestamps have the unit of their precision', () => {
  assert.deepEqual(read('time', '04:05:06.789', 3), ['Time', 14_706_789])
  assert.deepEqual(read('time', '24:00:00'), ['MicroTime', 86_400_000_000n])
  assert.deepEqual(read('time', '04:05:06.789', 3, { 'time.precision.mode': 'adaptive_time_microseconds' }), ['MicroTime', 14_706_789_000n])
  assert.deepEqual(read('timestamp', '2026-11-30 04:05:06.789', 3), ['Timestamp', 1_796_011_506_789n])
  assert.deepEqual(read('timestamp', '1969-12-31 23:59:59.999999'), ['MicroTimestamp', -1n])
  assert.deepEqual(read('timestamp', '1969-12-31 23:59:59.999999', -1, { 'time.precision.mode': 'connect' }), ['Timestamp', -1n])
  assert.deepEqual(read('timestamp', 'infinity'), ['MicroTimestamp', 9_223_372_036_825_200_000n])
  assert.deepEqual(read('timestamp', '0044-03-15 01:02:03 BC'), ['MicroTimestamp', BigInt(-735_160) * 86_400_000_000n + 3_723_000_000n])
  assert.deepEqual(read('timestamptz', '2026-11-30 04:05:06.789+00'), ['ZonedTimestamp', '2026-11-30T04:05:06.789000Z'])
  assert.deepEqual(read('timestamptz', '0044-03-15 01:02:03+00 BC', 3), ['ZonedTimestamp', '-0043-03-15T01:02:03.000Z'])
  assert.deepEqual(read('timestamptz', '2026-11-30 04:05:06+00', 0), ['ZonedTimestamp', '2026-11-30T04:05:06Z'])
  assert.deepEqual(read('timestamptz', '-infinity'), ['ZonedTimestamp', '-infinity'])
  assert.deepEqual(read('timetz', '01:02:03.5+05:30'), ['ZonedTime', '19:32:03.5Z'])
  assert.deepEqual(read('timetz', '24:00:00+00'), ['ZonedTime', '00:00:00Z'])
  // PostgreSQL's last day is beyond int64 in µs, and the year 9999 in ns.
  assert.throws(() => made('timestamp').read('294276-12-31 23:59:59.999999'), RangeError)
  assert.throws(() => made('timestamp', -1, { 'time.precision.mode': 'nanoseconds' }).read('9999-12-31 00:00:00'), RangeError)
})

test('intervals are microseconds or ISO 8601', () => {
  assert.deepEqual(read('interval', '1 year 2 mons -3 days +04:05:06.7'), [
    'MicroDuration',
    BigInt(14 * 30.4375 * 86_400e6 - 3 * 86_400e6 + 14_706_700_000),
  ])
  assert.deepEqual(read('interval', '-1 years -2 mons +3 days -04:05:06.7', -1, { 'interval.handling.mode': 'string' }), [
    'Interval',
    'P-1Y-2M3DT-4H-5M-6.7S',
  ])
  assert.deepEqual(read('interval', '00:00:00', -1, { 'interval.handling.mode': 'string' }), ['Interval', 'P0Y0M0DT0H0M0S'])
  assert.throws(() => made('interval').read('soon'), RangeError)
  assert.throws(() => made('interval').read('178000000 years'), RangeError)
})

test('bytes, bits, points, hstore and arrays', () => {
  assert.deepEqual(read('bytea', '\\x00ff7a'), ['bytes', '00ff7a'])
  assert.deepEqual(read('bytea', '\\x00ff7a', -1, { 'binary.handling.mode': 'base64-url-safe' }), ['string', 'AP96'])
  assert.throws(() => made('bytea').read('\\x0g'), { name: 'DataError' })
  assert.deepEqual(read('bit', '1', 1), ['boolean', true])
  assert.deepEqual(read('bit', '0000000110000001', 16), ['Bits', '8101'])
  assert.deepEqual(read('point', '(1.5,-2)'), [
    'Point',
    { x: 1.5, y: -2, wkb: Buffer.from('0101000000000000000000f83f00000000000000c0', 'hex'), srid: null },
  ])
  assert.deepEqual(read('hstore', '"a"=>"1 \\" =>", "b"=>NULL'), ['Json', '{"a":"1 \\" =>","b":null}'])
  assert.deepEqual(read(arrayOf('text'), '{a,"b \\"q\\" \\\\",NULL,"NULL",""}'), ['array', ['a', 'b "q" \\', null, 'NULL', '']])
  assert.deepEqual(read(arrayOf('int8'), '[0:1]={1,-2}'), ['array', [1n, -2n]])
  assert.deepEqual(read(arrayOf('int4'), '{}'), ['array', []])
  for (const text of ['{{1},{2}}', '{1', '1', '{1}2', '{"1}']) assert.throws(() => made(arrayOf('int4')).read(text), RangeError, text)
})

test('a value that was not sent has a stand-in where its type can hold one', () => {
  const mark = '__debezium_unavailable_value'
  assert.equal(made('text').unavailable, mark)
  assert.deepEqual(made('bytea').unavailable, Buffer.from(mark))
  assert.deepEqual(made(arrayOf('text')).unavailable, [mark])
  assert.deepEqual(made(arrayOf('int4')).unavailable, [...Buffer.from(mark)])
  assert.deepEqual(made('hstore', -1, { 'hstore.handling.mode': 'map' }).unavailable, new Map([[mark, mark]]))
  const gone = { 'unavailable.value.placeholder': 'gone' }
  assert.equal(made('text', -1, gone).unavailable, 'gone')
  assert.equal(made('numeric', -1, { ...gone, 'decimal.handling.mode': 'string' }).unavailable, 'gone')
  assert.equal(made(arrayOf('numeric'), 655_366).unavailable, null, 'bytes are no Decimal')
  // Ten digits, two of them behind the point.
  for (const mode of ['precise', 'double'])
    assert.equal(made('numeric', 655_366, { ...gone, 'decimal.handling.mode': mode }).unavailable, null)
})

test('a column has the default of its SQL, or what stands for no value where that is an expression', () => {
  const of = (sql: string, name: string, modifier = -1) => defaultOf(sql, made(name, modifier))
  assert.equal(of('7', 'int4'), 7)
  assert.equal(of("'-7'::integer", 'int4'), -7)
  assert.equal(of('(-7)', 'int8'), -7n)
  assert.equal(of("'it''s ''''quoted'::character varying(20)", 'varchar'), "it's ''quoted")
  assert.equal(of("E'a\\\\b'::text", 'text'), 'a\\b')
  assert.equal(of('true', 'bool'), true)
  assert.equal(of("'2020-01-01'::date", 'date'), 18_262)
  assert.equal(of("'2020-01-01 00:00:00'::timestamp(3) without time zone", 'timestamp', 3), 1_577_836_800_000n)
  assert.deepEqual(of('1.5', 'numeric', 655_366), made('numeric', 655_366).read('1.50'))
  for (const sql of ["nextval('s'::regclass)", "upper('abc'::text)", '(1 + 2)', "('2020-01-01'::date + 1)", "'2020-01-01'::date + 1", 'x'])
    assert.equal(of(sql, 'int4'), 0, sql)
  assert.equal(of("'a'::text || 'b'::text", 'text'), '')
  assert.equal(defaultOf("'{1,2}'::integer[]", made(arrayOf('int4'))), undefined)
})

test('a type that is not known is left out, or bytes', () => {
  assert.equal(typeOf(named('polygon'), -1, configOf({})), null)
  assert.deepEqual(read('polygon', '((0,0))', -1, { 'include.unknown.datatypes': 'true' }), [
    'bytes',
    Buffer.from('((0,0))').toString('hex'),
  ])
})
