import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeBroker } from './describe.ts'
import { explainConfig, renderExplanation } from './explain.ts'
import { ConfigProblems, loadBrokerConfig } from './load.ts'

const secret = 'hunter2'
const keys = { cluster: `postgres://me:${secret}@db/events`, objects: 's3://bucket/prefix?endpoint=http://127.0.0.1:9000' }

function problemsOf(set: Record<string, string>): string {
  try {
    loadBrokerConfig({ set })
  } catch (error) {
    assert.ok(error instanceof ConfigProblems, String(error))
    return error.problems.join('\n')
  }
  assert.fail('the configuration was accepted')
}

test('the password of the database is shown nowhere', () => {
  const explanation = explainConfig({ environment: { MILLRACE_CLUSTER: keys.cluster, MILLRACE_OBJECTS: keys.objects } })
  const shown = [
    renderExplanation(explanation),
    renderExplanation(explanation, { prefix: 'cluster' }),
    JSON.stringify(explanation),
    JSON.stringify(describeBroker(loadBrokerConfig({ set: keys }))),
    problemsOf({ ...keys, cluster: `mysql://me:${secret}@db/events` }),
    problemsOf({ cluster: keys.cluster }),
  ]
  for (const text of shown) assert.ok(!text.includes(secret), text)
  assert.match(shown[0]!, /^cluster = \[hidden\] +# environment MILLRACE_CLUSTER$/m)
  assert.match(shown[0]!, /^objects = s3:\/\/bucket\/prefix/m)
})

test('database and object store belong together, and do not go with several processes', () => {
  assert.match(problemsOf({ cluster: keys.cluster }), /^cluster: set objects, too/)
  assert.match(problemsOf({ objects: keys.objects }), /^objects: set cluster, too/)
  assert.match(problemsOf({ ...keys, processes: '2' }), /^processes: a broker of a cluster is one process/)
  assert.match(
    problemsOf({ ...keys, cluster: 'db:5432' }),
    /^Invalid value \[hidden\] for configuration cluster: It must begin with postgres:/,
  )
  assert.match(problemsOf({ ...keys, objects: '/data' }), /^Invalid value \/data for configuration objects: It must begin with s3:/)
})

test('in a cluster replicas count, and a data directory has no effect', () => {
  const replicas = { 'default.replication.factor': '3', 'min.insync.replicas': '2' }
  const config = loadBrokerConfig({ set: { ...keys, ...replicas, 'log.dirs': '/data' } })
  assert.equal(config.get('default.replication.factor'), 3)
  assert.equal(config.get('min.insync.replicas'), 2)
  assert.ok(config.notes.includes('a broker of a cluster has no data directory, so these keys have no effect: log.dirs'))
  assert.equal(loadBrokerConfig({ set: replicas }).get('default.replication.factor'), 1)
})

test('a broker without node.id takes the one that the cluster gives to it', () => {
  const config = loadBrokerConfig({ set: keys })
  assert.equal(config.hasNodeId, false)
  config.takeNodeId(5)
  assert.deepEqual([config.get('node.id'), config.text('broker.id'), config.hasNodeId], [5, '5', true])
  assert.deepEqual(
    config.layers('node.id').map(({ text, from }) => [text, from]),
    [
      ['5', 'the cluster'],
      ['1', 'default'],
    ],
  )
  assert.equal(loadBrokerConfig({ set: { ...keys, 'broker.id': '7' } }).hasNodeId, true)
})
