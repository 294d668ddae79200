import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readValues } from '../../base.ts'
import { Decimal, logical, type SinkRecord, struct } from '../../connector.ts'
import { openSink, sinkRecord } from '../../connector-testing.ts'
import { TopicNames } from '../topic-names.ts'
import { addressOf } from './address.ts'
import { type Database, DatabaseError, type Dialect, type TableColumn } from './database.ts'
import { jdbc } from './jdbc.ts'
import { type Config, keys } from './keys.ts'
import { mysqlDialect } from './mysql.ts'
import { StoredOffsets } from './offsets.ts'
import { Operations } from './operations.ts'
import { postgresDialect } from './postgres.ts'
import { areAlike, quoted, Statements } from './statements.ts'
import { Tables } from './tables.ts'

function configOf(config: Readonly<Record<string, string>>): Config {
  return readValues(keys, { 'connection.url': 'jdbc:postgresql://h/d', ...config })
}

/** Remembers statements; tables are as they are told to be. */
class FakeDatabase implements Database {
  readonly dialect: Dialect
  readonly asked: [sql: string, values: readonly unknown[]][] = []
  readonly tables_ = new Map<string, TableColumn[]>()
  count = 1

  constructor(dialect: Dialect) {
    this.dialect = dialect
  }

  async query(sql: string, values: readonly unknown[] = []) {
    this.asked.push([sql, values])
    const created = /^CREATE TABLE (\S+) \((.*)\)$/.exec(sql)
    if (created !== null) {
      if (this.tables_.has(created[1]!)) throw new DatabaseError('other', new Error('it is there'))
      const columns = created[2]!.matchAll(/"([^"]+)" ([^,]+)/g)
      this.tables_.set(
        created[1]!,
        [...columns].map(([, name, type]) => ({ name: name!, type: type!.toLowerCase(), isNullable: true })),
      )
    }
    for (const [, table, name] of sql.matchAll(/^ALTER TABLE (\S+) ADD COLUMN "([^"]+)"/g))
      this.tables_.get(table!)!.push({ name: name!, type: 'text', isNullable: true })
    return { rows: [], count: this.count }
  }

  async columns(table: string) {
    return this.tables_.get(table) ?? null
  }

  async tables() {
    return [...this.tables_.keys()]
  }

  async read() {
    return { columns: [], rows: [] }
  }

  async *pages() {}

  async close() {}
}

async function statementsFor(
  dialect: Dialect,
  config: Readonly<Record<string, string>>,
  records: readonly SinkRecord[],
  types: Readonly<Record<string, string>>,
) {
  const database = new FakeDatabase(dialect)
  const whole = configOf(config)
  const operations = records.map(record => new Operations(whole).of(record))
  const columns = new Map(Object.entries(types).map(([name, type]) => [name, { name, type, isNullable: true }]))
  await new Statements(database, whole).run({ table: quoted(dialect, operations[0]!.table, true), operations, columns })
  return database.asked
}

const order = (offset: bigint, id: number, name: string | null) =>
  sinkRecord({
    topic: 'shop.orders',
    offset,
    key: struct([['id', id]]),
    value: struct([
      ['id', id],
      ['name', name],
    ]),
  })
const types = { id: 'bigint', name: 'text' }
const byKey = { 'pk.mode': 'record_key', 'pk.fields': 'id' }

test('URLs of JDBC and of the databases themselves are understood', () => {
  assert.deepEqual(addressOf('jdbc:postgresql://db:6000/shop?currentSchema=app&sslmode=require&user=me'), {
    kind: 'postgresql',
    host: 'db',
    port: 6000,
    database: 'shop',
    user: 'me',
    tls: { isVerified: false },
    schema: 'app',
  })
  assert.deepEqual(addressOf('mysql://me@[::1]/my%20shop?useSSL=true'), {
    kind: 'mysql',
    host: '::1',
    port: 3306,
    database: 'my shop',
    user: 'me',
    tls: { isVerified: true },
    schema: null,
  })
  assert.equal(addressOf('jdbc:mariadb://h:80/d').port, 80)
  for (const wrong of ['', 'jdbc:oracle:thin:@h', 'postgresql:/h', 'http://h/d']) assert.throws(() => addressOf(wrong), SyntaxError, wrong)
})

test('rows are inserted with one statement, and replaced by their keys, the last of each', async () => {
  const records = [order(0n, 1, 'a'), order(1n, 2, null), order(2n, 1, 'b')]
  const insert = 'INSERT INTO "shop"."orders" ("id","name") '
  const lists = `${insert}SELECT * FROM unnest($1::bigint[],$2::text[])`
  assert.deepEqual(await statementsFor(postgresDialect('"'), byKey, records, types), [[lists, ['{"1","2","1"}', '{"a",NULL,"b"}']]])
  assert.deepEqual(await statementsFor(postgresDialect('"'), { ...byKey, 'insert.mode': 'upsert' }, records, types), [
    [`${lists} ON CONFLICT ("id") DO UPDATE SET "name"=EXCLUDED."name"`, ['{"2","1"}', '{NULL,"b"}']],
  ])
  // A cast to character(3)[] would cut off what is too long; the assignment of a value refuses it.
  assert.deepEqual(await statementsFor(postgresDialect('"'), byKey, records, { ...types, name: 'character(3)' }), [
    [`${insert}VALUES ($1,$2),($3,$4),($5,$6)`, ['1', 'a', '2', null, '1', 'b']],
  ])
  assert.deepEqual(await statementsFor(mysqlDialect('`'), { ...byKey, 'insert.mode': 'upsert' }, records, types), [
    ['INSERT INTO `shop`.`orders` (`id`,`name`) VALUES (?,?),(?,?) ON DUPLICATE KEY UPDATE `name`=VALUES(`name`)', ['2', null, '1', 'b']],
  ])
  assert.deepEqual(await statementsFor(postgresDialect(''), { ...byKey, 'insert.mode': 'update' }, records.slice(0, 1), types), [
    ['UPDATE shop.orders SET name=$1 WHERE id=$2', ['a', '1']],
  ])
})

test('lists keep what their texts are written with, and are not longer than a text can be', async () => {
  const hard = ['', 'NULL', '{a,b}', 'a"b\\c', ' x '].map((text, index) => order(BigInt(index), index, text))
  assert.deepEqual((await statementsFor(postgresDialect('"'), byKey, hard, { ...types, name: 'character varying(40)' }))[0], [
    'INSERT INTO "shop"."orders" ("id","name") SELECT * FROM unnest($1::bigint[],$2::character varying[])',
    ['{"0","1","2","3","4"}', '{"","NULL","{a,b}","a\\"b\\\\c"," x "}'],
  ])
  const bytes = sinkRecord({
    topic: 'o',
    value: struct([
      ['id', true],
      ['name', Buffer.from('\\a')],
    ]),
  })
  const [[, values]] = (await statementsFor(postgresDialect('"'), {}, [bytes], { id: 'boolean', name: 'bytea' })) as [[string, unknown[]]]
  assert.deepEqual(values, ['{"true"}', '{"\\\\x5c61"}'])
  const asText = (await statementsFor(postgresDialect('"'), {}, [bytes], { id: 'boolean', name: 'text' }))[0]!
  assert.deepEqual(asText[1], ['{"true"}', '{"\\\\a"}'])
  const noText = sinkRecord({ topic: 'o', value: struct([['name', Buffer.from([0xff])]]) })
  await assert.rejects(statementsFor(postgresDialect('"'), {}, [noText], { name: 'text' }), { name: 'DatabaseError', kind: 'row' })
  const large = [0, 1, 2, 3].map(index => order(BigInt(index), index, 'x'.repeat(20 * 2 ** 20)))
  assert.deepEqual(
    (await statementsFor(postgresDialect('"'), byKey, large, types)).map(([, lists]) => lists[0]),
    ['{"0","1"}', '{"2","3"}'],
  )
})

test('a tombstone deletes by its key', async () => {
  const tombstones = [1, 2].map(id => sinkRecord({ topic: 'o', key: struct([['id', id]]) }))
  assert.deepEqual(await statementsFor(postgresDialect('"'), { ...byKey, 'delete.enabled': 'true' }, tombstones, types), [
    ['DELETE FROM "o" WHERE ("id"=$1) OR ("id"=$2)', ['1', '2']],
  ])
  assert.throws(() => new Operations(configOf(byKey)).of(tombstones[0]!), { name: 'DataError' })
})

test('primary keys come from where pk.mode says', () => {
  const keysOf = (config: Readonly<Record<string, string>>, record: SinkRecord) =>
    new Operations(configOf(config)).of(record).keys.map(({ name, typed }) => [name, typed.value])
  const record = order(7n, 1, 'a')
  assert.deepEqual(keysOf({}, record), [])
  assert.deepEqual(keysOf({ 'pk.mode': 'kafka' }, record), [
    ['__connect_topic', 'shop.orders'],
    ['__connect_partition', 0],
    ['__connect_offset', 7n],
  ])
  assert.deepEqual(
    keysOf({ 'pk.mode': 'kafka', 'pk.fields': 'a,b,c' }, record).map(([name]) => name),
    ['a', 'b', 'c'],
  )
  assert.deepEqual(keysOf({ 'pk.mode': 'record_key' }, record), [['id', 1]])
  assert.deepEqual(keysOf({ 'pk.mode': 'record_key', 'pk.fields': 'k' }, sinkRecord({ key: 'x', value: struct([['a', 1]]) })), [['k', 'x']])
  assert.deepEqual(keysOf({ 'pk.mode': 'record_value', 'pk.fields': 'name' }, record), [['name', 'a']])
  for (const [config, bad] of [
    [{ 'pk.mode': 'record_key' }, sinkRecord({ value: struct([['a', 1]]) })],
    [{ 'pk.mode': 'record_key' }, sinkRecord({ key: 'x', value: struct([['a', 1]]) })],
    [{ 'pk.mode': 'record_value', 'pk.fields': 'gone' }, record],
    [{}, sinkRecord({ value: 'text' })],
  ] as const)
    assert.throws(() => keysOf(config, bad), { name: 'DataError' })
})

test('only the fields of the whitelist are columns, and the primary key', () => {
  const operation = new Operations(configOf({ ...byKey, 'fields.whitelist': 'name' })).of(
    sinkRecord({
      key: struct([['id', 1]]),
      value: struct([
        ['id', 1],
        ['name', 'a'],
        ['other', 2],
      ]),
    }),
  )
  assert.deepEqual(
    operation.others.map(({ name }) => name),
    ['name'],
  )
  assert.equal(areAlike(operation, { ...operation, others: [] }), false)
})

test('values are as each database takes them, exactly', async () => {
  const valueSchema = {
    type: 'struct',
    fields: [
      { name: 'price', schema: { type: 'bytes' as const, name: logical.decimal } },
      { name: 'day', schema: { type: 'int32' as const, name: logical.date } },
      { name: 'clock', schema: { type: 'int32' as const, name: logical.time } },
      { name: 'at', schema: { type: 'int64' as const, name: 'io.debezium.time.MicroTimestamp' } },
      { name: 'big', schema: { type: 'int64' as const } },
      { name: 'raw', schema: { type: 'bytes' as const } },
      { name: 'list', schema: { type: 'array' as const, items: { type: 'int32' as const } } },
      { name: 'map', schema: { type: 'map' as const, values: { type: 'string' as const } } },
      { name: 'yes', schema: { type: 'boolean' as const } },
    ],
  } as const
  const value = struct([
    ['price', new Decimal(-5n, 2)],
    ['day', -141_428],
    ['clock', 3_723_004],
    ['at', 1_000_001n],
    ['big', -(2n ** 63n)],
    ['raw', Buffer.from([1])],
    ['list', [1, 2]],
    ['map', new Map([['a', 'b']])],
    ['yes', true],
  ])
  const record = sinkRecord({ value, valueSchema })
  const postgres = {
    price: 'numeric',
    day: 'date',
    clock: 'time',
    at: 'timestamp with time zone',
    big: 'bigint',
    raw: 'bytea',
    list: 'integer[]',
    map: 'jsonb',
    yes: 'boolean',
  }
  const [[, sent]] = (await statementsFor(postgresDialect('"'), { 'db.timezone': 'Asia/Shanghai' }, [record], postgres)) as [
    [string, unknown[]],
  ]
  assert.deepEqual(sent, [
    '-0.05',
    '1582-10-14',
    '01:02:03.004',
    '1970-01-01 08:00:01.000001+08:00',
    '-9223372036854775808',
    Buffer.from([1]),
    ['1', '2'],
    '{"a":"b"}',
    true,
  ])
  const mysql = {
    price: 'decimal(10,2)',
    day: 'date',
    clock: 'time(6)',
    at: 'datetime(6)',
    big: 'bigint',
    raw: 'longblob',
    list: 'json',
    map: 'json',
    yes: 'tinyint(1)',
  }
  const [[, other]] = (await statementsFor(mysqlDialect('`'), {}, [record], mysql)) as [[string, unknown[]]]
  assert.deepEqual(other, [
    '-0.05',
    '1582-10-14',
    '01:02:03.004',
    '1970-01-01 00:00:01.000001',
    '-9223372036854775808',
    Buffer.from([1]),
    '[1,2]',
    '{"a":"b"}',
    1,
  ])
})

test('tables are created and evolved where that is allowed', async () => {
  const config = configOf({ ...byKey, 'auto.create': 'true', 'auto.evolve': 'true' })
  const database = new FakeDatabase(postgresDialect('"'))
  const tables = new Tables(database, config)
  const operation = (names: readonly string[]) =>
    new Operations(config).of(sinkRecord({ key: struct([['id', 1n]]), value: struct(names.map(name => [name, 'x'])) }))
  await tables.columnsFor(operation(['a']))
  await tables.columnsFor(operation(['a']))
  await tables.columnsFor(operation(['a', 'b']))
  assert.deepEqual(
    database.asked.map(([sql]) => sql),
    ['CREATE TABLE "t" ("id" BIGINT NOT NULL, "a" TEXT NULL, PRIMARY KEY ("id"))', 'ALTER TABLE "t" ADD COLUMN "b" TEXT NULL'],
  )
  const strict = new Tables(database, configOf(byKey))
  await assert.rejects(strict.columnsFor(operation(['c'])), { name: 'DataError', message: /missing fields \(c\)/ })
  await assert.rejects(strict.columnsFor({ ...operation(['a']), table: 'none' }), {
    name: 'Error',
    message: 'Table "none" is missing and auto-creation is disabled',
  })
})

test('offsets that another task has moved on stop the transaction', async () => {
  const database = new FakeDatabase(postgresDialect('"'))
  const offsets = new StoredOffsets(database, configOf({}), 'c')
  await offsets.advance([{ topic: 't', partition: 1, first: 5n, next: 8n }])
  assert.deepEqual(database.asked[0]![1], ['8', 'c', 't', 1, '5'])
  database.count = 0
  await assert.rejects(offsets.advance([{ topic: 't', partition: 1, first: 5n, next: 8n }]), /another task/)
})

test('the offsets of a topic are not those of another one with its name', async () => {
  const database = new FakeDatabase(postgresDialect('"'))
  const names = new TopicNames()
  const offsets = new StoredOffsets(database, configOf({}), 'c', names)
  for (const topicId of ['before', 'after']) {
    names.opened([{ topic: 't', partition: 1, topicId }])
    await offsets.of([{ topic: 't', partition: 1 }])
    await offsets.advance([{ topic: 't', partition: 1, first: 5n, next: 8n }])
  }
  assert.deepEqual(
    database.asked.map(([, values]) => values![values!.indexOf('c') + 1]),
    ['t:before', 't:before', 't:before', 't:after', 't:after', 't:after'],
  )
})

test('a database that is away is tried again, and the task fails in the end', async () => {
  const { task } = await openSink(jdbc, {
    'connection.url': 'jdbc:postgresql://127.0.0.1:1/d',
    'max.retries': '1',
    'retry.backoff.ms': '7',
  })
  await assert.rejects(task.opened!([{ topic: 't', partition: 0 }]), { name: 'RetriableError', retryAfterMs: 7 })
  await assert.rejects(task.put([order(0n, 1, 'a')]), { name: 'Error', message: /also after 1 retries/ })
  await task.close()
})
