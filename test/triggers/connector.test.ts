/** What a function returns, written by a sink connector. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startTriggers, type Triggers, until } from './triggers.testing.ts'

let triggers: Triggers
const directory = mkdtempSync(join(tmpdir(), 'millrace-sink-'))
before(async () => {
  triggers = await startTriggers()
})
after(async () => {
  await triggers[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

test('records of a function go to a file', async () => {
  await triggers.client.createTopic({ name: 'lines', partitions: 1 })
  const file = join(directory, 'lines.txt')
  const code = 'export const main_handler = event => event.Records.map(({ Ckafka }) => Ckafka.msgBody.toUpperCase())'
  await triggers.create('to-file', {
    topics: ['lines'],
    start: 'oldest',
    maxWaitMs: 0,
    function: { code },
    output: { connector: 'file-sink', config: { file } },
  })
  await triggers.client.send('lines', [
    { key: null, value: Buffer.from('a') },
    { key: null, value: Buffer.from('b') },
  ])
  await until(() => existsSync(file) && readFileSync(file, 'utf8').split('\n').length > 2)
  assert.equal(readFileSync(file, 'utf8'), 'A\nB\n')
})

test('a connector that keeps offsets leaves nothing out when calls per key end in another order', async () => {
  for (const name of ['pairs', 'pairs-copy']) await triggers.client.createTopic({ name, partitions: 1 })
  // The first record is the last one to be done.
  const code = `export async function main_handler({ Records }) {
    if (Records[0].Ckafka.msgKey === 'a') await new Promise(resolve => setTimeout(resolve, 500))
    return Records.flatMap(({ Ckafka: { msgKey } }) => [1, 2].map(n => ({ key: msgKey + n, value: 'x' })))
  }`
  const config = { 'kafka.bootstrap.servers': triggers.bootstrap, 'kafka.topic': 'pairs-copy' }
  await triggers.create('to-kafka', {
    ...{ topics: ['pairs'], start: 'oldest', maxWaitMs: 300, concurrency: { per: 'key', most: 2 } },
    ...{ function: { code }, output: { connector: 'kafka-sink', config } },
  })
  await triggers.client.send('pairs', [
    { key: Buffer.from('a'), value: null },
    { key: Buffer.from('b'), value: null },
  ])
  const copied = await triggers.stored('pairs-copy', 4)
  assert.deepEqual(
    copied.map(({ key }) => key?.toString()),
    ['b1', 'b2', 'a1', 'a2'],
  )
})

test('settings are checked before the trigger exists, and passwords are not shown', async () => {
  const function_ = { code: 'exports.main_handler = () => null' }
  const wrong = { topics: ['lines'], function: function_, output: { connector: 'elasticsearch', config: { nonsense: '1' } } }
  const refused = await triggers.ask('PUT', '/triggers/wrong', wrong)
  assert.deepEqual([refused.status, refused.body.detail], [400, 'output: the connector elasticsearch has no setting nonsense'])
  const config = { 'connection.url': 'http://127.0.0.1:1', 'connection.password': 'geheim' }
  const made = await triggers.ask('PUT', '/triggers/secret', { ...wrong, enabled: false, output: { connector: 'elasticsearch', config } })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const answers = [made, await triggers.ask('GET', '/triggers/secret'), await triggers.ask('GET', '/triggers/secret/versions/1')]
  for (const { body } of answers) assert.equal(body.definition.output.config['connection.password'], '[hidden]')
  const paused = await triggers.ask('PATCH', '/triggers/secret', { description: 'x' })
  assert.equal(paused.status, 200)
  const login = { connector: 'redis', config: { 'redis.uri': 'redis://reader:geheim@127.0.0.1:1' } }
  const told = await triggers.ask('PUT', '/triggers/in-url', { ...wrong, output: login })
  assert.match(told.body.detail, /redis\.uri: must not have a password/)
  assert.doesNotMatch(told.body.detail, /geheim/)
  const output = { connector: 'http', config: { 'http.url': 'http://127.0.0.1:1/?token=geheim' } }
  const hook = await triggers.ask('PUT', '/triggers/in-url', { ...wrong, enabled: false, output })
  assert.equal(hook.body.definition?.output.config['http.url'], '[hidden]', JSON.stringify(hook.body))
  const kept = await triggers.ask('PUT', '/triggers/in-url', { ...hook.body.definition, description: 'x' })
  assert.equal(kept.status, 200, JSON.stringify(kept.body))
  assert.equal(kept.body.definition.output.config['http.url'], '[hidden]')
})
