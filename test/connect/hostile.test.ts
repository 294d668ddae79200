/** Connectors that do what no connector should: their own tasks fail, with a trace that says why; nothing else is harmed, and the worker stops within its time. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, startWorkers, type TestWorker, type Workers } from './workers.ts'

const secret = 'canary-4711-0815'
let workers: Workers
let worker: TestWorker
let said = ''

before(async () => {
  workers = await startWorkers({ hear: (...words) => void (said += `${JSON.stringify(words)}\n`) })
  worker = await workers.start({
    'plugin.path': fileURLToPath(new URL('./hostile-plugin.ts', import.meta.url)),
    'task.heap.mb': '64',
    'task.buffers.mb': '96',
    'task.call.timeout.ms': '4000',
    'task.blocked.timeout.ms': '10000',
    'task.shutdown.graceful.timeout.ms': '2000',
    'restart.backoff.initial.ms': '600000',
    'restart.backoff.max.ms': '600000',
  })
  await workers.client.createTopic({ name: 'in', partitions: 1 })
  await workers.client.send('in', [{ key: null, value: Buffer.from('x') }])
  await make('good', { 'connector.class': 'hostile-source', mark: mark() })
})
after(() => workers[Symbol.asyncDispose]())

const mark = () => `${workers.directory}/mark`
const marks = () => (existsSync(mark()) ? readFileSync(mark(), 'utf8').length : 0)

async function make(name: string, config: Record<string, string>): Promise<void> {
  const { status, text } = await worker.ask('PUT', `/connectors/${name}/config`, config)
  assert.equal(status, 201, text)
}

async function goesOn(): Promise<void> {
  const before = marks()
  await eventually(() => marks() > before)
}

/** What a task does, and what its trace says then. */
const deeds: readonly (readonly [string, RegExp])[] = [
  ['poll forever', /blocked the thread of the task for 10000 ms \(task.blocked.timeout.ms\)/],
  ['poll leak', /more than 64 MiB of memory \(task.heap.mb\)/],
  ['poll leak-bytes', /more than 96 MiB of buffers \(task.buffers.mb\)/],
  ['poll never', /poll of the connector has not returned within 4000 ms \(task.call.timeout.ms\)/],
  ['poll later-null', /null was thrown, which is no error/],
  ['poll later-secret', /the pin is \[hidden\]/],
  ['poll exit', /ended with code 7, as after process.exit/],
  ['gives partition', /999/],
]

test('each fails with what it has done, while others go on and the API answers', async () => {
  const how = deeds.map(([each]) => each).join(';')
  const config = { 'connector.class': 'hostile-source', how, 'tasks.max': String(deeds.length), 'the.password': secret }
  await make('bad', config)
  await make('sink', { 'connector.class': 'hostile-sink', topics: 'in', how: 'flush garbage' })
  const wanted = (state: string) => (each: { state: string }) => each.state === state
  const status = await worker.until('bad', ({ tasks }) => tasks.length === deeds.length && tasks.every(wanted('FAILED')))
  for (const [at, [deed, words]] of deeds.entries()) assert.match(status.tasks[at].trace, words, deed)
  const refused = await worker.until('sink', ({ tasks }) => tasks[0]?.state === 'FAILED')
  assert.match(refused.tasks[0].trace, /flush of the connector has given 42 instead of offsets/)
  await goesOn()
  assert.doesNotMatch(said + JSON.stringify(status), new RegExp(secret))
})

test('what others of its thread hear is not heard by the worker, nor are changed prototypes', async () => {
  await make('told', { 'connector.class': 'hostile-source', how: 'poll messages;poll prototypes', 'tasks.max': '2' })
  await worker.until('told', ({ tasks }) => tasks.length === 2 && tasks[0].state === 'FAILED')
  await eventually(() => said.includes('tells what are no messages'))
  await goesOn()
  await worker.ask('DELETE', '/connectors/told')
})

test('tasks that do not end are ended, and the worker with them', async () => {
  await make('stuck', { 'connector.class': 'hostile-source', how: 'poll forever;poll never;close never;poll sleep', 'tasks.max': '4' })
  await make('kept', { 'connector.class': 'hostile-sink', topics: 'in', how: 'flush never' })
  await worker.until('stuck', ({ tasks }) => tasks.length === 4 && tasks.every((each: { state: string }) => each.state === 'RUNNING'))
  await worker.until('kept', ({ tasks }) => tasks[0]?.state === 'RUNNING')
  const beganMs = performance.now()
  await worker.close()
  assert.ok(performance.now() - beganMs < 10_000)
  // It has left its group, although its connector did not return.
  assert.deepEqual((await workers.client.group('connect-kept')).members, [])
})
