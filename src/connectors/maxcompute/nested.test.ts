import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DataError, struct } from '../../connector.ts'
import { sinkRecord } from '../../connector-testing.ts'
import { Columns } from './columns.ts'
import { RecordStream } from './record-stream.ts'
import { parseType } from './types.ts'

const columns = new Columns(
  [
    { name: 'a', type: 'array<bigint>' },
    { name: 'm', type: 'MAP<STRING, INT>' },
    { name: 's', type: 'struct<x:bigint,tags:array<string>>' },
  ],
  new Map(),
)

test('arrays, maps and structs are written as the official SDK writes them', () => {
  const value = struct([
    ['a', [1, null, -3]],
    ['m', struct([['k', 5]])],
    [
      's',
      struct([
        ['tags', ['a', null]],
        ['X', 7],
      ]),
    ],
  ])
  const stream = new RecordStream()
  stream.write(columns.cellsOf(sinkRecord({ value })))
  // By pyodps 0.13.2; but checksums, which it extends by their sign, have 32 bits.
  const record = '0a03000201000512010001' + '6b01000a1a000e000200016101' + '80c0ff7fbdfa86dd09'
  assert.equal(stream.snapshot().toString('hex'), `${record}f0ffff7f02f8ffff7f80f2849e0a`)
})

test('what does not fit into a nested column is refused', () => {
  for (const field of [
    ['a', 'text'],
    ['a', ['x']],
    ['m', [1]],
    ['m', new Map([[null, 1]])],
    ['s', 7],
    ['s', struct([['tags', 'x']])],
  ] as const)
    assert.throws(() => columns.cellsOf(sinkRecord({ value: struct([field as never]) })), DataError, JSON.stringify(field))
})

test('types are taken apart, or are no types', () => {
  assert.deepEqual(parseType('decimal(38,18)'), { name: 'decimal', length: 38, parts: [] })
  const point = { name: 'struct', length: null, parts: [{ name: 'x y', type: { name: 'char', length: 3, parts: [] } }] }
  assert.deepEqual(parseType(' array < struct<`x y` : char(3)> >'), { name: 'array', length: null, parts: [{ name: '', type: point }] })
  for (const text of ['', 'array<', 'array<int', 'struct<int>', 'int)', `${'array<'.repeat(30)}int${'>'.repeat(30)}`])
    assert.equal(parseType(text), null, text)
  assert.throws(() => new Columns([{ name: 'c', type: 'array<interval_day_time>' }], new Map()), /cannot be written/)
})
