import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decimal, logical, struct } from '../../connector.ts'
import { sinkRecord } from '../../connector-testing.ts'
import { parseTemplate, templateProblem } from './template.ts'

const record = sinkRecord({
  topic: 'web',
  partition: 3,
  offset: 42n,
  timestampMs: 1_796_000_000_123n,
  key: 'k1',
  value: struct([
    [
      'user',
      struct([
        ['id', 7],
        ['a.b', 'dotted'],
      ]),
    ],
    ['list', ['x', 'y']],
    ['map', new Map([['m', 1n]])],
    ['none', null],
    ['big', 9_007_199_254_740_993n],
    ['price', new Decimal(1250n, 2)],
    ['created', '2026-11-30T23:30:00Z'],
    ['__proto__', 'data'],
  ]),
  headers: [
    { name: 'x', schema: null, value: 'first' },
    { name: 'x', schema: null, value: 'last' },
  ],
})

const rendered: readonly (readonly [template: string, text: string])[] = [
  ['', ''],
  ['plain', 'plain'],
  ['${topic}-${partition}-${offset}', 'web-3-42'],
  ['$${topic} $1 ${topic}$', '${topic} $1 web$'],
  ['${key}', 'k1'],
  ['${value.user.id}', '7'],
  ['${value.user["a.b"]}', 'dotted'],
  ['${value.list.1}', 'y'],
  ['${value.map.m}', '1'],
  ['${value.big}', '9007199254740993'],
  ['${value.price}', '12.50'],
  ['${value.user}', '{"id":7,"a.b":"dotted"}'],
  ['${value.__proto__}', 'data'],
  ['${value.constructor:-none}', 'none'],
  ['${value.none:-none}', 'none'],
  ['${value.gone:-}', ''],
  ['${header.x}', 'last'],
  ['${header.y:-z}', 'z'],
  ['${timestamp}', '1796000000123'],
  ['${timestamp:yyyy-MM-dd}', '2026-11-30'],
  ["${timestamp:yyyyMMdd'T'HHmmss.SSS}", '20261130T005320.123'],
  ['${timestamp:yyyy/M/d/H@Asia/Shanghai}', '2026/11/30/8'],
  ['${timestamp:yyyy-MM-dd HH:mm@America/New_York}', '2026-11-29 19:53'],
  ['${timestamp:epoch}', '1796000000'],
  ['${timestamp:iso}', '2026-11-30T00:53:20.123Z'],
  ['${value.created:yyyyMMddHH@Asia/Shanghai}', '2026120107'],
  ['${value.gone:yyyy:-never}', 'never'],
]

test('references stand for the parts of a record', () => {
  for (const [template, text] of rendered) assert.equal(parseTemplate(template).render(record), text, template)
})

test('dates of a schema have patterns, and are ISO 8601 without', () => {
  const dated = sinkRecord({
    valueSchema: {
      type: 'struct',
      fields: [
        { name: 'day', schema: { type: 'int32', name: logical.date } },
        { name: 'micros', schema: { type: 'int64', name: 'io.debezium.time.MicroTimestamp' } },
      ],
    },
    value: struct([
      ['day', -1],
      ['micros', -1n],
    ]),
  })
  assert.equal(parseTemplate('${value.day}').render(dated), '1969-12-31')
  assert.equal(parseTemplate('${value.day:yyyy}').render(dated), '1969')
  assert.equal(parseTemplate('${value.micros}').render(dated), '1969-12-31T23:59:59.999999Z')
})

test('what is missing or no time makes a bad record', () => {
  for (const template of ['${value.gone}', '${value.none}', '${header.y}', '${value.user.id.deep}', '${key:yyyy}'])
    assert.throws(() => parseTemplate(template).render(record), { name: 'DataError' }, template)
  assert.throws(() => parseTemplate('${timestamp}').render(sinkRecord({ timestampMs: null })), { name: 'DataError' })
})

test('what is no template is refused with the reason', () => {
  const wrong = [
    '${',
    '${topic',
    '${}',
    '${nothing}',
    '${topic.x}',
    '${header}',
    '${topic:yyyy}',
    '${timestamp:yyyy@Mars}',
    '${timestamp:QQ}',
    "${timestamp:yyyy'}",
  ]
  for (const template of wrong) assert.notEqual(templateProblem(template), null, template)
  assert.equal(templateProblem('${topic}'), null)
})

test('bytes are text if they can be, and stay bytes where they stand alone', () => {
  const bytes = Buffer.from([0xff, 0])
  assert.deepEqual(parseTemplate('${key}').renderBytes(sinkRecord({ key: bytes })), bytes)
  assert.throws(() => parseTemplate('a${key}').renderBytes(sinkRecord({ key: bytes })), { name: 'DataError' })
  assert.deepEqual(parseTemplate('a${key}').renderBytes(sinkRecord({ key: Buffer.from('é') })), Buffer.from('aé'))
})

test('what stands for a reference can be encoded', () => {
  assert.equal(parseTemplate('/x?${key}').render(sinkRecord({ key: 'a/b?' }), encodeURIComponent), '/x?a%2Fb%3F')
})
