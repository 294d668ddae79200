/**
 * Assembles a broker and shuts it down: the only place that knows the order.
 *
 * Start: take the data directory, answer probes, recover the log, replay the metadata, load groups, transactions and share state, listen.
 * Shutdown: stop listening, send the replies, close the coordinators, then the log, which writes what makes the next start fast.
 * In a cluster there is no data directory; the broker registers before it listens, and gives its partitions away before it stops (`start/home.ts`).
 */
import { createServer } from 'node:net'
import { MalformedInput, Turns, watchTurns } from '../base.ts'
import {
  type ClusterMetadata,
  type DeadLetter,
  GroupCoordinator,
  offsetsTopicName,
  ShareCoordinator,
  shareStateTopicName,
  TransactionCoordinator,
  transactionTopicName,
} from '../coordinator.ts'
import type { Logger } from '../logger.ts'
import { openRecordConverter, type RecordConverter } from '../protocol.ts'
import {
  type BrokerConfig,
  deadLetterRules,
  effectiveTopicConfig,
  groupSettings,
  parseHttpAddress,
  quotaWindows,
  serverLimits,
  shareConfig,
  shareSettings,
  topicDefaultKeys,
  transactionSettings,
} from './config.ts'
import { connectionsThatFit } from './connections/descriptors.ts'
import { FrameMemory } from './connections/frame-memory.ts'
import { BadFrame } from './connections/frames.ts'
import { HeldMemory } from './connections/memory-holders.ts'
import { ResponseMemory } from './connections/response-memory.ts'
import { Server } from './connections/server.ts'
import type { Broker, Self } from './dispatch/context.ts'
import { dispatcher } from './dispatch/dispatch.ts'
import { LargeRequests } from './dispatch/large-requests.ts'
import { handlers } from './handlers.ts'
import { exposition } from './http/exposition.ts'
import { type HttpEndpoint, startHttp } from './http/http.ts'
import { BrokerMetrics } from './metrics.ts'
import { Moves } from './moves.ts'
import { Peering } from './peers.ts'
import { Quotas } from './quotas.ts'
import { Security } from './security.ts'
import { Seldom } from './seldom.ts'
import { FetchSessions } from './sessions/fetch-sessions.ts'
import { ParkedFetches } from './sessions/parked-fetches.ts'
import { ShareSessions } from './sessions/share-sessions.ts'
import { DeadLetters } from './share/dead-letters.ts'
import { SharePartitions } from './share/share-partitions.ts'
import { Stalls } from './stalls.ts'
import type { Identity } from './start/data-directory.ts'
import { groupTopics } from './start/group-topics.ts'
import type { Home } from './start/home.ts'
import { internalTopic, ledPartition } from './start/internal-topic.ts'
import { openLocalHome } from './start/local-home.ts'
import { openListeners } from './start/open-listeners.ts'
import type { Closers, StartOptions } from './start/options.ts'
import { Telemetry } from './telemetry.ts'

export type { StartOptions }

export interface RunningBroker {
  readonly broker: Broker
  /** By listener name; where 0 was requested, the actual port. */
  readonly ports: ReadonlyMap<string, number>
  /** Of the metrics and health endpoint; null when it is off. */
  readonly httpPort: number | null
  /** After this, listening does not keep the process alive. */
  unref(): void
  /**
   * Graceful shutdown: gives partitions to other brokers, unless `signal` says that these stop, too; answers waiting requests immediately, sends
   * pending replies, and flushes everything.
   */
  close(signal?: AbortSignal): Promise<void>
}

/** KIP-1191: the level of `share.version`. */
const deadLettersFrom = 2
/** How long a shutdown waits for pending replies. */
const drainMs = 5_000

export async function startBroker(options: StartOptions): Promise<RunningBroker> {
  const opened: Closers = []
  let closing: Promise<void> | null = null
  const closeAll = () => (closing ??= closeInTurn(opened))
  try {
    return await start(options, opened, closeAll)
  } catch (error) {
    await closeAll().catch(failed =>
      options.logger.warn({ err: failed }, 'the start failed, and closing the files and sockets that it had opened failed, too'),
    )
    throw error
  }
}

/** Closes the last one opened first. If one fails, the others are still closed, above all the lock of the directory. */
export async function closeInTurn(opened: Closers): Promise<void> {
  const failures: unknown[] = []
  for (const close of opened.splice(0).reverse()) {
    try {
      await close()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** What the parts of a broker share while they are opened. */
interface Opening extends StartOptions {
  metrics: BrokerMetrics
  turns: Turns
}

async function start(given: StartOptions, opened: Closers, closeAll: () => Promise<void>): Promise<RunningBroker> {
  const { config, logger } = given
  const home = await openHome(given, opened)
  const { system } = home
  const options: Opening = { ...given, system, metrics: new BrokerMetrics(), turns: new Turns(system) }
  const http = await openEndpoint(options)
  const closeHttp = () => http?.close()
  opened.push(closeHttp)
  http?.setReadiness(() => home.notReady() ?? 'the broker is starting')
  const converter = openConverter(opened)
  const { identity, log, metadata, cluster } = await home.open(converter)
  await followDynamicConfig(config, metadata, logger)
  const { groups, peers, transactions, shares } = openCoordinators(options, opened, { metadata, identity, converter })

  const moves = new Moves({ ...options, brokerId: config.get('node.id'), metadata, peers, mover: home.mover(peers) })
  opened.push(() => moves.close())
  const ports = new Map<string, number>()
  const broker: Broker = {
    system,
    config,
    log,
    logDirectory: home.location,
    metadata,
    groups,
    transactions,
    peers,
    moves,
    cluster,
    ...shares.parts,
    converter,
    self: selfOf(config, identity, ports),
    logger,
    ...sharedByRequests(options),
    stalls: openStalls(options, opened),
    quotas: openQuotas(options, metadata),
    telemetry: openTelemetry(options, metadata),
    security: new Security({ system, config, metadata: metadata.security, logger }),
  }
  opened.push(() => broker.security.close())
  metadata.subscribe({ topicDeleted: ({ name }) => broker.metrics.forget(name) })
  http?.setMetrics(exposition(broker, options.moreMetrics))
  // Its pages need the parts that are closed next.
  opened.push(closeHttp)
  await home.join(broker)
  const loaded = startCoordinators(broker)
  // In a cluster, other brokers send clients here already. Those who ask before their shard is loaded are told to wait.
  if (cluster === null) await loaded
  const server = makeServer(broker, options.createServer ?? createServer)
  opened.push(() => server.close(drainMs))
  opened.push(await openListeners(broker, server, ports))
  await home.listening(broker)
  moves.start()
  http?.setReadiness(() => home.notReady())
  let left: Promise<void> | null = null
  return {
    broker,
    ports,
    httpPort: http?.port ?? null,
    unref() {
      server.unref()
      http?.unref()
    },
    close: (signal = new AbortController().signal) => {
      http?.setReadiness(() => 'the broker is stopping')
      left ??= home.leave(broker, signal)
      return left.finally(closeAll)
    },
  }
}

async function openHome(options: StartOptions, opened: Closers): Promise<Home> {
  if (options.config.get('cluster') === null) return openLocalHome(options, opened)
  const { openSharedHome } = await import('./start/shared-home.ts')
  return openSharedHome(options, opened)
}

async function startCoordinators({ groups, transactions, shares }: Broker): Promise<void> {
  await groups.start()
  await transactions.start()
  await shares.start()
}

function openConverter(opened: Closers): RecordConverter {
  const converter = openRecordConverter()
  opened.push(() => converter.close())
  return converter
}

function sharedByRequests({ system, config, metrics, turns }: Opening) {
  const responseMemory = new ResponseMemory(config.get('fetch.response.memory.bytes'))
  const queuedBytes = config.get('queued.max.request.bytes')
  return {
    metrics,
    turns,
    requestMemory: new FrameMemory(queuedBytes > 0 ? queuedBytes : Number.POSITIVE_INFINITY),
    responseMemory,
    largeRequests: new LargeRequests(responseMemory),
    fetchSessions: new FetchSessions(config.get('max.incremental.fetch.session.cache.slots'), system.clock, system.random),
    parkedFetches: new ParkedFetches(),
    readFailures: new Seldom(system.clock),
  }
}

function openStalls({ system, logger, watchTurns: watch = watchTurns }: StartOptions, opened: Closers): Stalls {
  const stalls = new Stalls(system, logger, new Seldom(system.clock))
  const watching = watch(busyMs => stalls.turn(busyMs))
  opened.push(() => watching.cancel())
  return stalls
}

function selfOf(config: BrokerConfig, { clusterId, directoryId }: Identity, ports: ReadonlyMap<string, number>): Self {
  return {
    id: config.get('node.id'),
    rack: config.get('broker.rack'),
    clusterId,
    directoryId,
    advertised(listener) {
      const { host, port } = config.advertised(listener)
      return { host, port: port === 0 ? (ports.get(listener) ?? 0) : port }
    },
  }
}

function followDynamicConfig(config: BrokerConfig, metadata: ClusterMetadata, logger: Logger): Promise<void> {
  const take = () => {
    const id = String(config.get('node.id'))
    for (const problem of config.setDynamic(metadata.configs('BROKER', ''), metadata.configs('BROKER', id))) {
      logger.warn(problem, 'ignoring an invalid stored config')
    }
  }
  take()
  metadata.subscribe({ configChanged: type => type === 'BROKER' && take() })
  config.subscribe(topicDefaultKeys, () => void metadata.refreshTopicConfigs())
  return metadata.refreshTopicConfigs()
}

function openCoordinators(
  options: Opening,
  opened: Closers,
  { metadata, identity, converter }: { metadata: ClusterMetadata; identity: Identity; converter: RecordConverter },
) {
  const groups = openGroups(options, metadata)
  opened.push(() => groups.close())
  const partitionOf = {
    group: (groupId: string) => groups.partitionFor(groupId),
    transactionalId: (id: string) => transactions.partitionFor(id),
  }
  const { clustered = options.processes !== undefined || options.config.get('cluster') !== null } = options
  const peers = clustered ? new Peering({ ...options, metadata, clusterId: identity.clusterId, partitionOf }) : null
  opened.push(() => peers?.close())
  const transactions: TransactionCoordinator = openTransactions(options, metadata, groups, peers)
  opened.push(() => transactions.close())
  const shares = openShares(options, { metadata, groups, converter, peers })
  opened.push(() => shares.close())
  return { groups, peers, transactions, shares }
}

function openGroups({ system, config, logger, metrics, turns }: Opening, metadata: ClusterMetadata): GroupCoordinator {
  const groups = new GroupCoordinator({
    system,
    turns,
    settings: groupSettings(config, groupId => metadata.configs('GROUP', groupId)),
    topic: internalTopic(metadata, offsetsTopicName),
    topics: groupTopics(metadata, system),
    report: (what, error) => logger.warn({ err: error }, what),
    recordSkipped: topic => metrics.recordSkipped(topic),
  })
  metadata.subscribe({ topicDeleted: topic => void groups.onTopicDeleted(topic) })
  return groups
}

/** Share groups: their durable state, records in delivery, and sessions. */
function openShares(
  { system, config, logger, metrics, turns }: Opening,
  parts: { metadata: ClusterMetadata; groups: GroupCoordinator; converter: RecordConverter; peers: Peering | null },
) {
  const { metadata, groups, converter, peers } = parts
  const report = (what: string, error: unknown) => logger.warn({ err: error }, what)
  const shares = new ShareCoordinator({
    system,
    settings: shareSettings(config),
    topic: internalTopic(metadata, shareStateTopicName),
    turns,
    report,
    recordSkipped: topic => metrics.recordSkipped(topic),
  })
  const knowsDeadLetters = () => metadata.featureLevel('share.version') >= deadLettersFrom
  const ofGroup = (groupId: string) => shareConfig(config, metadata.configs('GROUP', groupId), knowsDeadLetters())
  const rules = (groupId: string) => deadLetterRules(config, metadata.configs('GROUP', groupId))
  const maxMessageBytes = (topic: string) => effectiveTopicConfig(config, metadata.configs('TOPIC', topic)).maxMessageBytes
  const produce = (topic: string, partition: number, batch: Buffer) => peers!.partitions.produce(topic, partition, batch)
  const remote = peers === null ? null : { produce, maxMessageBytes }
  const deadLetters = new DeadLetters({ system, turns, metadata, converter, metrics, rules, remote })
  const shareStates = peers?.shareStates(shares) ?? shares
  const bury = (letter: DeadLetter) => deadLetters.write(letter)
  const sharePartitions = new SharePartitions({
    system,
    metadata,
    states: shareStates,
    config: ofGroup,
    isShared(key) {
      const { groupId, topicId, partition } = key
      if (peers === null || !peers.groups.isElsewhere(groupId)) return groups.isShared(groupId, topicId, partition)
      return shareStates.read(key).then(stored => stored !== null || peers.groups.isAssigned(key))
    },
    bury,
    report,
  })
  metadata.subscribe({
    topicDeleted(topic) {
      sharePartitions.forgetTopic(topic.id)
      void shares.onTopicDeleted(topic)
    },
    partitionClosed: (topic, partition) => sharePartitions.forgetTopic(topic.id, partition),
  })
  const shareSessions = new ShareSessions(() => config.get('group.share.max.share.sessions'))
  return {
    parts: { shares, shareStates, sharePartitions, shareSessions, shareConfig: ofGroup },
    close() {
      sharePartitions.close()
      deadLetters.close()
      shares.close()
    },
  }
}

function openTransactions(
  { system, config, logger, metrics, turns }: Opening,
  metadata: ClusterMetadata,
  groups: GroupCoordinator,
  peers: Peering | null,
): TransactionCoordinator {
  const transactions = new TransactionCoordinator({
    system,
    settings: transactionSettings(config, () => metadata.featureLevel('transaction.version')),
    topic: internalTopic(metadata, transactionTopicName),
    turns,
    partitionLog: (topic, partition) => ledPartition(metadata, topic, partition),
    endTransactionOf: new Map([[offsetsTopicName, (partition, marker) => groups.endTransaction(partition, marker)]]),
    remoteMarkers: peers?.markers ?? null,
    keepsOrder: config.get('cluster') === null,
    newProducerId: () => metadata.newProducerId(),
    report: (what, error) => logger.warn({ err: error }, what),
    recordSkipped: topic => metrics.recordSkipped(topic),
  })
  metadata.subscribe({ topicDeleted: topic => transactions.onTopicDeleted(topic.name) })
  return transactions
}

function openQuotas({ system, config }: StartOptions, metadata: ClusterMetadata): Quotas {
  const quotas = new Quotas({ clock: system.clock, ...quotaWindows(config) })
  const take = () => quotas.set(metadata.quotas.entries)
  take()
  metadata.subscribe({ quotasChanged: take })
  return quotas
}

function openTelemetry({ system, config }: StartOptions, metadata: ClusterMetadata): Telemetry {
  const { clock, random } = system
  const telemetry = new Telemetry({ clock, random, maxBytes: () => config.get('telemetry.max.bytes') })
  const take = () => telemetry.set(metadata.configResources('CLIENT_METRICS').map(name => metadata.configs('CLIENT_METRICS', name)))
  take()
  metadata.subscribe({ configChanged: type => type === 'CLIENT_METRICS' && take() })
  return telemetry
}

function makeServer(broker: Broker, listenOn: typeof createServer): Server {
  const { metrics, logger, system, turns, log } = broker
  const fit = connectionsThatFit(system)
  const wanted = broker.config.get('max.connections')
  if (fit < wanted)
    logger.warn({ 'max.connections': wanted, accepted: fit }, 'the limit of open files (ulimit -n) leaves room for fewer connections')
  return new Server({
    system,
    turns,
    limits: serverLimits(broker.config, fit),
    requestMemory: broker.requestMemory,
    responseMemory: broker.responseMemory,
    endOfRead: () => log.writeOut(),
    dispatch: dispatcher(broker, handlers),
    security: broker.security,
    createServer: listenOn,
    pressure: log.pressure,
    connectionDelay: address => broker.quotas.connectionDelay(address),
    onOpen(connection) {
      metrics.connections.add(connection)
    },
    onClose(connection, reason) {
      metrics.connections.delete(connection)
      if (reason instanceof MalformedInput || reason instanceof BadFrame) metrics.malformed++
      if (reason instanceof HeldMemory) metrics.closedForMemory++
      if (reason instanceof Error) logger.debug({ reason: reason.message, address: connection.remoteAddress }, 'connection closed')
    },
    onRefused(address, reason) {
      metrics.connectionsRefused++
      logger.debug({ address, reason }, 'connection refused')
    },
  })
}

async function openEndpoint({ config, logger, system, turns }: Opening): Promise<HttpEndpoint | null> {
  const address = parseHttpAddress(config.get('http.listen'))
  return address === null ? null : startHttp({ ...address, logger, timers: system.timers, turns })
}
