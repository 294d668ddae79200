/** MaxCompute's stub, whose signer and decoder are the official SDK's. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts } from '../../support/run.ts'
import { openTask } from '../open.ts'
import { startPeer } from '../peers.ts'
import { large, recordAt, Seen, topic } from '../records.ts'
import type { System } from './system.ts'

const types = {
  partition: 'bigint',
  n: 'bigint',
  large: 'bigint',
  price: 'decimal(38,18)',
  day: 'date',
  at: 'datetime',
  text: 'string',
  raw: 'binary',
  nothing: 'string',
  inner: 'struct<list:array<int>>',
  kind: 'varchar(10)',
  topic: 'string',
  offset: 'int',
}
const columns = Object.entries(types).map(([name, type]) => ({ name, type }))

export const maxcomputeSystem: System = {
  name: 'maxcompute',
  async run(judge, stage) {
    const port = await freePorts(1)
    const directory = mkdtempSync(join(tmpdir(), 'millrace-maxcompute-tables-'))
    const tables = { p: { events: { columns, partitionKeys: [{ name: 'pt', type: 'string' }] }, whole: { columns, partitionKeys: [] } } }
    writeFileSync(join(directory, 'tables.json'), JSON.stringify(tables))
    const peer = await startPeer('maxcompute', [port], [join(directory, 'tables.json')])
    const url = `http://127.0.0.1:${port}`
    const base = {
      tunnel_endpoint: url,
      project: 'p',
      access_id: 'AKID',
      access_key: 'SECRET',
      table: 'events',
      partition: 'pt=${value.kind}',
    }
    const committed = async () => (await (await fetch(`${url}/_committed`)).json()) as Record<string, unknown[][]>
    try {
      await judge('once-by-session', async () => {
        const told = await stage.drive({
          connector: 'maxcompute',
          config: { ...base, 'session.directory': join(directory, 'sessions') },
          kills: 4,
        })
        const seen = new Seen()
        const tables = await committed()
        assert.deepEqual(
          Object.keys(tables).sort(),
          ['buy', 'click', 'view'].map(kind => `p.events/pt=${kind}`),
        )
        for (const [partition, n] of Object.values(tables).flat() as [number, number][]) seen.add(partition, n)
        seen.requireOnce()
        return told
      })
      await judge('types', async () => {
        const { tunnel_endpoint: _, partition: __, ...rest } = base
        const task = await openTask('maxcompute', {
          ...rest,
          endpoint: `${url}/api`,
          table: 'whole',
          partition_window_type: 'NONE',
          'compression.type': 'none',
        })
        await task.put([recordAt(1, 7)])
        await task.flush()
        await task.close()
        const [row] = (await committed())['p.whole/']!
        const { at, ...others } = Object.fromEntries(columns.map(({ name }, index) => [name, row![index]]))
        assert.deepEqual(others, {
          partition: 1,
          n: 7,
          large: Number(large + 14n),
          price: '-123.52',
          day: '2024-10-11',
          text: 'Grüße 世界 🎈 "7"',
          raw: Buffer.from([0, 255, 7]).toString(),
          nothing: null,
          inner: 'StructNamedTuple(list=[7, -1])',
          kind: 'click',
          topic,
          offset: 7,
        })
        assert.match(String(at), /^2025-11-30 .*\.007000/)
      })
    } finally {
      await peer.stop()
      rmSync(directory, { recursive: true, force: true })
    }
  },
}
