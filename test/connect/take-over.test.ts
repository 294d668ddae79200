/** What a cluster of Java's workers has left behind is gone on with; `npm run compat -- connect` does it with a real one. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { linesOf } from './plugin.ts'
import { eventually, runs, startWorkers, type Workers } from './workers.ts'

let workers: Workers

before(async () => {
  workers = await startWorkers()
})
after(() => workers[Symbol.asyncDispose]())

const compact = new Map([['cleanup.policy', 'compact']])
const put = (topic: string, records: readonly (readonly [key: string, value: object])[]) =>
  workers.client.send(
    topic,
    records.map(([key, value]) => ({ key: Buffer.from(key), value: Buffer.from(JSON.stringify(value)) })),
  )

test('connectors, tasks, offsets and target states', async () => {
  const { client, directory } = workers
  for (const [name, partitions] of [
    ['connect-configs', 1],
    ['connect-offsets', 25],
    ['connect-status', 5],
  ] as const)
    await client.createTopic({ name, partitions, configs: compact })
  await client.createTopic({ name: 'in', partitions: 1 })
  await put('in', [
    ['k', [0]],
    ['k', [1]],
    ['k', [2]],
  ])
  await client.commit('connect-lines', [{ topic: 'in', partition: 0, offset: 2n }])
  const sink = {
    name: 'lines',
    'connector.class': 'com.example.LinesSinkConnector',
    topics: 'in',
    file: `${directory}/lines`,
    'tasks.max': '1',
  }
  const source = { name: 'counter', 'connector.class': 'test-source', topic: 'numbers', count: '9' }
  await put('connect-configs', [
    ['session-key', { key: Buffer.alloc(32, 7).toString('base64'), algorithm: 'HmacSHA256', 'creation-timestamp': Date.now() }],
    ['connector-lines', { properties: sink }],
    ['task-lines-0', { properties: { 'task.class': 'com.example.LinesSinkTask', ...sink } }],
    ['commit-lines', { tasks: 1 }],
    ['target-state-counter', { state: 'PAUSED', 'state.v2': 'STOPPED' }],
    ['connector-counter', { properties: source }],
    ['commit-counter', { tasks: 0 }],
  ])
  await put('connect-offsets', [['["counter",{"part":"a"}]', { next: 7 }]])
  await put('connect-status', [['status-connector-lines', { state: 'RUNNING', trace: null, worker_id: 'java:8083', generation: 9 }]])

  const worker = await workers.start()
  await worker.until('lines', runs(1))
  await eventually(() => linesOf(`${directory}/lines`).length === 1)
  assert.equal(linesOf(`${directory}/lines`)[0]![3], '[2]')
  await worker.until('counter', ({ connector, tasks }) => connector.state === 'STOPPED' && tasks.length === 0)
  assert.deepEqual((await worker.ask('GET', '/connectors/counter/offsets')).body.offsets, [
    { partition: { part: 'a' }, offset: { next: 7 } },
  ])
  await worker.ask('PUT', '/connectors/counter/resume')
  const records = await workers.stored('numbers', 2)
  assert.deepEqual(
    records.map(({ value }) => value!.toString()),
    ['a7', 'a8'],
  )
})
