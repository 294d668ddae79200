/** A real MariaDB or MySQL whose tables keep the history of their own changes, killed with the worker while they change. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from 'mysql2/promise'
import { unique, until } from '../support/kit.ts'
import { type MysqlKind, MysqlServer } from '../support/mysql-servers.ts'
import type { Stage } from './stage.ts'
import { type HistoryRow, judge } from './verdict.ts'

const settings = [
  '--log-bin=bin',
  '--server-id=7',
  '--binlog-format=ROW',
  '--binlog-row-metadata=FULL',
  '--sync-binlog=1',
  '--max-binlog-size=1M',
]
const gtids = ['--gtid-mode=ON', '--enforce-gtid-consistency=ON']

export function startBinlogged(kind: MysqlKind): Promise<MysqlServer> {
  return MysqlServer.start(kind, [...settings, ...(kind === 'mysql' ? gtids : [])])
}

/** Each greater than those before, also after a restart, and as small as numbers of JSON have to be. */
const next = '(uuid_short() & 281474976710655)'
const rows = 20_000

const trigger = (
  op: string,
  old: string,
  made: string,
) => `create trigger keep_${op} after ${op} on items for each row insert into history (op, old_id, old_version, new_id, new_version)
  values ('${op}', ${old === '' ? 'null, null' : 'old.id, old.version'}, ${made === '' ? 'null, null' : 'new.id, new.version'});`

const digits = Array.from({ length: 10 }, (_, digit) => `select ${digit} as n`).join(' union all ')

const definition = `
  create database shop character set utf8mb4; use shop;
  create table items (id bigint primary key, version bigint not null, amount decimal(12,2), day date, at datetime(6), kind enum('click', 'view'), body longtext, more int);
  create table history (seq bigint auto_increment primary key, op varchar(6), old_id bigint, old_version bigint, new_id bigint, new_version bigint);
  create table ends (note varchar(100) primary key);
  ${trigger('insert', '', 'new')} ${trigger('update', 'old', 'new')} ${trigger('delete', 'old', '')}
  insert into items select n, ${next}, n / 100, date('2026-11-30') - interval n day, now(6), 'view', concat('body ', n), null
    from (select ${[0, 1, 2, 3, 4].map(at => `d${at}.n * ${10 ** at}`).join(' + ')} + 1 as n from ${[0, 1, 2, 3, 4].map(at => `(${digits}) d${at}`).join(', ')}) numbers
    where n <= ${rows};`

const below = (bound: number) => Math.floor(Math.random() * bound)

function transaction(keys: number): string[] {
  const id = () => below(keys)
  const statements = [
    () =>
      `insert ignore into items (id, version, amount, day, kind, body) values (${id()}, ${next}, 1.5, '1500-01-01', 'click', repeat('x', 5000))`,
    () => `update items set version = ${next}, amount = amount + 1 where id = ${id()}`,
    () => `update items set version = ${next}, at = now(6) where id between ${id()} and ${keys} and id % 37 = ${below(37)}`,
    () => `update items set version = ${next}, id = ${keys} + ${next} where id = ${id()}`,
    () => `delete from items where id = ${id()}`,
  ]
  return Array.from({ length: 1 + below(5) }, () => statements[below(statements.length)]!())
}

/** Changes rows with several connections until it is told to stop. */
class Load {
  readonly #server: MysqlServer
  #isStopping = false
  transactions = 0
  readonly refused: string[] = []
  readonly #running = [1, 2, 3].map(() => this.#run())

  constructor(server: MysqlServer) {
    this.#server = server
  }

  async #run(): Promise<void> {
    // The fields of the class are there after this.
    await sleep(0)
    while (!this.#isStopping) {
      const connection = await this.#server.connect().catch(() => null)
      if (connection === null) {
        await sleep(200)
        continue
      }
      connection.on('error', () => {}) // its next query fails
      try {
        await connection.query('use shop')
        while (!this.#isStopping) await this.#once(connection)
      } catch (error) {
        // The server was killed; what it had committed is in the history.
        if (!/closed|ECONN|lost|shutdown/i.test((error as Error).message)) this.refused.push((error as Error).message)
      }
      connection.destroy()
    }
  }

  async #once(connection: Connection): Promise<void> {
    await connection.query('begin')
    try {
      for (const [at, statement] of transaction(400).entries()) {
        if (at === 1) await connection.query('savepoint s')
        await connection.query(statement)
      }
      if (below(5) === 0) await connection.query('rollback to s').catch(() => {}) // it may have one statement only
      await connection.query(below(10) === 0 ? 'rollback' : 'commit')
    } catch (error) {
      if (!/deadlock|duplicate|lock wait/i.test((error as Error).message)) throw error
      await connection.query('rollback')
    }
    this.transactions++
    await sleep(10)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await Promise.all(this.#running)
  }
}

const classes = {
  mariadb: 'io.debezium.connector.mariadb.MariaDbConnector',
  mysql: 'io.debezium.connector.mysql.MySqlConnector',
}

/** Both are killed so many times while rows change. */
export async function binlogKills(kind: MysqlKind, server: MysqlServer, stage: Stage, kills: number, crashes: number): Promise<string> {
  const prefix = unique(kind)
  await server.ask(definition)
  await stage.create(kind, {
    'connector.class': classes[kind],
    'exactly.once.support': 'required',
    'database.hostname': '127.0.0.1',
    'database.port': String(server.port),
    'database.user': 'root',
    'topic.prefix': prefix,
    'database.include.list': 'shop',
    'table.include.list': 'shop.items,shop.ends',
    'decimal.handling.mode': 'string',
    'schema.history.internal.kafka.topic': 'not-needed',
  })
  const load = new Load(server)
  // An interrupted snapshot begins again, and would read rows twice.
  await until(
    () => `the snapshot is done; the worker said ${stage.worker.log().slice(-600)}`,
    async () => (await stage.offsets(kind)).some(offset => offset['snapshot'] === undefined),
    120,
  )
  const acts = [...Array.from({ length: kills }, () => 'kill'), ...Array.from({ length: crashes }, () => 'crash'), 'change']
  for (const act of acts.sort(() => Math.random() - 0.5)) {
    await sleep(2_500)
    if (act === 'kill') await stage.kill()
    else if (act === 'crash') {
      await server.kill()
      await server.restart()
    } else await server.ask(`use shop; alter table items add column added varchar(10) not null default 'new', drop column more`)
  }
  await sleep(3_000)
  await load.stop()
  assert.deepEqual(load.refused, [], 'statements that the database refused')
  const end = unique('end')
  await server.ask(`insert into shop.ends values ('${end}')`)
  await stage.arrives(`${prefix}.shop.ends`, end)
  const history = (await server.ask('select * from shop.history order by seq')).map(row => {
    const side = (name: string) => (row[`${name}_id`] === null ? null : { id: row[`${name}_id`], version: row[`${name}_version`] })
    return { tx: null, op: String(row['op']).toUpperCase(), old: side('old'), new: side('new') } as HistoryRow
  })
  // The rows that were there before there were triggers to see them do have a history, because the triggers came first.
  const records = await stage.read(`${prefix}.shop.items`)
  const { wrong, ...counts } = judge(records, history, ['id'])
  assert.deepEqual([wrong, counts.readTwice], [[], 0])
  assert.ok(counts.events > 1_000 && counts.reads > 10_000, JSON.stringify(counts))
  const days = new Set(records.map(({ value }) => /"day":(-?\d+)/.exec(value?.toString() ?? '')?.[1]))
  assert.ok(days.has('-171664'), '1500-01-01 is exact')
  await stage.remove(kind)
  return `${load.transactions} transactions, ${kills} kills of the worker, ${crashes} of the database; ${counts.events} events and ${counts.reads} rows read of ${counts.keys} keys`
}
