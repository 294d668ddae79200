/** Sinks and sources run: nothing is lost, what fails comes back, and what cannot be processed goes where it is configured to go. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import type { ClientError } from '../../src/client.ts'
import { consumerProtocol, encodeVersioned } from '../../src/protocol.ts'
import { linesOf } from './plugin.ts'
import { eventually, runs, startWorkers, type TestWorker, type Workers } from './workers.ts'

let workers: Workers
let worker: TestWorker

before(async () => {
  workers = await startWorkers()
  worker = await workers.start({ 'exactly.once.source.support': 'enabled' })
})
after(() => workers[Symbol.asyncDispose]())

const fileOf = (name: string) => `${workers.directory}/${name}`
const send = (topic: string, values: readonly string[]) =>
  workers.client.send(
    topic,
    values.map(value => ({ key: Buffer.from('k'), value: Buffer.from(value) })),
  )
const valuesIn = (name: string) => linesOf(fileOf(name)).map(line => line[3])

async function make(name: string, config: Record<string, string>): Promise<void> {
  const { status, text } = await worker.ask('PUT', `/connectors/${name}/config`, config)
  assert.equal(status, 201, text)
}

test('a sink writes what comes, in order, and goes on where it was', async () => {
  await workers.client.createTopic({ name: 'in' })
  await send('in', ['1', '2', '3'])
  await make('lines', { 'connector.class': 'test-sink', topics: 'in', file: fileOf('lines') })
  await eventually(() => valuesIn('lines').length === 3)
  await worker.ask('PUT', '/connectors/lines/stop')
  await worker.until('lines', ({ connector }) => connector.state === 'STOPPED')
  await send('in', ['4', '5'])
  await worker.ask('PUT', '/connectors/lines/resume')
  await eventually(() => valuesIn('lines').length === 5)
  assert.deepEqual(valuesIn('lines'), ['1', '2', '3', '4', '5'])
  const committed = async () => {
    const { body } = await worker.ask('GET', '/connectors/lines/offsets')
    return body.offsets.map((each: { offset: { kafka_offset: number } }) => each.offset.kafka_offset).sort()
  }
  await eventually(async () => JSON.stringify(await committed()) === '[0,5]')
  assert.deepEqual((await worker.ask('GET', '/connectors/lines/topics')).body, { lines: { topics: ['in'] } })
})

test('offsets of a sink are altered while it is stopped, and only then', async () => {
  const path = '/connectors/lines/offsets'
  const [{ partition }] = (await worker.ask('GET', path)).body.offsets.filter(
    (each: { offset: { kafka_offset: number } }) => each.offset.kafka_offset === 5,
  )
  const change = { offsets: [{ partition, offset: { kafka_offset: '3' } }] }
  assert.equal((await worker.ask('PATCH', path, change)).status, 400)
  await worker.ask('PUT', '/connectors/lines/stop')
  await worker.until('lines', ({ connector }) => connector.state === 'STOPPED')
  for (const offsets of [
    [],
    null,
    [{ partition: null, offset: null }],
    [{ partition, offset: { kafka_offset: 'x' } }],
    [{ partition, offset: {} }],
  ])
    assert.equal((await worker.ask('PATCH', path, { offsets })).status, 400, JSON.stringify(offsets))
  await eventually(async () => (await worker.ask('PATCH', path, change)).status === 200)
  await worker.ask('PUT', '/connectors/lines/resume')
  await eventually(() => valuesIn('lines').length === 7)
  assert.deepEqual(valuesIn('lines').slice(5), ['4', '5'])
  await worker.ask('DELETE', '/connectors/lines')
})

test('what a target refuses goes to the dead-letter topic as it was, and its headers say why', async () => {
  await workers.client.createTopic({ name: 'some', partitions: 1 })
  await send('some', ['1', 'bad', '2'])
  await make('tolerant', {
    'connector.class': 'test-sink',
    topics: 'some',
    file: fileOf('tolerant'),
    refuse: 'bad',
    'errors.tolerance': 'all',
    'errors.deadletterqueue.topic.name': 'dead',
    'errors.deadletterqueue.topic.replication.factor': '1',
    'errors.deadletterqueue.context.headers.enable': 'true',
  })
  await eventually(() => valuesIn('tolerant').length === 2)
  assert.deepEqual(valuesIn('tolerant'), ['1', '2'])
  const [letter] = await workers.stored('dead', 1)
  assert.deepEqual([letter!.key?.toString(), letter!.value?.toString()], ['k', 'bad'])
  const said = new Map(letter!.headers.map(({ key, value }) => [key.toString().replace('__connect.errors.', ''), value!.toString()]))
  assert.deepEqual(
    ['topic', 'partition', 'offset', 'connector.name', 'task.id', 'stage', 'class.name', 'exception.class.name', 'exception.message'].map(
      each => said.get(each),
    ),
    [
      'some',
      '0',
      '1',
      'tolerant',
      '0',
      'TASK_PUT',
      'org.apache.kafka.connect.sink.SinkTask',
      'org.apache.kafka.connect.errors.DataException',
      'refused: bad',
    ],
  )
  assert.ok(said.get('exception.stacktrace')!.includes('refused: bad'))
  await worker.ask('DELETE', '/connectors/tolerant')
})

test('a task that fails is started again until it runs, and its history is kept; a busy target is waited for', async () => {
  await workers.client.createTopic({ name: 'hard', partitions: 1 })
  await send('hard', ['1'])
  const [broken, busy] = [fileOf('broken'), fileOf('busy')]
  writeFileSync(broken, '')
  writeFileSync(busy, '')
  const config = { 'connector.class': 'test-sink', topics: 'hard', file: fileOf('hard'), 'fail.while': broken, 'busy.while': busy }
  await make('hard', config)
  const failed = await worker.until('hard', ({ tasks }) => tasks[0]?.state === 'FAILED')
  assert.match(failed.tasks[0].trace, /the target is broken/)
  assert.equal(failed.connector.state, 'RUNNING')
  rmSync(broken)
  const silent: string[] = []
  await worker.until('hard', status => {
    const [{ state, trace }] = status.tasks
    if (state === 'RESTARTING' && !trace) silent.push(state)
    return runs(1)(status)
  })
  assert.deepEqual(silent, [], 'it says why, also while it is started again')
  assert.deepEqual(valuesIn('hard'), [])
  rmSync(busy)
  await eventually(() => valuesIn('hard').length === 1)
  const history = (await worker.ask('GET', '/connectors/hard/history')).body
  assert.match(history.tasks[0].failures[0].reason, /the target is broken/)
  await worker.ask('DELETE', '/connectors/hard')
})

test('a source writes each number exactly once, though it crashes, and goes on where it was under the same name', async () => {
  const config = { 'connector.class': 'test-source', topic: 'numbers', parts: 'a,b,c', 'tasks.max': '2', crash: fileOf('crashed') }
  await make('counter', { ...config, count: '20', 'exactly.once.support': 'required' })
  await workers.stored('numbers', 60)
  await worker.ask('DELETE', '/connectors/counter')
  await make('counter', { ...config, count: '25' })
  const records = await workers.stored('numbers', 75)
  const values = records.map(({ value }) => value!.toString()).sort()
  const wanted = ['a', 'b', 'c'].flatMap(part => Array.from({ length: 25 }, (_, at) => `${part}${at}`)).sort()
  assert.deepEqual(values, wanted)
  await eventually(async () => (await worker.ask('GET', '/connectors/counter/offsets')).body.offsets.length === 3)
  const { body } = await worker.ask('GET', '/connectors/counter/offsets')
  assert.ok(body.offsets.some((each: object) => JSON.stringify(each) === '{"partition":{"part":"a"},"offset":{"next":25}}'))
})

test('offsets of a source are altered, in part, and reset', async () => {
  const path = '/connectors/counter/offsets'
  await worker.ask('PUT', '/connectors/counter/stop')
  await worker.until('counter', ({ connector }) => connector.state === 'STOPPED')
  const changed = await worker.ask('PATCH', path, {
    offsets: [
      { partition: { part: 'a' }, offset: { next: 24 } },
      { partition: { part: 'b' }, offset: null },
    ],
  })
  assert.equal(changed.status, 200, changed.text)
  assert.match(changed.body.message, /altered successfully/)
  const shown = (await worker.ask('GET', path)).body.offsets as { partition: { part: string }; offset: { next: number } }[]
  assert.deepEqual(new Map(shown.map(each => [each.partition.part, each.offset.next])), new Map(Object.entries({ a: 24, c: 25 })))
  assert.match((await worker.ask('DELETE', path)).body.message, /reset successfully/)
  assert.deepEqual((await worker.ask('GET', path)).body, { offsets: [] })
  await worker.ask('DELETE', '/connectors/counter')
})

test('a worker that is alone runs what its files say', async () => {
  const alone = await workers.start({ 'group.id': '', 'offset.storage.file.filename': fileOf('offsets') })
  const config = { 'connector.class': 'test-source', topic: 'alone', count: '5' }
  assert.equal((await alone.ask('PUT', '/connectors/one/config', config)).status, 201)
  await alone.until('one', runs(1))
  const records = await workers.stored('alone', 5)
  assert.deepEqual(records.map(({ value }) => value!.toString()).sort(), ['a0', 'a1', 'a2', 'a3', 'a4'])
  await alone.close()
})

test('a connector says where transactions end', async () => {
  await make('blocks', { 'connector.class': 'test-blocks', 'transaction.boundary': 'connector' })
  const found = await workers.stored('blocks', 12)
  assert.deepEqual(
    found.map(({ value }) => value!.toString()),
    [0, 1, 2, 5, 6, 7, 10, 11, 12, 15, 16, 17].map(String),
  )
  // What was given up does not come again either.
  await eventually(async () => (await worker.ask('GET', '/connectors/blocks/offsets')).body.offsets[0]?.offset.next === 20)
  await worker.until('blocks', runs(1))
  const refused = await worker.ask('PUT', '/connectors/no/config', {
    'connector.class': 'test-source',
    'transaction.boundary': 'connector',
  })
  assert.match(refused.body.message, /does not support connector-defined transaction boundaries/)
})

test('a source stores from where to go on before it has given a record', async () => {
  await make('later', { 'connector.class': 'test-later' })
  const offsets = async () => (await worker.ask('GET', '/connectors/later/offsets')).body.offsets
  for (const starts of [1, 2]) {
    await eventually(async () => (await offsets())[0]?.offset.starts === starts)
    if (starts === 1) assert.equal((await worker.ask('POST', '/connectors/later/restart?includeTasks=true')).status, 202)
  }
  assert.deepEqual(await offsets(), [{ partition: { of: 'later' }, offset: { starts: 2 } }])
  await worker.ask('DELETE', '/connectors/later')
  // What is stored while a record is on its way is behind it.
  const rarely = { 'transaction.boundary': 'interval', 'transaction.boundary.interval.ms': '60000' }
  await make('leaping', { 'connector.class': 'test-later', topic: 'leaps', ...rarely })
  const leapt = async () => (await worker.ask('GET', '/connectors/leaping/offsets')).body.offsets[0]?.offset.starts
  await eventually(async () => [50, 100].includes(await leapt()))
  assert.equal(await leapt(), 100)
  await worker.ask('DELETE', '/connectors/leaping')
})

test('records that their topic does not take are left out, if errors are tolerated, with and without transactions', async () => {
  const alone = await workers.start({ 'group.id': '', 'offset.storage.file.filename': fileOf('slim') })
  for (const [one, topic] of [
    [worker, 'slim'],
    [alone, 'slim-alone'],
  ] as const) {
    await workers.client.createTopic({ name: topic, partitions: 1, configs: new Map([['max.message.bytes', '1500']]) })
    const config = { 'connector.class': 'test-source', topic, parts: `a,${'x'.repeat(2_000)}`, 'errors.tolerance': 'all' }
    assert.equal((await one.ask('PUT', `/connectors/${topic}/config`, config)).status, 201)
    const found = await workers.stored(topic, 10)
    assert.deepEqual(
      found.map(({ value }) => value!.toString()),
      Array.from({ length: 10 }, (_, n) => `a${n}`),
    )
    // They do not come again.
    const offsets = async () =>
      (await one.ask('GET', `/connectors/${topic}/offsets`)).body.offsets.map((each: { offset: { next: number } }) => each.offset.next)
    await eventually(async () => JSON.stringify(await offsets()) === '[10,10]')
  }
  await alone.close()
})

test('a source does not write into the topics where workers keep their state', async () => {
  await make('intruder', { 'connector.class': 'test-source', topic: 'connect-configs', parts: 'connector-none' })
  const { tasks } = await worker.until('intruder', ({ tasks: [task] }) => task?.state === 'FAILED')
  assert.match(tasks[0].trace, /keep their state in the topic connect-configs/)
  await worker.ask('DELETE', '/connectors/intruder')
})

test('a source without transactions hears where each of its records is', async () => {
  await workers.client.createTopic({ name: 'placed', partitions: 2 })
  const own = Object.fromEntries(['config', 'offset', 'status'].map(kind => [`${kind}.storage.topic`, `plain-${kind}`]))
  const plain = await workers.start({ 'group.id': 'plain', ...own })
  const { status, text } = await plain.ask('PUT', '/connectors/placed/config', { 'connector.class': 'test-placed', file: fileOf('placed') })
  assert.equal(status, 201, text)
  await eventually(() => linesOf(fileOf('placed')).length > 0)
  const expected = Array.from({ length: 6 }, (_, at) => [String(at), 1 - (at % 2), Math.floor(at / 2)])
  assert.deepEqual(linesOf(fileOf('placed')), expected)
})

test('a sink that the group has removed writes nothing for partitions that others may have', async () => {
  const rare = await workers.start({ 'group.id': '', 'offset.storage.file.filename': fileOf('rare'), 'offset.flush.interval.ms': '600000' })
  await workers.client.createTopic({ name: 'removed', partitions: 1 })
  await send('removed', ['1', '2', '3'])
  const config = { 'connector.class': 'test-sink', topics: 'removed', file: fileOf('removed'), puts: fileOf('removed-puts') }
  assert.equal((await rare.ask('PUT', '/connectors/removed/config', config)).status, 201)
  const puts = () => (existsSync(fileOf('removed-puts')) ? readFileSync(fileOf('removed-puts'), 'utf8').split('\n').length - 1 : 0)
  await eventually(() => puts() === 3)
  const { members } = await workers.client.group('connect-removed')
  const member = { memberId: members[0]!.id, generation: 0, leader: '', protocol: '', members: [] }
  await workers.client.leaveGroup({ group: 'connect-removed', ...member })
  await eventually(() => puts() === 6)
  await rare.ask('PUT', '/connectors/removed/stop')
  await rare.until('removed', ({ connector }) => connector.state === 'STOPPED')
  await eventually(() => valuesIn('removed').length > 0)
  assert.deepEqual(valuesIn('removed'), ['1', '2', '3'])
  await rare.close()
})

test('a sink that fails because the group has gone on without it joins again, and has not failed', async () => {
  const rare = await workers.start({ 'group.id': '', 'offset.storage.file.filename': fileOf('gone'), 'offset.flush.interval.ms': '600000' })
  await workers.client.createTopic({ name: 'gone', partitions: 1 })
  await send('gone', ['1', '2'])
  const files = { file: fileOf('gone-lines'), puts: fileOf('gone-puts'), 'hold.while': fileOf('gone-held') }
  const config = { 'connector.class': 'test-sink', topics: 'gone', ...files }
  assert.equal((await rare.ask('PUT', '/connectors/gone/config', config)).status, 201)
  const puts = () => (existsSync(files.puts) ? readFileSync(files.puts, 'utf8').trim().split('\n').join('') : '')
  await eventually(() => puts() === '12')
  const { members } = await workers.client.group('connect-gone')
  writeFileSync(files['hold.while'], '')
  await send('gone', ['3'])
  await eventually(() => readFileSync(files['hold.while'], 'utf8') !== '')
  const member = { memberId: members[0]!.id, generation: 0, leader: '', protocol: '', members: [] }
  await workers.client.leaveGroup({ group: 'connect-gone', ...member })
  rmSync(files['hold.while'])
  await eventually(() => puts() === '12123')
  assert.deepEqual((await rare.ask('GET', '/connectors/gone/history')).body.tasks[0]?.failures ?? [], [])
  await rare.close()
})

test('a task that waits for the others of its group ends at once, and they do not wait for it', { timeout: 60_000 }, async () => {
  const { client } = workers
  await client.createTopic({ name: 'crowded', partitions: 1 })
  const metadata = encodeVersioned(consumerProtocol.subscription, 0, { topics: ['crowded'] })
  const timeouts = { sessionTimeoutMs: 600_000, rebalanceTimeoutMs: 600_000 }
  const other = { group: 'connect-crowded', protocolType: 'consumer', protocols: [{ name: 'roundrobin', metadata }], ...timeouts }
  const begun = await client.joinGroup({ ...other, memberId: '' })
  await client.syncGroup(begun, new Map([[begun.memberId, Buffer.alloc(0)]]))
  const config = { 'connector.class': 'test-sink', topics: 'crowded', file: fileOf('crowded') }
  await make('crowded', { ...config, 'consumer.override.session.timeout.ms': '600000' })
  const rebalances = () =>
    client.heartbeatGroup(begun).then(
      () => false,
      (error: ClientError) => error.code === 'REBALANCE_IN_PROGRESS',
    )
  await eventually(rebalances)
  await worker.ask('DELETE', '/connectors/crowded')
  await eventually(async () => (await client.group('connect-crowded')).members.length === 1)
  const { members } = await client.joinGroup({ ...other, memberId: begun.memberId })
  assert.equal(members.length, 1)
  await client.leaveGroup(begun)
})

test('a topic that is made again while a sink reads it is read from its beginning, however long it is', async () => {
  const remake = async (values: readonly string[]) => {
    await workers.client.createTopic({ name: 'remade', partitions: 1 })
    await send('remade', values)
  }
  await remake(['1', '2'])
  const config = { 'connector.class': 'test-sink', topics: 'remade', file: fileOf('remade'), 'says.offsets': 'true' }
  await make('remade', config)
  await eventually(() => existsSync(fileOf('remade')) && valuesIn('remade').length === 2)
  await workers.client.deleteTopics(['remade'])
  await remake(['3', '4', '5', '6'])
  await eventually(() => valuesIn('remade').length === 6)
  assert.deepEqual(valuesIn('remade'), ['1', '2', '3', '4', '5', '6'])
  assert.deepEqual((await worker.ask('GET', '/connectors/remade/history')).body.tasks[0]?.failures ?? [], [])
  await worker.ask('DELETE', '/connectors/remade')
})

test('a start at the end is committed at once, so that a failure before the first flush skips nothing', async () => {
  const rare = await workers.start({ 'group.id': '', 'offset.storage.file.filename': fileOf('late'), 'offset.flush.interval.ms': '600000' })
  await workers.client.createTopic({ name: 'late', partitions: 1 })
  await send('late', ['1', '2', '3'])
  const config = {
    'connector.class': 'test-sink',
    topics: 'late',
    file: fileOf('late-lines'),
    'consumer.override.auto.offset.reset': 'latest',
  }
  assert.equal((await rare.ask('PUT', '/connectors/late/config', config)).status, 201)
  await rare.until('late', runs(1))
  const { offsets } = (await rare.ask('GET', '/connectors/late/offsets')).body
  assert.deepEqual(offsets, [{ partition: { kafka_topic: 'late', kafka_partition: 0 }, offset: { kafka_offset: 3 } }])
  await rare.close()
})

test('a topic that was made again does not pass for the one that the target has', async () => {
  const again = async (values: readonly string[]) => {
    await workers.client.deleteTopics(['again'])
    await workers.client.createTopic({ name: 'again', partitions: 1 })
    await send('again', values)
  }
  const refused = () =>
    worker.until('again', ({ tasks }) => /up to offset \d, but the partition ends at \d: the topic/.test(tasks[0]?.trace))
  await workers.client.createTopic({ name: 'again', partitions: 1 })
  await send('again', ['1', '2', '3'])
  await make('again', { 'connector.class': 'test-sink', topics: 'again', file: fileOf('again'), 'keeps.offsets': 'true' })
  await eventually(() => valuesIn('again').length === 3)
  await worker.ask('PUT', '/connectors/again/stop')
  await worker.until('again', ({ connector }) => connector.state === 'STOPPED')
  await again(['4', '5'])
  await worker.ask('PUT', '/connectors/again/resume')
  await refused()
  // What the target keeps is deleted.
  rmSync(fileOf('again'))
  await eventually(() => valuesIn('again').length === 2)
  assert.deepEqual(valuesIn('again'), ['4', '5'])
  await worker.until('again', runs(1))
  // While it runs.
  await again(['6'])
  await refused()
  await worker.ask('DELETE', '/connectors/again')
})

test('a worker that was overtaken does not have the last word about a task', async () => {
  await workers.client.createTopic({ name: 'ghostly', partitions: 1 })
  await make('ghostly', { 'connector.class': 'test-sink', topics: 'ghostly', file: fileOf('ghostly') })
  const [{ worker_id: own }] = (await worker.until('ghostly', runs(1))).tasks
  const status = { state: 'FAILED', trace: 'it was fenced', worker_id: 'ghost:1', generation: 0 }
  const key = Buffer.from('status-task-ghostly-0')
  await workers.client.send('connect-status', [{ key, value: Buffer.from(JSON.stringify(status)) }])
  await eventually(async () => {
    const records = await ofKey('connect-status', key)
    const last = records.at(-1)!
    return records.some(each => each.worker_id === 'ghost:1') && last.worker_id === own && last.state === 'RUNNING'
  })
  await worker.until('ghostly', runs(1))
  await worker.ask('DELETE', '/connectors/ghostly')
})

async function ofKey(topic: string, key: Buffer): Promise<{ worker_id: string; state: string }[]> {
  const ends = await workers.client.offsets(topic, [0, 1], 'latest')
  const count = [...ends.values()].reduce((sum, each) => sum + Number(each), 0)
  const records = await workers.stored(topic, count)
  return records.filter(each => each.key?.equals(key) && each.value !== null).map(each => JSON.parse(each.value!.toString()))
}
