import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem, Turns } from '../base.ts'
import { connectors } from '../connectors.ts'
import { similarConnector } from './foreign-classes.ts'
import { describe, ignoredKeys, refusedKeys } from './known-keys.ts'

const definitions = await Promise.all(connectors.map(each => each.load()))

type Properties = Readonly<Record<string, string>>

async function keysOf(className: string, given: Properties): Promise<{ refused: ReadonlyMap<string, string>; ignored: string[] }> {
  const definition = definitions.find(each => each.name === className || each.classes.some(name => name.endsWith(`.${className}`)))!
  const refused = await refusedKeys(definition, given, describe(definition, given), new Turns(realSystem()))
  return { refused, ignored: ignoredKeys(definition, given).filter(key => !refused.has(key)) }
}

/** What the documentation of the Java connectors shows, with the keys that are refused here. */
const documented: readonly (readonly [className: string, given: Properties, refused: readonly string[], ignored?: readonly string[]])[] = [
  [
    'S3SinkConnector',
    { 'flush.size': '3', 'store.kafka.keys': 'true', 'store.kafka.headers': 'false', 's3.proxy.url': '', 'hive.integration': 'false' },
    ['store.kafka.keys'],
    ['store.kafka.headers', 's3.proxy.url', 'hive.integration'],
  ],
  ['ElasticsearchSinkConnector', { 'type.name': '_doc', 'key.ignore': 'true', 'proxy.host': 'p' }, ['proxy.host']],
  ['JdbcSinkConnector', { 'pk.mode': 'record_key', 'timestamp.fields.list': 'a' }, ['timestamp.fields.list']],
  ['JdbcSourceConnector', { mode: 'bulk', 'schema.pattern': 'public', 'query.suffix': 'LIMIT 1' }, ['schema.pattern', 'query.suffix']],
  [
    'HttpSinkConnector',
    { 'http.api.url': 'http://h', 'request.method': 'post', headers: 'a:b' },
    ['http.api.url', 'headers'],
    ['request.method'],
  ],
  [
    'MongoSinkConnector',
    { 'key.projection.type': 'none', 'field.renamer.mapping': '[]', 'topic.override.a.collection': 'c', 'change.data.capture.handler': '' },
    ['topic.override.a.collection'],
    ['key.projection.type', 'field.renamer.mapping', 'change.data.capture.handler'],
  ],
  ['ClickHouseSinkConnector', { exactlyOnce: 'true', bufferCount: '0' }, ['exactlyOnce'], ['bufferCount']],
  [
    'RedisSinkConnector',
    { 'redis.type': 'HASH', 'redis.keyspace': '', 'redis.key.ttl': '-1' },
    ['redis.type', 'redis.keyspace'],
    ['redis.key.ttl'],
  ],
  [
    'IcebergSinkConnector',
    { 'iceberg.tables.route-field': 'type', 'iceberg.table.a.b.route-regex': 'x', 'iceberg.kafka.group.id': 'g' },
    ['iceberg.tables.route-field', 'iceberg.table.a.b.route-regex'],
    ['iceberg.kafka.group.id'],
  ],
  ['HBaseSinkConnector', { 'hbase.zookeeper.quorum': 'h', 'auto.create.tables': 'true' }, ['hbase.zookeeper.quorum']],
  [
    'PostgresConnector',
    {
      ...{ name: 'n', 'transforms.a.type': 'x', 'topic.creation.default.partitions': '3', 'errors.tolerance': 'all' },
      ...{ 'schema.refresh.mode': 'columns_diff', 'slot.max.retries': '6', 'database.history.x': 'y', 'schema.whatever': 'z' },
      ...{ 'column.mask.hash.SHA-256.with.salt.x': 'a', 'table.include.lists': 'x', 'snapshot.select.statement.overrides': 'x' },
    },
    [
      'database.history.x',
      'schema.whatever',
      'column.mask.hash.SHA-256.with.salt.x',
      'table.include.lists',
      'snapshot.select.statement.overrides',
    ],
    ['transforms.a.type'],
  ],
  [
    'MySqlConnector',
    {
      ...{ 'schema.history.internal.kafka.topic': 'x', 'schema.history.internal.consumer.x': 'y' },
      ...{ 'database.server.name': 'x', 'database.whitelist': 'x', 'gtid.source.includes': 'x' },
    },
    ['database.server.name', 'database.whitelist', 'gtid.source.includes'],
    ['schema.history.internal.consumer.x'],
  ],
]

test('keys of Java connectors that would change what is written are refused, and with values that change nothing ignored', async () => {
  for (const [className, given, refused, ignored = []] of documented) {
    const found = await keysOf(className, given)
    assert.deepEqual([...found.refused.keys()], refused, className)
    assert.deepEqual(found.ignored.sort(), [...ignored].sort(), className)
    for (const [key, problem] of found.refused) assert.ok(problem.startsWith(`${key} is not `), problem)
  }
})

test('what a refusal speaks of is no key of the connector, and keys that it advises are', () => {
  for (const { name, config, refuses = [] } of definitions) {
    const found = describe(definitions.find(each => each.name === name)!, {})
    for (const { key, why } of refuses) {
      for (const declared of Object.keys(config))
        assert.ok(!key.test(declared) || why === 'it is no key of this connector', `${name}: ${declared}`)
      for (const [, advised] of why.matchAll(/\bgive (?:it as |settings in )?([a-z]\w*(?:\.[a-z\d.-]+)+|clickhouseSettings)/g))
        assert.ok(found.has(advised!), `${name} has no ${advised}`)
    }
  }
})

test('misspelled keys are refused, unless the connector is one of Kafka, and what clients and converters have is not looked at', async () => {
  const meant = async (className: string, key: string) =>
    /did you mean (\S+)\?$/.exec((await keysOf(className, { [key]: 'x' })).refused.get(key) ?? '')?.[1]
  assert.equal(await meant('s3', 'flush_size'), 'flush.size')
  assert.equal(await meant('s3', 'task.max'), 'tasks.max')
  assert.equal(await meant('s3', 'error.tolerance'), 'errors.tolerance')
  assert.equal(await meant('postgresql-cdc', 'database.hostnam'), 'database.hostname')
  assert.equal(await meant('FileStreamSinkConnector', 'topic'), undefined)
  assert.equal(await meant('s3', 'confluent.license'), undefined)
  assert.deepEqual(
    (await keysOf('s3', { 'consumer.override.max.poll.records': '1', 'value.converter.x': 'y', 'task.class': 'x', _comment: 'z' })).ignored,
    ['_comment'],
  )
})

test('for Java connectors that are not there the one that does the like is named', () => {
  const similar: Properties = {
    'io.aiven.kafka.connect.s3.AivenKafkaConnectS3SinkConnector': 's3',
    'io.confluent.connect.gcs.GcsSinkConnector': 's3',
    'com.datastax.oss.kafka.sink.CassandraSinkConnector': 'null',
    'io.debezium.connector.jdbc.JdbcSinkConnector': 'jdbc',
    'io.debezium.connector.oracle.OracleConnector': 'null',
    'io.lenses.streamreactor.connect.aws.s3.source.S3SourceConnector': 's3-source',
    'com.github.jcustenborder.kafka.connect.spooldir.SpoolDirCsvSourceConnector': 'files',
    'io.confluent.connect.replicator.ReplicatorSourceConnector': 'mirror-source',
    nowhere: 'null',
  }
  for (const [className, name] of Object.entries(similar)) {
    assert.equal(String(similarConnector(className)), name, className)
    if (name !== 'null')
      assert.ok(
        definitions.some(each => each.name === name),
        name,
      )
  }
})
