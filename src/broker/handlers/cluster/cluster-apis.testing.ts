/**
 * For tests of the APIs about topics, the cluster and offsets: handlers, called through the codecs, over the real metadata and
 * configuration, with a minimal fake log.
 */

import { Durations, memoryFileSystem, realSystem, Turns } from '../../../base.ts'
import {
  type ClusterMetadata,
  defaultGroupSettings,
  GroupCoordinator,
  offsetsTopicName,
  openClusterMetadata,
} from '../../../coordinator.ts'
import type { AppendOptions, Log, PartitionLog, PartitionSpec, TimestampedOffset } from '../../../log.ts'
import { silentLogger } from '../../../logger.ts'
import {
  type Api,
  batchesIn,
  buildBatch,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type InputOf,
  KafkaError,
  type MessageOf,
  type Uuid,
  zeroUuid,
} from '../../../protocol.ts'
import { BrokerConfig } from '../../config/broker-config.ts'
import { topicRules } from '../../config/topics.ts'
import type { Broker } from '../../dispatch/context.ts'
import { atOnce } from '../../dispatch/failed.ts'
import type { Handler, Operation, RequestContext, ResourceType } from '../../dispatch/handler.ts'
import { Moves } from '../../moves.ts'
import { Session } from '../../security.ts'
import { groupTopics } from '../../start/group-topics.ts'
import { internalTopic } from '../../start/internal-topic.ts'

/** A partition whose marks a test may set. Look-ups by time answer what `atTime` and `atMaxTime` say. */
export interface TestPartition extends PartitionLog {
  logStartOffset: number
  lastStableOffset: number
  offline: string | null
  atTime: TimestampedOffset | null
  atMaxTime: TimestampedOffset | null
  /** Appends so many empty records. */
  fill(records: number): void
}

function makePartition({ topic, topicId, partition, config }: PartitionSpec): TestPartition {
  let end = 0
  let bytes = 0
  const log = {
    topic,
    topicId,
    partition,
    config,
    logStartOffset: 0,
    leaderEpoch: 0,
    lastStableOffset: 0,
    offline: null,
    atTime: null as TimestampedOffset | null,
    atMaxTime: null as TimestampedOffset | null,
    get logEndOffset() {
      return end
    },
    get highWatermark() {
      return end
    },
    append(records: Buffer, _options: AppendOptions) {
      const baseOffset = end
      for (const { header } of batchesIn(records)) end += header.lastOffset - header.baseOffset + 1
      bytes += records.length
      log.lastStableOffset = end
      return { baseOffset, lastOffset: end - 1, logAppendTimeMs: -1, logStartOffset: 0, written: null, durable: null, duplicate: false }
    },
    fill(count: number) {
      log.append(buildBatch({ records: Array.from({ length: count }, () => ({ key: null, value: null })) }), { origin: 'client' })
    },
    sizeBytes: () => bytes,
    producers: () => [],
    offsetForTimestamp: async (timestampMs: number) => (log.atTime !== null && timestampMs <= log.atTime.timestampMs ? log.atTime : null),
    offsetOfMaxTimestamp: async () => log.atMaxTime,
    raiseLeaderEpoch() {},
    endOffsetForEpoch: (epoch: number) => (epoch >= 0 ? { leaderEpoch: 0, endOffset: end } : { leaderEpoch: -1, endOffset: -1 }),
    deleteBefore: async (offset: number) => {
      log.logStartOffset = offset
    },
  }
  return log as unknown as TestPartition
}

function makeLog(): Log {
  const partitions = new Map<string, TestPartition>()
  const key = (topicId: Uuid, partition: number) => `${topicId}:${partition}`
  const create = (spec: PartitionSpec) => {
    const log = makePartition(spec)
    partitions.set(key(spec.topicId, spec.partition), log)
    return log
  }
  return {
    partitions,
    journal: { frames: 0, bytes: 0, syncs: new Durations() },
    space: { freeBytes: 1e9, floorBytes: 0, shortage: null },
    pressure: { on: false, whenOff: callback => callback() },
    writeOut() {},
    get: (topicId, partition) => partitions.get(key(topicId, partition)),
    lead: create,
    create,
    delete: async (topicId, partition) => void partitions.delete(key(topicId, partition)),
    release: () => Promise.reject(new Error('nothing moves here')),
    adopt: () => Promise.reject(new Error('nothing moves here')),
    released: () => [],
    strays: () => [],
    close: async () => {},
  }
}

export class TestBroker {
  readonly connection = {
    id: 1,
    listener: 'PLAINTEXT',
    remoteAddress: '',
    principal: '',
    session: new Session('User:ANONYMOUS', '', null),
    clientSoftwareName: '',
    clientSoftwareVersion: '',
  }
  /** `READ TOPIC name` and the like that are refused. */
  readonly denied = new Set<string>()
  readonly metadata: ClusterMetadata
  clientId: string | null = null
  readonly #broker: Broker

  constructor(broker: Broker) {
    this.#broker = broker
    this.metadata = broker.metadata
  }

  async createTopic(name: string, numPartitions = 1): Promise<TestPartition> {
    const topic = { name, numPartitions, replicationFactor: -1, assignments: [], configs: [] }
    const [created] = await this.metadata.createTopics([topic], false)
    if (created === undefined || created instanceof KafkaError) throw created
    return this.metadata.partitionByName(name, 0) as TestPartition
  }

  /** Through the bytes of this version, both ways. */
  async call<A extends Api>(api: A, handler: Handler, version: number, request: InputOf<A['request']>): Promise<MessageOf<A['response']>> {
    const flexible = version >= api.flexibleFrom
    const frame = Buffer.concat(encodeRequest(api, version, { correlationId: 1, clientId: null }, request).buffers)
    const response = await this.#handle(handler, decodeRequest(api, version, frame, flexible ? 15 : 14), version)
    const reply = Buffer.concat(encodeResponse(api, version, 1, response as InputOf<A['response']>).buffers)
    return decodeResponse(api, version, reply, flexible && api.name !== 'ApiVersions' ? 9 : 8)
  }

  async #handle(handler: Handler, request: object, version: number): Promise<object> {
    try {
      for (const _ of handler.cost.distinct?.(request as never) ?? []);
      return (await handler.handle(request as never, this.#context(handler, version))) as object
    } catch (error) {
      if (error instanceof KafkaError) return atOnce(handler.fail(request as never, error, version))
      throw error
    }
  }

  #context(handler: Handler, version: number): RequestContext {
    const { clientId, denied } = this
    return {
      broker: this.#broker,
      version,
      borrowed: false,
      clientId,
      connection: this.connection,
      signal: new AbortController().signal,
      afterReply() {},
      waits() {},
      async expects() {},
      quota: null,
      throttle() {},
      allowed(operation: Operation, resource: ResourceType, name: string) {
        const declared = handler.access !== 'none' && handler.access.some(([type, each]) => type === resource && each === operation)
        if (!declared) throw new Error(`${handler.api.name} asks for ${operation} on ${resource}, which its access table lacks`)
        return !denied.has(`${operation} ${resource} ${name}`)
      },
      allowedSome: (operation, resource) => !denied.has(`${operation} ${resource} *`),
    }
  }
}

/** `settings`: broker configs that differ from the defaults. */
export async function startTestBroker(settings: Record<string, string> = {}): Promise<TestBroker> {
  const system = realSystem(memoryFileSystem())
  system.files.makeDirectory('/data')
  const config = new BrokerConfig(new Map(Object.entries(settings).map(([key, text]) => [key, { text, from: 'test' }])))
  const log = makeLog()
  const reporter = { info() {}, warn() {} }
  const metadata = await openClusterMetadata({ system, log, directory: '/data', brokerId: 7, rules: topicRules(config), reporter })
  const self = { id: 7, rack: 'r1', clusterId: 'cluster', directoryId: zeroUuid, advertised: () => ({ host: 'example', port: 9092 }) }
  const groups = new GroupCoordinator({
    system,
    settings: { ...defaultGroupSettings, groupInitialRebalanceDelayMs: 0 },
    topic: internalTopic(metadata, offsetsTopicName),
    topics: groupTopics(metadata, system),
  })
  const turns = new Turns(system)
  const moves = new Moves({ brokerId: 7, system, turns, config, logger: silentLogger, metadata, peers: null, mover: null })
  return new TestBroker({
    system,
    turns,
    moves,
    telemetry: { wanted: true },
    log,
    metadata,
    groups,
    self,
    config,
    logDirectory: '/data',
    cluster: null,
  } as unknown as Broker)
}

/** Asks in every version that the handler announces. */
export async function inEveryVersion<A extends Api>(
  api: A,
  handler: Handler,
  ask: (version: number, call: (request: InputOf<A['request']>) => Promise<MessageOf<A['response']>>, broker: TestBroker) => Promise<void>,
): Promise<void> {
  for (let version = handler.versions[0]; version <= handler.versions[1]; version++) {
    const broker = await startTestBroker()
    await ask(version, request => broker.call(api, handler, version, request), broker)
  }
}
