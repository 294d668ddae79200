/** Kafka Connect's REST API, as Kafka Connect 4.3.1 answered. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Answer, runs, startWorkers, type TestWorker, type Workers } from './workers.ts'

let workers: Workers
let worker: TestWorker

before(async () => {
  workers = await startWorkers()
  worker = await workers.start()
})
after(() => workers[Symbol.asyncDispose]())

const sinkConfig = (more: Record<string, string> = {}) => ({
  'connector.class': 'test-sink',
  topics: 'in',
  file: `${workers.directory}/rest-lines`,
  ...more,
})

test('a connector is made, shown, changed and deleted', async () => {
  const made = await worker.ask('POST', '/connectors', { name: ' lines ', config: { ...sinkConfig({ secret: 'hush' }), 'tasks.max': 2 } })
  assert.equal(made.status, 201, made.text)
  assert.equal(made.headers.get('location'), `${worker.url}/connectors/lines`)
  assert.deepEqual(
    [made.body.name, made.body.type, made.body.config['tasks.max'], made.body.config.secret],
    ['lines', 'sink', '2', '[hidden]'],
  )
  const status = await worker.until('lines', runs(2))
  assert.deepEqual(Object.keys(status), ['name', 'connector', 'tasks', 'type'])
  assert.equal(status.connector.version, '1.2.3')
  assert.deepEqual((await worker.ask('GET', '/connectors')).body, ['lines'])
  const again = await worker.ask('POST', '/connectors', { name: 'lines', config: sinkConfig() })
  assert.deepEqual([again.status, again.body], [409, { error_code: 409, message: 'Connector lines already exists' }])
  const expanded = (await worker.ask('GET', '/connectors?expand=status&expand=info')).body.lines
  assert.deepEqual([expanded.info.name, expanded.status.name], ['lines', 'lines'])
  const shown = (await worker.ask('GET', '/connectors/lines/config')).body
  const put = await worker.ask('PUT', '/connectors/lines/config', { ...shown, level: 3, 'tasks.max': '1' })
  assert.deepEqual([put.status, put.body.config.level, put.body.config.secret], [200, '3', '[hidden]'])
  await worker.until('lines', runs(1))
  const patched = await worker.ask('PATCH', '/connectors/lines/config', { level: null, refuse: 'x' })
  assert.deepEqual([patched.status, patched.body.config.level, patched.body.config.refuse], [200, undefined, 'x'])
  assert.equal((await worker.ask('PATCH', '/connectors/lines/config', { name: 'other' })).status, 400)
  // At the same time, none of them undoes another one.
  const several = Array.from({ length: 4 }, (_, at) => ({ [`transforms.unused.${at}`]: String(at) }))
  await Promise.all(several.map(each => worker.ask('PATCH', '/connectors/lines/config', each)))
  const all = (await worker.ask('GET', '/connectors/lines/config')).body
  assert.deepEqual(
    several.map(each => Object.keys(each).every(key => all[key] === each[key])),
    [true, true, true, true],
  )
  const undone = Object.fromEntries(several.flatMap(each => Object.keys(each).map(key => [key, null])))
  assert.equal((await worker.ask('PATCH', '/connectors/lines/config', undone)).status, 200)
  const tasks = (await worker.ask('GET', '/connectors/lines/tasks')).body
  assert.deepEqual([tasks[0].id, tasks[0].config.secret], [{ connector: 'lines', task: 0 }, '[hidden]'])
  assert.equal((await worker.ask('GET', '/connectors/lines/tasks/0/status')).body.id, 0)
  assert.equal((await worker.ask('DELETE', '/connectors/lines')).status, 204)
  assert.equal((await worker.ask('GET', '/connectors/lines')).status, 404)
  assert.equal((await worker.ask('DELETE', '/connectors/lines')).status, 404)
  const created = await worker.ask('PUT', '/connectors/lines/config', sinkConfig())
  assert.equal(created.status, 201)
  await worker.ask('DELETE', '/connectors/lines')
})

test('a configuration with too many keys, bytes or transforms is refused, however it comes', async () => {
  await worker.ask('PUT', '/connectors/bounded/config', sinkConfig())
  const many = Object.fromEntries(Array.from({ length: 999 }, (_, index) => [`key.${index}`, 'x']))
  for (const [more, message] of [
    [{ pad: 'x'.repeat(270_000) }, /too large: its keys and values have more than 262144 bytes/],
    [many, /more than 1000 (?:keys|entries)/],
    [{ transforms: Array.from({ length: 101 }, (_, index) => `t${index}`).join(',') }, /more than 100 transforms/],
  ] as const) {
    const config = sinkConfig(more)
    for (const [method, path, body] of [
      ['POST', '/connectors', { name: 'large', config }],
      ['PUT', '/connectors/large/config', config],
      ['PUT', '/connectors/bounded/config', config],
      ['PATCH', '/connectors/bounded/config', more],
      ['PUT', '/connector-plugins/test-sink/config/validate', config],
      ['POST', '/connector-plugins/test-sink/preview', { config, records: [] }],
    ] as const) {
      const refused = await worker.ask(method, path, body)
      assert.equal(refused.status, 400, `${method} ${path}: ${refused.text.slice(0, 300)}`)
      assert.match(refused.body.message, message)
    }
  }
  assert.equal((await worker.ask('GET', '/connectors/large')).status, 404)
  assert.equal((await worker.ask('DELETE', '/connectors/bounded')).status, 204)
})

test('a configuration that somebody else has written to the topic is bounded as well', async () => {
  const properties = { ...sinkConfig(), name: 'foreign', pad: 'x'.repeat(270_000) }
  await workers.client.send('connect-configs', [
    { key: Buffer.from('connector-foreign'), value: Buffer.from(JSON.stringify({ properties })) },
  ])
  const status = await worker.until('foreign', ({ connector }) => connector?.state === 'FAILED')
  assert.match(status.connector.trace, /too large: its keys and values have more than 262144 bytes/)
  assert.equal((await worker.ask('DELETE', '/connectors/foreign')).status, 204)
})

test('names that clients take for steps in a path are refused', async () => {
  for (const name of ['.', '..']) {
    const refused = await worker.ask('POST', '/connectors', { name, config: sinkConfig() })
    assert.deepEqual([refused.status, /String may not be \. or \.\./.test(refused.text)], [400, true], refused.text)
  }
})

test('a connector that is changed and deleted before its worker has looked is gone', async () => {
  await worker.ask('PUT', '/connectors/brief/config', sinkConfig())
  await worker.until('brief', runs(1))
  const key = Buffer.from('connector-brief')
  const changed = Buffer.from(JSON.stringify({ properties: { ...sinkConfig({ level: '2' }), name: 'brief' } }))
  await workers.client.send('connect-configs', [
    { key, value: changed },
    { key, value: null },
  ])
  for (let status = 200; status !== 404; ) status = (await worker.ask('GET', '/connectors/brief/status')).status
  assert.equal((await worker.ask('GET', '/')).status, 200)
})

test('lists of offsets and levels have a bound', async () => {
  const offsets = Array.from({ length: 1_001 }, () => ({}))
  const refused = await worker.ask('PATCH', '/connectors/any/offsets', { offsets })
  assert.deepEqual([refused.status, refused.body.message], [400, '"offsets" has more than 1000 entries'])
  const levels = Object.fromEntries(offsets.map((_, index) => [`level${index}`, 'INFO']))
  assert.equal((await worker.ask('PUT', '/admin/loggers/root', levels)).status, 400)
})

test('what a provider of a configuration needs to know of a secret stays in the topic', async () => {
  await worker.ask('PUT', '/connectors/quiet/config', sinkConfig({ secret: 'hush' }))
  const shown = (await worker.ask('GET', '/connectors/quiet/config')).body
  await worker.ask('PUT', '/connectors/quiet/config', shown)
  const records = await workers.stored('connect-configs', 1)
  const last = records.filter(({ key }) => key?.toString() === 'connector-quiet').at(-1)!
  assert.equal(JSON.parse(last.value!.toString()).properties.secret, 'hush')
  await worker.ask('DELETE', '/connectors/quiet')
})

test('what is hidden stays hidden when the class changes, and does not go to the new one', async () => {
  const path = '/connectors/moved/config'
  const secrets = { secret: 'hush-1', pin: 'hush-2', 'connection.uri': 'mongodb://u:hush-3@h', access_key: 'hush-4' }
  assert.equal((await worker.ask('PUT', path, sinkConfig(secrets))).status, 201)
  const shown = (await worker.ask('GET', path)).body
  for (const key of Object.keys(secrets)) assert.equal(shown[key], '[hidden]', key)
  const other = { 'connector.class': 'file-sink' }
  for (const refused of [await worker.ask('PATCH', path, other), await worker.ask('PUT', path, { ...shown, ...other })]) {
    assert.equal(refused.status, 400, refused.text)
    for (const key of Object.keys(secrets)) assert.ok(refused.body.message.includes(key), refused.text)
  }
  const checked = await worker.ask('PUT', '/connector-plugins/file-sink/config/validate', { ...shown, ...other })
  for (const key of Object.keys(secrets)) assert.match(errorsAt(checked, key).join(), /connector\.class has changed: give it again/, key)
  // The same by another name.
  assert.equal((await worker.ask('PATCH', path, { 'connector.class': 'com.example.LinesSinkConnector' })).status, 200)
  const given = { pin: 'hush-5', secret: null, 'connection.uri': 'hush-6', access_key: null }
  const moved = await worker.ask('PATCH', path, { ...other, ...given })
  assert.equal(moved.status, 200, moved.text)
  const { config } = moved.body
  assert.deepEqual(
    [config['connector.class'], config.pin, config['connection.uri'], config.secret, config.access_key],
    ['file-sink', '[hidden]', '[hidden]', undefined, undefined],
  )
  await worker.until('moved', ({ tasks }) => tasks.length > 0)
  assert.doesNotMatch((await worker.ask('GET', '/connectors/moved/tasks')).text, /hush/)
  await worker.ask('DELETE', '/connectors/moved')
})

/** Of an answer of validate. */
const errorsAt = ({ body }: Answer, key: string): string[] =>
  body.configs.find(({ value }: { value: { name: string } }) => value.name === key).value.errors

test('what is hidden does not go to another server', async () => {
  const path = '/connectors/aimed/config'
  const aimed = sinkConfig({ secret: 'hush-1', url: 'https://a.example', puts: 'redis://reader:hush-2@r.example/?token=hush-3' })
  assert.equal((await worker.ask('PUT', path, aimed)).status, 201)
  const shown = (await worker.ask('GET', path)).body
  assert.deepEqual([shown.secret, shown.puts, shown.url], ['[hidden]', '[hidden]', 'https://a.example'])
  const elsewhere = { url: 'https://b.example' }
  for (const refused of [await worker.ask('PATCH', path, elsewhere), await worker.ask('PUT', path, { ...shown, ...elsewhere })]) {
    assert.equal(refused.status, 400, refused.text)
    assert.match(refused.body.message, /secret, because url has changed; puts|puts, because url has changed; secret/)
  }
  const validate = '/connector-plugins/test-sink/config/validate'
  const checked = await worker.ask('PUT', validate, { ...shown, ...elsewhere })
  assert.equal(checked.status, 200)
  for (const key of ['secret', 'puts']) assert.match(errorsAt(checked, key).join(), /url has changed/, key)
  assert.equal(checked.body.error_count, 2)
  assert.equal((await worker.ask('PUT', validate, { ...shown, level: '2' })).body.error_count, 0)
  assert.doesNotMatch((await worker.ask('PUT', validate, { ...aimed, level: 'x' })).text, /hush/)
  const copy = await worker.ask('POST', '/connectors', { name: 'copy', config: { ...shown, name: 'copy' } })
  assert.deepEqual([copy.status, /this connector has none/.test(copy.text)], [400, true], copy.text)
  const moved = await worker.ask('PATCH', path, { ...elsewhere, secret: 'hush-4', puts: null })
  assert.equal(moved.status, 200, moved.text)
  await worker.ask('DELETE', '/connectors/aimed')
})

test('of a required key that is null one error is told', async () => {
  const config = { name: 'n', 'connector.class': 'file-source', topic: 't', file: null }
  const { body } = await worker.ask('PUT', '/connector-plugins/file-source/config/validate', config)
  assert.equal(body.error_count, 1)
})

test('states: paused, stopped and started again; the same after another configuration', async () => {
  const name = 'a/b%c d'
  const path = `/connectors/${encodeURIComponent(name)}`
  const made = await worker.ask('POST', '/connectors', { name, config: sinkConfig(), initial_state: 'paused' })
  assert.equal(made.status, 201, made.text)
  assert.equal(made.headers.get('location'), worker.url + path)
  await worker.until(name, ({ connector, tasks }) => connector.state === 'PAUSED' && tasks.length === 0)
  await worker.ask('PUT', `${path}/config`, sinkConfig({ level: '2' }))
  await worker.until(name, ({ connector, tasks }) => connector.state === 'PAUSED' && tasks.length === 0)
  const resumed = await worker.ask('PUT', `${path}/resume`)
  assert.deepEqual([resumed.status, resumed.text], [202, ''])
  await worker.until(name, runs(1))
  assert.equal((await worker.ask('PUT', `${path}/pause`)).status, 202)
  await worker.until(name, ({ tasks }) => tasks[0]?.state === 'PAUSED')
  const stopped = await worker.ask('PUT', `${path}/stop`)
  assert.deepEqual([stopped.status, stopped.text], [204, ''])
  await worker.until(name, ({ connector, tasks }) => connector.state === 'STOPPED' && tasks.length === 0)
  assert.equal((await worker.ask('PUT', `${path}/stop`)).status, 204)
  await worker.ask('PUT', `${path}/resume`)
  await worker.until(name, runs(1))
  assert.equal((await worker.ask('POST', `${path}/restart`)).status, 204)
  const restarted = await worker.ask('POST', `${path}/restart?includeTasks=true`)
  assert.deepEqual([restarted.status, restarted.body.connector.state, restarted.body.tasks[0].state], [202, 'RESTARTING', 'RESTARTING'])
  await worker.until(name, runs(1))
  assert.equal((await worker.ask('POST', `${path}/restart?onlyFailed=true`)).status, 202)
  assert.equal((await worker.ask('POST', `${path}/tasks/0/restart`)).status, 204)
  assert.equal((await worker.ask('POST', `${path}/tasks/7/restart`)).status, 404)
  for (const what of ['pause', 'resume', 'stop']) assert.equal((await worker.ask('PUT', `/connectors/none/${what}`)).status, 404)
  await worker.ask('DELETE', path)
})

test('every error has the same form', async () => {
  const refused: [number, string, string, unknown, Record<string, string>?][] = [
    [400, 'POST', '/connectors', '{'],
    [400, 'POST', '/connectors', { name: 'x', config: {}, extra: 1 }],
    [400, 'POST', '/connectors', { name: 'x', config: { file: [] } }],
    [400, 'POST', '/connectors', { name: 'x', config: { 'connector.class': 'nothing' } }],
    [400, 'POST', '/connectors', { name: 'x', config: sinkConfig(), initial_state: 'running?' }],
    [400, 'POST', '/connectors', { name: '', config: sinkConfig() }],
    [400, 'PUT', '/connectors/x/config', { ...sinkConfig(), name: 'y' }],
    [400, 'PUT', '/connectors/x/config', { ...sinkConfig(), topics: '' }],
    [400, 'PUT', '/connectors/x/config', undefined],
    [415, 'POST', '/connectors', 'name=x', { 'content-type': 'application/x-www-form-urlencoded' }],
    [405, 'PUT', '/connectors', {}],
    [405, 'GET', '/connectors/x/restart', undefined],
    [404, 'GET', '/connectors/x/tasks-config', undefined],
    [404, 'GET', '/connectors/x/status', undefined],
    [404, 'GET', '/connectors/x/tasks/a/status', undefined],
    [404, 'GET', '/connector-plugins/none/config', undefined],
    [404, 'GET', '/nothing', undefined],
    [400, 'POST', '/connectors/x/tasks', []],
    [400, 'PUT', '/connectors/x/fence', undefined],
    [403, 'POST', '/connectors/x/tasks', [], { 'x-connect-authorization': 'AAAA', 'x-connect-request-signature-algorithm': 'HmacSHA256' }],
    [404, 'GET', '/admin/loggers/unknown', undefined],
    [404, 'PUT', '/admin/loggers/root', { level: 'loud' }],
    [400, 'PUT', '/admin/loggers/root', {}],
  ]
  for (const [status, method, path, body, headers] of refused) {
    const answer = await worker.ask(method, path, body, headers)
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`)
    assert.deepEqual([answer.body.error_code, typeof answer.body.message], [status, 'string'], answer.text)
  }
  for (const name of ['\ud800', 'x'.repeat(1_001), '☃'.repeat(112)]) {
    const answer = await worker.ask('POST', '/connectors', { name, config: sinkConfig() })
    assert.deepEqual([answer.status, /valid Unicode and have at most 1000 characters/.test(answer.body.message)], [400, true], answer.text)
  }
  const invalid = await worker.ask('POST', '/connectors', { name: 'x', config: { 'connector.class': 'test-sink', level: '12' } })
  assert.match(invalid.body.message, /^Connector configuration is invalid and contains the following \d error\(s\):\n/)
})

test('validation tells all errors at once', async () => {
  const path = '/connector-plugins/LinesSink/config/validate'
  const { status, body } = await worker.ask('PUT', path, {
    'connector.class': 'com.example.LinesSinkConnector',
    level: '12',
    'tasks.max': 0,
    secret: 'hush',
  })
  assert.equal(status, 200)
  const errorsOf = (name: string) =>
    body.configs.find((each: { value: { name: string } }) => each.value.name === name).value.errors as string[]
  assert.deepEqual(errorsOf('name'), ['Missing required configuration "name" which has no default value.'])
  assert.deepEqual(errorsOf('level'), ['Invalid value 12 for configuration level: Value must be no more than 9'])
  assert.equal(errorsOf('tasks.max').length, 1)
  assert.deepEqual(errorsOf('topics'), ['Must configure one of topics or topics.regex'])
  assert.deepEqual(errorsOf('file'), ['Missing required configuration "file" which has no default value.'])
  assert.equal(body.error_count, 6)
  assert.ok(!JSON.stringify(body).includes('hush'))
  assert.ok(body.groups.includes('Common') && body.groups.includes('Error Handling'))
  const right = await worker.ask('PUT', path, { ...sinkConfig(), name: 'x', 'connector.class': 'LinesSinkConnector' })
  assert.equal(
    right.body.error_count,
    0,
    JSON.stringify(right.body.configs.filter((each: { value: { errors: [] } }) => each.value.errors.length > 0)),
  )
  assert.equal((await worker.ask('PUT', path, { 'connector.class': 'test-source' })).status, 400)
  assert.equal((await worker.ask('PUT', path, {})).status, 400)
})

test('a form begins with the converters that suit the connector', async () => {
  const about = async (plugin: string) => (await worker.ask('GET', `/connector-plugins/${plugin}`)).body
  assert.deepEqual((await about('mirror-source')).formats, {})
  assert.equal((await about('file-source')).formats['value.converter'], 'string')
  assert.equal((await about('test-sink')).formats, null)
  const checked = await worker.ask('PUT', '/connector-plugins/mirror-source/config/validate', { 'connector.class': 'mirror-source' })
  const defaultOf = (key: string) =>
    checked.body.configs.find(({ value }: { value: { name: string } }) => value.name === key).definition.default_value
  assert.equal(defaultOf('value.converter'), 'bytes')
})

test('plugins, loggers and the worker itself', async () => {
  const plugins = (await worker.ask('GET', '/connector-plugins')).body as { class: string; type: string; version: string }[]
  assert.deepEqual(
    plugins.filter(({ version }) => version === '1.2.3'),
    [
      { class: 'test-sink', type: 'sink', version: '1.2.3' },
      { class: 'com.example.LinesSinkConnector', type: 'sink', version: '1.2.3' },
    ],
  )
  const keys = (await worker.ask('GET', '/connector-plugins/test-sink/config')).body as { name: string; default_value: string | null }[]
  assert.equal(keys.find(({ name }) => name === 'level')!.default_value, '1')
  assert.ok(keys.some(({ name }) => name === 'errors.tolerance'))
  const root = (await worker.ask('GET', '/')).body
  assert.deepEqual(Object.keys(root), ['version', 'commit', 'kafka_cluster_id'])
  assert.equal((await worker.ask('GET', '/health')).body.status, 'healthy')
  assert.deepEqual((await worker.ask('GET', '/admin/loggers/root')).body, { level: 'INFO', last_modified: null })
  const changed = (await worker.ask('PUT', '/admin/loggers/millrace.connect', { level: 'debug' })).body
  assert.ok(changed.includes('millrace.connect') && changed.includes('millrace.connect.group'))
  assert.equal((await worker.ask('GET', '/admin/loggers/millrace.connect.group')).body.level, 'DEBUG')
  const cluster = await worker.ask('PUT', '/admin/loggers/org.apache?scope=cluster', { level: 'WARN' })
  assert.deepEqual([cluster.status, cluster.text], [204, ''])
})
