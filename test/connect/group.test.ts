/** Several workers share what there is to do; any of them answers for all. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { askRaw } from '../support/raw-http.ts'
import { linesOf } from './plugin.ts'
import { type Answer, eventually, runs, startWorkers, type Workers } from './workers.ts'

let workers: Workers

before(async () => {
  workers = await startWorkers()
})
after(() => workers[Symbol.asyncDispose]())

const ownersOf = (status: Answer['body']) => new Set(status.tasks.map((each: { worker_id: string }) => each.worker_id))

test('tasks move to a worker that comes and back from one that goes; requests find their way', async () => {
  await workers.client.createTopic({ name: 'in', partitions: 4 })
  const first = await workers.start()
  const file = `${workers.directory}/lines`
  const config = { 'connector.class': 'test-sink', topics: 'in', file, 'tasks.max': '4' }
  assert.equal((await first.insist('PUT', '/connectors/lines/config', config)).status, 201)
  await first.until('lines', runs(4))
  const second = await workers.start()
  const shared = await second.until('lines', status => runs(4)(status) && ownersOf(status).size === 2)
  assert.equal(shared.tasks.length, 4)
  const values = Array.from({ length: 40 }, (_, at) => String(at))
  await workers.client.send(
    'in',
    values.map(value => ({ key: Buffer.from(value), value: Buffer.from(value) })),
  )
  await eventually(() => new Set(linesOf(file).map(line => line[3])).size === 40)
  // The second one does not lead, and the tasks are not all its own.
  assert.equal((await second.insist('PUT', '/connectors/lines/config', { ...config, level: '2' })).status, 200)
  await second.until('lines', runs(4))
  for (const task of [0, 1, 2, 3]) assert.equal((await second.insist('POST', `/connectors/lines/tasks/${task}/restart`)).status, 204)
  assert.equal((await second.insist('POST', '/connectors/lines/restart')).status, 204)
  const location = (await second.insist('PUT', '/connectors/other/config', { ...config, topics: 'none' })).headers.get('location')
  assert.match(location!, /\/connectors\/other$/)
  assert.equal((await second.insist('DELETE', '/connectors/other')).status, 204)
  await second.until('lines', runs(4))
  const dot = await askRaw(second.url, 'DELETE', '/connectors/%2e')
  assert.deepEqual([dot.status, JSON.parse(dot.text).message], [404, 'Connector . not found'], 'a path is sent on as it is written')
  await first.close()
  const left = await second.until('lines', status => runs(4)(status) && ownersOf(status).size === 1)
  assert.equal(ownersOf(left).size, 1)
})
