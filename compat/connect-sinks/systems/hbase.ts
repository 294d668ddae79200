/** HBase by its REST server, and OpenTSDB, which keeps its points in HBase. */
import assert from 'node:assert/strict'
import { struct } from '../../../src/connector.ts'
import { freePorts } from '../../support/run.ts'
import { openTask, plainRecord } from '../open.ts'
import { startPeer } from '../peers.ts'
import { large, records, Seen, topic } from '../records.ts'
import type { System } from './system.ts'

const creating = { 'auto.create.tables': 'true', 'auto.create.column.families': 'true' }

export const hbaseSystem: System = {
  name: 'hbase',
  async run(judge, stage) {
    const first = await freePorts(3)
    const peer = await startPeer('hbase', [first, first + 1, first + 2])
    const url = `http://127.0.0.1:${first + 1}`
    const base = { 'hbase.rest.url': url, ...creating }
    try {
      await judge('once-by-row', async () => {
        const told = await stage.drive({ connector: 'hbase', config: base, kills: 3 })
        const seen = new Seen()
        for (const [key, cells] of await scan(url, topic)) {
          seen.add(cells['cf:partition']!.readInt32BE(), Number(cells['cf:n']!.readBigInt64BE()))
          if (key.toString() !== '1-7') continue
          assert.equal(cells['cf:large']!.readBigInt64BE(), large + 14n)
          assert.equal(cells['cf:price']!.toString(), '-123.52')
          assert.equal(cells['cf:text']!.toString(), 'Grüße 世界 🎈 "7"')
          assert.deepEqual(cells['cf:raw'], Buffer.from([0, 255, 7]))
          assert.equal(cells['cf:nothing'], undefined)
          assert.equal(cells['inner:list']!.toString(), '[7,-1]')
        }
        seen.requireOnce()
        return told
      })
      await judge('deletes-in-order', async () => {
        const task = await openTask('hbase', base)
        const record = (offset: number, key: string | Buffer, value: string | null) =>
          plainRecord('deletes', offset, { key, value: value === null ? null : struct([['v', value]]) })
        const binary = Buffer.from([0xff, 0x00, 0x2f])
        await task.put([record(0, 'a/b', 'x'), record(1, 'gone', 'x'), record(2, binary, 'x'), record(3, 'back', 'old')])
        await task.put([record(4, 'gone', null), record(5, binary, null), record(6, 'back', null), record(7, 'back', 'new')])
        // Written again, as after a failure: nothing comes back.
        await task.put([record(1, 'gone', 'x'), record(2, binary, 'x'), record(3, 'back', 'old')])
        const rows = (await scan(url, 'deletes')).map(([key, cells]) => [key.toString(), cells['cf:v']!.toString()])
        assert.deepEqual(rows, [
          ['a/b', 'x'],
          ['back', 'new'],
        ])
        await task.close()
      })
      await judge('null-fields', async () => {
        const task = await openTask('hbase', { ...base, 'null.fields': 'delete' })
        const record = (offset: number, value: string | null) =>
          plainRecord('nulls', offset, {
            key: 'r',
            value: struct([
              ['v', value],
              ['other', 'y'],
            ]),
          })
        await task.put([record(0, 'x')])
        await task.put([record(1, null)])
        const [[, cells]] = (await scan(url, 'nulls')) as [[Buffer, Record<string, Buffer>]]
        assert.deepEqual(Object.keys(cells), ['cf:other'])
        await task.close()
      })
    } finally {
      await peer.stop()
    }
  },
}

export const opentsdbSystem: System = {
  name: 'opentsdb',
  async run(judge, stage) {
    const first = await freePorts(4)
    const hbase = await startPeer('hbase', [first, first + 1, first + 2])
    try {
      const peer = await startPeer('opentsdb', [first, first + 1, first + 3])
      const url = `http://127.0.0.1:${first + 3}`
      const tags = 'partition=${value.partition},kind=${value.kind}'
      const config = { 'connection.url': url, 'metric.name': 'compat.n', 'metric.value': '${value.n}', 'metric.tags': tags }
      try {
        await judge('once-by-point', async () => {
          const told = await stage.drive({ connector: 'opentsdb', config, kills: 2, harm: () => peer.killAndStart() })
          const seen = new Seen()
          const query = `${url}/api/query?start=1764475100000&end=${1_764_475_300_000 + records}&ms=true&m=sum:compat.n%7Bpartition=*,kind=*%7D`
          const series = (await (await fetch(query)).json()) as { tags: { partition: string }; dps: Record<string, number> }[]
          for (const {
            tags: { partition },
            dps,
          } of series)
            for (const [time, value] of Object.entries(dps)) {
              assert.equal(Number(time) - 1_764_475_200_000, value)
              seen.add(Number(partition), value)
            }
          seen.requireOnce()
          return told
        })
        await judge('refused-points', async () => {
          const refused: string[] = []
          const task = await openTask('opentsdb', { 'connection.url': url }, record => void refused.push(String(record.original.offset)))
          const point = (offset: number, metric: string) =>
            plainRecord('points', offset, {
              value: struct([
                ['metric', metric],
                ['timestamp', 1_764_475_200n],
                ['value', 1],
                ['tags', struct([['host', 'a']])],
              ]),
            })
          await task.put([point(0, 'compat.good'), point(1, 'not a metric'), point(2, 'compat.good')])
          assert.deepEqual(refused, ['1'])
          await task.close()
        })
      } finally {
        await peer.stop()
      }
    } finally {
      await hbase.stop()
    }
  },
}

interface Rows {
  readonly Row: readonly { readonly key: string; readonly Cell: readonly { readonly column: string; readonly $: string }[] }[]
}

/** All rows of a table. */
export async function scan(url: string, table: string): Promise<[key: Buffer, cells: Record<string, Buffer>][]> {
  const opened = await fetch(`${url}/${table}/scanner`, {
    method: 'PUT',
    headers: { 'content-type': 'text/xml' },
    body: '<Scanner batch="10000"/>',
  })
  const scanner = opened.headers.get('location')!
  // A row may be in two answers.
  const found = new Map<string, Record<string, Buffer>>()
  for (;;) {
    const answer = await fetch(scanner, { headers: { accept: 'application/json' } })
    if (answer.status === 204) break
    for (const { key, Cell } of ((await answer.json()) as Rows).Row)
      found.set(key, {
        ...found.get(key),
        ...Object.fromEntries(Cell.map(cell => [Buffer.from(cell.column, 'base64').toString(), Buffer.from(cell.$, 'base64')])),
      })
  }
  await fetch(scanner, { method: 'DELETE' })
  return [...found].map(([key, cells]) => [Buffer.from(key, 'base64'), cells])
}
