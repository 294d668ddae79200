/** What REST clients of Kafka Connect ask: its own tests, Terraform's provider, kcctl and the web pages for it, and what goes wrong in each call. */

export interface Call {
  readonly method: string
  /** `$DIR`: of this run. */
  readonly path: string
  readonly body?: unknown
  /** Instead of `body`, as it is. */
  readonly raw?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Asked only when this connector is so: `RUNNING/RUNNING` is the connector and its task, `STOPPED/` has no task, `-` is gone. */
  readonly once?: readonly [connector: string, state: string]
}

const json = { 'content-type': 'application/json' }
const get = (path: string, once?: Call['once']): Call => ({ method: 'GET', path, ...(once === undefined ? {} : { once }) })
const send = (method: string, path: string, body?: unknown, once?: Call['once']): Call => ({
  ...{ method, path, headers: json },
  ...(body === undefined ? {} : { body }),
  ...(once === undefined ? {} : { once }),
})
const raw = (method: string, path: string, text: string, headers: Readonly<Record<string, string>> = json): Call => ({
  ...{ method, path, raw: text, headers },
})

const source = (more: Readonly<Record<string, unknown>> = {}) => ({
  'connector.class': 'FileStreamSource',
  ...{ 'tasks.max': '1', file: '$DIR/in', topic: '$TOPIC' },
  ...{ 'topic.creation.default.partitions': '1', 'topic.creation.default.replication.factor': '1' },
  ...more,
})
const sink = (more: Readonly<Record<string, unknown>> = {}) => ({
  'connector.class': 'FileStreamSink',
  ...{ 'tasks.max': '1', file: '$DIR/out', topics: '$TOPIC' },
  ...more,
})
const validate = (plugin: string, body: unknown) => send('PUT', `/connector-plugins/${plugin}/config/validate`, body)
const nowhere = '/connectors/nowhere'

const server: readonly Call[] = [
  get('/'),
  get('/health'),
  get('/connectors'),
  get('/connectors/'),
  get('/connectors?expand=status'),
  get('/connectors?expand=bogus'),
  get('/nothing'),
  get('/connectors/nowhere/nothing'),
  send('HEAD', '/connectors'),
  send('HEAD', nowhere),
  send('OPTIONS', '/connectors'),
  { method: 'GET', path: '/connectors', headers: { accept: 'text/html' } },
  { method: 'GET', path: '/connectors', headers: { accept: '*/*' } },
  ...(['DELETE', 'PUT', 'PATCH'] as const).map(method => send(method, '/connectors', {})),
  send('POST', '/'),
  send('POST', '/connectors/x', {}),
  send('PUT', '/connectors/x', {}),
  send('POST', '/connectors/x/config', {}),
  send('GET', '/connectors/x/pause'),
  send('POST', '/connectors/x/pause'),
  send('DELETE', '/connectors/x/status'),
]

const plugins: readonly Call[] = [
  get('/connector-plugins/nowhere/config'),
  get('/connector-plugins/FileStreamSource/config'),
  get('/connector-plugins/org.apache.kafka.connect.file.FileStreamSinkConnector/config'),
  get('/connector-plugins/org.apache.kafka.connect.transforms.InsertField$Value/config'),
  get('/connector-plugins/org.apache.kafka.connect.json.JsonConverter/config'),
  get('/connector-plugins/org.apache.kafka.connect.transforms.predicates.TopicNameMatches/config'),
  validate('FileStreamSource', source({ name: 'v' })),
  validate('FileStreamSource', source()),
  validate(
    'FileStreamSourceConnector',
    source({ name: 'v', 'connector.class': 'org.apache.kafka.connect.file.FileStreamSourceConnector' }),
  ),
  validate('FileStreamSource', { 'connector.class': 'FileStreamSource' }),
  validate('FileStreamSink', source({ name: 'v' })),
  validate('FileStreamSource', { name: 'v', file: '/x', topic: 't' }),
  validate('nowhere', { 'connector.class': 'nowhere' }),
  validate('FileStreamSource', source({ name: 'v', 'tasks.max': 'many' })),
  validate('FileStreamSource', source({ name: 'v', 'tasks.max': 0 })),
  validate('FileStreamSource', source({ name: '', 'errors.tolerance': 'some', 'errors.retry.timeout': '-5' })),
  validate('FileStreamSource', source({ name: 'v', file: null })),
  validate('FileStreamSource', source({ name: 'v', 'key.converter': 'nowhere.Converter' })),
  validate('FileStreamSource', source({ name: 'v', 'exactly.once.support': 'required', 'transaction.boundary': 'interval' })),
  validate('FileStreamSource', source({ name: 'v', 'transaction.boundary': 'connector' })),
  validate('FileStreamSource', source({ name: 'v', 'transaction.boundary': 'nonsense' })),
  validate('FileStreamSource', source({ name: 'v', 'topic.creation.groups': 'a,a' })),
  validate('FileStreamSource', source({ name: 'v', 'topic.creation.default.partitions': '0' })),
  validate('FileStreamSource', source({ name: 'v', transforms: 'a', 'transforms.a.type': 'nowhere' })),
  validate('FileStreamSource', source({ name: 'v', transforms: 'a' })),
  validate(
    'FileStreamSource',
    source({
      name: 'v',
      transforms: 'a',
      'transforms.a.type': 'org.apache.kafka.connect.transforms.HoistField$Value',
      'transforms.a.field': 'f',
    }),
  ),
  validate(
    'FileStreamSource',
    source({
      ...{ name: 'v', transforms: 'a', 'transforms.a.type': 'org.apache.kafka.connect.transforms.HoistField$Value' },
      ...{ 'transforms.a.predicate': 'p', 'transforms.a.negate': 'true' },
      ...{
        predicates: 'p',
        'predicates.p.type': 'org.apache.kafka.connect.transforms.predicates.TopicNameMatches',
        'predicates.p.pattern': '.*',
      },
    }),
  ),
  validate('FileStreamSource', source({ name: 'v', transforms: 'a,a' })),
  validate('FileStreamSink', sink({ name: 'v' })),
  validate('FileStreamSink', { 'connector.class': 'FileStreamSink', name: 'v' }),
  validate('FileStreamSink', sink({ name: 'v', 'topics.regex': 'a.*' })),
  validate('FileStreamSink', { 'connector.class': 'FileStreamSink', name: 'v', 'topics.regex': '[' }),
  validate('FileStreamSink', sink({ name: 'v', 'errors.deadletterqueue.topic.name': '$TOPIC' })),
  raw('PUT', '/connector-plugins/FileStreamSink/config/validate', ''),
  raw('PUT', '/connector-plugins/FileStreamSink/config/validate', 'null'),
  raw('PUT', '/connector-plugins/FileStreamSink/config/validate', '[]'),
]

const creation: readonly Call[] = [
  raw('POST', '/connectors', '{'),
  raw('POST', '/connectors', ''),
  raw('POST', '/connectors', 'null'),
  raw('POST', '/connectors', '[]'),
  raw('POST', '/connectors', '"text"'),
  raw('POST', '/connectors', '{}', { 'content-type': 'text/plain' }),
  raw('POST', '/connectors', '{}', {}),
  raw('POST', '/connectors', '{"name":"x","config":{},"more":1}'),
  send('POST', '/connectors', {}),
  send('POST', '/connectors', { name: 'x' }),
  send('POST', '/connectors', { config: sink() }),
  send('POST', '/connectors', { name: 'x', config: {} }),
  send('POST', '/connectors', { name: 'x', config: { 'connector.class': 'nowhere' } }),
  send('POST', '/connectors', { name: 'x', config: sink({ name: 'other' }) }),
  send('POST', '/connectors', { name: 'x', config: sink({ 'tasks.max': 'x' }) }),
  send('POST', '/connectors', { name: 'x', config: sink({ nested: { a: 1 } }) }),
  send('POST', '/connectors', { name: 'x', config: sink(), initial_state: 'DONE' }),
  send('POST', '/connectors', { name: '', config: sink() }),
  send('POST', '/connectors', { name: '  made  ', config: source({ 'tasks.max': 1, number: 1.5, yes: true }) }),
  get('/connectors/made/status', ['made', 'RUNNING/RUNNING']),
  get('/connectors/made'),
  get('/connectors/made/config'),
  get('/connectors/made/tasks'),
  get('/connectors/made/tasks/'),
  get('/connectors/made/tasks-config'),
  get('/connectors/made/tasks/0/status'),
  get('/connectors/made/tasks/7/status'),
  get('/connectors/made/tasks/x/status'),
  get('/connectors'),
  get('/connectors?expand=status'),
  get('/connectors?expand=info'),
  get('/connectors?expand=info&expand=status'),
  get('/connectors?expand=bogus'),
  send('POST', '/connectors', { name: 'made', config: source() }),
  raw('POST', '/connectors', JSON.stringify({ name: 'made', config: source() }), { 'content-type': 'application/json; charset=utf-8' }),
  send('POST', '/connectors', { name: 'halted', config: source({ file: '$DIR/halted' }), initial_state: 'stopped' }),
  get('/connectors/halted/status', ['halted', 'STOPPED/']),
  get('/connectors/halted/tasks'),
  send('POST', '/connectors', { name: 'still', config: source({ file: '$DIR/still' }), initial_state: 'Paused' }),
  get('/connectors/still/status', ['still', 'PAUSED/']),
]

const changes: readonly Call[] = [
  send('PUT', '/connectors/put/config', sink()),
  send('PUT', '/connectors/put/config', sink({ 'errors.tolerance': 'all' }), ['put', 'RUNNING/RUNNING']),
  get('/connectors/put/config', ['put', 'RUNNING/RUNNING']),
  send('PUT', '/connectors/put/config', sink({ nothing: null })),
  send('POST', '/connectors', { name: 'x', config: sink({ nothing: null }) }),
  send('PUT', '/connectors/put/config', sink({ name: 'other' })),
  send('PUT', '/connectors/put/config', sink({ 'tasks.max': '-1' })),
  send('PUT', '/connectors/put/config', { topics: 'x' }),
  raw('PUT', '/connectors/put/config', '[]'),
  raw('PUT', '/connectors/put/config', ''),
  raw('PUT', '/connectors/put/config', 'null'),
  send('PATCH', '/connectors/put/config', { 'errors.tolerance': null, more: 'x' }),
  send('PATCH', '/connectors/put/config', { more: 'y', number: 7 }, ['put', 'RUNNING/RUNNING']),
  send('PATCH', '/connectors/put/config', { 'tasks.max': 'none' }, ['put', 'RUNNING/RUNNING']),
  send('PATCH', '/connectors/nowhere/config', { a: 'b' }),
  raw('PATCH', '/connectors/put/config', ''),
  // Stays as it is.
  send('PUT', '/connectors/halted/config', source({ file: '$DIR/halted', more: 'x' })),
  get('/connectors/halted/status', ['halted', 'STOPPED/']),
  send('PUT', '/connectors/still/config', source({ file: '$DIR/still', more: 'x' })),
  get('/connectors/still/status', ['still', 'PAUSED/']),
  ...['', '/config', '/status', '/tasks', '/tasks/0/status', '/offsets', '/topics'].map(end => get(`/connectors/nowhere${end}`)),
]

const states: readonly Call[] = [
  send('PUT', '/connectors/made/pause'),
  get('/connectors/made/status', ['made', 'PAUSED/PAUSED']),
  send('PUT', '/connectors/made/pause'),
  send('PUT', '/connectors/made/resume'),
  get('/connectors/made/status', ['made', 'RUNNING/RUNNING']),
  send('PUT', '/connectors/made/resume'),
  send('POST', '/connectors/made/restart'),
  send('POST', '/connectors/made/restart?includeTasks=true', undefined, ['made', 'RUNNING/RUNNING']),
  send('POST', '/connectors/made/restart?onlyFailed=true', undefined, ['made', 'RUNNING/RUNNING']),
  send('POST', '/connectors/made/restart?includeTasks=true&onlyFailed=true', undefined, ['made', 'RUNNING/RUNNING']),
  send('POST', '/connectors/made/restart?includeTasks=nonsense', undefined, ['made', 'RUNNING/RUNNING']),
  send('POST', '/connectors/made/tasks/0/restart', undefined, ['made', 'RUNNING/RUNNING']),
  send('POST', '/connectors/made/tasks/7/restart', undefined, ['made', 'RUNNING/RUNNING']),
  send('POST', '/connectors/made/tasks/x/restart'),
  ...['pause', 'resume', 'stop'].map(word => send('PUT', `${nowhere}/${word}`)),
  ...['restart', 'restart?includeTasks=true', 'tasks/0/restart'].map(word => send('POST', `${nowhere}/${word}`)),
  send('POST', '/connectors/halted/restart'),
  send('POST', '/connectors/halted/restart?includeTasks=true'),
  send('PUT', '/connectors/made/stop', undefined, ['made', 'RUNNING/RUNNING']),
  get('/connectors/made/status', ['made', 'STOPPED/']),
  get('/connectors/made/tasks'),
  send('PUT', '/connectors/made/stop'),
  send('POST', '/connectors/made/tasks', []),
  raw('POST', '/connectors/made/tasks', '{'),
  send('PUT', '/connectors/made/fence'),
  send('PUT', `${nowhere}/fence`),
]

const place = (file: string) => ({ filename: file })
const offsets: readonly Call[] = [
  get('/connectors/made/offsets'),
  send('PATCH', '/connectors/still/offsets', { offsets: [{ partition: place('$DIR/in'), offset: { position: 3 } }] }),
  send('DELETE', '/connectors/still/offsets'),
  send('PATCH', '/connectors/made/offsets', { offsets: [{ partition: place('$DIR/in'), offset: { position: 3 } }] }),
  get('/connectors/made/offsets'),
  send('PATCH', '/connectors/made/offsets', { offsets: [{ partition: place('$DIR/in'), offset: null }] }),
  get('/connectors/made/offsets'),
  ...[{}, { offsets: [] }, { offsets: null }, { more: 1 }, { offsets: 1 }].map(body => send('PATCH', '/connectors/made/offsets', body)),
  raw('PATCH', '/connectors/made/offsets', ''),
  raw('PATCH', '/connectors/made/offsets', 'null'),
  send('DELETE', '/connectors/made/offsets'),
  send('PATCH', `${nowhere}/offsets`, { offsets: [{ partition: {}, offset: {} }] }),
  send('DELETE', `${nowhere}/offsets`),
  send('PUT', '/connectors/put/stop'),
  get('/connectors/put/status', ['put', 'STOPPED/']),
  ...[
    [{ partition: { kafka_topic: '$TOPIC', kafka_partition: 0 }, offset: { kafka_offset: 2 } }],
    [{ partition: { kafka_topic: '$TOPIC', kafka_partition: '0' }, offset: { kafka_offset: '1' } }],
    [{ partition: { kafka_topic: '$TOPIC', kafka_partition: 0 }, offset: null }],
    [{ partition: { kafka_topic: '$TOPIC', kafka_partition: 'x' }, offset: { kafka_offset: 2 } }],
    [{ partition: { kafka_topic: '$TOPIC', kafka_partition: 0 }, offset: { kafka_offset: 'x' } }],
    [{ partition: { kafka_topic: '$TOPIC', kafka_partition: 0 }, offset: {} }],
    [{ partition: { kafka_topic: '$TOPIC' }, offset: { kafka_offset: 2 } }],
    [{ partition: { kafka_topic: null, kafka_partition: 0 }, offset: { kafka_offset: 2 } }],
    [{ partition: null, offset: { kafka_offset: 2 } }],
  ].map(given => send('PATCH', '/connectors/put/offsets', { offsets: given })),
  get('/connectors/put/offsets'),
  send('DELETE', '/connectors/put/offsets'),
  get('/connectors/put/offsets'),
  get('/connectors/made/topics'),
  send('PUT', '/connectors/made/topics/reset'),
  get('/connectors/made/topics'),
  send('PUT', `${nowhere}/topics/reset`),
]

const loggers: readonly Call[] = [
  get('/admin/loggers/org.example.nothing'),
  send('PUT', '/admin/loggers/org.example.Thing', { level: 'debug' }),
  get('/admin/loggers/org.example.Thing'),
  send('PUT', '/admin/loggers/org.example', { level: 'WARN' }),
  get('/admin/loggers/org.example.Thing'),
  send('PUT', '/admin/loggers/org.example', { level: 'loud' }),
  send('PUT', '/admin/loggers/org.example', {}),
  send('PUT', '/admin/loggers/org.example', { level: null }),
  raw('PUT', '/admin/loggers/org.example', ''),
  raw('PUT', '/admin/loggers/org.example', '{'),
  send('PUT', '/admin/loggers/org.example?scope=worker', { level: 'INFO' }),
  send('PUT', '/admin/loggers/org.example?scope=cluster', { level: 'INFO' }),
  send('PUT', '/admin/loggers/org.example?scope=planet', { level: 'INFO' }),
]

const odd = ['a b', 'ä', 'a/b', 'a%b', 'a?b', 'a#b', 'a+b', '%2F', 'a;b']
const names: readonly Call[] = odd.flatMap(name => {
  const path = `/connectors/${encodeURIComponent(name)}`
  return [
    send('POST', '/connectors', { name, config: source({ file: '$DIR/odd' }), initial_state: 'PAUSED' }),
    get(`${path}/config`),
    send('PUT', `${path}/config`, source({ file: '$DIR/odd', more: 'x' }), [name, 'PAUSED/']),
    send('DELETE', path),
    get(path),
  ]
})

const end: readonly Call[] = [
  send('DELETE', nowhere),
  ...['made', 'put', 'halted', 'still'].flatMap(name => [send('DELETE', `/connectors/${name}`), get(`/connectors/${name}`, [name, '-'])]),
  send('POST', '/connectors', { name: 'x', config: sink({ name: 'x', 'topics.regex': 'y' }) }),
]

/** In this order. */
export const calls: readonly Call[] = [...[server, plugins, creation, changes, states, offsets, loggers, names, end].flat()]
