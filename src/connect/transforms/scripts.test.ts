import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decimal, decimal, type Schema, struct } from '../../connector.ts'
import { configOf, refusal, sinkRecord, testSystem, transformed, transformedValue } from '../records.testing.ts'
import { openTransforms } from '../transforms.ts'

const schema: Schema = {
  type: 'struct',
  name: 'order',
  version: 3,
  fields: [
    { name: 'id', schema: { type: 'int64' } },
    { name: 'price', schema: decimal(2) },
    { name: 'raw', schema: { type: 'bytes', optional: true } },
  ],
}
const value = struct([
  ['id', 2n ** 60n],
  ['price', new Decimal(1050n, 2)],
  ['raw', Buffer.of(0, 255)],
])

test('CelFilter keeps what fulfils its condition', async () => {
  const keep = async (expression: string) =>
    (await transformed('CelFilter', { expression }, sinkRecord({ valueSchema: schema, value }))) !== null
  assert.equal(await keep('value.id == 1152921504606846976 && topic == "orders"'), true)
  assert.equal(await keep('value.price == "10.50" && offset == 42 && partition == 3'), true)
  assert.equal(await keep('value.id < 5'), false)
  assert.match((await refusal(() => keep('value.none > 1')))!, /none/)
  assert.match((await refusal(() => keep('value. >')))!, /^Invalid value value\. > for configuration transforms\.t\.expression: /)
})

test('CelMap keeps the schema as far as the result fits', async () => {
  const same = await transformedValue('CelMap$Value', { expression: '{"id": value.id, "price": "3.5", "raw": null}' }, schema, value)
  assert.deepEqual(same, {
    schema,
    value: struct([
      ['id', 2n ** 60n],
      ['price', new Decimal(350n, 2)],
      ['raw', null],
    ]),
  })
  const other = await transformedValue(
    'CelMap$Value',
    { expression: '{"id": value.id, "name": topic, "n": 1, "f": 0.5, "l": [1, 2.5]}' },
    schema,
    value,
  )
  assert.deepEqual(other.schema, {
    type: 'struct',
    name: 'order',
    fields: [
      { name: 'id', schema: { type: 'int64' } },
      { name: 'name', schema: { type: 'string', optional: true } },
      { name: 'n', schema: { type: 'int64', optional: true } },
      { name: 'f', schema: { type: 'float64', optional: true } },
      { name: 'l', schema: { type: 'array', optional: true, items: { type: 'float64', optional: true } } },
    ],
  })
  assert.deepEqual(
    other.value,
    struct([
      ['id', 2n ** 60n],
      ['name', 'orders'],
      ['n', 1n],
      ['f', 0.5],
      ['l', [1, 2.5]],
    ]),
  )
  const plain = await transformedValue('CelMap$Value', { expression: 'value.a + 1' }, null, struct([['a', 1]]))
  assert.deepEqual(plain, { schema: null, value: 2 })
})

const script = (code: string, more: Record<string, string> = {}) => ({ code, ...more })

test('a script changes and drops records; int64, bytes and decimals are exact', async () => {
  const untouched = await transformed(
    'JavaScript',
    script('function transform(r) { return r }'),
    sinkRecord({ valueSchema: schema, value }),
  )
  assert.deepEqual(untouched, sinkRecord({ valueSchema: schema, value }))
  const code = `function transform(record) {
    if (record.topic !== 'orders') return null
    record.topic = 'new'
    record.value.id += 1n
    record.value.raw[0] = 7
    record.headers.push({ name: 'h', value: typeof record.value.price })
    return record
  }`
  const changed = await transformed('JavaScript', script(code), sinkRecord({ valueSchema: schema, value }))
  assert.equal(changed!.topic, 'new')
  assert.deepEqual(
    changed!.value,
    struct([
      ['id', 2n ** 60n + 1n],
      ['price', new Decimal(1050n, 2)],
      ['raw', Buffer.of(7, 255)],
    ]),
  )
  assert.deepEqual(changed!.headers, [{ name: 'h', schema: null, value: 'string' }])
  assert.equal(changed!.original.topic, 'orders')
  assert.equal(await transformed('JavaScript', script('function transform(r) { return null }'), sinkRecord()), null)
  const added = await transformed(
    'JavaScript',
    script('const transform = r => ({ value: { a: r.value.a, b: [1] } })'),
    sinkRecord({ value: struct([['a', 1]]) }),
  )
  assert.deepEqual(
    added!.value,
    struct([
      ['a', 1],
      ['b', [1]],
    ]),
  )
})

test('a script that does not end, that takes all memory, or that fails costs its record only', async () => {
  const code = `let calls = 0
  function transform(r) {
    calls++
    if (r.value === 'loop') for (;;) {}
    if (r.value === 'memory') { const all = []; for (;;) all.push('x'.repeat(10000) + all.length) }
    if (r.value === 'deep') return transform(r)
    if (r.value === 'throw') throw new TypeError('no such thing')
    if (r.value === 'number') return 5
    return { value: calls }
  }`
  const transforms = await openTransforms(configOf('JavaScript', script(code, { 'timeout.ms': '50', 'memory.limit.bytes': '4194304' })), {
    system: testSystem,
  })
  const message = (each: string) => refusal(() => transforms.apply(sinkRecord({ value: each })))
  assert.equal(await message('loop'), 'the script takes more than 50 ms')
  assert.equal(await message('memory'), 'the script uses more than 4194304 bytes of memory')
  assert.match((await message('deep'))!, /the script failed: .*(stack|overflow|call)/i)
  assert.equal(await message('throw'), 'the script failed: TypeError: no such thing')
  assert.match((await message('number'))!, /transform must return a record or null/)
  assert.equal(await message('ok'), null)
  transforms.close()
})

test('a script reaches nothing outside of it', async () => {
  const code = `function transform(r) {
    return { value: ['process', 'require', 'fetch', 'setTimeout', 'WebAssembly', 'std', 'os'].filter(name => typeof globalThis[name] !== 'undefined') }
  }`
  const result = await transformed('JavaScript', script(code), sinkRecord())
  assert.deepEqual(result!.value, [])
  for (const bad of ['import x from "fs"', 'let a', 'function transform( {'])
    assert.match((await refusal(() => transformed('JavaScript', script(bad), sinkRecord())))!, /for configuration transforms\.t\.code/)
})
