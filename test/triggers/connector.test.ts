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
})
