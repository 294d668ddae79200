/** Tasks of sinks that could not say goodbye to their group: it does not wait for the end of their session. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, startWorkers, type TestWorker, type Workers } from './workers.ts'

let workers: Workers
let worker: TestWorker

before(async () => {
  workers = await startWorkers({ hear: () => {} })
  worker = await workers.start({
    'plugin.path': fileURLToPath(new URL('./hostile-plugin.ts', import.meta.url)),
    'task.blocked.timeout.ms': '3000',
    'task.shutdown.graceful.timeout.ms': '500',
    'restart.backoff.initial.ms': '100',
    'restart.backoff.max.ms': '100',
    'consumer.session.timeout.ms': '120000',
  })
  await workers.client.createTopic({ name: 'in', partitions: 1 })
  await workers.client.send('in', [{ key: null, value: Buffer.from('x') }])
})
after(() => workers[Symbol.asyncDispose]())

const members = async (connector: string): Promise<string[]> => {
  const name = `connect-${connector}`
  if (!(await workers.client.groups()).some(({ group }) => group === name)) return []
  return (await workers.client.group(name)).members.map(each => each.id)
}
const failures = async (connector: string) => (await worker.ask('GET', `/connectors/${connector}/history`)).body.tasks[0]?.failures ?? []

test('a task that was ended because it blocked its thread goes on as the same member', { timeout: 100_000 }, async () => {
  await worker.ask('PUT', '/connectors/blocked/config', { 'connector.class': 'hostile-sink', topics: 'in', how: 'put forever' })
  await eventually(async () => (await members('blocked')).length === 1)
  const [first] = await members('blocked')
  // It has joined and read again each time.
  await eventually(async () => (await failures('blocked')).length > 1)
  assert.deepEqual(await members('blocked'), [first])
})

test('the worker leaves the group for a task that does not end', async () => {
  await worker.ask('PUT', '/connectors/gone/config', { 'connector.class': 'hostile-sink', topics: 'in', how: 'put forever' })
  await eventually(async () => (await members('gone')).length === 1)
  assert.equal((await worker.insist('PUT', '/connectors/gone/stop')).status, 204)
  await eventually(async () => (await members('gone')).length === 0)
})
