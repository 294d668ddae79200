/** What the brokers tell about themselves and each other, and that all tell the same. */
import { randomBytes } from 'node:crypto'
import { apis, buildBatch, errorName, type Uuid } from '../../src/protocol.ts'
import { unique } from '../support/kit.ts'
import type { Cases } from './case.ts'
import { ask, eventually, expect, login, same, type World } from './world.ts'

const topicResource = 2
const brokerResource = 4
const setConfig = 0
const everywhereWithinMs = 1_000

/** `isThere` at each broker that was not asked to make the change. */
async function everywhere(what: string, isThere: (id: number) => Promise<boolean>): Promise<number> {
  const times = await Promise.all([2, 3].map(id => eventually(`${what} at broker ${id}`, everywhereWithinMs, () => isThere(id))))
  return Math.max(...times)
}

const ms = (times: Readonly<Record<string, number>>) =>
  Object.entries(times)
    .map(([what, each]) => `${what} ${Math.round(each)} ms`)
    .join(', ')

/** Of all brokers; each is asked for its own configs. */
async function aDefault(world: World): Promise<number> {
  const value = String(1e6 + Math.floor(Math.random() * 1e6))
  const configs = [{ name: 'log.retention.ms', configOperation: setConfig, value }]
  const altered = await world.ask(1, apis.incrementalAlterConfigs, 1, {
    resources: [{ resourceType: brokerResource, resourceName: '', configs }],
    validateOnly: false,
  })
  same(errorName(altered.responses[0]!.errorCode), 'NONE', 'IncrementalAlterConfigs of all brokers')
  return everywhere('a default of all brokers', async id => {
    const resources = [{ resourceType: brokerResource, resourceName: String(id), configurationKeys: ['log.retention.ms'] }]
    return (await world.ask(id, apis.describeConfigs, 4, { resources })).results[0]!.configs[0]?.value === value
  })
}

async function anAcl(world: World): Promise<number> {
  const acl = { resourceType: topicResource, resourceName: unique('acl'), principal: 'User:x', host: '*', operation: 3, permissionType: 3 }
  const { results } = await world.ask(1, apis.createAcls, 3, { creations: [{ ...acl, resourcePatternType: 3 }] })
  same(errorName(results[0]!.errorCode), 'NONE', 'CreateAcls')
  const filter = { resourceTypeFilter: topicResource, resourceNameFilter: acl.resourceName, patternTypeFilter: 3 }
  const any = { principalFilter: null, hostFilter: null, operation: 1, permissionType: 1 }
  return everywhere('an ACL', async id => (await world.ask(id, apis.describeAcls, 3, { ...filter, ...any })).resources.length === 1)
}

async function aScramUser(world: World): Promise<number> {
  const name = unique('user')
  const upsertion = { name, mechanism: 1, iterations: 4096, salt: randomBytes(16), saltedPassword: randomBytes(32) }
  const { results } = await world.ask(1, apis.alterUserScramCredentials, 0, { deletions: [], upsertions: [upsertion] })
  same(errorName(results[0]!.errorCode), 'NONE', 'AlterUserScramCredentials')
  return everywhere('a user', async id => {
    const described = await world.ask(id, apis.describeUserScramCredentials, 0, { users: [{ name }] })
    return described.results[0]!.credentialInfos.length === 1
  })
}

async function aQuota(world: World): Promise<number> {
  const entityName = unique('quota')
  const entry = { entity: [{ entityType: 'user', entityName }], ops: [{ key: 'producer_byte_rate', value: 1e6, remove: false }] }
  const { entries } = await world.ask(1, apis.alterClientQuotas, 1, { entries: [entry], validateOnly: false })
  same(errorName(entries[0]!.errorCode), 'NONE', 'AlterClientQuotas')
  const components = [{ entityType: 'user', matchType: 0, match: entityName }]
  return everywhere('a quota', async id => {
    const described = await world.ask(id, apis.describeClientQuotas, 1, { components, strict: false })
    return described.entries?.[0]?.values[0]?.value === 1e6
  })
}

async function aToken(world: World): Promise<number> {
  const [first, ...others] = await Promise.all([1, 2, 3].map(id => login(world.broker(id).sasl, 'admin')))
  const owner = { ownerPrincipalType: null, ownerPrincipalName: null }
  const made = await first!.request(apis.createDelegationToken, 3, { ...owner, renewers: [], maxLifetimeMs: 60_000 })
  same(errorName(made.errorCode), 'NONE', 'CreateDelegationToken')
  const found = await everywhere('a token', async id => {
    const { tokens } = await others[id - 2]!.request(apis.describeDelegationToken, 3, { owners: null })
    return tokens.some(({ tokenId }) => tokenId === made.tokenId)
  })
  for (const client of [first!, ...others]) client.close()
  return found
}

const records = (...values: string[]) =>
  buildBatch({ records: values.map(value => ({ key: null, value: Buffer.from(value) })), timestamp: Date.now() })

async function produceAt(world: World, id: number, version: number, topic: { name: string; topicId: Uuid }, index: number, value = 'x') {
  const topicData = [{ ...topic, partitionData: [{ index, records: records(value) }] }]
  const { responses, nodeEndpoints } = await world.ask(id, apis.produce, version, { acks: -1, timeoutMs: 5_000, topicData }, 5_000)
  const { errorCode, currentLeader } = responses[0]!.partitionResponses[0]!
  return { error: errorName(errorCode), currentLeader, nodeEndpoints }
}

async function fetchAt(world: World, id: number, version: number, topic: { topic: string; topicId: Uuid }, partition: number) {
  const topics = [{ ...topic, partitions: [{ partition, fetchOffset: 0, partitionMaxBytes: 1000 }] }]
  const answer = await world.ask(id, apis.fetch, version, { maxWaitMs: 0, minBytes: 0, topics, forgottenTopicsData: [] })
  const { errorCode, currentLeader } = answer.responses[0]!.partitions[0]!
  return { error: errorName(errorCode), currentLeader, nodeEndpoints: answer.nodeEndpoints }
}

export const administration: Cases = {
  'metadata/the-same-everywhere-within-a-second': async world => {
    const topic = unique('topic')
    same(await world.createTopic(1, topic, { partitions: 3 }), 'NONE', 'CreateTopics')
    const topicMs = await everywhere('a topic', async id => (await world.partitions(id, topic)).length === 3)
    const defaultMs = await aDefault(world)
    const resource = { resourceType: topicResource, resourceName: topic }
    const change = { name: 'retention.ms', configOperation: setConfig, value: '1234567' }
    const altered = await world.ask(1, apis.incrementalAlterConfigs, 1, {
      resources: [{ ...resource, configs: [change] }],
      validateOnly: false,
    })
    same(errorName(altered.responses[0]!.errorCode), 'NONE', 'IncrementalAlterConfigs')
    const configMs = await everywhere('a config', async id => {
      const described = await world.ask(id, apis.describeConfigs, 4, { resources: [{ ...resource, configurationKeys: ['retention.ms'] }] })
      return described.results[0]!.configs[0]?.value === '1234567'
    })
    const deletion = await world.ask(1, apis.deleteTopics, 5, { topicNames: [topic], timeoutMs: 5_000 }, 5_000)
    same(errorName(deletion.responses[0]!.errorCode), 'NONE', 'DeleteTopics')
    const isGone = async (id: number) => (await world.view(id, [topic])).topics.get(topic)!.error === 'UNKNOWN_TOPIC_OR_PARTITION'
    const deletionMs = await everywhere('a deletion', isGone)
    const [acl, user, quota, token] = [await anAcl(world), await aScramUser(world), await aQuota(world), await aToken(world)]
    return ms({ topic: topicMs, config: configMs, 'default of all brokers': defaultMs, deletion: deletionMs, ACL: acl, user, quota, token })
  },

  'metadata/factor-above-the-registered-brokers': async world => {
    same(await world.createTopic(2, unique('factor'), { partitions: 1, factor: 4 }), 'INVALID_REPLICATION_FACTOR', 'CreateTopics with 4')
    same(await world.createTopic(2, unique('factor'), { partitions: 1, factor: 3 }), 'NONE', 'CreateTopics with 3')
    return ''
  },

  'topics/durability': async world => {
    const objects = async (durability: string | null, bytes: number) => {
      const name = unique('durability')
      const configs: Record<string, string> = durability === null ? {} : { durability }
      same(await world.createTopic(1, name, { assignments: [[1]], configs }), 'NONE', 'CreateTopics')
      const { id: topicId } = (await world.view(1, [name])).topics.get(name)!
      const count = async () => Number(/^millrace_cluster_journal_objects_total (\d+)$/m.exec(await world.broker(1).metrics())?.[1])
      const before = await count()
      same((await produceAt(world, 1, 13, { name, topicId }, 0, 'x'.repeat(bytes))).error, 'NONE', 'Produce')
      return (await count()) - before
    }
    for (const [durability, bytes, wanted] of [
      [null, 10, 0],
      [null, 500_000, 1],
      ['auto', 10, 0],
      ['auto', 500_000, 1],
      ['inline', 500_000, 0],
      ['object', 10, 1],
    ] as const)
      same(await objects(durability, bytes), wanted, `objects for ${bytes} bytes with durability=${durability}`)
    return ''
  },

  'non-owner/produce-fetch-list': async world => {
    const name = await world.spread()
    const { id: topicId, partitions } = (await world.view(1, [name])).topics.get(name)!
    const [{ leader, epoch }] = partitions as [(typeof partitions)[0]]
    const where = { leaderId: leader, leaderEpoch: epoch }
    const endpoint = [{ nodeId: leader, host: '127.0.0.1', port: world.broker(leader).port, rack: `rack-${leader}` }]
    for (const id of [1, 2, 3].filter(each => each !== leader)) {
      for (const version of [9, 10, 12, 13]) {
        const { error, currentLeader, nodeEndpoints } = await produceAt(world, id, version, { name, topicId }, 0)
        same(error, 'NOT_LEADER_OR_FOLLOWER', `Produce v${version} at broker ${id}`)
        if (version >= 10) same([currentLeader, nodeEndpoints], [where, endpoint], `Produce v${version} names the leader`)
      }
      for (const version of [11, 12, 16, 18]) {
        const { error, currentLeader, nodeEndpoints } = await fetchAt(world, id, version, { topic: name, topicId }, 0)
        same(error, 'NOT_LEADER_OR_FOLLOWER', `Fetch v${version} at broker ${id}`)
        if (version >= 16) same([currentLeader, nodeEndpoints], [where, endpoint], `Fetch v${version} names the leader`)
      }
      const asked = [{ name, partitions: [{ partitionIndex: 0, timestamp: -1 }] }]
      const listed = await world.ask(id, apis.listOffsets, 7, { replicaId: -1, isolationLevel: 0, topics: asked })
      same(errorName(listed.topics[0]!.partitions[0]!.errorCode), 'NOT_LEADER_OR_FOLLOWER', `ListOffsets at broker ${id}`)
    }
    same((await produceAt(world, leader, 13, { name, topicId }, 0)).error, 'NONE', 'Produce at the leader')
    return ''
  },

  'describe/log-dirs': async world => {
    const name = await world.spread()
    const topicId = (await world.view(1, [name])).topics.get(name)!.id
    for (const index of [0, 1, 2]) same((await produceAt(world, index + 1, 13, { name, topicId }, index)).error, 'NONE', 'Produce')
    for (const id of [1, 2, 3]) {
      const { results } = await world.ask(id, apis.describeLogDirs, 4, { topics: [{ topic: name, partitions: [0, 1, 2] }] })
      const shown = results.flatMap(({ topics }) => topics.flatMap(({ partitions }) => partitions))
      same(
        shown.map(({ partitionIndex }) => partitionIndex),
        [id - 1],
        `what broker ${id} shows`,
      )
      expect(Number(shown[0]!.partitionSize) > 60, `its size: ${shown[0]!.partitionSize}`)
    }
    return ''
  },

  'describe/quorum': async world => {
    const asked = { topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }] }
    for (const id of [1, 2, 3]) {
      const { topics } = await ask(world.broker(id).port, apis.describeQuorum, 2, asked)
      const { leaderId, currentVoters, observers } = topics[0]!.partitions[0]!
      const all = [...currentVoters, ...observers]
      same(all.map(({ replicaId }) => replicaId).sort(), [1, 2, 3], `whom broker ${id} names`)
      expect(
        currentVoters.some(({ replicaId }) => replicaId === leaderId),
        `its leader ${leaderId} is a voter`,
      )
      expect(
        all.every(({ logEndOffset }) => Number(logEndOffset) > 0),
        `where they are: ${all.map(each => each.logEndOffset)}`,
      )
    }
    return ''
  },
}
