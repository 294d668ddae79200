/** PostgreSQL; MariaDB and Redis where they are installed. The worker and the server are killed while rows are written. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type SinkRecord, type SourceRecord, type Struct, struct } from '../../../src/connector.ts'
import { Missing } from '../../support/cache.ts'
import { type MysqlKind, MysqlServer } from '../../support/mysql-servers.ts'
import { freePorts, start } from '../../support/run.ts'
import { type RestorableStore, startPostgres } from '../../support/stores.ts'
import { judgeBroken } from '../broken-connections.ts'
import { openSource, openTask, plainRecord } from '../open.ts'
import { Restartable } from '../peers.ts'
import { large, recordAt, Seen, topic } from '../records.ts'
import type { Stage } from '../stage.ts'
import type { Judge, System } from './system.ts'

const creating = { 'auto.create': 'true', 'auto.evolve': 'true', 'retry.backoff.ms': '300', 'max.retries': '200', 'batch.size': '500' }
const byKey = { 'insert.mode': 'upsert', 'pk.mode': 'record_key', 'pk.fields': 'id', 'delete.enabled': 'true' }

type Row = Record<string, unknown>

export const postgresSystem: System = {
  name: 'postgresql',
  async run(judge, stage) {
    const { postgres, password, remove } = await startPostgres()
    try {
      await judgePostgres(postgres, password, judge, stage)
    } finally {
      await remove()
    }
  },
}

async function judgePostgres(postgres: RestorableStore, password: string, judge: Judge, stage: Stage): Promise<void> {
  const url = `postgresql://127.0.0.1:${postgres.port}/postgres`
  const base = { 'connection.url': `jdbc:${url}`, 'connection.user': 'millrace', 'connection.password': password, ...creating }
  const ask = async (sql: string): Promise<Row[]> => {
    const client = new pg.Client({ host: '127.0.0.1', port: postgres.port, database: 'postgres', user: 'millrace', password })
    await client.connect()
    try {
      return (await client.query(sql)).rows as Row[]
    } finally {
      await client.end()
    }
  }
  const crash = async () => {
    await postgres.kill()
    await postgres.restart()
  }
  await judge('each-once', async () => {
    const told = await stage.drive({ connector: 'jdbc', config: base, kills: 4, harm: crash })
    const seen = new Seen()
    for (const { partition, n } of await ask(`select partition, n from "${topic}"`)) seen.add(Number(partition), Number(n))
    seen.requireOnce()
    return told
  })
  await judge('types', async () => {
    const [row] = await ask(
      `select large, price::text, day::text, at::text, text, raw, nothing, "inner", kind from "${topic}" where partition = 1 and n = 7`,
    )
    assert.deepEqual(row, {
      large: String(large + 14n),
      price: '-123.52',
      day: '2024-10-11',
      at: '2025-11-30 04:00:00.007',
      text: 'Grüße 世界 🎈 "7"',
      raw: Buffer.from([0, 255, 7]),
      nothing: null,
      inner: { list: [7, -1] },
      kind: 'click',
    })
  })
  await judgeBroken(judge, {
    ...{ connector: 'jdbc', port: postgres.port },
    config: (port, ms) => ({
      ...{
        'connection.url': `jdbc:postgresql://127.0.0.1:${port}/postgres`,
        'connection.user': 'millrace',
        'connection.password': password,
      },
      ...{ 'connection.timeout.ms': String(ms), 'query.timeout.ms': String(ms), 'auto.create': 'true', 'retry.backoff.ms': '20' },
    }),
    clean: async () => void (await ask('drop table if exists t, millrace_connect_offsets')),
    there: async () => (await ask('select n from t')).map(({ n }) => Number(n)),
  })
  await judgeRows(base, ask, judge)
  await judgeSource(base['connection.url'], { 'connection.user': 'millrace', 'connection.password': password }, ask, judge, 'timestamptz')
}

async function judgeRows(base: Readonly<Record<string, string>>, ask: (sql: string) => Promise<Row[]>, judge: Judge): Promise<void> {
  await judge('upsert-delete-evolve', async () => {
    const task = await openTask('jdbc', { ...base, ...byKey })
    await task.opened!([{ topic: 'people', partition: 0 }])
    const record = (offset: number, key: number, value: SinkRecord['value']) => plainRecord('people', offset, { key, value })
    await task.put([
      record(0, 1, struct([['name', 'a']])),
      record(1, 2, struct([['name', 'b']])),
      record(2, 1, struct([['name', 'c']])),
      record(3, 2, null),
    ])
    await task.put([
      record(
        4,
        3,
        struct([
          ['name', 'd'],
          ['age', 7],
        ]),
      ),
    ])
    await task.put([
      record(5, 1, null),
      record(
        6,
        1,
        struct([
          ['name', 'e'],
          ['age', null],
        ]),
      ),
    ])
    assert.deepEqual(await ask('select * from people order by id'), [
      { id: '1', name: 'e', age: null },
      { id: '3', name: 'd', age: '7' },
    ])
    await task.close()
  })
  await judge('refused-rows', async () => {
    await ask('create table strict (id int primary key check (id < 100))')
    const refused: string[] = []
    const task = await openTask('jdbc', { ...base, 'fields.whitelist': 'id' }, record => void refused.push(String(record.original.offset)))
    await task.opened!([{ topic: 'strict', partition: 0 }])
    await task.put([5, 6, 500, 7, 'x', 8].map((id, offset) => plainRecord('strict', offset, { value: struct([['id', id]]) })))
    assert.deepEqual(refused.sort(), ['2', '4'])
    assert.deepEqual(
      (await ask('select id from strict order by id')).map(({ id }) => id),
      [5, 6, 7, 8],
    )
    await task.close()
  })
  await judge('overtaken-task', async () => {
    const [old, young] = [await openTask('jdbc', base), await openTask('jdbc', base)]
    const assigned = [{ topic: 'overtaken', partition: 0 }]
    const record = (offset: number) => plainRecord('overtaken', offset, { value: struct([['n', offset]]) })
    await old.opened!(assigned)
    await old.put([record(0)])
    await young.opened!(assigned)
    await young.put([record(1), record(2)])
    await assert.rejects(old.put([record(1)]), /another task has written/)
    assert.deepEqual(await ask('select count(*)::int as rows from overtaken'), [{ rows: 3 }])
    for (const task of [old, young]) await task.close()
  })
}

/** Rows are added and changed while tasks come and go; each change is given once. */
async function judgeSource(
  url: string,
  login: Readonly<Record<string, string>>,
  ask: (sql: string) => Promise<unknown>,
  judge: Judge,
  time: string,
): Promise<void> {
  const base = { 'connection.url': url, ...login, 'poll.interval.ms': '20', 'batch.max.rows': '7', 'topic.prefix': 'db-' }
  await judge('source-incrementing', async () => {
    await ask(`create table numbered (id bigint not null primary key, name varchar(20), price decimal(10,2), day date)`)
    const source = new Source('jdbc-source', { ...base, mode: 'incrementing', 'incrementing.column.name': 'id', 'task.tables': 'numbered' })
    const seen: unknown[] = []
    for (let round = 0; round < 5; round++) {
      await ask(
        `insert into numbered values ${Array.from({ length: 20 }, (_, index) => `(${round * 20 + index}, 'n${index}', 1.5, '2026-11-30')`).join(',')}`,
      )
      seen.push(...(await source.read(20)))
    }
    assert.deepEqual(
      seen.map(value => (value as Row)['id']),
      Array.from({ length: 100 }, (_, id) => BigInt(id)),
    )
    assert.deepEqual({ ...(seen[7] as Row), price: String((seen[7] as Row)['price']) }, { id: 7n, name: 'n7', price: '1.50', day: 20_787 })
  })
  await judge('source-timestamp', async () => {
    await ask(`create table stamped (id int not null primary key, at ${time} not null)`)
    const source = new Source('jdbc-source', { ...base, mode: 'timestamp', 'timestamp.column.name': 'at', 'task.tables': 'stamped' })
    // All of one statement have the same moment, and are more than one batch.
    await ask(`insert into stamped values ${Array.from({ length: 30 }, (_, id) => `(${id}, current_timestamp(6))`).join(',')}`)
    const first = await source.read(30)
    await ask('update stamped set at = current_timestamp(6) where id = 5')
    const second = await source.read(1)
    assert.deepEqual(
      [...first, ...second].map(value => (value as Row)['id']),
      [...Array.from({ length: 30 }, (_, id) => id), 5],
    )
  })
  await judge('source-bulk', async () => {
    const source = new Source('jdbc-source', { ...base, mode: 'bulk', 'task.tables': 'numbered', 'poll.interval.ms': '60000' })
    assert.equal((await source.read(100)).length, 100)
  })
}

/** A source whose task is made anew for each read, as after a crash: it goes on from its offsets. */
class Source {
  readonly #connector: string
  readonly #config: Readonly<Record<string, string>>
  readonly #offsets = new Map<string, Struct>()

  constructor(connector: string, config: Readonly<Record<string, string>>) {
    this.#connector = connector
    this.#config = config
  }

  /** At least so many values, and what comes in a moment after. */
  async read(count: number): Promise<SourceRecord['value'][]> {
    const task = await openSource(this.#connector, this.#config, partition => this.#offsets.get(JSON.stringify(partition)) ?? null)
    const found: SourceRecord['value'][] = []
    for (let after = 0; found.length < count || after < 3; ) {
      const records = await task.poll()
      for (const { value, sourcePartition, sourceOffset } of records) {
        found.push(value)
        this.#offsets.set(JSON.stringify(sourcePartition), sourceOffset)
      }
      if (records.length === 0 && found.length >= count) after++
    }
    await task.close()
    return found
  }
}

const mysqlSystem = (kind: MysqlKind): System => ({
  name: kind,
  async run(judge, stage) {
    const server = await MysqlServer.start(kind)
    try {
      await judgeMysql(server, judge, stage)
    } finally {
      await server.remove()
    }
  },
})

export const mysqlSystems = [mysqlSystem('mariadb'), mysqlSystem('mysql')]

async function judgeMysql(server: MysqlServer, judge: Judge, stage: Stage): Promise<void> {
  const { port } = server
  const ask = (sql: string, database?: string): Promise<Row[]> => server.ask(sql, database)
  const crash = async () => {
    await server.kill()
    await server.restart()
  }
  await ask('create database if not exists events character set utf8mb4')
  const base = { 'connection.url': `jdbc:mysql://127.0.0.1:${port}/events`, 'connection.user': 'root', ...creating }
  await judge('each-once', async () => {
    const told = await stage.drive({ connector: 'jdbc', config: base, kills: 3, harm: crash })
    const seen = new Seen()
    for (const { partition, n } of await ask(`select \`partition\`, n from \`${topic}\``, 'events')) seen.add(Number(partition), Number(n))
    seen.requireOnce()
    const [row] = await ask(
      `select large, price, day, at, text, raw, nothing, \`inner\`, kind from \`${topic}\` where \`partition\` = 1 and n = 7`,
      'events',
    )
    assert.deepEqual(
      { ...row },
      {
        large: String(large + 14n),
        price: '-123.52',
        day: '2024-10-11',
        at: '2025-11-30 04:00:00.007000',
        text: 'Grüße 世界 🎈 "7"',
        raw: Buffer.from([0, 255, 7]),
        nothing: null,
        inner: { list: [7, -1] },
        kind: 'click',
      },
    )
    return told
  })
  await judgeBroken(judge, {
    ...{ connector: 'jdbc', port, speaksFirst: true },
    config: (port, ms) => ({
      ...{ 'connection.url': `jdbc:mysql://127.0.0.1:${port}/events`, 'connection.user': 'root' },
      ...{ 'connection.timeout.ms': String(ms), 'query.timeout.ms': String(ms), 'auto.create': 'true', 'retry.backoff.ms': '20' },
    }),
    clean: async () => void (await ask('drop table if exists t, millrace_connect_offsets', 'events')),
    there: async () => (await ask('select n from t', 'events')).map(({ n }) => Number(n)),
  })
  await judge('upsert-delete-refused', async () => {
    const refused: string[] = []
    const task = await openTask('jdbc', { ...base, ...byKey }, record => void refused.push(String(record.original.offset)))
    await task.opened!([{ topic: 'people', partition: 0 }])
    await ask('create table people (id bigint primary key, small tinyint)', 'events')
    const record = (offset: number, key: number, small: number | null) =>
      plainRecord('people', offset, { key, value: small === null ? null : struct([['small', small]]) })
    await task.put([record(0, 1, 1), record(1, 2, 2), record(2, 1, 3), record(3, 4, 4_000), record(4, 2, null)])
    const rows = await ask('select * from people', 'events')
    assert.deepEqual(
      rows.map(({ id, small }) => [Number(id), small]),
      [[1, 3]],
    )
    assert.deepEqual(refused, ['3'])
    await task.close()
  })
  await judgeSource(base['connection.url'], { 'connection.user': 'root' }, sql => ask(sql, 'events'), judge, 'datetime(6)')
}

export const redisSystem: System = {
  name: 'redis',
  async run(judge, stage) {
    const program = '/usr/bin/redis-server'
    if (!existsSync(program)) throw new Missing('Redis is missing (apt-get install redis-server)')
    const port = await freePorts(1)
    const at = mkdtempSync(join(tmpdir(), 'millrace-redis-'))
    mkdirSync(at, { recursive: true })
    const args = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--dir',
      at,
      '--appendonly',
      'yes',
      '--appendfsync',
      'always',
      '--save',
      '',
    ]
    const server = await Restartable.start(port, () => start(program, args, join(at, 'log')))
    const url = `redis://127.0.0.1:${port}`
    const { createClient } = await import('redis')
    try {
      await judge('each-once', async () => {
        const told = await stage.drive({
          connector: 'redis',
          config: { 'redis.uri': url, 'redis.command': 'XADD' },
          kills: 3,
          harm: () => server.restart(),
        })
        const client = createClient({ url })
        await client.connect()
        const seen = new Seen()
        for (let from = '-'; ; ) {
          const entries = (await client.xRange(topic, from, '+', { COUNT: 1_000 })) ?? []
          for (const { message } of entries) seen.add(Number(message['partition']), Number(message['n']))
          if (entries.length < 1_000) break
          from = `(${entries.at(-1)!.id}`
        }
        client.destroy()
        seen.requireOnce()
        return told
      })
      const connected = async () => await createClient({ url }).connect()
      await judgeBroken(judge, {
        ...{ connector: 'redis', port },
        config: (port, ms) => ({
          ...{ 'redis.uri': `redis://127.0.0.1:${port}`, 'redis.command': 'RPUSH', 'redis.key': '${topic}' },
          'redis.timeout': String(Math.max(1, Math.round(ms / 1_000))),
        }),
        async clean() {
          const client = await connected()
          await client.flushAll()
          client.destroy()
        },
        async there() {
          const client = await connected()
          const texts = await client.lRange('t', 0, -1)
          client.destroy()
          return texts.map(key => Number(key.slice(1)))
        },
      })
      await judge('hashes', async () => {
        const task = await openTask('redis', { 'redis.uri': url, 'redis.command': 'HSET', 'redis.key': 'h' })
        await task.put([recordAt(1, 7)])
        const client = createClient({ url })
        await client.connect()
        const hash = { ...(await client.hGetAll('h:1-7')) }
        client.destroy()
        assert.equal(hash['large'], String(large + 14n))
        assert.equal(hash['price'], '-123.52')
        assert.equal(hash['day'], '2024-10-11')
        assert.equal(hash['inner'], '{"list":[7,-1]}')
        await task.close()
      })
    } finally {
      await server.kill()
      rmSync(at, { recursive: true, force: true })
    }
  },
}
