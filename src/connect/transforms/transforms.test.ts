import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decimal, decimal, logical, type Schema, struct } from '../../connector.ts'
import { checkTransform, refusal, sinkRecord, structOf, transformed, transformedValue } from '../records.testing.ts'
import { parsePath } from './field-path.ts'

const text: Schema = { type: 'string' }
const optionalText: Schema = { type: 'string', optional: true }
const timestamp: Schema = { type: 'int64', name: logical.timestamp, version: 1 }

test('Cast', async () => {
  const date: Schema = { type: 'int32', name: logical.date, version: 1 }
  await checkTransform('Cast$Value', [
    [{ spec: 'int8' }, { type: 'int32' }, 42, { type: 'int8' }, 42],
    [{ spec: 'int8' }, { type: 'int32' }, 300, { type: 'int8' }, 44],
    [{ spec: 'int64' }, { type: 'int32' }, 42, { type: 'int64' }, 42n],
    [{ spec: 'int32' }, { type: 'float64' }, 1e20, { type: 'int32' }, 2 ** 31 - 1],
    [{ spec: 'int32' }, { type: 'float64' }, 1e10, { type: 'int32' }, 2 ** 31 - 1],
    [{ spec: 'int8' }, { type: 'float64' }, 300.7, { type: 'int8' }, 44],
    [{ spec: 'float32' }, { type: 'int32' }, 42, { type: 'float32' }, 42],
    [{ spec: 'boolean' }, { type: 'int32' }, 0, { type: 'boolean' }, false],
    [{ spec: 'string' }, { type: 'float64' }, 42, { type: 'string' }, '42.0'],
    [{ spec: 'string' }, null, 42, null, '42'],
    [{ spec: 'string' }, decimal(2), new Decimal(198_200n, 2), { type: 'string' }, '1982.00'],
    [{ spec: 'string' }, timestamp, 1_566_570_894_346n, { type: 'string' }, '2019-08-23T14:34:54.346Z'],
    [{ spec: 'int32' }, { type: 'int8', optional: true, default: -42 }, 42, { type: 'int32', optional: true, default: -42 }, 42],
    [{ spec: 'int32' }, decimal(1), new Decimal(2n ** 31n * 10n, 1), { type: 'int32' }, -(2 ** 31)],
    [{ spec: 'int32' }, date, 5, { type: 'int32' }, 5],
    [
      { spec: 'a:int64,b:boolean,c:string' },
      structOf({ a: { type: 'string', optional: true }, b: text, c: { type: 'bytes' }, d: { type: 'int8' } }, { name: 'n', version: 2 }),
      struct([
        ['a', '7'],
        ['b', 'TRUE'],
        ['c', Buffer.from('feDc3bpo', 'base64')],
        ['d', 1],
      ]),
      structOf({ a: { type: 'int64', optional: true }, b: { type: 'boolean' }, c: text, d: { type: 'int8' } }, { name: 'n', version: 2 }),
      struct([
        ['a', 7n],
        ['b', true],
        ['c', 'feDc3bpo'],
        ['d', 1],
      ]),
    ],
    [
      { spec: 'a:int8,b:int8' },
      null,
      struct([['a', '5']]),
      null,
      struct([
        ['a', 5],
        ['b', null],
      ]),
    ],
  ])
  const bad: [spec: string, message: RegExp][] = [
    ['', /Must specify at least one field to cast\./],
    ['foo:faketype', /^Invalid type found in casting spec: faketype$/],
    ['foo:array', /^Cast transformation does not support casting to ARRAY; supported types are \[INT8, .*, STRING\]$/],
    ['bytes', /casting to BYTES/],
    ['foo:int8:extra', /Invalid cast mapping: foo:int8:extra/],
    ['foo:int8,int32', /may only specify a single cast in their spec$/],
  ]
  for (const [spec, message] of bad) assert.match((await refusal(() => transformedValue('Cast$Value', { spec }, null, 1)))!, message)
  assert.equal(
    await refusal(() => transformedValue('Cast$Value', { spec: 'int8' }, null, '300')),
    'Value (300) was out of range for requested data type',
  )
  assert.match((await refusal(() => transformedValue('Cast$Value', { spec: 'int8' }, null, [1])))!, /does not support casting from ARRAY/)
  assert.match(
    (await refusal(() => transformedValue('Cast$Value', { spec: 'int8' }, { type: 'bytes' }, Buffer.of(1))))!,
    /Unexpected type in Cast/,
  )
})

test('ExtractField and HoistField, with paths of KIP-821', async () => {
  const schema = structOf({ 'a.b': structOf({ c: { type: 'int32', optional: true, default: 9 } }, { optional: true }) }, { optional: true })
  await checkTransform('ExtractField$Value', [
    [{ field: 'magic' }, null, struct([['magic', 42]]), null, 42],
    [{ field: 'magic' }, null, null, null, null],
    [
      { field: '`a.b`.c', 'field.syntax.version': 'v2' },
      schema,
      struct([['a.b', struct([['c', null]])]]),
      { type: 'int32', optional: true, default: 9 },
      9,
    ],
    [
      { field: '`a.b`.c', 'field.syntax.version': 'V2', 'replace.null.with.default': 'false' },
      schema,
      struct([['a.b', struct([['c', null]])]]),
      { type: 'int32', optional: true, default: 9 },
      null,
    ],
    [
      { field: '`a.b`.c', 'field.syntax.version': 'V2' },
      schema,
      struct([['a.b', null]]),
      { type: 'int32', optional: true, default: 9 },
      null,
    ],
    [{ field: 'a.b', 'field.syntax.version': 'V2' }, null, struct([['a', struct([['b', 1]])]]), null, 1],
  ])
  assert.equal(await refusal(() => transformedValue('ExtractField$Value', { field: 'nope' }, schema, struct())), 'Unknown field: nope')
  assert.match(
    (await refusal(() => transformedValue('ExtractField$Value', { field: '`a', 'field.syntax.version': 'V2' }, null, null)))!,
    /^Incomplete backtick pair in path: \[`a\], consider adding a backslash before backtick at position 0/,
  )
  await checkTransform('HoistField$Value', [
    [{ field: 'magic' }, null, 42, null, struct([['magic', 42]])],
    [{ field: 'magic' }, { type: 'int32' }, 42, structOf({ magic: { type: 'int32' } }), struct([['magic', 42]])],
  ])
  const key = await transformed('HoistField$Key', { field: 'k' }, sinkRecord({ key: 'x', value: 'v' }))
  assert.deepEqual([key!.key, key!.value], [struct([['k', 'x']]), 'v'])
})

test("paths are cut as Kafka's tests say", () => {
  const cases: [path: string, ...steps: string[]][] = [
    ['..', '', '', ''],
    ['foo..', 'foo', '', ''],
    ['.bar.', '', 'bar', ''],
    ['..baz', '', '', 'baz'],
    ['foobarbaz', 'foobarbaz'],
    ['foo.bar.baz', 'foo', 'bar', 'baz'],
    ['foo`bar`baz', 'foo`bar`baz'],
    ['`foo.bar.baz`', 'foo.bar.baz'],
    ['foo.`bar.baz`', 'foo', 'bar.baz'],
    ['`foo.bar`.baz', 'foo.bar', 'baz'],
    ['foo.``bar.baz`', 'foo', '`bar.baz'],
    ['foo.`bar.baz``', 'foo', 'bar.baz`'],
    ['foo.`ba`r.baz`', 'foo', 'ba`r.baz'],
    ['foo.ba`r.baz', 'foo', 'ba`r', 'baz'],
    ['foo.``bar``.baz', 'foo', '`bar`', 'baz'],
    ['foo.`bar\\`.baz`', 'foo', 'bar`.baz'],
    ['foo.`bar.`baz`', 'foo', 'bar.`baz'],
    ['foo.`bar\\`.`baz`', 'foo', 'bar`.`baz'],
    ['foo.`bar\\\\`.\\`baz`', 'foo', 'bar\\`.\\`baz'],
  ]
  for (const [path, ...steps] of cases) assert.deepEqual(parsePath(path), steps, path)
  for (const path of ['`foo.bar.baz', 'foo.`bar.baz', 'foo.bar.`baz\\`']) assert.throws(() => parsePath(path), /Incomplete backtick pair/)
})

test('Flatten', async () => {
  const inner = structOf({ x: { type: 'int8' }, y: { type: 'array', items: text } }, { optional: true })
  await checkTransform('Flatten$Value', [
    [
      {},
      structOf({ a: inner, b: text }, { name: 'top' }),
      struct([
        [
          'a',
          struct([
            ['x', 1],
            ['y', ['z']],
          ]),
        ],
        ['b', 'c'],
      ]),
      structOf(
        { 'a.x': { type: 'int8', optional: true }, 'a.y': { type: 'array', items: text, optional: true }, b: text },
        { name: 'top' },
      ),
      struct([
        ['a.x', 1],
        ['a.y', ['z']],
        ['b', 'c'],
      ]),
    ],
    [
      { delimiter: '#' },
      structOf({ a: inner }),
      struct([['a', null]]),
      structOf({ 'a#x': { type: 'int8', optional: true }, 'a#y': { type: 'array', items: text, optional: true } }),
      struct([
        ['a#x', null],
        ['a#y', null],
      ]),
    ],
    [
      {},
      null,
      struct([
        [
          'a',
          struct([
            ['b', struct([['c', 1]])],
            ['d', null],
          ]),
        ],
      ]),
      null,
      struct([
        ['a.b.c', 1],
        ['a.d', null],
      ]),
    ],
    [
      {},
      structOf({ s: structOf({ o: optionalText }, { default: struct([['o', 'child']]) }) }),
      struct([['s', struct([['o', null]])]]),
      structOf({ 's.o': { type: 'string', optional: true, default: 'child' } }),
      struct([['s.o', null]]),
    ],
  ])
  const map: Schema = { type: 'map', keys: text, values: text }
  assert.match(
    (await refusal(() => transformedValue('Flatten$Value', {}, structOf({ m: map }), struct([['m', new Map()]]))))!,
    /^Flatten transformation does not support MAP for record with schemas \(for field m\)\.$/,
  )
  assert.match(
    (await refusal(() => transformedValue('Flatten$Value', {}, text, 'x')))!,
    /^Only Struct objects supported for \[flattening\], found: java\.lang\.String$/,
  )
  assert.match(
    (await refusal(() => transformedValue('Flatten$Value', {}, null, 5)))!,
    /^Only Map objects supported in absence of schema for \[flattening\], found: java\.lang\.Long$/,
  )
})

test('InsertField', async () => {
  const all = {
    'topic.field': 't!',
    'partition.field': 'p',
    'offset.field': 'o?',
    'timestamp.field': 'ts',
    'static.field': 's',
    'static.value': 'v',
  }
  await checkTransform('InsertField$Value', [
    [
      all,
      null,
      struct([['a', 1]]),
      null,
      struct([
        ['a', 1],
        ['t', 'orders'],
        ['p', 3],
        ['o', 42],
        ['ts', 86_401_234],
        ['s', 'v'],
      ]),
    ],
    [
      all,
      structOf({ a: text }, { name: 'n', version: 1, doc: 'd' }),
      struct([['a', 'x']]),
      structOf(
        {
          a: text,
          t: text,
          p: { type: 'int32', optional: true },
          o: { type: 'int64', optional: true },
          ts: { ...timestamp, optional: true },
          s: optionalText,
        },
        { name: 'n', version: 1, doc: 'd' },
      ),
      struct([
        ['a', 'x'],
        ['t', 'orders'],
        ['p', 3],
        ['o', 42n],
        ['ts', 86_401_234n],
        ['s', 'v'],
      ]),
    ],
    [all, null, null, null, null],
  ])
  const { offset: _, original: __, ...source } = sinkRecord({ value: struct() })
  assert.equal(
    await refusal(() => transformed('InsertField$Value', { 'offset.field': 'o' }, source)),
    'Only SinkRecord supported for [field insertion], found: org.apache.kafka.connect.source.SourceRecord',
  )
  assert.equal(await refusal(() => transformedValue('InsertField$Value', {}, null, null)), 'No field insertion configured')
  assert.match(
    (await refusal(() => transformedValue('InsertField$Value', { 'static.field': 'a' }, null, null)))!,
    /No value specified for static field: a/,
  )
})

test('headers: DropHeaders, HeaderFrom, InsertHeader', async () => {
  const header = { name: 'h', schema: text, value: 'v' }
  const dropped = await transformed('DropHeaders', { headers: 'x, h' }, sinkRecord({ headers: [header, { ...header, name: 'k' }, header] }))
  assert.deepEqual(
    dropped!.headers.map(({ name }) => name),
    ['k'],
  )
  const inserted = await transformed('InsertHeader', { header: 'n', 'value.literal': '3' }, sinkRecord({ headers: [header] }))
  assert.deepEqual(inserted!.headers, [header, { name: 'n', schema: { type: 'int8' }, value: 3 }])
  const moved = await transformed(
    'HeaderFrom$Value',
    { fields: 'a,b', headers: 'x,y', operation: 'move' },
    sinkRecord({
      valueSchema: structOf({ a: text, b: optionalText, c: text }),
      value: struct([
        ['a', '1'],
        ['b', null],
        ['c', '3'],
      ]),
    }),
  )
  assert.deepEqual(moved!.headers, [
    { name: 'x', schema: text, value: '1' },
    { name: 'y', schema: optionalText, value: null },
  ])
  assert.deepEqual([moved!.valueSchema, moved!.value], [structOf({ c: text }), struct([['c', '3']])])
  const copied = await transformed(
    'HeaderFrom$Key',
    { fields: 'a', headers: 'x', operation: 'copy' },
    sinkRecord({ key: struct([['a', 1]]) }),
  )
  assert.deepEqual([copied!.headers, copied!.key], [[{ name: 'x', schema: null, value: 1 }], struct([['a', 1]])])
  assert.match(
    (await refusal(() => transformed('HeaderFrom$Key', { fields: 'a,b', headers: 'x', operation: 'copy' }, sinkRecord())))!,
    /same number of elements/,
  )
})

test('MaskField', async () => {
  const value = struct([
    ['s', 'secret'],
    ['i', 5],
    ['b', true],
    ['l', [1]],
    ['m', struct([['x', 1]])],
    ['n', null],
  ])
  await checkTransform('MaskField$Value', [
    [
      { fields: 's,i,b,l,m,n,none' },
      null,
      value,
      null,
      struct([
        ['s', ''],
        ['i', 0],
        ['b', false],
        ['l', []],
        ['m', struct()],
        ['n', null],
        ['none', null],
      ]),
    ],
    [{ fields: 's,i', replacement: '123' }, null, value, null, struct([...Object.entries(value), ['s', '123'], ['i', 123]])],
    [
      { fields: 'l,d', replacement: '7.5' },
      structOf({ l: { type: 'int64' }, d: { type: 'float64' } }),
      struct([
        ['l', 1n],
        ['d', 1],
      ]),
      structOf({ l: { type: 'int64' }, d: { type: 'float64' } }),
      struct([
        ['l', 7n],
        ['d', 7.5],
      ]),
    ],
  ])
  assert.equal(
    await refusal(() => transformedValue('MaskField$Value', { fields: 'i', replacement: 'abc' }, null, value)),
    'Unable to convert abc (class java.lang.String) to a number',
  )
  assert.match(
    (await refusal(() => transformedValue('MaskField$Value', { fields: 'b', replacement: 'x' }, null, value)))!,
    /Cannot mask value of type class java\.lang\.Boolean with custom/,
  )
})

test('ReplaceField', async () => {
  const schema = structOf({ dont: text, abc: { type: 'int32' }, foo: { type: 'boolean' }, etc: text }, { name: 'n' })
  const value = struct([
    ['dont', 'x'],
    ['abc', 42],
    ['foo', true],
    ['etc', 'e'],
  ])
  await checkTransform('ReplaceField$Value', [
    [
      { include: 'abc,foo', renames: 'abc:xyz,foo:bar' },
      null,
      value,
      null,
      struct([
        ['xyz', 42],
        ['bar', true],
      ]),
    ],
    [
      { exclude: 'dont', renames: 'abc:xyz' },
      schema,
      value,
      structOf({ xyz: { type: 'int32' }, foo: { type: 'boolean' }, etc: text }, { name: 'n' }),
      struct([
        ['xyz', 42],
        ['foo', true],
        ['etc', 'e'],
      ]),
    ],
    [{ include: 'abc' }, null, null, null, null],
  ])
  assert.match(
    (await refusal(() => transformedValue('ReplaceField$Value', { renames: 'a' }, null, null)))!,
    /^Invalid value \[a\] for configuration transforms\.t\.renames: Invalid rename mapping: a$/,
  )
})

test('SetSchemaMetadata and ValueToKey', async () => {
  const schema = structOf({ a: { type: 'int32' }, b: text }, { name: 'old', version: 1 })
  const value = struct([
    ['a', 1],
    ['b', 'x'],
  ])
  await checkTransform('SetSchemaMetadata$Value', [
    [{ 'schema.name': 'foo', 'schema.version': '42' }, schema, value, { ...schema, name: 'foo', version: 42 }, value],
    [{ 'schema.version': '42' }, null, null, null, null],
  ])
  assert.equal(
    await refusal(() => transformedValue('SetSchemaMetadata$Value', { 'schema.name': 'a' }, null, 1)),
    'Schema required for [updating schema metadata]',
  )
  const keyed = await transformed('ValueToKey', { fields: 'b,a' }, sinkRecord({ valueSchema: schema, value }))
  assert.deepEqual(
    [keyed!.keySchema, keyed!.key],
    [
      structOf({ b: text, a: { type: 'int32' } }),
      struct([
        ['b', 'x'],
        ['a', 1],
      ]),
    ],
  )
  const plain = await transformed('ValueToKey', { fields: 'a,none' }, sinkRecord({ value }))
  assert.deepEqual(
    [plain!.keySchema, plain!.key],
    [
      null,
      struct([
        ['a', 1],
        ['none', null],
      ]),
    ],
  )
  assert.equal(
    await refusal(() => transformed('ValueToKey', { fields: 'none' }, sinkRecord({ valueSchema: schema, value }))),
    'Field does not exist: none',
  )
})
