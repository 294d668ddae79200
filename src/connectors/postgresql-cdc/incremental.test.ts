import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../../base.ts'
import type { CapturedTable } from '../change-data/captured-table.ts'
import { unchanged } from '../change-data/captured-table.ts'
import type { Draft } from '../change-data/records.ts'
import { IncrementalSnapshot } from './incremental.ts'
import type { Cell } from './pgoutput.ts'
import type { Reading } from './position.ts'
import { obey } from './signals.ts'

/** A table of `id` and `text`, the marks that were set, and a snapshot over them. */
class Table {
  readonly rows = new Map<number, string>()
  marks: string[] = []
  xmax = 100
  running: number[] = []
  warnings: string[] = []
  readonly snapshot: IncrementalSnapshot

  constructor(ids: readonly number[], reading: Reading | null = null) {
    for (const id of ids) this.rows.set(id, `row ${id}`)
    const log = { debug() {}, info() {}, warn: (_: object, message: string) => void this.warnings.push(message), error() {} }
    const client = { query: (query: string | { text: string }, values?: unknown[]) => this.#answer(query, values) }
    const table = { id: 1, schema: 'public', name: 't', primaryKey: ['id'], identityIndex: [], uniqueKey: [] }
    const columns = ['id', 'text'].map(name => ({
      name,
      type: { name: 'int4', labels: null, element: null },
      modifier: -1,
      ...{ isNullable: false, default: null },
    }))
    this.snapshot = new IncrementalSnapshot(
      {
        ...{ client: client as never, system: realSystem(), log, chunkRows: 3 },
        tableNow: async name =>
          name === 'public.gone'
            ? null
            : { table: { ...table, columns }, key: ['id'], captured: { name: 'public.t' } as unknown as CapturedTable },
        read: (_, row) => row.join(' ') as unknown as Draft,
      },
      reading,
    )
  }

  async #answer(query: string | { text: string; values?: unknown[] }, values: unknown[] = []): Promise<{ rows: unknown[] }> {
    const text = typeof query === 'string' ? query : query.text
    const given = (typeof query === 'string' ? values : (query.values ?? [])).map(Number)
    if (text.includes('pg_logical_emit_message')) this.marks.push(String(values[0]))
    if (text.includes('pg_current_snapshot')) return { rows: [[`90:${this.xmax}:${this.running.join()}`]] }
    if (text.includes('(wrong)')) throw Object.assign(new Error('there is no column wrong'), { severity: 'ERROR', code: '42703' })
    const [, limit = '0'] = / limit (\d+)$/.exec(text) ?? []
    const ids = [...this.rows.keys()].sort((one, other) => one - other)
    const rowsOf = (some: readonly number[]) => ({ rows: some.map(id => [String(id), this.rows.get(id)!]) })
    if (text.includes('desc limit 1')) return { rows: ids.slice(-1).map(id => [String(id)]) }
    if (text.includes(' in (')) return rowsOf(ids.filter(id => given.includes(id)))
    if (text.includes(' > ')) return rowsOf(ids.filter(id => id > given[0]! && id <= given[1]!).slice(0, Number(limit)))
    if (text.includes(' <= ')) return rowsOf(ids.filter(id => id <= given[0]!).slice(0, Number(limit)))
    return { rows: [] }
  }

  /** One chunk, with what the stream says between its marks. */
  async chunk(between: () => void = () => {}, before: () => void = () => {}): Promise<unknown[]> {
    before()
    this.marks = []
    await this.snapshot.step()
    const [open, close] = this.marks
    if (open === undefined) return []
    assert.deepEqual(this.snapshot.marked(open), [])
    between()
    return this.snapshot.marked(close!)
  }

  change(id: number, text: Cell = 'new', table = 'public.t'): void {
    this.snapshot.changed(table, ['text', 'id'], [null, [text, String(id)]])
  }
}

const all = [{ name: 'public.t', condition: '' }]

test('rows are read in chunks by key, up to the greatest key when it began', async () => {
  const table = new Table([1, 2, 3, 4, 5])
  table.snapshot.add(all)
  assert.deepEqual(await table.chunk(), ['1 row 1', '2 row 2', '3 row 3'])
  assert.deepEqual([table.snapshot.reading?.after, table.snapshot.reading?.upTo], [['3'], ['5']])
  table.rows.set(6, 'too late')
  assert.deepEqual(await table.chunk(), ['4 row 4', '5 row 5'])
  assert.equal(table.snapshot.reading, null)
  assert.deepEqual(await table.chunk(), [])
})

test('chunks of large rows have fewer', async () => {
  const table = new Table([1, 2, 3, 4, 5])
  table.rows.set(2, 'x'.repeat(4_000_000))
  table.snapshot.add(all)
  assert.deepEqual([(await table.chunk()).length, (await table.chunk()).length, (await table.chunk()).length], [3, 1, 1])
  await table.chunk()
  assert.equal(table.snapshot.reading, null)
})

test('a condition that the database refuses ends the snapshot of its table, not the task', async () => {
  const table = new Table([1])
  table.snapshot.add([
    { name: 'public.t', condition: 'wrong' },
    { name: 'public.gone', condition: '' },
  ])
  await table.snapshot.step()
  assert.deepEqual(table.snapshot.reading?.tables, [{ name: 'public.gone', condition: '' }])
  assert.equal(table.warnings.length, 1)
})

test('what the stream changes between the marks takes the row out of the chunk', async () => {
  const table = new Table([1, 2, 3])
  table.snapshot.add(all)
  const rows = await table.chunk(() => {
    table.change(2)
    table.change(1, 'new', 'public.other')
  })
  assert.deepEqual(rows, ['1 row 1', '3 row 3'])
})

test('what is changed before the first mark or after the second one does not', async () => {
  const table = new Table([1, 2, 3])
  table.snapshot.add(all)
  assert.equal(
    (
      await table.chunk(
        () => {},
        () => table.change(1),
      )
    ).length,
    3,
  )
  table.change(2)
})

test('a row whose change lacks its large values is read once more, also after a restart', async () => {
  const table = new Table([1, 2])
  table.snapshot.add(all)
  assert.deepEqual(await table.chunk(() => table.change(2, unchanged)), ['1 row 1'])
  assert.deepEqual(table.snapshot.reading?.again, [['2']])
  const restarted = new Table([1, 2], JSON.parse(JSON.stringify(table.snapshot.reading)))
  assert.deepEqual(await restarted.chunk(), ['2 row 2'])
  assert.equal(restarted.snapshot.reading, null)
})

test('a later change with all values, or a deletion, makes that needless', async () => {
  const table = new Table([1, 2])
  table.snapshot.add(all)
  await table.chunk(() => {
    table.change(2, unchanged)
    table.change(2)
  })
  assert.equal(table.snapshot.reading, null)
})

test('a transaction that was sent, but that the chunk does not show, makes the chunk be read again', async () => {
  for (const hidden of [95, 100, 2 ** 32 - 1]) {
    const table = new Table([1])
    if (hidden > 100) table.xmax = 2 ** 32 - 5
    table.running = [95]
    table.snapshot.sent(94)
    table.snapshot.sent(hidden)
    table.snapshot.add(all)
    assert.deepEqual(await table.chunk(), [], `transaction ${hidden}`)
    table.running = []
    table.xmax = 200
    assert.deepEqual(await table.chunk(), ['1 row 1'])
  }
})

test('marks of an earlier task mean nothing, and TRUNCATE empties the chunk', async () => {
  const table = new Table([1, 2])
  table.snapshot.add(all)
  assert.deepEqual(table.snapshot.marked('5-6 close'), [])
  assert.deepEqual(await table.chunk(() => table.snapshot.truncated('public.t')), [])
  assert.equal(table.snapshot.reading, null)
})

test('signals begin, pause, resume and stop snapshots; what is wrong is said on the log', async () => {
  const table = new Table([1, 2, 3, 4])
  const log = { debug() {}, info() {}, warn: (_: object, message: string) => void table.warnings.push(message), error() {} }
  const say = (type: string, data: string | null = null) =>
    obey({ id: '1', type, data }, table.snapshot, async () => ['public.t', 'public.gone', 'public.u'], log)
  await say(
    'execute-snapshot',
    '{"data-collections": ["public.gone", "PUBLIC.t"], "additional-conditions": [{"data-collection": "public.t", "filter": "text <> 1"}]}',
  )
  assert.deepEqual(table.snapshot.reading?.tables, [
    { name: 'public.t', condition: 'text <> 1' },
    { name: 'public.gone', condition: '' },
  ])
  await say('pause-snapshot')
  assert.deepEqual(await table.chunk(), [])
  await say('resume-snapshot')
  assert.equal((await table.chunk()).length, 3)
  await say('stop-snapshot', '{"data-collections": ["public.t"]}')
  assert.deepEqual(table.snapshot.reading?.tables, [{ name: 'public.gone', condition: '' }])
  await table.chunk()
  assert.equal(table.snapshot.reading, null)
  assert.match(table.warnings.shift()!, /gone or has no key/)
  for (const [type, data] of [
    ['execute-snapshot', '{"data-collections": ["public.none"]}'],
    ['execute-snapshot', '{"data-collections": "public.t"}'],
    ['execute-snapshot', '{"data-collections": ["(?=x)"]}'],
    ['execute-snapshot', '{"data-collections": ["public.t"], "type": "blocking"}'],
    ['execute-snapshot', '[]'],
    ['execute-snapshot', 'x'],
    ['no-signal', null],
  ] as const)
    await say(type, data)
  assert.equal(table.warnings.length, 7)
  assert.equal(table.snapshot.reading, null)
})
