/**
 * Sends every int64 field at the edges of its range: no response is a server error, no connection ends, and the
 * next client is served.
 *
 * The fields are found in the message definitions, so that new ones are tested automatically. What must be written here is one request
 * for each API with such fields, which gets as far into the broker as a correct client's. An API without one is a finding.
 */
import { type Int64, maxInt64 } from '../../src/base.ts'
import { startBroker } from '../../src/millrace.ts'
import { type Api, apis, type Fields, type InputOf, type Uuid } from '../../src/protocol.ts'
import { connect, coordinates, createTopic, findCoordinator, produce, type RawClient } from '../../test/support/client.ts'
import { buildBatch } from '../world/batches.ts'
import type { SeededRandom } from '../world/random.ts'
import { saslConfig } from './exchange.ts'
import { type Fuzzer, FuzzFinding } from './fuzzer.ts'
import { includes, randomInt64 } from './grammar.ts'

export interface Int64Field {
  api: Api
  version: number
  /** Names from the request down; arrays are passed through. */
  path: readonly string[]
}

/** Of all requests in the versions that the broker takes. */
export function int64Fields(ranges: ReadonlyMap<number, readonly [from: number, to: number]>): Int64Field[] {
  const found: Int64Field[] = []
  for (const api of Object.values(apis) as Api[]) {
    const [from, to] = ranges.get(api.key) ?? [0, -1]
    for (let version = from; version <= to; version++) for (const path of pathsIn(api.request, version)) found.push({ api, version, path })
  }
  return found
}

function pathsIn(fields: Fields, version: number): string[][] {
  return Object.entries(fields).flatMap(([name, field]) => {
    if (!includes(field.options.versions, version)) return []
    let inner = field
    while (inner.type === 'array') inner = inner.of!
    if (inner.type === 'int64') return [[name]]
    return inner.type === 'struct' ? pathsIn(inner.fields!, version).map(path => [name, ...path]) : []
  })
}

const [topic, emptied, groupId, shareGroupId, memberId, transactionalId] = ['int64', 'emptied', 'group', 'share', 'member', 'transaction']
const partition = 0

/** A broker and what requests need to find in it. */
export class Int64World {
  readonly client: RawClient
  /** Has told who it is, without which there are no tokens. */
  readonly user: RawClient
  readonly topicId: Uuid
  hmac: Buffer = Buffer.alloc(0)

  private constructor(client: RawClient, user: RawClient, topicId: Uuid) {
    this.client = client
    this.user = user
    this.topicId = topicId
  }

  static async open(port: number, saslPort: number): Promise<Int64World> {
    const [client, user] = [await connect(port), await connect(saslPort)]
    await user.request(apis.saslHandshake, 1, { mechanism: 'PLAIN' })
    await user.request(apis.saslAuthenticate, 2, { authBytes: Buffer.from('\0fuzz\0fuzz-pw') })
    const world = new Int64World(client, user, await createTopic(client, topic))
    await createTopic(client, emptied)
    for (const name of [topic, emptied]) await produce(client, name, buildBatch({ values: ['a', 'b', 'c'], timestampMs: Date.now() }))
    await findCoordinator(client, groupId)
    await findCoordinator(client, transactionalId, coordinates.transaction)
    await findCoordinator(client, `${shareGroupId}:${world.topicId}:${partition}`, coordinates.share)
    return world
  }

  async ranges(): Promise<Map<number, [number, number]>> {
    const { apiKeys } = await this.client.request(apis.apiVersions, 3, { clientSoftwareName: 'fuzz', clientSoftwareVersion: '1' })
    return new Map(apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, [minVersion, maxVersion]]))
  }

  /** A producer of the transactional id, the only one that is not fenced. */
  async session() {
    const request = { transactionalId, transactionTimeoutMs: 60_000 }
    for (let attempt = 0; attempt < 500; attempt++) {
      const { errorCode, producerId, producerEpoch } = await this.client.request(apis.initProducerId, 4, request)
      if (errorCode === 0) return { transactionalId, producerId, producerEpoch }
      // The transaction of its predecessor is aborted first.
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    throw new Error('no producer id')
  }

  /** A share session of a member that has the partition; it goes on with epoch 1. */
  async shareSession() {
    const joins = { groupId: shareGroupId, memberId, memberEpoch: 0, subscribedTopicNames: [topic] }
    await this.client.request(apis.shareGroupHeartbeat, 1, joins)
    const session = { groupId: shareGroupId, memberId, maxWaitMs: 0, minBytes: 0, maxRecords: 10, batchSize: 10 }
    const partitions = [{ partitionIndex: partition, acknowledgementBatches: [] }]
    const topics = [{ topicId: this.topicId, partitions }]
    await this.client.request(apis.shareFetch, 1, { ...session, shareSessionEpoch: 0, topics, forgottenTopicsData: [] })
    return session
  }

  async token(): Promise<Buffer> {
    const request = { renewers: [], maxLifetimeMs: -1 }
    return (await this.user.request(apis.createDelegationToken, 2, request)).hmac
  }

  close(): void {
    this.client.close()
    this.user.close()
  }
}

type Requests = {
  [K in keyof typeof apis]?: (world: Int64World) => InputOf<(typeof apis)[K]['request']> | Promise<InputOf<(typeof apis)[K]['request']>>
}

const acknowledgementBatches = [{ firstOffset: 0, lastOffset: 0, acknowledgeTypes: [1] }]
const committed = { partitionIndex: partition, committedOffset: 1, commitTimestamp: -1, committedMetadata: '' }
const topics = [{ name: topic, partitions: [partition] }]

/** A correct client's, with all fields of all versions; those that a version lacks are left out. */
export const requests: Requests = {
  addOffsetsToTxn: async world => ({ ...(await world.session()), groupId }),
  async addPartitionsToTxn(world) {
    const session = await world.session()
    return {
      v3AndBelowTransactionalId: transactionalId,
      v3AndBelowProducerId: session.producerId,
      v3AndBelowProducerEpoch: session.producerEpoch,
      v3AndBelowTopics: topics,
      transactions: [{ ...session, topics }],
    }
  },
  alterShareGroupOffsets: () => ({
    groupId: 'empty share',
    topics: [{ topicName: topic, partitions: [{ partitionIndex: partition, startOffset: 0 }] }],
  }),
  createDelegationToken: () => ({ ownerPrincipalType: null, ownerPrincipalName: null, renewers: [], maxLifetimeMs: -1 }),
  deleteRecords: () => ({ topics: [{ name: emptied, partitions: [{ partitionIndex: partition, offset: 0 }] }], timeoutMs: 1000 }),
  endTxn: async world => ({ ...(await world.session()), committed: false }),
  expireDelegationToken: async world => ({ hmac: await world.token(), expiryTimePeriodMs: -1 }),
  fetch: ({ topicId }) => ({
    replicaState: { replicaEpoch: -1 },
    maxWaitMs: 0,
    minBytes: 0,
    topics: [
      { topic, topicId, partitions: [{ partition, fetchOffset: 0, logStartOffset: -1, partitionMaxBytes: 1000, highWatermark: maxInt64 }] },
    ],
    forgottenTopicsData: [],
  }),
  initProducerId: async world => ({ ...(await world.session()), transactionTimeoutMs: 60_000 }),
  initializeShareGroupState: ({ topicId }) => ({
    groupId: shareGroupId,
    topics: [{ topicId, partitions: [{ partition, stateEpoch: 0, startOffset: 0 }] }],
  }),
  listOffsets: () => ({
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp: -1 }] }],
  }),
  listTransactions: () => ({ stateFilters: [], producerIdFilters: [0], durationFilter: -1 }),
  offsetCommit: ({ topicId }) => ({
    groupId,
    memberId: '',
    retentionTimeMs: -1,
    topics: [{ name: topic, topicId, partitions: [committed] }],
  }),
  renewDelegationToken: async world => ({ hmac: await world.token(), renewPeriodMs: -1 }),
  async shareAcknowledge(world) {
    const { groupId: id } = await world.shareSession()
    return {
      groupId: id,
      memberId,
      shareSessionEpoch: 1,
      topics: [{ topicId: world.topicId, partitions: [{ partitionIndex: partition, acknowledgementBatches }] }],
    }
  },
  async shareFetch(world) {
    const session = await world.shareSession()
    const partitions = [{ partitionIndex: partition, acknowledgementBatches }]
    return { ...session, shareSessionEpoch: 1, topics: [{ topicId: world.topicId, partitions }], forgottenTopicsData: [] }
  },
  async streamsGroupHeartbeat({ client }) {
    const subtopology = { subtopologyId: '0', sourceTopics: [topic], sourceTopicRegex: [], stateChangelogTopics: [] }
    const more = { repartitionSinkTopics: [], repartitionSourceTopics: [], copartitionGroups: [] }
    const joins = {
      groupId: 'streams',
      memberId,
      memberEpoch: 0,
      endpointInformationEpoch: 0,
      rebalanceTimeoutMs: 60_000,
      topology: { epoch: 0, subtopologies: [{ ...subtopology, ...more }] },
      activeTasks: [],
      standbyTasks: [],
      warmupTasks: [],
      processId: 'process',
    }
    const { memberEpoch } = await client.request(apis.streamsGroupHeartbeat, 0, joins)
    const offsets = [{ subtopologyId: '0', partition, offset: 0 }]
    const member = { groupId: 'streams', memberId, memberEpoch, endpointInformationEpoch: 0 }
    return { ...member, taskOffsets: offsets, taskEndOffsets: offsets }
  },
  txnOffsetCommit: async world => ({
    ...(await world.session()),
    groupId,
    topics: [{ name: topic, topicId: world.topicId, partitions: [committed] }],
  }),
  async writeShareGroupState({ client, topicId }) {
    const state = { groupId: shareGroupId, topics: [{ topicId, partitions: [{ partition, stateEpoch: 0, startOffset: 0 }] }] }
    await client.request(apis.initializeShareGroupState, 0, state)
    const stateBatches = [{ firstOffset: 0, lastOffset: 0, deliveryState: 2, deliveryCount: 1 }]
    return {
      groupId: shareGroupId,
      topics: [{ topicId, partitions: [{ partition, stateEpoch: 0, leaderEpoch: 0, startOffset: 0, stateBatches }] }],
    }
  },
  writeTxnMarkers: () => ({
    markers: [
      {
        producerId: 1,
        producerEpoch: 0,
        transactionResult: false,
        topics: [{ name: topic, partitionIndexes: [partition] }],
        coordinatorEpoch: 0,
      },
    ],
  }),
}

const ofUsers = new Set<Api>([apis.createDelegationToken, apis.renewDelegationToken, apis.expireDelegationToken])

/** Sends the API's request with `value` in the field; answers what came back. Throws {@link FuzzFinding}. */
export async function tryField(world: Int64World, { api, version, path }: Int64Field, value: Int64): Promise<Record<string, unknown>> {
  const what = `${api.name} v${version}, ${path.join('.')} = ${value}`
  const name = (Object.keys(apis) as (keyof typeof apis)[]).find(each => apis[each] === api)!
  const make = requests[name] as ((world: Int64World) => object | Promise<object>) | undefined
  if (make === undefined) throw new FuzzFinding(`${what}: write down a request for ${api.name} in sim/fuzzers/int64.ts`, Buffer.alloc(0))
  const request = ofVersion(api.request, version, await make(world), path, value)
  if (request.set === 0) throw new FuzzFinding(`${what}: the request does not reach the field`, Buffer.alloc(0))
  const client = ofUsers.has(api) ? world.user : world.client
  try {
    const answer = (await client.request(api, version, request.message as never)) as Record<string, unknown>
    const errors = errorsIn(api.response, answer)
    if (errors.includes(-1)) throw new Error('UNKNOWN_SERVER_ERROR')
    return answer
  } catch (error) {
    throw new FuzzFinding(`${what}: ${(error as Error).message}`, Buffer.alloc(0))
  }
}

/** A copy with the fields that the version has, and with `value` wherever `path` leads. */
function ofVersion(
  fields: Fields,
  version: number,
  message: object,
  path: readonly string[],
  value: Int64,
): { message: object; set: number } {
  let set = 0
  const copy = (field: Fields[string], given: unknown, rest: readonly string[] | null): unknown => {
    if (given === null || given === undefined) return given
    if (field.type === 'array') return (given as unknown[]).map(each => copy(field.of!, each, rest))
    if (field.type === 'struct') return struct(field.fields!, given as Record<string, unknown>, rest)
    if (rest === null || rest.length > 0) return given
    set++
    return value
  }
  const struct = (of: Fields, given: Record<string, unknown>, rest: readonly string[] | null): object => {
    const made: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(of)) {
      if (!includes(field.options.versions, version) || !(name in given)) continue
      made[name] = copy(field, given[name], rest !== null && rest[0] === name ? rest.slice(1) : null)
    }
    return made
  }
  return { message: struct(fields, message as Record<string, unknown>, path), set }
}

/** Every error code in an answer. */
export function errorsIn(fields: Fields, message: Record<string, unknown>): number[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const given = message[name]
    if (field.type === 'int16' && /errorCode$/i.test(name)) return [given as number]
    const inner = field.type === 'array' ? field.of! : field
    if (inner.type !== 'struct' || given === null || given === undefined) return []
    return (Array.isArray(given) ? given : [given]).flatMap(each => errorsIn(inner.fields!, each as Record<string, unknown>))
  })
}

/** Limits of time are as large as they can be, so that what is counted from them comes to the edge of its type. */
export const int64Config = {
  ...saslConfig,
  'delegation.token.secret.key': 'secret',
  'delegation.token.max.lifetime.ms': String(maxInt64),
  'delegation.token.expiry.time.ms': String(maxInt64),
  'connections.max.reauth.ms': String(maxInt64),
  'transaction.partition.verification.enable': 'false',
  'group.streams.initial.rebalance.delay.ms': '0',
}

export async function int64Fuzzer(): Promise<Fuzzer> {
  const broker = await startBroker({ memory: true, config: int64Config })
  const world = await Int64World.open(broker.port, broker.ports.get('SASL_PLAINTEXT')!)
  const fields = int64Fields(await world.ranges())
  return {
    name: 'int64',
    async once(random: SeededRandom) {
      await tryField(world, random.pick(fields), randomInt64(random))
    },
    async close() {
      world.close()
      await broker.close()
    },
  }
}
