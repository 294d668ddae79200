/**
 * Change data capture by a worker over a real PostgreSQL, MariaDB and MySQL, all killed while rows change: `npm run compat -- cdc`.
 * `CDC_DATABASES=mariadb` runs one of them; `CDC_SECONDS` is how long they change, `CDC_KILLS` how often
 * the worker is killed, `CDC_CRASHES` how often the database is.
 *
 * The topics are read as readers of committed records see them, and compared with the history that triggers write in the same transactions.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Missing } from '../support/cache.ts'
import { unique, until } from '../support/kit.ts'
import type { MysqlKind } from '../support/mysql-servers.ts'
import { type StartedPostgres, startPostgres } from '../support/stores.ts'
import type { Report, Suite } from '../support/suite.ts'
import { binlogKills, startBinlogged } from './binlog.ts'
import { Stage } from './stage.ts'
import { type Address, Database, Load } from './tables.ts'
import { type Envelope, type HistoryRow, judge } from './verdict.ts'

const number = (name: string, otherwise: number) => Number(process.env[name] ?? otherwise)

export const cdc: Suite = {
  folder: 'cdc',
  clients: ['postgresql', 'mariadb', 'mysql'],
  async run({ bootstrap }, report) {
    const wanted = process.env['CDC_DATABASES']?.split(',')
    const directory = mkdtempSync(join(tmpdir(), 'millrace-cdc-'))
    const stage = await Stage.start(bootstrap, directory)
    try {
      for (const [name, run] of [
        ['postgresql', runPostgres],
        ['mariadb', (stage, report) => runBinlog('mariadb', stage, report)],
        ['mysql', (stage, report) => runBinlog('mysql', stage, report)],
      ] as [string, (stage: Stage, report: Report) => Promise<void>][])
        if (wanted === undefined || wanted.includes(name)) await run(stage, report)
    } finally {
      await stage.close()
      rmSync(directory, { recursive: true, force: true })
    }
  },
}

async function runPostgres(stage: Stage, report: Report): Promise<void> {
  const { postgres, user, password, remove } = await startPostgres(['wal_level=logical', 'max_replication_slots=20', 'max_wal_senders=20'])
  try {
    const cases = new Cases(postgres, { port: postgres.port, user, password }, stage)
    for (const name of ['kills', 'signals', 'idle'] as const) await tell('postgresql', name, () => cases[name](), report)
  } finally {
    await remove()
  }
}

async function runBinlog(kind: MysqlKind, stage: Stage, report: Report): Promise<void> {
  try {
    const server = await startBinlogged(kind)
    try {
      await tell(kind, 'kills', () => binlogKills(kind, server, stage, number('CDC_KILLS', 8), number('CDC_CRASHES', 2)), report)
    } finally {
      await server.remove()
    }
  } catch (error) {
    if (!(error instanceof Missing)) throw error
    report({ client: kind, name: 'all', outcome: 'skip', detail: error.message })
  }
}

async function tell(client: string, name: string, work: () => Promise<string>, report: Report): Promise<void> {
  try {
    report({ client, name, outcome: 'ok', detail: await work() })
  } catch (error) {
    report({ client, name, outcome: 'FAIL', detail: (error as Error).message.slice(0, 2_000) })
  }
}

type Postgres = StartedPostgres['postgres']

class Cases {
  readonly #postgres: Postgres
  readonly #address: Address
  readonly #database: Database
  readonly #stage: Stage

  constructor(postgres: Postgres, address: Address, stage: Stage) {
    this.#postgres = postgres
    this.#address = address
    this.#database = new Database(address)
    this.#stage = stage
  }

  #config(prefix: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const { port, user, password } = this.#address
    return {
      'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
      'exactly.once.support': 'required',
      'tasks.max': '1',
      'database.hostname': '127.0.0.1',
      'database.port': String(port),
      'database.user': user,
      'database.password': password,
      'database.dbname': 'postgres',
      'topic.prefix': prefix,
      'slot.name': prefix.replaceAll('-', '_'),
      'publication.name': `p_${prefix}`,
      'table.include.list': 'public.(items|pairs|loose)',
      'decimal.handling.mode': 'string',
      'signal.data.collection': 'public.signals',
      ...more,
    }
  }

  async #history(table: string): Promise<HistoryRow[]> {
    const rows = await this.#database.ask('select tx, op, old, new from history where tab = $1 order by seq', [table])
    return rows.map(({ tx, op, old, new: made }) => ({ tx: Number(tx), op, old, new: made }) as HistoryRow)
  }

  /** The last transaction of the history is in the topics when a row that is written after it is. */
  async #caughtUp(prefix: string): Promise<void> {
    const note = unique('end')
    await this.#database.ask(`insert into loose values (nextval('versions'), $1)`, [note])
    await this.#stage.arrives(`${prefix}.public.loose`, note)
  }

  /** Kills both while rows change, from the first moment of the snapshot on. */
  async kills(): Promise<string> {
    const [seconds, kills, crashes] = [number('CDC_SECONDS', 75), number('CDC_KILLS', 8), number('CDC_CRASHES', 2)]
    await this.#database.create(number('CDC_ROWS', 20_000))
    const prefix = unique('shop')
    await this.#stage.create(
      'shop',
      this.#config(prefix, {
        'provide.transaction.metadata': 'true',
        'snapshot.fetch.size': '200',
        'incremental.snapshot.chunk.size': '500',
      }),
    )
    const load = new Load(this.#database, 400, 10)
    const acts = [...Array.from({ length: kills }, () => 'kill'), ...Array.from({ length: crashes }, () => 'crash'), 'change']
    // The first kills hit the snapshot.
    for (const [at, act] of [...acts.slice(0, 2), ...shuffled(acts.slice(2))].entries()) {
      await sleep(at < 2 ? 2_500 : (seconds * 1_000) / acts.length)
      await this.#act(act)
    }
    await sleep(3_000)
    await load.stop()
    assert.deepEqual(load.refused, [], 'statements that the database refused')
    await this.#caughtUp(prefix)
    const found = [`${load.transactions} transactions, ${kills} kills of the worker, ${crashes} of the database`]
    for (const [table, key] of [
      ['items', ['id']],
      ['pairs', ['b', 'a']],
    ] as const) {
      const records = await this.#stage.read(`${prefix}.public.${table}`)
      const { wrong, ...counts } = judge(records, await this.#history(table), key)
      assert.deepEqual([table, wrong, counts.readTwice], [table, [], 0])
      assert.ok(counts.events > 100 && counts.reads > 100, `${table}: ${JSON.stringify(counts)}`)
      found.push(`${table}: ${counts.events} events and ${counts.reads} rows read of ${counts.keys} keys`)
    }
    found.push(await this.#loose(prefix), await this.#details(prefix), await this.#transactions(prefix))
    await this.#stage.remove('shop')
    return found.join('; ')
  }

  async #act(act: string): Promise<void> {
    if (act === 'kill') {
      await this.#stage.kill()
    } else if (act === 'crash') {
      await this.#postgres.kill()
      await this.#postgres.restart()
    } else await this.#database.ask('alter table items add column added text not null default $$new$$; alter table items drop column more')
  }

  /** A table without a key: each row was read, or its change was seen, and none twice. */
  async #loose(prefix: string): Promise<string> {
    const [reads, events] = [new Set<string>(), new Set<string>()]
    for (const { key, value } of await this.#stage.read(`${prefix}.public.loose`)) {
      assert.equal(key, null)
      const { op, after, before, source } = JSON.parse(value!.toString()) as Envelope
      const version = String((after ?? before)!['version'])
      const [set, event] = op === 'r' ? [reads, version] : [events, `${source.txId} ${op} ${version}`]
      assert.ok(!set.has(event), `${event} is there twice`)
      set.add(event)
    }
    const names = { INSERT: 'c', UPDATE: 'u', DELETE: 'd' }
    const history = (await this.#history('loose')).map(({ tx, op, old, new: made }) => {
      const version = String((made ?? old)!['version'])
      return { version, op: names[op], isSeen: events.delete(`${tx} ${names[op]} ${version}`) }
    })
    assert.deepEqual([...events], [], 'events of no change')
    const gone = new Set(history.filter(({ op, isSeen }) => op === 'd' && !isSeen).map(({ version }) => version))
    for (const { version, op, isSeen } of history)
      if (op === 'c')
        assert.equal(
          isSeen,
          !reads.has(version) && !gone.has(version),
          `${version}: seen ${isSeen}, read ${reads.has(version)}, gone ${gone.has(version)}`,
        )
    return `loose: ${history.filter(({ isSeen }) => isSeen).length} events and ${reads.size} rows read`
  }

  /** Large values that did not change, columns that came and went, dates before 1583. */
  async #details(prefix: string): Promise<string> {
    const values = (await this.#stage.read(`${prefix}.public.items`)).flatMap(({ value }) =>
      value === null ? [] : [JSON.parse(value.toString()) as Envelope],
    )
    const unchanged = values.filter(({ after }) => after?.['body'] === '__debezium_unavailable_value')
    assert.ok(unchanged.length > 0 && unchanged.every(({ op }) => op === 'u' || op === 'c'), 'unchanged large values')
    const days = new Set(values.filter(({ op, after }) => op === 'c' && after!['kind'] === 'click').map(({ after }) => after!['day']))
    assert.ok(days.has(-171_664), `1500-01-01 is ${[...days].join()}`)
    const added = values.filter(({ after }) => after !== null && 'added' in after)
    assert.ok(
      added.length > 0 && added.every(({ after }) => after!['added'] === 'new' && !('more' in after!)),
      'columns that came and went',
    )
    return `${unchanged.length} unchanged large values, ${added.length} rows with a new column`
  }

  /** Each has a begin and an end, and as many events as its end says. */
  async #transactions(prefix: string): Promise<string> {
    const counts = new Map<string, number>()
    for (const table of ['items', 'pairs', 'loose'])
      for (const { value } of await this.#stage.read(`${prefix}.public.${table}`)) {
        if (value === null) continue
        const { transaction } = JSON.parse(value.toString()) as { transaction: { id: string } | null }
        if (transaction !== null) counts.set(transaction.id.split(':')[0]!, (counts.get(transaction.id.split(':')[0]!) ?? 0) + 1)
      }
    const said = (await this.#stage.read(`${prefix}.transaction`)).map(
      ({ value }) => JSON.parse(value!.toString()) as { status: string; id: string; event_count: number },
    )
    const [begun, ended] = ['BEGIN', 'END'].map(status => said.filter(each => each.status === status))
    assert.equal(new Set(begun!.map(({ id }) => id.split(':')[0])).size, begun!.length, 'a transaction begins once')
    assert.equal(ended!.length, begun!.length)
    for (const { id, event_count: count } of ended!) assert.equal(count, counts.get(id.split(':')[0]!) ?? 0, `events of ${id}`)
    return `${ended!.length} transactions with their counts`
  }

  /** Rows are read once more because a signal says so, while they change and the worker is killed. */
  async signals(): Promise<string> {
    const prefix = unique('signals')
    await this.#stage.create('signals', this.#config(prefix, { 'snapshot.mode': 'no_data', 'incremental.snapshot.chunk.size': '300' }))
    await this.#stage.running('signals')
    await this.#caughtUp(prefix)
    const load = new Load(this.#database, 400, 10)
    await this.#database.ask(
      `insert into signals values ('1', 'execute-snapshot', '{"data-collections": ["public.items", "public.pairs"]}')`,
    )
    for (let kill = 0; kill < 3; kill++) {
      await sleep(1_500)
      await this.#act('kill')
    }
    await sleep(5_000)
    await load.stop()
    const rows = async () => Number((await this.#database.ask('select count(*) from items'))[0]!['count'])
    await until(
      () => 'the snapshot is done',
      async () => {
        const found = await this.#stage.offsets('signals')
        return found.length > 0 && found.every(offset => offset['incremental_snapshot'] === undefined)
      },
      120,
    )
    await this.#caughtUp(prefix)
    const records = await this.#stage.read(`${prefix}.public.items`)
    const { wrong, ...counts } = judge(records, await this.#history('items'), ['id'])
    assert.deepEqual([wrong, counts.readTwice], [[], 0])
    assert.ok(counts.reads > (await rows()) / 2, JSON.stringify(counts))
    await this.#stage.remove('signals')
    return `${counts.reads} rows read among ${counts.events} events, through 3 kills`
  }

  /** A slot whose tables do not change keeps no WAL, though others write. */
  async idle(): Promise<string> {
    const prefix = unique('idle')
    await this.#stage.create('idle', this.#config(prefix, { 'snapshot.mode': 'no_data', 'table.include.list': 'public.nothing' }))
    await this.#stage.running('idle')
    await this.#database.ask('create table noise (a text)')
    const lag = async () =>
      Number(
        (
          await this.#database.ask(
            'select pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) as lag from pg_replication_slots where slot_name = $1',
            [prefix.replaceAll('-', '_')],
          )
        )[0]?.['lag'] ?? Number.NaN,
      )
    for (let round = 0; round < 5; round++)
      await this.#database.ask(`insert into noise select repeat('x', 1000) from generate_series(1, 10000)`)
    let [most, now] = [0, 0]
    await until(
      () => `the slot keeps ${now} bytes of WAL`,
      async () => {
        now = await lag()
        most = Math.max(most, now)
        return now < 1_000_000
      },
      60,
    )
    await this.#stage.remove('idle')
    return `50 MB by other tables; the slot was at most ${Math.round(most / 1e6)} MB behind`
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map(item => [Math.random(), item] as const)
    .sort(([one], [other]) => one - other)
    .map(([, item]) => item)
}
