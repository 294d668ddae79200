/** Worst requests that cannot be derived from definitions: their cost depends on existing state, or on what the broker has to compute. */
import { gzipSync } from 'node:zlib'
import { type Api, apis, buildBatch, type InputOf, type Uuid } from '../../src/protocol.ts'
import { createTopic, findCoordinator, produce, type RawClient, requestBytes } from '../../test/support/client.ts'
import type { Stage } from './stage.ts'

export interface Special {
  readonly api: Api
  readonly name: string
  prepare?(stage: Stage): Promise<void>
  /** Returns the bytes of the longest answer. */
  run(stage: Stage): Promise<number>
}

export const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)
/** A class that is large, and paths that are many: for each character of a name everything has to be tried. */
const evilPattern = `((a?){100}){80}[${numbers(2_000)
  .map(n => String.fromCodePoint(0x4e00 + 2 * n))
  .join('')}]`

async function send<A extends Api>(client: RawClient, api: A, version: number, request: InputOf<A['request']>): Promise<number> {
  client.send(requestBytes(api, version, request))
  return (await client.nextFrame()).length
}

/** One after the other; closes the connection. Returns the bytes of the longest answer. */
async function sendEach<A extends Api>(
  client: RawClient,
  api: A,
  version: number,
  requests: Iterable<InputOf<A['request']>> | AsyncIterable<InputOf<A['request']>>,
): Promise<number> {
  let longest = 0
  for await (const request of requests) longest = Math.max(longest, await send(client, api, version, request))
  client.close()
  return longest
}

export async function asAdmin<A extends Api>(
  stage: Stage,
  api: A,
  version: number,
  request: InputOf<A['request']>,
  times = 1,
): Promise<number> {
  return sendEach(await stage.admin(), api, version, Array<typeof request>(times).fill(request))
}

/** Finds the coordinator of a transactional id, and gives the id a producer id. */
async function initProducer(client: RawClient, transactionalId: string, transactionTimeoutMs: number) {
  await client.request(apis.findCoordinator, 2, { key: transactionalId, keyType: 1 })
  return client.request(apis.initProducerId, 4, { transactionalId, transactionTimeoutMs, producerId: -1, producerEpoch: -1 })
}

const offsetFetch: Special = {
  api: apis.offsetFetch,
  name: 'one group with a thousand offsets, 3,000 times',
  async prepare(stage) {
    const partitions = numbers(stage.stock.partitions).map(partitionIndex => ({
      partitionIndex,
      committedOffset: 1,
      committedMetadata: 'm'.repeat(100),
    }))
    const topics = [{ name: stage.stock.topic, partitions }]
    await asAdmin(stage, apis.offsetCommit, 8, { groupId: 'offsets', generationIdOrMemberEpoch: -1, memberId: '', topics })
  },
  run: stage =>
    asAdmin(stage, apis.offsetFetch, 8, { groups: Array(3_000).fill({ groupId: 'offsets', topics: null }), requireStable: false }),
}

const listTransactions: Special = {
  api: apis.listTransactions,
  name: 'a regular expression over a thousand transactional ids',
  async prepare(stage) {
    const client = await stage.admin()
    for (const n of numbers(1_000)) await initProducer(client, `${'a'.repeat(500)}${n}`, 60_000)
    client.close()
  },
  run: stage => asAdmin(stage, apis.listTransactions, 2, { stateFilters: [], producerIdFilters: [], transactionalIdPattern: evilPattern }),
}

const consumerHeartbeat = {
  memberEpoch: 0,
  instanceId: null,
  rackId: null,
  rebalanceTimeoutMs: 60_000,
  serverAssignor: null,
  topicPartitions: [],
}

const consumerRegex: Special = {
  api: apis.consumerGroupHeartbeat,
  name: 'a regular expression over 200 topics with long names',
  async prepare(stage) {
    const client = await stage.admin()
    for (const n of numbers(200)) await createTopic(client, `${'a'.repeat(240)}${n}`)
    client.close()
  },
  run: stage =>
    asAdmin(stage, apis.consumerGroupHeartbeat, 1, {
      ...consumerHeartbeat,
      groupId: 'regex',
      memberId: 'AAAAAAAAAAAAAAAAAAAAAQ',
      subscribedTopicNames: [],
      subscribedTopicRegex: evilPattern,
    }),
}

const consumerNames: Special = {
  api: apis.consumerGroupHeartbeat,
  name: 'fifty members that subscribe to 4,000 names each',
  run: async stage => {
    const subscribedTopicNames = numbers(4_000).map(name => `name-${name}`)
    const requests = numbers(50).map(n => {
      const memberId = `${n}`.padStart(21, 'B').concat('A')
      return { ...consumerHeartbeat, groupId: 'names', memberId, subscribedTopicNames, subscribedTopicRegex: null }
    })
    return sendEach(await stage.admin(), apis.consumerGroupHeartbeat, 1, requests)
  },
}

const listOffsets: Special = {
  api: apis.listOffsets,
  name: 'by time, in a batch of two million records',
  async prepare(stage) {
    const client = await stage.admin()
    await createTopic(client, 'bomb', 1, { 'max.message.bytes': '10000000' })
    const records = numbers(2_000_000).map(() => ({ key: null, value: null, timestamp: 1_000 }))
    const { errorCode } = await produce(client, 'bomb', buildBatch({ records, compression: 'zstd' }))
    if (errorCode !== 0) throw new Error(`the batch was refused: ${errorCode}`)
    client.close()
  },
  run: stage =>
    asAdmin(
      stage,
      apis.listOffsets,
      7,
      { replicaId: -1, isolationLevel: 0, topics: [{ name: 'bomb', partitions: [{ partitionIndex: 0, timestamp: 1_000 }] }] },
      5,
    ),
}

const topic = (name: string) => ({ name, partitions: 0, replicationFactor: 0, topicConfigs: [] })
const subtopology = (n: number, source: string) => ({
  subtopologyId: `s${n}`,
  sourceTopics: n === 0 ? [source] : [],
  sourceTopicRegex: [],
  stateChangelogTopics: [],
  repartitionSinkTopics: [`r${n}`],
  repartitionSourceTopics: n === 0 ? [] : [topic(`r${n - 1}`)],
  copartitionGroups: [],
})

const streamsTopology: Special = {
  api: apis.streamsGroupHeartbeat,
  name: '10,000 subtopologies in reverse order',
  run: stage =>
    asAdmin(stage, apis.streamsGroupHeartbeat, 0, {
      groupId: 'streams',
      memberId: 'AAAAAAAAAAAAAAAAAAAAAQ',
      memberEpoch: 0,
      endpointInformationEpoch: 0,
      rebalanceTimeoutMs: 60_000,
      topology: {
        epoch: 0,
        subtopologies: numbers(10_000)
          .map(n => subtopology(n, 'victim'))
          .reverse(),
      },
      activeTasks: [],
      standbyTasks: [],
      warmupTasks: [],
      processId: 'p',
      clientTags: [],
    }),
}

const pushTelemetry: Special = {
  api: apis.pushTelemetry,
  name: 'ten kilobytes that inflate to ten megabytes, and a megabyte of the smallest fields, each from a new client',
  async prepare(stage) {
    const configs = [{ name: 'metrics', configOperation: 0, value: '*' }]
    await asAdmin(stage, apis.incrementalAlterConfigs, 1, {
      resources: [{ resourceType: 16, resourceName: 'all', configs }],
      validateOnly: false,
    })
  },
  async run(stage) {
    const client = await stage.nobody()
    const fields = Buffer.alloc(1_000_000, Buffer.from([0x08, 0x01]))
    async function* requests() {
      for (const [compressionType, metrics] of [
        ...Array(10).fill([1, gzipSync(Buffer.alloc(10_000_000))]),
        ...Array(10).fill([0, fields]),
      ]) {
        const { clientInstanceId, subscriptionId } = await client.request(apis.getTelemetrySubscriptions, 0, {
          clientInstanceId: 'AAAAAAAAAAAAAAAAAAAAAA' as Uuid,
        })
        yield { clientInstanceId, subscriptionId, terminating: false, compressionType, metrics }
      }
    }
    return sendEach(client, apis.pushTelemetry, 0, requests())
  },
}

const shareFetch: Special = {
  api: apis.shareFetch,
  name: 'a hundred sessions of 100,000 partitions without a topic, one after the other',
  async run(stage) {
    const partitions = numbers(100_000).map(partitionIndex => ({ partitionIndex, acknowledgementBatches: [] }))
    const limits = { maxWaitMs: 0, minBytes: 0, maxBytes: 1_000, maxRecords: 1, batchSize: 1 }
    const request = {
      groupId: 'shared',
      memberId: 'm',
      shareSessionEpoch: 0,
      ...limits,
      topics: [{ topicId: 'BBBBBBBBBBBBBBBBBBBBBA' as Uuid, partitions }],
      forgottenTopicsData: [],
    }
    return asAdmin(stage, apis.shareFetch, 1, request, 100)
  },
}

const shareDescribe: Special = {
  api: apis.shareGroupDescribe,
  name: 'one group whose member subscribes to 4,001 names, 1,000 times',
  async prepare(stage) {
    const client = await stage.admin()
    await findCoordinator(client, 'sharing')
    const request = {
      groupId: 'sharing',
      memberId: 'AAAAAAAAAAAAAAAAAAAAAQ',
      memberEpoch: 0,
      rackId: null,
      subscribedTopicNames: numbers(4_001).map(n => `name-${n}`),
    }
    await send(client, apis.shareGroupHeartbeat, 1, request)
    client.close()
  },
  run: stage => asAdmin(stage, apis.shareGroupDescribe, 1, { groupIds: Array(1_000).fill('sharing'), includeAuthorizedOperations: true }),
}

const fetchSession: Special = {
  api: apis.fetch,
  name: 'fifty empty requests in a session of 100,000 partitions without a topic',
  async run(stage) {
    const client = await stage.admin()
    const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000, isolationLevel: 0, forgottenTopicsData: [] }
    const partitions = numbers(100_000).map(partition => ({ partition, fetchOffset: 0, partitionMaxBytes: 1_000 }))
    const { sessionId } = await client.request(apis.fetch, 11, {
      ...limits,
      sessionId: 0,
      sessionEpoch: 0,
      topics: [{ topic: 'nowhere', partitions }],
    })
    const requests = numbers(50).map(before => ({ ...limits, sessionId, sessionEpoch: before + 1, topics: [] }))
    const longest = await sendEach(client, apis.fetch, 11, requests)
    if (longest > 1_000) throw new Error(`an empty fetch request was answered with ${longest} bytes`)
    return longest
  },
}

const expiring: Special = {
  api: apis.addPartitionsToTxn,
  name: 'sixty transactions of a thousand partitions whose time is up together',
  async run(stage) {
    const client = await stage.admin()
    const topics = [{ name: stage.stock.topic, partitions: numbers(stage.stock.partitions) }]
    for (const n of numbers(60)) {
      const transactionalId = `expiring-${n}`
      const { producerId, producerEpoch } = await initProducer(client, transactionalId, 3_000)
      await client.request(apis.addPartitionsToTxn, 3, {
        v3AndBelowTransactionalId: transactionalId,
        v3AndBelowProducerId: producerId,
        v3AndBelowProducerEpoch: producerEpoch,
        v3AndBelowTopics: topics,
      })
    }
    await new Promise(resolve => setTimeout(resolve, 8_000))
    client.close()
    return 0
  },
}

export const specials: readonly Special[] = [
  offsetFetch,
  listTransactions,
  consumerRegex,
  consumerNames,
  listOffsets,
  streamsTopology,
  pushTelemetry,
  shareFetch,
  shareDescribe,
  fetchSession,
  expiring,
]
