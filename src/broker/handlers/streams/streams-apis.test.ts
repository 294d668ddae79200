import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { apis, errorCode, errorName, type InputOf } from '../../../protocol.ts'
import { startTestBroker, type TestBroker } from '../cluster/cluster-apis.testing.ts'
import { streamsGroupDescribe } from './streams-group-describe.ts'
import { streamsGroupHeartbeat } from './streams-group-heartbeat.ts'
import { streamsGroupTopologyDescriptionUpdate } from './streams-group-topology-description-update.ts'

type Request = InputOf<typeof apis.streamsGroupHeartbeat.request>
type Told = NonNullable<Request['topology']>

const missingInternalTopics = 3

function topology(source = 'in', configs: { key: string; value: string }[] = [{ key: 'cleanup.policy', value: 'compact' }]): Told {
  const info = (name: string) => ({ name, partitions: 0, replicationFactor: 0, topicConfigs: configs })
  const subtopology = {
    subtopologyId: '0',
    sourceTopicRegex: [],
    copartitionGroups: [],
    stateChangelogTopics: [],
    repartitionSourceTopics: [],
  }
  return {
    epoch: 0,
    subtopologies: [
      { ...subtopology, sourceTopics: [source], repartitionSinkTopics: ['app-rep'] },
      {
        ...subtopology,
        subtopologyId: '1',
        sourceTopics: [],
        repartitionSinkTopics: [],
        repartitionSourceTopics: [info('app-rep')],
        stateChangelogTopics: [info('app-log')],
      },
    ],
  }
}

async function start(settings: Record<string, string> = {}): Promise<TestBroker> {
  const broker = await startTestBroker(settings)
  await broker.metadata.ensureInternalTopic('__consumer_offsets')
  await broker.createTopic('in', 3)
  return broker
}

function join(broker: TestBroker, version = 1, more: Partial<Request> = {}) {
  return broker.call(apis.streamsGroupHeartbeat, streamsGroupHeartbeat, version, {
    groupId: 'app',
    memberId: 'a',
    memberEpoch: 0,
    endpointInformationEpoch: 0,
    rebalanceTimeoutMs: 60_000,
    topology: topology(),
    activeTasks: [],
    standbyTasks: [],
    warmupTasks: [],
    processId: 'p',
    ...more,
  })
}

function describeGroups(broker: TestBroker, groupIds: string[], includeTopologyDescription = false) {
  const request = { groupIds, includeAuthorizedOperations: true, includeTopologyDescription }
  return broker.call(apis.streamsGroupDescribe, streamsGroupDescribe, includeTopologyDescription ? 1 : 0, request)
}

describe('StreamsGroupHeartbeat', () => {
  for (const version of [0, 1]) {
    it(`creates the internal topics and makes the member send the next heartbeat immediately, v${version}`, async () => {
      const broker = await start()
      const first = await join(broker, version)
      assert.equal(first.errorCode, 0)
      assert.ok(first.status?.some(({ statusCode }) => statusCode === missingInternalTopics))
      assert.equal(first.heartbeatIntervalMs, 100)
      assert.equal(broker.metadata.topic('app-rep')?.partitions.length, 3)
      assert.equal(broker.metadata.topic('app-log')?.partitions.length, 3)
      assert.equal(broker.metadata.configs('TOPIC', 'app-log').get('cleanup.policy'), 'compact')
      const second = await join(broker, version, { memberEpoch: first.memberEpoch, topology: null })
      assert.ok(second.status?.every(({ statusCode }) => statusCode !== missingInternalTopics))
      assert.equal(second.acceptableRecoveryLag, version === 0 ? -1 : 10_000)
    })
  }

  it('creates nothing that the client may not create', async () => {
    const broker = await start()
    broker.denied.add('CREATE CLUSTER kafka-cluster').add('CREATE TOPIC app-log')
    const response = await join(broker)
    const status = response.status?.find(({ statusCode }) => statusCode === missingInternalTopics)
    assert.equal(status?.statusDetail, 'Internal topics are missing: app-rep, app-log; Unauthorized to CREATE on topics app-log.')
    assert.equal(broker.metadata.topic('app-rep'), undefined)
    // The rest of the time until the first assignment.
    assert.ok(response.heartbeatIntervalMs > 1_000 && response.heartbeatIntervalMs <= 3_000)
  })

  it('names hundreds of forbidden topics in a string that fits the protocol', async () => {
    const broker = await start()
    const changelogs = Array.from({ length: 300 }, (_, n) => `app-${'x'.repeat(200)}-${n}`)
    broker.denied.add('CREATE CLUSTER kafka-cluster')
    for (const name of changelogs) broker.denied.add(`CREATE TOPIC ${name}`)
    const [subtopology] = topology('in').subtopologies
    const stateChangelogTopics = changelogs.map(name => ({ name, partitions: 0, replicationFactor: 0, topicConfigs: [] }))
    const response = await join(broker, 1, { topology: { epoch: 0, subtopologies: [{ ...subtopology!, stateChangelogTopics }] } })
    const status = response.status?.find(({ statusCode }) => statusCode === missingInternalTopics)
    assert.match(status?.statusDetail ?? '', /; Unauthorized to CREATE on topics app-x/)
    assert.ok(status!.statusDetail.length < 10_000)
  })

  it('says why topics could not be created', async () => {
    const broker = await start()
    const response = await join(broker, 1, { topology: topology('in', [{ key: 'no.such.config', value: '1' }]) })
    const status = response.status?.find(({ statusCode }) => statusCode === missingInternalTopics)
    assert.match(status?.statusDetail ?? '', /; Creation failed: app-rep \(.*no\.such\.config.*\), app-log \(/)
  })

  it('is refused to those who may not read the group or describe a topic', async () => {
    const broker = await start()
    broker.denied.add('READ GROUP app')
    assert.equal(errorName((await join(broker)).errorCode), 'GROUP_AUTHORIZATION_FAILED')
    broker.denied.clear()
    broker.denied.add('DESCRIBE TOPIC app-log')
    const refused = await join(broker)
    assert.deepEqual([errorName(refused.errorCode), refused.status], ['TOPIC_AUTHORIZATION_FAILED', []])
    assert.equal((await describeGroups(broker, ['app'])).groups[0]?.errorCode, errorCode('GROUP_ID_NOT_FOUND'))
  })

  it('refuses topologies over topics that cannot be', async () => {
    const broker = await start()
    for (const source of ['__consumer_offsets', 'not/a/topic']) {
      assert.equal(errorName((await join(broker, 1, { topology: topology(source) })).errorCode), 'STREAMS_INVALID_TOPOLOGY')
    }
  })

  it('can be switched off', async () => {
    const broker = await start({ 'group.coordinator.rebalance.protocols': 'classic,consumer' })
    assert.equal(errorName((await join(broker)).errorCode), 'UNSUPPORTED_VERSION')
    assert.equal((await describeGroups(broker, ['app'])).groups[0]?.errorCode, errorCode('UNSUPPORTED_VERSION'))
  })
})

describe('StreamsGroupDescribe', () => {
  it('returns the group, its topology and the authorized operations', async () => {
    const broker = await start()
    await join(broker)
    await join(broker, 1, { memberEpoch: 1, topology: null })
    const [group, missing] = (await describeGroups(broker, ['app', 'other'])).groups
    assert.deepEqual([group?.errorCode, group?.groupState, group?.members.length], [0, 'Assigning', 1])
    assert.equal(group?.topology?.subtopologies?.[1]?.stateChangelogTopics[0]?.partitions, 3)
    assert.notEqual(group?.authorizedOperations, -2147483648)
    assert.equal(missing?.errorCode, errorCode('GROUP_ID_NOT_FOUND'))
    const [described] = (await describeGroups(broker, ['app'], true)).groups
    assert.deepEqual([described?.topologyDescription, described?.topologyDescriptionStatus, described?.assignorName], [null, 1, 'sticky'])
  })

  it('hides a group with a topic that may not be described', async () => {
    const broker = await start()
    await join(broker)
    broker.denied.add('DESCRIBE TOPIC in')
    const [group] = (await describeGroups(broker, ['app'])).groups
    assert.deepEqual([errorName(group!.errorCode), group!.members, group!.topology], ['TOPIC_AUTHORIZATION_FAILED', [], null])
    broker.denied.add('DESCRIBE GROUP app')
    assert.equal(errorName((await describeGroups(broker, ['app'])).groups[0]!.errorCode), 'GROUP_AUTHORIZATION_FAILED')
  })
})

describe('StreamsGroupTopologyDescriptionUpdate', () => {
  it('is refused, as by a Kafka without the plug-in', async () => {
    const broker = await start()
    const request = { groupId: 'app', memberId: 'a', topologyEpoch: 0, topologyDescription: { subtopologies: [], globalStores: [] } }
    const call = () => broker.call(apis.streamsGroupTopologyDescriptionUpdate, streamsGroupTopologyDescriptionUpdate, 0, request)
    assert.equal(errorName((await call()).errorCode), 'UNSUPPORTED_VERSION')
    broker.denied.add('READ GROUP app')
    assert.equal(errorName((await call()).errorCode), 'GROUP_AUTHORIZATION_FAILED')
  })
})
