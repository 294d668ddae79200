import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SinkDefinition } from '../connector.ts'
import { openSink, problemsIn, valuesOf } from '../connector-testing.ts'
import { clickhouse } from './clickhouse/clickhouse.ts'
import { hbase } from './hbase/hbase.ts'
import { http } from './http/http.ts'
import { jdbc } from './jdbc/jdbc.ts'
import { maxcompute } from './maxcompute/maxcompute.ts'
import { mongodb } from './mongodb/mongodb.ts'
import { opentsdb } from './opentsdb/opentsdb.ts'
import { redis } from './redis/redis.ts'

const required: readonly (readonly [definition: SinkDefinition, keys: readonly string[]])[] = [
  [hbase, ['hbase.rest.url']],
  [opentsdb, ['connection.url', 'metric.tags']],
  [maxcompute, ['tunnel_endpoint', 'project', 'table', 'access_id', 'access_key']],
  [http, ['http.url']],
  [jdbc, ['connection.url']],
  [clickhouse, ['hostname']],
  [mongodb, ['connection.uri', 'database']],
  [redis, []],
]

test('the example of each sink is valid, and what is missing is named', async () => {
  for (const [definition, keys] of required) {
    const problems = async (config: Readonly<Record<string, string>>) => [...(await problemsIn(definition, config)).keys()]
    assert.deepEqual(await problems(definition.example), [], definition.name)
    for (const key of keys) {
      const { [key]: _, ...rest } = definition.example
      const named = key === 'tunnel_endpoint' ? 'endpoint' : key
      assert.deepEqual(await problems(rest), [named], `${definition.name} without ${key}`)
      await assert.rejects(openSink(definition, rest), new RegExp(named.replaceAll('.', '\\.')), `${definition.name} without ${key}`)
    }
  }
})

test('secrets are passwords', () => {
  for (const [definition] of required)
    for (const [name, key] of Object.entries(definition.config))
      if (/(?:password|secret|_key|token|\.uri|headers\.authorization)$/.test(name) && name !== 'redis.uri')
        assert.equal(key.type, 'PASSWORD', `${definition.name} ${name}`)
})

const wrong: readonly (readonly [definition: SinkDefinition, key: string, value: string])[] = [
  [hbase, 'hbase.rest.url', 'hbase:8080'],
  [hbase, 'row.key', '${nothing}'],
  [hbase, 'column.mapping', 'a=b'],
  [hbase, 'max.batch.size', '0'],
  [opentsdb, 'metric.tags', 'host'],
  [opentsdb, 'illegal.characters.replacement', '__'],
  [maxcompute, 'time_zone', 'Mars'],
  [maxcompute, 'column.mapping', 'a'],
  [http, 'http.headers.additional', 'no header'],
  [http, 'retry.on.status.codes', '99'],
  [jdbc, 'connection.url', 'jdbc:oracle:thin:@x'],
  [jdbc, 'connection.url', 'jdbc:postgresql://h/d?user=u&password=secret'],
  [jdbc, 'pk.mode', 'value'],
  [clickhouse, 'topic2TableMap', 'a'],
  [mongodb, 'document.id.strategy', 'NoStrategy'],
  [redis, 'redis.command', 'GET'],
  [redis, 'redis.uri', 'redis://:secret@h'],
]

test('values that cannot be are refused by their keys', async () => {
  for (const [definition, key, value] of wrong)
    assert.throws(
      () => valuesOf(definition.config, { ...definition.example, [key]: value }),
      { name: 'InvalidConfig', key },
      `${key}=${value}`,
    )
})

test('keys that do not go together are refused', async () => {
  const together: readonly (readonly [SinkDefinition, Readonly<Record<string, string>>, string])[] = [
    [http, { 'batching.enabled': 'true', 'http.url': 'http://h/${key}' }, 'http.url'],
    [http, { 'http.authorization.type': 'oauth2' }, 'oauth2.client.secret'],
    [jdbc, { 'pk.mode': 'none' }, 'pk.mode'],
    [jdbc, { 'delete.enabled': 'true' }, 'delete.enabled'],
    [jdbc, { 'pk.fields': 'a,b' }, 'pk.fields'],
    [mongodb, { 'document.id.strategy': 'BsonOidStrategy' }, 'delete.on.null.values'],
    [mongodb, { 'document.id.strategy': 'PartialKeyStrategy' }, 'document.id.strategy.partial.key.projection.type'],
    [redis, { 'redis.command': 'XADD', 'redis.key': '' }, 'redis.key'],
  ]
  for (const [definition, changed, key] of together) {
    const problems = await definition.check!(valuesOf(definition.config, { ...definition.example, ...changed }))
    assert.ok(problems.has(key), `${definition.name}: ${key} in ${[...problems.keys()]}`)
  }
})
