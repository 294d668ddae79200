import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConnectValue, Decimal, decimal, logical, type Schema, struct } from '../../connector.ts'
import { parseValueText, valueToText } from './values.ts'

const date: Schema = { type: 'int32', name: logical.date, version: 1 }
const time: Schema = { type: 'int32', name: logical.time, version: 1 }
const timestamp: Schema = { type: 'int64', name: logical.timestamp, version: 1 }
const list = (items: Schema): Schema => ({ type: 'array', items })
const map = (keys: Schema, values: Schema): Schema => ({ type: 'map', keys, values })

test("text has the type that it looks like, as Kafka's tests say", () => {
  const cases: [text: string, schema: Schema | null, value: ConnectValue][] = [
    ['', { type: 'string' }, ''],
    ['null', null, null],
    [' \n true ', { type: 'boolean' }, true],
    ['false', { type: 'boolean' }, false],
    ['0', { type: 'int8' }, 0],
    ['-128', { type: 'int8' }, -128],
    ['128', { type: 'int16' }, 128],
    ['32768', { type: 'int32' }, 32_768],
    ['2147483648', { type: 'int64' }, 2_147_483_648n],
    ['9223372036854775807', { type: 'int64' }, 2n ** 63n - 1n],
    ['9223372036854775808', decimal(0), new Decimal(2n ** 63n, 0)],
    ['3.0', { type: 'int8' }, 3],
    ['1.5', { type: 'float32' }, 1.5],
    ['1.0E300', { type: 'float64' }, 1e300],
    ['1.5e-300', { type: 'float32' }, 0],
    ['2019-08-23', date, 18_131],
    ['14:34:54.346Z', time, 52_494_346],
    ['2019-08-23T14:34:54.346Z', timestamp, 1_566_570_894_346n],
    ['2019-08-23T14\\:34\\:54.346Z', timestamp, 1_566_570_894_346n],
    ['[true, false]', list({ type: 'boolean' }), [true, false]],
    ['[1, 1000]', list({ type: 'int16' }), [1, 1000]],
    ['[1, 2147483648]', list({ type: 'int64' }), [1n, 2_147_483_648n]],
    ['[1, 1.5]', list({ type: 'float32' }), [1, 1.5]],
    ['["2019-08-23"]', list(date), [18_131]],
    [
      '{"foo":12345,"bar":0,"baz":-4321}',
      map({ type: 'string' }, { type: 'int16' }),
      new Map([
        ['foo', 12_345],
        ['bar', 0],
        ['baz', -4321],
      ]),
    ],
    [
      ' { "foo" :  "123" , \n"bar" : "baz" } ',
      map({ type: 'string' }, { type: 'string' }),
      new Map([
        ['foo', '123'],
        ['bar', 'baz'],
      ]),
    ],
    [
      '{true: false, false: true}',
      map({ type: 'boolean' }, { type: 'boolean' }),
      new Map([
        [true, false],
        [false, true],
      ]),
    ],
    ['[[1],[2]]', list(list({ type: 'int8' })), [[1], [2]]],
  ]
  for (const [text, schema, value] of cases) assert.deepEqual(parseValueText(text), { schema, value }, text)
})

test('what is no number, list or map after all is the whole text', () => {
  const texts = [
    '{foo: 3}',
    '{3: foo}',
    '[foo]',
    'null=',
    'true}',
    'false]',
    '{6:9 4:20}',
    '[0 1 2]',
    '{null: 3}',
    '[1, null]',
    '[null, 1]',
    '[1,',
    '[,]',
  ]
  texts.push('{"a":1', '1 2', '12:34', '1,000', '[1] x', '\uffff', '-', '1_000', 'simple', 'three"blind\\"mice', '['.repeat(200))
  for (const text of texts) assert.deepEqual(parseValueText(text), { schema: { type: 'string' }, value: text }, text)
})

test('lists of different types, and of nulls, have no schema', () => {
  assert.deepEqual(parseValueText('[1, "a"]'), { schema: null, value: [1, 'a'] })
  assert.deepEqual(parseValueText('[null]'), { schema: null, value: [null] })
  assert.deepEqual(parseValueText('{}'), { schema: null, value: new Map() })
  assert.deepEqual(parseValueText('{3: null}'), { schema: null, value: new Map([[3, null]]) })
})

test('values are text again', () => {
  const cases: [schema: Schema | null, value: ConnectValue, text: string | null][] = [
    [null, null, null],
    [{ type: 'string' }, 'a"b', 'a"b'],
    [list({ type: 'string' }), ['three"blind\\"mice', null], '["three\\"blind\\\\\\"mice",null]'],
    [{ type: 'float64' }, 3, '3.0'],
    [{ type: 'float64' }, 1e10, '1.0E10'],
    [{ type: 'float32' }, Math.fround(0.1), '0.1'],
    [{ type: 'int64' }, 2n ** 60n, '1152921504606846976'],
    [{ type: 'bytes' }, Buffer.from([1, 2]), 'AQI='],
    [decimal(2), new Decimal(-156n, 2), '-1.56'],
    [date, 18_131, '2019-08-23'],
    [date, -1, '1969-12-31'],
    [time, 52_494_346, '14:34:54.346Z'],
    [timestamp, 1_566_570_894_346n, '2019-08-23T14:34:54.346Z'],
    [timestamp, -1n, '1969-12-31T23:59:59.999Z'],
    [map({ type: 'string' }, { type: 'int8' }), new Map([['a', 1]]), '{"a":1}'],
    [
      {
        type: 'struct',
        fields: [
          { name: 'a', schema: { type: 'int8' } },
          { name: 'b', schema: { type: 'string', optional: true } },
        ],
      },
      struct([
        ['a', 1],
        ['b', null],
      ]),
      '{"a":1,"b":null}',
    ],
  ]
  for (const [schema, value, text] of cases) assert.equal(valueToText(schema, value), text)
})
