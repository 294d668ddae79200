/** Everything that a client can see of a cluster, as plain data, so that two clusters can be compared. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Api, apis, batchesIn, errorName, forEachRecordOf, type InputOf, type MessageOf } from '../../src/protocol.ts'
import { connect, findCoordinator, type RawClient } from '../../test/support/client.ts'

export interface State {
  clusterId: string | null
  topics: Record<string, unknown>
  partitions: Record<string, unknown>
  configs: Record<string, unknown>
  groups: Record<string, unknown>
  transactions: unknown
  acls: unknown
  scramUsers: unknown
  quotas: unknown
}

const authorization = { allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false, includeClusterAuthorizedOperations: false }

/** Broker's own, which no import takes over: whoever is asked names itself. */
const dynamicSources = new Set([1, 2, 3, 7, 8])

export async function stateOf(port: number): Promise<State> {
  const client = await connect(port)
  const ask = async <A extends Api>(api: A, version: number, message: InputOf<A['request']>): Promise<MessageOf<A['response']>> =>
    client.request(api, version, message)
  const metadata = await ask(apis.metadata, 12, { topics: null, ...authorization })
  const topics = metadata.topics.toSorted((a, b) => (a.name! < b.name! ? -1 : 1))
  const partitions: Record<string, unknown> = {}
  for (const { name, partitions: all } of topics)
    for (const { partitionIndex } of all.toSorted((a, b) => a.partitionIndex - b.partitionIndex))
      if (!name!.startsWith('__')) partitions[`${name}-${partitionIndex}`] = await partitionState(client, name!, partitionIndex)
  const state: State = {
    clusterId: metadata.clusterId,
    topics: Object.fromEntries(
      topics.map(({ name, topicId, isInternal, partitions: all }) => [name, { topicId, isInternal, partitions: all.length }]),
    ),
    partitions,
    configs: await configs(
      client,
      topics.map(({ name }) => name!),
    ),
    groups: await groups(client),
    transactions: await transactions(client),
    acls: (
      await ask(apis.describeAcls, 3, {
        resourceTypeFilter: 1,
        resourceNameFilter: null,
        patternTypeFilter: 1,
        principalFilter: null,
        hostFilter: null,
        operation: 1,
        permissionType: 1,
      })
    ).resources
      .flatMap(({ acls, ...resource }) => acls.map(acl => JSON.stringify({ ...resource, ...acl })))
      .sort(),
    scramUsers: (await ask(apis.describeUserScramCredentials, 0, { users: null })).results
      .map(({ user, credentialInfos }) => ({ user, credentials: credentialInfos.toSorted((a, b) => a.mechanism - b.mechanism) }))
      .sort((a, b) => (a.user < b.user ? -1 : 1)),
    quotas: (await ask(apis.describeClientQuotas, 1, { components: [], strict: false }))
      .entries!.map(entry => JSON.stringify(entry))
      .sort(),
  }
  client.close()
  return state
}

async function partitionState(client: RawClient, topic: string, partition: number) {
  const offsetAt = async (timestamp: number, isolationLevel = 0) => {
    const topics = [{ name: topic, partitions: [{ partitionIndex: partition, timestamp }] }]
    // A broker that has just started may not lead yet.
    for (let attempt = 0; ; attempt++) {
      const answer = (await client.request(apis.listOffsets, 7, { replicaId: -1, isolationLevel, topics })).topics[0]!.partitions[0]!
      if (answer.errorCode === 0) return Number(answer.offset)
      if (attempt === 100) throw new Error(`${topic}-${partition}: ${errorName(answer.errorCode)}`)
      await sleep(100)
    }
  }
  const first = await offsetAt(-2)
  const end = await offsetAt(-1)
  const producers = await client.request(apis.describeProducers, 0, { topics: [{ name: topic, partitionIndexes: [partition] }] })
  return {
    first,
    end,
    stableEnd: await offsetAt(-1, 1),
    atMaxTimestamp: await offsetAt(-3),
    ...(await records(client, topic, partition, first, end)),
    producers: producers.topics[0]!.partitions[0]!.activeProducers.map(
      ({ producerId, producerEpoch, lastSequence, lastTimestamp, currentTxnStartOffset }) =>
        [producerId, producerEpoch, lastSequence, lastTimestamp, currentTxnStartOffset].join(' '),
    ).sort(),
  }
}

async function records(client: RawClient, topic: string, partition: number, first: number, end: number) {
  const found: string[] = []
  const aborted: string[] = []
  for (let next = first; next < end; ) {
    const answer = await client.request(apis.fetch, 11, {
      maxWaitMs: 100,
      minBytes: 0,
      maxBytes: 4 << 20,
      isolationLevel: 0,
      topics: [{ topic, partitions: [{ partition, fetchOffset: next, partitionMaxBytes: 4 << 20 }] }],
      forgottenTopicsData: [],
    })
    const { records: bytes, errorCode } = answer.responses[0]!.partitions[0]!
    if (errorCode !== 0) throw new Error(`${topic}-${partition}: ${errorName(errorCode)}`)
    const before = next
    for (const batch of batchesIn(bytes ?? Buffer.alloc(0))) {
      const { header } = batch
      if (header.lastOffset < next) continue
      next = header.lastOffset + 1
      const of = [header.producerId, header.producerEpoch, header.baseSequence, header.isTransactional, header.isControl].join(' ')
      forEachRecordOf(batch, record => {
        if (record.offset < first) return
        const text = (bytes: Buffer | null) => (bytes === null ? null : bytes.toString('latin1'))
        found.push(
          JSON.stringify([
            record.offset,
            String(record.timestamp),
            text(record.key),
            text(record.value)?.slice(0, 40),
            record.value?.length,
            of,
          ]),
        )
      })
    }
    // Behind a hole that compaction left at the end.
    if (next === before) break
  }
  const stable = await client.request(apis.fetch, 11, {
    maxWaitMs: 100,
    minBytes: 0,
    maxBytes: 4 << 20,
    isolationLevel: 1,
    topics: [{ topic, partitions: [{ partition, fetchOffset: first, partitionMaxBytes: 4 << 20 }] }],
    forgottenTopicsData: [],
  })
  for (const { producerId, firstOffset } of stable.responses[0]!.partitions[0]!.abortedTransactions ?? [])
    aborted.push(`${producerId} ${firstOffset}`)
  return { records: found, aborted: aborted.sort() }
}

async function configs(client: RawClient, topics: string[]): Promise<Record<string, unknown>> {
  const listed = await client.request(apis.listConfigResources, 1, { resourceTypes: [16, 32] })
  const { brokers } = await client.request(apis.metadata, 12, { topics: [], ...authorization })
  const resources = [
    ...topics.map(name => [2, name, name] as const),
    [4, '', 'all brokers'] as const,
    [4, String(brokers[0]!.nodeId), 'the broker'] as const,
    ...listed.configResources.map(
      ({ resourceType, resourceName }) => [resourceType, resourceName, `${resourceType} ${resourceName}`] as const,
    ),
  ]
  const answer = await client.request(apis.describeConfigs, 4, {
    resources: resources.map(([resourceType, resourceName]) => ({ resourceType, resourceName, configurationKeys: null })),
  })
  const set: Record<string, unknown> = {}
  for (const [, name, shown] of resources.toSorted((a, b) => (a[2] < b[2] ? -1 : 1))) {
    const result = answer.results.find(
      ({ resourceName, resourceType }) => resourceName === name && resources.some(([type, own]) => type === resourceType && own === name),
    )!
    const own = result.configs.filter(
      ({ configSource }) => dynamicSources.has(configSource) && (shown !== 'the broker' || configSource === 2),
    )
    set[shown] = Object.fromEntries(
      own
        .filter(({ configSource }) => shown === 'all brokers' || configSource !== 3)
        .map(({ name: key, value }) => [key, value])
        .sort(),
    )
  }
  return set
}

async function groups(client: RawClient): Promise<Record<string, unknown>> {
  for (const key of ['simple', 'modern', 'sharing', 'transactional']) await findCoordinator(client, key)
  let listed = await client.request(apis.listGroups, 5, { statesFilter: [], typesFilter: [] })
  for (let attempt = 0; attempt < 100 && (listed.errorCode !== 0 || listed.groups.length === 0); attempt++) {
    await sleep(50)
    listed = await client.request(apis.listGroups, 5, { statesFilter: [], typesFilter: [] })
  }
  const found: Record<string, unknown> = {}
  for (const { groupId, groupType, protocolType, groupState } of listed.groups.toSorted((a, b) => (a.groupId < b.groupId ? -1 : 1))) {
    const about = { groupType, protocolType, groupState }
    if (groupType === 'share') {
      const shares = await client.request(apis.describeShareGroupOffsets, 0, { groups: [{ groupId, topics: null }] })
      const starts = shares.groups[0]!.topics.flatMap(({ topicName, partitions }) =>
        partitions.map(
          ({ partitionIndex, startOffset, errorCode }) => `${topicName}-${partitionIndex} ${startOffset} ${errorName(errorCode)}`,
        ),
      )
      found[groupId] = { ...about, starts: starts.sort() }
      continue
    }
    const fetched = await client.request(apis.offsetFetch, 8, { groups: [{ groupId, topics: null }], requireStable: true })
    const committed = fetched.groups[0]!.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, committedOffset, metadata, committedLeaderEpoch }) =>
        [name, partitionIndex, committedOffset, metadata, committedLeaderEpoch].join(' '),
      ),
    )
    found[groupId] = { ...about, committed: committed.sort() }
  }
  return found
}

async function transactions(client: RawClient): Promise<unknown> {
  const { transactionStates } = await client.request(apis.listTransactions, 0, { stateFilters: [], producerIdFilters: [] })
  const transactionalIds = transactionStates.map(({ transactionalId }) => transactionalId).sort()
  const described = await client.request(apis.describeTransactions, 0, { transactionalIds })
  return described.transactionStates
    .toSorted((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1))
    .map(({ transactionStartTimeMs: _, ...state }) => ({ ...state, producerId: String(state.producerId) }))
}
