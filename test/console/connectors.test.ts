/** Connectors over the console's API: what a worker says of them, and what is done to them. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually } from '../cluster/two-brokers.ts'
import { askRaw } from '../support/raw-http.ts'
import { type Hub, startHub } from './hub.testing.ts'

let hub: Hub

before(async () => {
  hub = await startHub()
  await hub.client.createTopic({ name: 'orders', partitions: 2 })
  await hub.client.send('orders', [{ key: null, value: Buffer.from('{"id":9007199254740993}'), partition: 0 }])
})
after(() => hub[Symbol.asyncDispose]())

const formats = { 'key.converter': 'string', 'value.converter': 'json', 'value.converter.schemas.enable': 'false' }
const sink = (changes: Record<string, string> = {}) => ({
  ...{ 'connector.class': 'file-sink', topics: 'orders', file: join(hub.directory, 'orders.txt'), ...formats },
  ...changes,
})

/** Asks again while workers share what is new, and until it is so. */
function until(path: string, isSo: (body: Awaited<ReturnType<Hub['ask']>>['body']) => boolean) {
  return eventually(async () => {
    const { status, body } = await hub.ask('GET', path)
    return status === 200 && isSo(body) && body
  }, 400)
}

test('a connector is checked, made, watched, paused, stopped, put back to another offset, and deleted', async () => {
  const wrong = await hub.ask('POST', '/connector-plugins/file-sink/check', {
    config: { name: 'lines', ...sink({ 'tasks.max': 'many', topics: '' }) },
  })
  assert.equal(wrong.status, 200)
  const errorsOf = (name: string) => wrong.body.keys.find((each: { name: string }) => each.name === name).errors
  assert.match(errorsOf('tasks.max')[0], /Not a number of type INT/)
  assert.equal(errorsOf('topics').length, 1)
  const key = (name: string) => wrong.body.keys.find((each: { name: string }) => each.name === name)
  assert.deepEqual(key('format').recommended, ['text', 'json'], 'the words of a choice are offered')
  assert.deepEqual(key('errors.tolerance').recommended, ['none', 'all'])

  await eventually(async () => (await hub.ask('POST', '/connectors', { name: 'lines', config: sink() })).status === 200)
  assert.equal((await hub.ask('POST', '/connectors', { name: 'lines', config: sink() })).status, 409)
  const running = await until('/connectors/lines', body => body.state === 'RUNNING' && body.tasks[0]?.state === 'RUNNING')
  assert.deepEqual([running.kind, running.group, running.class, running.deadLetters], ['sink', 'connect-lines', 'file-sink', null])
  await eventually(
    async () => existsSync(join(hub.directory, 'orders.txt')) && readFileSync(join(hub.directory, 'orders.txt'), 'utf8') !== '',
  )
  const { rows, total } = (await hub.ask('GET', '/connectors?search=LIN')).body
  assert.deepEqual([total, rows[0].name, rows[0].topics, rows[0].running, rows[0].failed], [1, 'lines', 'orders', 1, 0])

  assert.equal((await hub.ask('POST', '/connectors/lines/pause', {})).status, 200)
  await until('/connectors/lines', body => body.state === 'PAUSED')
  const refused = await hub.ask('DELETE', '/connectors/lines/offsets?confirm=lines')
  assert.deepEqual([refused.status, /STOPPED/.test(refused.body.detail)], [400, true], 'only a connector that is stopped forgets')
  assert.equal((await hub.ask('POST', '/connectors/lines/stop', {})).status, 200)
  await until('/connectors/lines', body => body.state === 'STOPPED')
  const at = (await until('/connectors/lines/offsets', body => body.offsets.length > 0)).offsets[0]
  assert.deepEqual(JSON.parse(at.partition), { kafka_topic: 'orders', kafka_partition: 0 })
  assert.equal(at.offset, '{"kafka_offset":1}')
  const lagOf = async () =>
    (await hub.ask('GET', '/topics/orders/groups')).body.rows.find((each: { group: string }) => each.group === 'connect-lines')?.lag
  await eventually(async () => {
    assert.equal(await lagOf(), '0')
    return (await hub.ask('PATCH', '/connectors/lines/offsets', { partition: at.partition, offset: '{"kafka_offset":0}' })).status === 200
  })
  assert.equal(await lagOf(), '1', 'what a topic says of its readers is asked anew')
  assert.equal((await hub.ask('GET', '/connectors/lines/offsets')).body.offsets[0].offset, '{"kafka_offset":0}')
  assert.equal((await hub.ask('PATCH', '/connectors/lines/offsets', { partition: '{', offset: null })).status, 400)
  assert.equal((await hub.ask('DELETE', '/connectors/lines/offsets?confirm=lines')).status, 200)
  assert.equal(await lagOf(), undefined, 'nothing is committed any more')

  assert.equal((await hub.ask('DELETE', '/connectors/lines?confirm=line')).status, 400, 'not without its name')
  assert.equal((await hub.ask('DELETE', '/connectors/lines?confirm=lines')).status, 200)
  await eventually(async () => (await hub.ask('GET', '/connectors/lines')).status === 404)
})

test('why a task has failed, and when it is tried again, is told; secrets are not', async () => {
  const config = sink({ file: join(hub.directory, 'missing/deep/orders.txt'), 'consumer.override.sasl.password': 'hush' })
  await eventually(async () => (await hub.ask('POST', '/connectors', { name: 'broken', config })).status === 200)
  const failed = await until('/connectors/broken', body => body.tasks[0]?.state === 'FAILED')
  const [task] = failed.tasks
  assert.ok(task.trace.length > 0 && task.nextTryMs > Date.now() + 60_000)
  assert.equal(task.failures.length, 1)
  assert.equal(failed.config['consumer.override.sasl.password'], '[hidden]')
  const [row] = (await hub.ask('GET', '/connectors?search=broken')).body.rows
  assert.deepEqual([row.failed, row.failures, row.reason, row.nextTryMs], [1, 1, task.failures[0].reason, task.nextTryMs])
  assert.equal((await hub.ask('POST', '/connectors/broken/restart', { onlyFailed: true })).status, 200)
  await until('/connectors/broken', body => body.tasks[0]?.failures.length === 2)
  assert.equal((await hub.ask('POST', '/connectors/broken/tasks/7/restart', {})).status, 404)
  assert.equal((await hub.ask('DELETE', '/connectors/broken?confirm=broken')).status, 200)
})

test('what a configuration makes of real records is seen before it is used', async () => {
  const made = (changes: Record<string, string>, topic = 'orders') =>
    hub.ask('POST', '/connector-plugins/file-sink/preview', { config: { name: 'lines', ...sink(changes) }, topic, records: 3 })
  const renamed = await made({
    transforms: 'rename,mark',
    'transforms.rename.type': 'org.apache.kafka.connect.transforms.ReplaceField$Value',
    'transforms.rename.renames': 'id:order',
    'transforms.mark.type': 'org.apache.kafka.connect.transforms.InsertField$Value',
    'transforms.mark.static.field': 'secret',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is Kafka's
    'transforms.mark.static.value': '${env:HOME}',
  })
  assert.equal(renamed.status, 200, JSON.stringify(renamed.body))
  const [{ partition, offset, before, after, problem }] = renamed.body.records
  assert.deepEqual([partition, offset, problem, renamed.body.records.length], [0, '0', null, 1])
  assert.match(before, /"value":\{"id":9007199254740993\}/, 'no digit is lost')
  assert.match(after, /"order":9007199254740993/)
  assert.match(after, /"secret":"\$\{env:HOME\}"/, 'what a provider gives is not shown')

  const dropped = await made({ transforms: 'none', 'transforms.none.type': 'org.apache.kafka.connect.transforms.Filter' })
  assert.deepEqual([dropped.body.records[0].after, dropped.body.records[0].problem], [null, null])
  const endless = await made({
    transforms: 'loop',
    'transforms.loop.type': 'JavaScript',
    'transforms.loop.code': 'function transform(record) { for (;;) {} }',
  })
  assert.match(endless.body.records[0].problem, /^TRANSFORMATION: loop: the script takes more than/)
  const unread = await made({ 'value.converter': 'json', 'value.converter.schemas.enable': 'true' })
  assert.match(unread.body.records[0].problem, /^VALUE_CONVERTER: /)
  const wrong = await made({ transforms: 'what', 'transforms.what.type': 'Nothing' })
  assert.deepEqual([wrong.status, /Class Nothing could not be found/.test(wrong.body.detail)], [400, true])
  assert.equal((await made({}, 'nowhere')).status, 404)
})

test('what is named "." or ".." is refused, instead of being asked of another path', async () => {
  const refused: [method: string, path: string][] = [
    ['DELETE', '/connectors/%2e/offsets?confirm=.'],
    ['DELETE', '/connectors/%2e%2E?confirm=..'],
    ['GET', '/connectors/..'],
    ['GET', '/triggers/%2e%2e/versions'],
    ['DELETE', '/triggers/.?confirm=.'],
  ]
  for (const [method, path] of refused) {
    const { status, text } = await askRaw(hub.base, method, `/api${path}`)
    assert.equal(status, 400, `${method} ${path}: ${text}`)
    assert.match(text, /cannot be asked for what is named/, path)
  }
})
