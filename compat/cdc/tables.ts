/** Tables of PostgreSQL that keep the history of their own changes, and a load that changes them, through crashes of the server. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

export interface Address {
  readonly port: number
  readonly user: string
  readonly password: string
}

/** `items`: a key, large values that are stored apart. `pairs`: a key of two columns, whole rows before a change. `loose`: no key. */
const definition = `
  create type kind as enum ('click', 'view');
  create table items (id bigint primary key, version bigint not null, amount numeric(12,2), day date, kind kind, tags text[], body text, more int);
  alter table items alter column body set storage external;
  create table pairs (a int, b text, version bigint not null, note text, primary key (b, a));
  alter table pairs replica identity full;
  create table loose (version bigint not null, note text);
  alter table loose replica identity full;
  create table signals (id text, type text, data text);
  create table history (seq bigserial primary key, tx bigint not null default txid_current(), tab text, op text, old jsonb, new jsonb);
  create sequence versions;
  create function keep() returns trigger language plpgsql as $$ begin
    insert into history (tab, op, old, new) values (tg_table_name, tg_op, to_jsonb(old), to_jsonb(new)); return null;
  end $$;
  create trigger keep after insert or update or delete on items for each row execute function keep();
  create trigger keep after insert or update or delete on pairs for each row execute function keep();
  create trigger keep after insert or update or delete on loose for each row execute function keep();`

export type Row = Record<string, unknown>

export class Database {
  readonly #address: Address

  constructor(address: Address) {
    this.#address = address
  }

  async connect(): Promise<pg.Client> {
    const { port, user, password } = this.#address
    const client = new pg.Client({ host: '127.0.0.1', port, user, password, database: 'postgres' })
    client.on('error', () => {}) // its next query fails
    await client.connect()
    return client
  }

  async ask(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    const client = await this.connect()
    try {
      return (await client.query(sql, values as unknown[])).rows as Row[]
    } finally {
      await client.end()
    }
  }

  async create(rows: number): Promise<void> {
    await this.ask(definition)
    await this.ask(
      `insert into items select i, nextval('versions'), i / 100.0, date '2026-11-30' - i::int, 'view', array['a', 'b ' || i], 'body ' || i, null
       from generate_series(1, ${rows}) i`,
    )
    await this.ask(`insert into pairs select i, 'b' || i, nextval('versions'), 'note' from generate_series(1, ${rows / 10}) i`)
  }
}

const pick = <T>(from: readonly T[]): T => from[Math.floor(Math.random() * from.length)]!
const below = (bound: number) => Math.floor(Math.random() * bound)
const version = `nextval('versions')`

/** Statements that are one transaction; `keys`: of rows that there may be. */
function transaction(keys: number): string[] {
  const id = () => below(keys)
  const kinds: (() => string)[] = [
    () =>
      `insert into items (id, version, amount, day, kind, body) values (${id()}, ${version}, ${below(1e6) / 100}, '1500-01-01', 'click', repeat('x', 5000)) on conflict do nothing`,
    () =>
      `insert into items (id, version, tags) select i, ${version}, array[]::text[] from generate_series(${id()}, ${id()} + 5) i limit 8 on conflict do nothing`,
    () => `update items set version = ${version}, amount = amount + 1 where id = ${id()}`,
    () => `update items set version = ${version}, body = repeat('y', 4000) where id = ${id()}`,
    () => `update items set version = ${version} where id between ${id()} and ${id()} and id % 7 = ${below(7)} and id < ${id()} + 10`,
    () => `update items set version = ${version}, id = ${keys} + nextval('versions') where id = ${id()}`,
    () => `delete from items where id = ${id()}`,
    () => `insert into pairs values (${id()}, 'b${id()}', ${version}, 'n') on conflict do nothing`,
    () => `update pairs set version = ${version}, note = 'changed' where a = ${id()}`,
    () => `update pairs set version = ${version}, a = -${version} where a = ${id()}`,
    () => `delete from pairs where a = ${id()}`,
    () => `insert into loose values (${version}, 'l')`,
    () => `delete from loose where version % 50 = ${below(50)}`,
  ]
  return Array.from({ length: 1 + below(6) }, () => pick(kinds)())
}

/** Changes rows until it is told to stop, with several connections at once; some transactions are rolled back, wholly or in part. */
export class Load {
  readonly #database: Database
  readonly #keys: number
  readonly #pauseMs: number
  readonly #running: Promise<void>[]
  #isStopping = false
  transactions = 0
  readonly refused: string[] = []

  constructor(database: Database, keys: number, pauseMs: number) {
    this.#database = database
    this.#keys = keys
    this.#pauseMs = pauseMs
    this.#running = [1, 2, 3].map(() => this.#run())
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        const client = await this.#database.connect()
        try {
          while (!this.#isStopping) await this.#once(client)
        } finally {
          await client.end()
        }
      } catch (error) {
        // The server was killed; what it had committed is in the history.
        if (!/terminat|ECONN|recovery|starting up|shutting down|accepting|queryable/.test((error as Error).message))
          this.refused.push((error as Error).message)
        await sleep(200)
      }
    }
  }

  async #once(client: pg.Client): Promise<void> {
    await client.query('begin')
    try {
      const [first, ...rest] = transaction(this.#keys)
      await client.query(first!)
      if (rest.length > 0) await client.query(`savepoint s`)
      for (const statement of rest) await client.query(statement)
      if (rest.length > 0 && below(5) === 0) await client.query('rollback to s')
      await client.query(below(10) === 0 ? 'rollback' : 'commit')
    } catch (error) {
      // Deadlocks and keys that are taken.
      if (!/deadlock|duplicate key/.test((error as Error).message)) throw error
      await client.query('rollback')
    }
    this.transactions++
    await sleep(this.#pauseMs)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await Promise.all(this.#running)
  }
}
