/** ClickHouse's engine by chDB, because the server itself is in no registry. What is inserted again after a kill -9 may be there twice: it is counted. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { struct } from '../../../src/connector.ts'
import { cached, fetching, needs } from '../../support/cache.ts'
import { freePorts, must, start } from '../../support/run.ts'
import { openTask, plainRecord } from '../open.ts'
import { Restartable } from '../peers.ts'
import { large, partitions, records } from '../records.ts'
import type { System } from './system.ts'

const here = join(import.meta.dirname, '../clickhouse')

const table = `create table events (partition Int32, n Int64, large Int64, price Decimal(20, 2), day Date, at DateTime64(3, 'UTC'), text String, raw String,
  nothing Nullable(String), inner Tuple(list Array(Int32)), kind String)
  engine = MergeTree order by (partition, n) settings non_replicated_deduplication_window = 10000`

export const clickhouseSystem: System = {
  name: 'clickhouse',
  async run(judge, stage) {
    await needs('python3', 'Python 3.10 or newer')
    const requirements = join(here, 'requirements.txt')
    const environment = await cached('chdb', readFileSync(requirements, 'utf8'), async at => {
      await must('python3', ['-m', 'venv', at])
      await fetching('chDB', must(join(at, 'bin/python'), ['-m', 'pip', 'install', '-q', '-r', requirements]))
    })
    const port = await freePorts(1)
    const directory = mkdtempSync(join(tmpdir(), 'millrace-chdb-'))
    const args = [join(here, 'server.py'), String(port), join(directory, 'data')]
    const server = await Restartable.start(port, () => start(join(environment, 'bin/python'), args, join(directory, 'log')))
    const ask = async (sql: string): Promise<unknown[][]> => {
      const answer = await fetch(`http://127.0.0.1:${port}/?default_format=JSONCompactEachRow`, { method: 'POST', body: sql })
      const text = await answer.text()
      assert(answer.ok, text)
      return text
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line) as unknown[])
    }
    const base = { hostname: '127.0.0.1', port: String(port), ssl: 'false', topic2TableMap: 'website-events=events' }
    try {
      await judge('nothing-lost', async () => {
        await ask(table)
        const told = await stage.drive({ connector: 'clickhouse', config: base, kills: 3, harm: () => server.restart() })
        const found = await ask(
          'select partition, toInt32(uniqExact(n)), toInt32(min(n)), toInt32(max(n)) from events group by partition order by partition',
        )
        assert.deepEqual(
          found,
          Array.from({ length: partitions }, (_, partition) => [partition, records, 0, records - 1]),
        )
        const [[rows]] = (await ask('select toInt32(count()) from events')) as [[number]]
        return `${told}; ${rows - partitions * records} rows more than once`
      })
      await judge('types', async () => {
        const columns = 'toString(large), toString(price), day, toString(at), text, raw, nothing, inner.list, kind'
        const [row] = await ask(`select ${columns} from events where partition = 1 and n = 7 limit 1`)
        const raw = Buffer.from([0, 255, 7]).toString('base64')
        assert.deepEqual(row, [
          ...[String(large + 14n), '-123.52', '2024-10-11', '2025-11-30 04:00:00.007', 'Grüße 世界 🎈 "7"', raw, null],
          ...[[7, -1], 'click'],
        ])
      })
      await judge('refused-rows', async () => {
        await ask('create table strict (v Int8) engine = MergeTree order by v')
        const refused: string[] = []
        const task = await openTask(
          'clickhouse',
          { ...base, topic2TableMap: '' },
          record => void refused.push(String(record.original.offset)),
        )
        const values = [1, 'two', 3, '2026-11-30', 5]
        await task.put(values.map((v, offset) => plainRecord('strict', offset, { value: struct([['v', v]]) })))
        assert.deepEqual(refused.sort(), ['1', '3'])
        assert.deepEqual(await ask('select v from strict order by v'), [[1], [3], [5]])
        await task.close()
      })
    } finally {
      await server.kill()
      rmSync(directory, { recursive: true, force: true })
    }
  },
}
