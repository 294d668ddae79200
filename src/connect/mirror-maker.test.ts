import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flowsIn } from './mirror-maker.ts'

const file = {
  clusters: 'eu, us',
  'eu.bootstrap.servers': 'eu1:9092,eu2:9092',
  'us.bootstrap.servers': 'us1:9092',
  'us.sasl.mechanism': 'SCRAM-SHA-512',
  'us.exactly.once.source.support': 'enabled',
  'security.protocol': 'SASL_SSL',
  'eu->us.enabled': 'true',
  'eu->us.topics': 'orders.*',
  'us->eu.enabled': 'false',
  'replication.factor': '2',
  'emit.checkpoints.interval.seconds': '5',
  'offset.storage.replication.factor': '1',
}

test('each direction is a worker at its target, with the connectors, group and topics of MirrorMaker', () => {
  const [there, back, ...others] = flowsIn(file)
  assert.equal(others.length, 0)
  assert.equal(there!.name, 'eu->us')
  const { worker, connectors } = there!
  assert.deepEqual(
    ['bootstrap.servers', 'group.id', 'offset.storage.topic', 'exactly.once.source.support', 'sasl.mechanism', 'security.protocol'].map(
      key => worker[key],
    ),
    ['us1:9092', 'eu-mm2', 'mm2-offsets.eu.internal', 'enabled', 'SCRAM-SHA-512', 'SASL_SSL'],
  )
  assert.equal(worker['offset.storage.replication.factor'], '1')
  assert.deepEqual(
    connectors.map(each => each.name),
    ['MirrorSourceConnector', 'MirrorCheckpointConnector', 'MirrorHeartbeatConnector'],
  )
  const settings = connectors[0]!.settings
  assert.deepEqual(
    {
      ...{ class: settings['connector.class'], topics: settings['topics'], from: settings['source.cluster.bootstrap.servers'] },
      ...{
        to: settings['target.cluster.bootstrap.servers'],
        alias: settings['source.cluster.alias'],
        factor: settings['replication.factor'],
      },
      ...{ login: settings['target.cluster.sasl.mechanism'], every: settings['emit.checkpoints.interval.seconds'] },
    },
    {
      ...{ class: 'org.apache.kafka.connect.mirror.MirrorSourceConnector', topics: 'orders.*', from: 'eu1:9092,eu2:9092' },
      ...{ to: 'us1:9092', alias: 'eu', factor: '2', login: 'SCRAM-SHA-512', every: '5' },
    },
  )
  assert.ok(!Object.keys(settings).some(key => key.startsWith('eu.') || key.includes('->') || key === 'clusters'))
  // Nothing is copied this way, but heartbeats begin here for the other one to copy.
  assert.deepEqual([back!.name, back!.connectors.map(each => each.name)], ['us->eu', ['MirrorHeartbeatConnector']])
  assert.equal(flowsIn({ ...file, 'emit.heartbeats.enabled': 'false' }).length, 1)
})

test('what is missing is named', () => {
  const { 'us.bootstrap.servers': _, ...without } = file
  for (const [properties, text] of [
    [{}, /^clusters: /],
    [{ clusters: 'eu' }, /^clusters: /],
    [without, /^us\.bootstrap\.servers: it is missing/],
    [{ ...file, 'eu->us.enabled': 'no', 'emit.heartbeats.enabled': 'false' }, /^nothing is enabled: eu->us\.enabled=true/],
  ] as const)
    assert.throws(() => flowsIn(properties), { message: text })
})
