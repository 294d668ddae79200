/** Translates config keys to the settings of each module. */
import { availableParallelism } from 'node:os'
import type { ClusterLimits, GroupSettings, ShareCoordinatorOptions, TransactionSettings } from '../../coordinator.ts'
import type { LogSettings } from '../../log.ts'
import type { ServerLimits } from '../connections/server.ts'
import type { Windows } from '../quotas.ts'
import type { BrokerConfig } from './broker-config.ts'
import { consumerGroupConfig, shareGroupConfig, streamsGroupConfig } from './group-configs.ts'
import { ownListenerValue } from './listener-values.ts'
import { parseIpOverrides } from './listeners.ts'

/** The first of `log.dirs`, else `log.dir`. */
export function dataDirectory(config: BrokerConfig): string {
  return (config.get('log.dirs') ?? config.get('log.dir'))[0]!
}

/** How many processes `millrace start` runs. */
export function processCount(config: BrokerConfig): number {
  return countOfProcesses(config.get('processes'))
}

export function countOfProcesses(text: string): number {
  return text === 'auto' ? Math.max(1, availableParallelism() - 1) : Number(text)
}

/** Live where Kafka lets the key change while the broker runs. */
export function logSettings(config: BrokerConfig): LogSettings {
  return {
    durability: config.get('durability'),
    journalFileBytes: config.get('journal.file.bytes'),
    journalFiles: config.get('journal.files'),
    tailBytes: config.get('tail.bytes'),
    retentionCheckIntervalMs: config.get('log.retention.check.interval.ms'),
    get cleanerBackoffMs() {
      return config.get('log.cleaner.backoff.ms')
    },
    get cleanerDedupeBufferBytes() {
      return config.get('log.cleaner.dedupe.buffer.size')
    },
    get producerIdExpirationMs() {
      return config.get('producer.id.expiration.ms')
    },
    get maxProducerIdsPerPartition() {
      return config.get('max.producer.ids.per.partition')
    },
    freeBytesFloor: config.get('log.free.bytes.floor'),
  }
}

/** Of a broker with `cluster`; the others have defaults in `log`. */
export function sharedHomeSettings(config: BrokerConfig) {
  return {
    journalMaxBytes: config.get('journal.max.bytes'),
    cacheBytes: config.get('objects.cache.bytes'),
    inlineBytesPerSecond: config.get('cluster.inline.bytes.per.second'),
  }
}

export function shareSettings(config: BrokerConfig): ShareCoordinatorOptions['settings'] {
  return {
    stateTopicNumPartitions: config.get('share.coordinator.state.topic.num.partitions'),
    updatesPerSnapshot: config.get('share.coordinator.snapshot.update.records.per.snapshot'),
    pruneIntervalMs: config.get('share.coordinator.state.topic.prune.interval.ms'),
    coldSnapshotIntervalMs: config.get('share.coordinator.cold.partition.snapshot.interval.ms'),
  }
}

/** `storedGroup`: the configs of one group. */
export function groupSettings(config: BrokerConfig, storedGroup: (groupId: string) => ReadonlyMap<string, string>): GroupSettings {
  return {
    consumer: {
      assignors: config.get('group.consumer.assignors'),
      maxSize: config.get('group.consumer.max.size'),
      migrationPolicy: config.get('group.consumer.migration.policy'),
      regexRefreshIntervalMs: config.get('group.consumer.regex.refresh.interval.ms'),
      of: groupId => consumerGroupConfig(config, storedGroup(groupId)),
    },
    share: { maxSize: config.get('group.share.max.size'), of: groupId => shareGroupConfig(config, storedGroup(groupId)) },
    streams: { maxSize: config.get('group.streams.max.size'), of: groupId => streamsGroupConfig(config, storedGroup(groupId)) },
    groupInitialRebalanceDelayMs: config.get('group.initial.rebalance.delay.ms'),
    get maxGroups() {
      return config.get('max.groups')
    },
    groupMaxSize: config.get('group.max.size'),
    groupMaxMetadataBytes: config.get('group.max.metadata.bytes'),
    groupMinSessionTimeoutMs: config.get('group.min.session.timeout.ms'),
    groupMaxSessionTimeoutMs: config.get('group.max.session.timeout.ms'),
    offsetMetadataMaxBytes: config.get('offset.metadata.max.bytes'),
    offsetsRetentionMinutes: config.get('offsets.retention.minutes'),
    offsetsRetentionCheckIntervalMs: config.get('offsets.retention.check.interval.ms'),
    offsetsTopicNumPartitions: config.get('offsets.topic.num.partitions'),
  }
}

/** `transactionVersion`: the cluster's finalized level, which may be raised while the broker runs. */
export function transactionSettings(config: BrokerConfig, transactionVersion: () => number): TransactionSettings {
  return {
    transactionMaxTimeoutMs: config.get('transaction.max.timeout.ms'),
    transactionalIdExpirationMs: config.get('transactional.id.expiration.ms'),
    get maxTransactionalIds() {
      return config.get('max.transactional.ids')
    },
    get maxTransactionalIdsPerPrincipal() {
      return config.get('max.transactional.ids.per.principal')
    },
    abortTimedOutIntervalMs: config.get('transaction.abort.timed.out.transaction.cleanup.interval.ms'),
    removeExpiredIntervalMs: config.get('transaction.remove.expired.transaction.cleanup.interval.ms'),
    stateTopicNumPartitions: config.get('transaction.state.log.num.partitions'),
    get transactionVersion() {
      return transactionVersion()
    },
  }
}

/** Live: the numbers are looked up each time, because operators may change them while connections come. */
export function serverLimits(config: BrokerConfig, connectionsThatFit = Number.POSITIVE_INFINITY): ServerLimits {
  const maxPerIp = () => config.get('max.connections.per.ip')
  let overrides = parseIpOverrides(config.get('max.connections.per.ip.overrides'))
  config.subscribe(['max.connections.per.ip.overrides'], () => {
    overrides = parseIpOverrides(config.get('max.connections.per.ip.overrides'))
  })
  return {
    get maxFrameBytes() {
      return config.get('socket.request.max.bytes')
    },
    get maxUnauthenticatedFrameBytes() {
      return config.get('sasl.server.max.receive.size')
    },
    get authenticationDeadlineMs() {
      return config.get('connection.authentication.deadline.ms')
    },
    get maxIdleMs() {
      return config.get('connections.max.idle.ms')
    },
    get frameDeadlineMs() {
      return config.get('connection.frame.deadline.ms')
    },
    get maxConnections() {
      return Math.min(config.get('max.connections'), connectionsThatFit)
    },
    isProtected: listener => config.listeners.length > 1 && config.get('inter.broker.listener.name')?.toUpperCase() === listener,
    maxConnectionsOf: listener => ownLimit(config, listener, 'max.connections'),
    maxConnectionsPerIp: address => overrides.get(address) ?? maxPerIp(),
    get maxCreationRate() {
      return config.get('max.connection.creation.rate')
    },
    maxCreationRateOf: listener => ownLimit(config, listener, 'max.connection.creation.rate'),
    backlog: config.get('socket.listen.backlog.size'),
  }
}

/** As in Kafka a listener has a limit of its own only if it is set; the limit of the broker applies to all listeners together. */
function ownLimit(config: BrokerConfig, listener: string, key: 'max.connections' | 'max.connection.creation.rate'): number {
  return ownListenerValue(config, listener, key) ?? Number.POSITIVE_INFINITY
}

export function quotaWindows(config: BrokerConfig): { windows: Windows; mutationWindows: Windows } {
  return {
    windows: { count: config.get('quota.window.num'), sizeMs: config.get('quota.window.size.seconds') * 1000 },
    mutationWindows: {
      count: config.get('controller.quota.window.num'),
      sizeMs: config.get('controller.quota.window.size.seconds') * 1000,
    },
  }
}

export function clusterLimits(config: BrokerConfig): ClusterLimits {
  return { topics: config.get('cluster.max.topics'), partitions: config.get('cluster.max.partitions') }
}
