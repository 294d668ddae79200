import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSecret, realSystem } from '../base.ts'
import { connectors } from '../connectors.ts'
import { Plugins } from './plugins.ts'
import { filled, saysWhere } from './secrets.ts'

test('the names of all passwords of all connectors tell that they are some', async () => {
  let count = 0
  for (const listed of connectors)
    for (const [key, { type }] of Object.entries<{ type: string }>((await listed.load()).config))
      if (type === 'PASSWORD') {
        assert.ok(isSecret(key), `${listed.name}: ${key}`)
        count++
      }
  assert.ok(count > 20, `${count} passwords`)
  for (const key of ['connection.url', 'aws.access.key.id', 'access_id', 'http.authorization.type', 'ssl.keystore.location'])
    assert.ok(!isSecret(key), key)
})

test('the names of all addresses of all connectors tell that they are some', async () => {
  const isAddress = (text: string | null | undefined) => /:\/\/|localhost|127\.0\.0\.1/.test(text ?? '')
  let count = 0
  for (const listed of connectors) {
    const { config, example } = await listed.load()
    const keys = Object.keys(config)
    for (const key of keys.filter(each => isAddress(example[each]) || isAddress(config[each]!.default))) {
      assert.ok(saysWhere(key), `${listed.name}: ${key}`)
      count++
    }
    if (keys.some(key => config[key]!.type === 'PASSWORD')) assert.ok(keys.some(saysWhere), `${listed.name} has a password, and no address`)
  }
  assert.ok(count > 10, `${count} addresses`)
  for (const key of ['connectionUrl', 'redis.hosts', 'database.sslmode', 'value.converter.schema.registry.url', 'kafka.security.protocol'])
    assert.ok(saysWhere(key), key)
  for (const key of ['topics', 'tasks.max', 'batch.size', 'enhanced.avro.schema.support', 'ssl.key.password', 'errors.tolerance'])
    assert.ok(!saysWhere(key), key)
})

test('a hidden value is kept while what says where it goes is as it was', async () => {
  const plugins = Plugins.own()
  const registry = 'value.converter.schema.registry.url'
  const stored = {
    ...{ 'connector.class': 'http', 'http.url': 'https://a.example/x', 'http.headers.authorization': 'Bearer 1', topics: 'orders' },
    ...{ 'value.converter': 'avro', [registry]: 'https://r.example', 'value.converter.basic.auth.user.info': 'u:p' },
    'producer.override.sasl.jaas.config': 'x',
  }
  const [header, login, jaas] = [
    'http.headers.authorization',
    'value.converter.basic.auth.user.info',
    'producer.override.sasl.jaas.config',
  ] as const
  const sent = { ...stored, [header]: '[hidden]', [login]: '[hidden]', [jaas]: '[hidden]' }
  const lost = async (changes: Record<string, string | null>, before: Record<string, string> | null = stored) =>
    [...(await filled({ ...sent, ...changes }, before, plugins)).lost.keys()].sort()
  assert.deepEqual((await filled({ ...sent, topics: 'others' }, stored, plugins)).config, { ...stored, topics: 'others' })
  assert.deepEqual(await lost({ 'http.url': 'https://b.example/x' }), [header])
  assert.deepEqual(await lost({ 'ssl.verify': 'false' }), [header])
  assert.deepEqual(await lost({ 'oauth2.access.token.url': 'https://b.example' }), [header], 'also what was not given before')
  assert.deepEqual(await lost({ 'http.url': null }), [header], 'or is not given any more')
  assert.deepEqual(await lost({ [registry]: 'https://b.example' }), [login])
  assert.deepEqual(await lost({ 'value.converter': 'json' }), [login])
  assert.deepEqual(await lost({ 'producer.override.bootstrap.servers': 'b.example:9092' }), [jaas])
  assert.deepEqual(await lost({ 'connector.class': 'file-sink' }), [header, jaas, login])
  assert.deepEqual(await lost({}, null), [header, jaas, login], 'nothing is stored')
  assert.equal((await filled({ ...sent, 'http.url': 'https://b.example' }, stored, plugins)).config[header], undefined)
})

test('where no name tells, every text may be what says where', async () => {
  const definition = new URL('./silent-plugin.testing.ts', import.meta.url).pathname
  const plugins = await Plugins.open([definition], realSystem())
  const stored = { 'connector.class': 'silent', aim: 'a', level: '1', pin: 'p', topics: 'orders' }
  const sent = { ...stored, pin: '[hidden]' }
  const kept = async (changes: Record<string, string>) => (await filled({ ...sent, ...changes }, stored, plugins)).config['pin']
  assert.equal(await kept({ level: '2', topics: 'others' }), 'p')
  assert.equal(await kept({ aim: 'b' }), undefined)
  await plugins.close()
})
