/** Apache Iceberg: tables in Iceberg's own REST catalogue, with files in MinIO, read back by DuckDB. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { struct } from '../../../src/connector.ts'
import { built, cached, fetching, mavenJars, needs } from '../../support/cache.ts'
import { chosenKind, ObjectServer } from '../../support/object-servers.ts'
import { freePorts, must, start } from '../../support/run.ts'
import { openTask, plainRecord } from '../open.ts'
import { Restartable } from '../peers.ts'
import { large, partitions, records } from '../records.ts'
import type { Judge, System } from './system.ts'

const here = join(import.meta.dirname, '../iceberg')
const login = { user: 'millrace', password: 'millrace-secret', bucket: 'lake' }
const artifacts = [
  'org.apache.iceberg:iceberg-core:1.10.0',
  // With the adapter that makes a REST catalogue of any other.
  'org.apache.iceberg:iceberg-core:1.10.0:tests',
  'org.apache.iceberg:iceberg-aws:1.10.0',
  'org.apache.iceberg:iceberg-aws-bundle:1.10.0',
  'org.eclipse.jetty:jetty-servlet:11.0.26',
  'org.xerial:sqlite-jdbc:3.50.3.0',
  'org.slf4j:slf4j-simple:2.0.17',
]

export const icebergSystem: System = {
  name: 'iceberg',
  async run(judge, stage) {
    const jars = await mavenJars('iceberg', artifacts)
    const classes = await built('iceberg-catalogue', here, async at => {
      await must('javac', ['-nowarn', '-proc:none', '-cp', jars, '-d', at, join(at, 'Catalogue.java')])
    })
    const python = await duckdb()
    const kind = chosenKind()
    const directory = mkdtempSync(join(tmpdir(), 'millrace-iceberg-'))
    const objects = await ObjectServer.start(kind, await freePorts(kind.ports), login)
    const port = await freePorts(1)
    const place = [join(directory, 'catalogue.db'), `s3://${login.bucket}/warehouse`, `http://127.0.0.1:${objects.port}`]
    const args = ['-Xmx256m', '-cp', `${classes}:${jars}`, 'Catalogue', String(port), ...place, login.user, login.password]
    const catalogue = await Restartable.start(port, () => start('java', args, join(directory, 'log')))
    const url = `http://127.0.0.1:${port}`
    const base = {
      'iceberg.catalog.uri': url,
      'iceberg.catalog.client.region': 'us-east-1',
      'iceberg.catalog.s3.endpoint': `http://127.0.0.1:${objects.port}`,
      'iceberg.catalog.s3.access-key-id': login.user,
      'iceberg.catalog.s3.secret-access-key': login.password,
      'iceberg.tables.auto-create-enabled': 'true',
      'iceberg.tables.evolve-schema-enabled': 'true',
      'iceberg.control.commit.interval-ms': '1000',
    }
    const ask: Ask = async (table, sql) => {
      const answer = await (await fetch(`${url}/v1/namespaces/db/tables/${table}`)).json()
      const { 'metadata-location': metadata } = answer as { 'metadata-location': string }
      const access = [String(objects.port), login.user, login.password]
      return JSON.parse(await must(python, [join(here, 'ask.py'), metadata, ...access, sql])) as unknown[][]
    }
    try {
      await judge('append-once', async () => {
        const told = await stage.drive({
          connector: 'iceberg',
          config: { ...base, 'iceberg.tables': 'db.events', 'iceberg.tables.default-partition-by': 'kind' },
          kills: 3,
          async harm() {
            await objects.kill()
            await catalogue.restart()
            await objects.restart()
          },
        })
        const counts = 'select partition, count(*), count(distinct n), min(n), max(n) from t group by partition order by partition'
        assert.deepEqual(
          await ask('events', counts),
          Array.from({ length: partitions }, (_, partition) => [partition, records, records, 0, records - 1]),
        )
        return told
      })
      await judgeTypes(base, ask, judge)
    } finally {
      await catalogue.kill()
      await objects.remove()
      rmSync(directory, { recursive: true, force: true })
    }
  },
}

type Ask = (table: string, sql: string) => Promise<unknown[][]>

async function judgeTypes(base: Readonly<Record<string, string>>, ask: Ask, judge: Judge): Promise<void> {
  await judge('types', async () => {
    const columns = 'large::varchar, price::varchar, day::varchar, epoch_ms("at"), text, hex(raw), nothing, "inner".list, kind'
    assert.deepEqual(await ask('events', `select ${columns} from t where partition = 1 and n = 7`), [
      [String(large + 14n), '-123.52', '2024-10-11', 1_764_475_200_007, 'Grüße 世界 🎈 "7"', '00FF07', null, [7, -1], 'click'],
    ])
  })
  await judge('schema-evolution', async () => {
    const task = await openTask('iceberg', { ...base, 'iceberg.tables': 'db.grown', 'iceberg.control.commit.interval-ms': '0' })
    const write = async (offset: number, fields: [string, string | number][]) => {
      await task.put([plainRecord('grown', offset, { value: struct(fields) })])
      await task.flush()
    }
    await write(0, [['name', 'a']])
    await write(1, [
      ['name', 'b'],
      ['age', 7],
    ])
    assert.deepEqual(await ask('grown', 'select name, age from t order by name'), [
      ['a', null],
      ['b', 7],
    ])
    await task.close()
  })
}

/** The interpreter that has it, with its extensions. */
async function duckdb(): Promise<string> {
  await needs('python3', 'Python 3.10 or newer')
  const requirements = join(here, 'requirements.txt')
  const directory = await cached('duckdb', readFileSync(requirements, 'utf8'), async at => {
    await must('python3', ['-m', 'venv', at])
    await fetching('DuckDB', must(join(at, 'bin/python'), ['-m', 'pip', 'install', '-q', '-r', requirements]))
  })
  return join(directory, 'bin/python')
}
