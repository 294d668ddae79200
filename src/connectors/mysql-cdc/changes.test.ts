import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readValues } from '../../base.ts'
import { isStruct, type SourceRecord, type Struct } from '../../connector.ts'
import type { Frame } from './binlog.ts'
import { Changes, Shapes } from './changes.ts'
import { keys } from './keys.ts'
import { type Place, positionOf } from './position.ts'

const place = (pos: number, transactions: number): Place => ({ file: 'bin.000001', pos, gtids: `0-1-${transactions}` })
const columns = [
  { name: 'id', type: 'int' },
  { name: 'name', type: 'varchar(20)' },
]
const rows = (
  op: 'insert' | 'update' | 'delete',
  table: number,
  ...changes: (readonly [before: object | null, after: object | null])[]
): Frame => ({
  kind: 'rows',
  op,
  table,
  rows: changes.map(([before, after]) => ({ before: before as never, after: after as never })),
  timestampMs: 1_796_000_000_000,
  pos: 0,
})
const table = (id: number, name: string, primaryKey: readonly number[]): Frame => ({
  kind: 'table',
  id,
  database: 'inv',
  table: name,
  columns,
  primaryKey,
})
const row = (id: number, name: string | null = 'n') => ({ id, name })

/** Two transactions, a change of a structure that has no end of its own, and another one. */
const transactions: readonly (readonly Frame[])[] = [
  [
    table(1, 't', [0]),
    table(2, 'loose', []),
    rows('insert', 1, [null, row(1)], [null, row(2)]),
    rows('insert', 2, [null, row(7)]),
    rows('update', 1, [row(1), row(1, 'new')], [row(2), row(20)]),
    { kind: 'end', place: place(100, 1) },
  ],
  [table(1, 't', [0]), rows('delete', 1, [row(1, 'new'), null]), { kind: 'end', place: place(200, 2) }],
  [],
  [
    table(3, 't', [0]),
    table(4, 'hidden', [0]),
    rows('insert', 4, [null, row(9)]),
    rows('insert', 3, [null, row(5, null)]),
    { kind: 'end', place: place(400, 4) },
  ],
]

/** As the server sends them after these transactions. */
function framesAfter(executed: number): Frame[] {
  const frames: Frame[] = [{ kind: 'format' }, { kind: 'place', place: { file: 'bin.000001', pos: 4, gtids: `0-1-${executed}` } }]
  for (const [at, transaction] of transactions.entries())
    if (at >= executed) frames.push({ kind: 'begin', gtid: `0-1-${at + 1}`, gtids: `0-1-${at}` }, ...transaction)
  return frames
}

function changesOf(given: Readonly<Record<string, string>>, offset: Struct): Changes {
  const config = readValues(keys, {
    'database.hostname': 'h',
    'database.user': 'u',
    'topic.prefix': 'shop',
    'table.exclude.list': 'inv.hidden',
    ...given,
  })
  const shapes = new Shapes(
    config,
    { isMariadb: true, hasGtids: true, id: 7 },
    () => 0,
    () => {},
  )
  const known = { database: 'inv', name: 't', key: [], columns: columns.map(column => ({ ...column, isNullable: false, default: null })) }
  return new Changes(config, shapes, async () => known, positionOf(offset)!)
}

const begin = { file: 'bin.000001', pos: 4, gtids: '0-1-0' } as unknown as Struct
const text = (value: unknown) => JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? Number(each) : each))

async function recordsOf(changes: Changes, frames: readonly Frame[]): Promise<SourceRecord[]> {
  const out: SourceRecord[] = []
  for (const frame of frames) await changes.take(frame, out)
  return out
}

test('rows of the binlog become the records of Debezium', async () => {
  const records = await recordsOf(changesOf({}, begin), framesAfter(0))
  const shown = records.map(({ topic, key, value }) => `${topic} ${text(key)} ${isStruct(value) ? value['op'] : 'tombstone'}`)
  assert.deepEqual(shown, [
    'shop.inv.t {"id":1} c',
    'shop.inv.t {"id":2} c',
    'shop.inv.loose null c',
    'shop.inv.t {"id":1} u',
    'shop.inv.t {"id":2} d',
    'shop.inv.t {"id":2} tombstone',
    'shop.inv.t {"id":20} c',
    'shop.inv.t {"id":1} d',
    'shop.inv.t {"id":1} tombstone',
    'shop.inv.t {"id":5} c',
  ])
  assert.equal(
    text((records[3]!.value as Struct)['source']),
    '{"version":"millrace","connector":"mariadb","name":"shop","ts_ms":1796000000000,"snapshot":"false","db":"inv","sequence":null,"ts_us":1796000000000000,' +
      '"ts_ns":1796000000000000000,"table":"t","server_id":7,"gtid":"0-1-1","file":"bin.000001","pos":0,"row":0,"thread":null,"query":null}',
  )
})

for (const metadata of ['false', 'true'])
  test(`a task that begins at any offset gives exactly the rest (metadata of transactions: ${metadata})`, async () => {
    const given = { 'provide.transaction.metadata': metadata }
    const all = await recordsOf(changesOf(given, begin), framesAfter(0))
    for (const [at, { sourceOffset }] of all.entries()) {
      const changes = changesOf(given, JSON.parse(text(sourceOffset)))
      const executed = Number(String(sourceOffset['gtids']).split('-')[2])
      const rest = await recordsOf(changes, framesAfter(executed))
      const shown = ({ topic, key, value, headers }: SourceRecord) => text({ topic, key, value, headers })
      assert.deepEqual(rest.map(shown), all.slice(at + 1).map(shown), `after record ${at}: ${text(sourceOffset)}`)
    }
  })

test('where other tables are captured than before, in the middle of a transaction, all of it is read again', async () => {
  const all = await recordsOf(changesOf({}, begin), framesAfter(0))
  const offset = all[4]!.sourceOffset
  assert.equal(typeof offset['tables'], 'string')
  const resumed = (more: object) => recordsOf(changesOf(more as Record<string, string>, JSON.parse(text(offset))), framesAfter(0))
  assert.equal((await resumed({})).length, all.length - 5)
  assert.equal((await resumed({ 'table.exclude.list': 'inv.hidden,inv.other' })).length, all.length)
})

test('a position says that all is done when a transaction has ended, whatever it has changed', async () => {
  const changes = changesOf({}, begin)
  await recordsOf(changes, framesAfter(0))
  assert.deepEqual(changes.position, { place: place(400, 4), rows: 0, records: 0 })
})

test('an offset of Debezium is taken over between transactions, and refused within one', () => {
  const offset = { file: 'bin.000003', pos: 42, gtids: 'a:1-5', ts_sec: 1, server_id: 1, event: 0, row: 0 } as unknown as Struct
  assert.deepEqual(positionOf(offset), { place: { file: 'bin.000003', pos: 42, gtids: 'a:1-5' }, rows: 0, records: 0 })
  assert.throws(() => positionOf({ ...offset, event: 2 } as Struct), /within a transaction/)
  assert.equal(positionOf({ ...offset, snapshot: true } as Struct), null)
  assert.throws(() => positionOf({ pos: 1 } as unknown as Struct), RangeError)
})
