/** Triggers over the console's API: what the service says of them, and what is done to them. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { eventually } from '../cluster/two-brokers.ts'
import { withQuickLooks } from './browser.ts'
import { type Hub, startHub } from './hub.testing.ts'

let hub: Hub

before(async () => {
  hub = await startHub({ services: ['console', 'triggers'] }, withQuickLooks(realSystem()))
  await hub.client.createTopic({ name: 'words', partitions: 1 })
  await hub.client.createTopic({ name: 'upper', partitions: 1 })
  await hub.client.send('words', [
    { key: Buffer.from('a'), value: Buffer.from('{"word":"one","n":9007199254740993}') },
    { key: Buffer.from('b'), value: Buffer.from('{"word":"two","n":2}') },
  ])
})
after(() => hub[Symbol.asyncDispose]())

const code = (marker: string) => `export async function main_handler(event) {
  console.log('${marker}', event.Records.length)
  return event.Records.map(({ Ckafka }) => ({ key: Ckafka.msgKey, value: Ckafka.msgBody.toUpperCase() }))
}`
const definition = (marker: string, changes: object = {}) => ({
  ...{ topics: ['words'], start: 'oldest', maxWaitMs: 0, function: { code: code(marker) }, output: { topic: 'upper' } },
  ...changes,
})

test('a function is tried with a made-up and with a real record, deployed, watched, rolled back and deleted', async () => {
  const made = await hub.ask('POST', '/triggers/shout/test', { definition: definition('made') })
  assert.equal(made.status, 200, JSON.stringify(made.body))
  assert.match(made.body.result, /HELLO/)
  const real = await hub.ask('POST', '/triggers/shout/test', { definition: definition('real'), topic: 'words' })
  assert.match(real.body.event, /"msgBody": "\{\\"word\\":\\"two\\",\\"n\\":2\}"/)
  assert.match(real.body.output, /real 1/)
  const event = '{"Records":[{"Ckafka":{"msgKey":"k","msgBody":"own","offset":9007199254740993}}]}'
  const own = await hub.ask('POST', '/triggers/shout/test', { definition: definition('own'), event })
  assert.match(own.body.event, /9007199254740993/, 'no digit is lost')
  const thrown = await hub.ask('POST', '/triggers/shout/test', {
    definition: definition('x', { function: { code: 'export function main_handler() { throw new Error("no") }' } }),
  })
  assert.deepEqual([thrown.body.result, thrown.body.error.message], [null, 'no'])
  const broken = await hub.ask('POST', '/triggers', {
    name: 'shout',
    definition: definition('x', { function: { code: 'export function (' } }),
  })
  assert.equal(broken.status, 422, 'a file that cannot be loaded is refused')
  assert.equal((await hub.ask('POST', '/triggers', { name: 'shout', definition: definition('x', { topics: ['upper'] }) })).status, 400)

  assert.equal((await hub.ask('POST', '/triggers', { name: 'shout', definition: definition('first') })).status, 200)
  const row = await eventually(async () => {
    const [found] = (await hub.ask('GET', '/triggers?search=sho')).body.rows
    return found?.calls > 0 && found
  }, 400)
  assert.deepEqual([row.name, row.state, row.topics, row.version, row.errors], ['shout', 'RUNNING', ['words'], 1, 0])
  assert.deepEqual((await hub.ask('PUT', '/triggers/shout', { definition: definition('second') })).body, { version: 2 })
  const { versions } = (await hub.ask('GET', '/triggers/shout/versions')).body
  assert.deepEqual(
    versions.map((each: { version: number }) => each.version),
    [2, 1],
  )
  assert.match((await hub.ask('GET', '/triggers/shout/versions/1')).body.definition.function.code, /first/)
  assert.equal((await hub.ask('POST', '/triggers/shout/versions/1/restore', {})).status, 200)
  const found = (await hub.ask('GET', '/triggers/shout')).body
  assert.deepEqual([found.version, found.restores, /first/.test(found.definition.function.code)], [3, 1, true])

  const history = await eventually(async () => {
    const { body } = await hub.ask('GET', '/triggers/shout/history')
    return body.calls.values.length > 1 && body
  }, 400)
  assert.deepEqual(Object.keys(history), ['calls', 'errors', 'throttles', 'duration', 'age'])
  assert.equal((await hub.ask('PATCH', '/triggers/shout', { enabled: false })).status, 200)
  assert.equal((await hub.ask('GET', '/triggers/shout')).body.state, 'PAUSED')
  assert.equal((await hub.ask('DELETE', '/triggers/shout?confirm=no')).status, 400)
  assert.equal((await hub.ask('DELETE', '/triggers/shout?confirm=shout')).status, 200)
  assert.equal((await hub.ask('GET', '/triggers/shout')).status, 404)
})

test('what functions write comes while it is written', async () => {
  assert.equal((await hub.ask('POST', '/triggers', { name: 'talks', definition: definition('talking', { output: null }) })).status, 200)
  const stop = new AbortController()
  const response = await fetch(`${hub.base}/api/triggers/talks/logs`, { signal: stop.signal })
  let text = ''
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    text += part
    if (/talking \d/.test(text)) break
  }
  stop.abort()
  assert.match(text, /^data: /)
})

test('a filter is tried on real records', async () => {
  const tried = (filter: object | null) => hub.ask('POST', '/trigger-filter', { filter, topic: 'words', records: 10 })
  const { body } = await tried({ Filters: [{ Pattern: '{"value":{"word":["two"]}}' }] })
  assert.deepEqual(
    body.records.map((each: { matches: boolean }) => each.matches),
    [false, true],
  )
  assert.match(body.records[0].value, /"word":"one"/)
  const byCel = await tried({ cel: 'value.n > 2' })
  assert.deepEqual(
    byCel.body.records.map((each: { matches: boolean }) => each.matches),
    [true, false],
  )
  assert.match((await tried({ cel: 'value.missing == 1' })).body.records[0].problem, /missing/)
  assert.equal((await tried({ cel: 'value.' })).status, 400)
  assert.equal((await tried({ what: 1 })).status, 400)
})

test('a password of its output stays as it is when the rest is changed', async () => {
  const output = { connector: 'elasticsearch', config: { 'connection.url': 'http://127.0.0.1:9', 'connection.password': 'hush' } }
  const made = await hub.ask('POST', '/triggers', {
    name: 'indexes',
    definition: definition('one', { output, enabled: false, batchSize: 7 }),
  })
  assert.equal(made.status, 200, JSON.stringify(made.body))
  const shown = (await hub.ask('GET', '/triggers/indexes')).body.definition
  assert.equal(shown.output.config['connection.password'], '[hidden]')
  const { batchSize: _, ...rest } = shown
  const changed = await hub.ask('PUT', '/triggers/indexes', { definition: { ...rest, maxWaitMs: 77 } })
  assert.deepEqual([changed.status, changed.body], [200, { version: 2 }])
  const after = (await hub.ask('GET', '/triggers/indexes')).body.definition
  assert.deepEqual([after.batchSize ?? 100, after.maxWaitMs], [100, 77])
  const end = (await hub.client.offsets('__millrace_triggers', [0], 'latest')).get(0)!
  const stored: string[] = []
  for await (const records of hub.client.read({ topic: '__millrace_triggers', from: new Map([[0, 0n]]), until: new Map([[0, end]]) }))
    for (const { key, value } of records) if (key?.includes('"indexes","version":2')) stored.push(String(value))
  assert.match(stored.at(-1)!, /"connection.password":"hush"/)
})
