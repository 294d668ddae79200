/**
 * The broker's metrics in Prometheus' text format, under the names that Kafka dashboards already use: those of Strimzi's JMX rules
 * (`kafka_server_…`), of kafka_exporter (`kafka_topic_partition_…`, `kafka_consumergroup_…`), `process_*`/`nodejs_*`, and
 * Millrace's own (`millrace_*`). No sidecar is needed.
 *
 * A page for 10,000 partitions has 90,000 lines. It is written in pieces, and the event loop serves clients between them.
 */
import { collectDefaultMetrics, Registry } from 'prom-client'
import { DiskError, type FileSystem } from '../../base.ts'
import { internalTopics, type TopicPartition } from '../../coordinator.ts'
import type { PartitionLog } from '../../log.ts'
import type { Broker } from '../dispatch/context.ts'
import type { DeadLetterCounts, TopicCounts } from '../metrics.ts'
import { writeClients } from './exposition/clients.ts'
import { writeCluster } from './exposition/cluster.ts'
import { readGroups, writeGroups } from './exposition/groups.ts'
import { LagAges } from './exposition/lag-age.ts'
import { quantile, Recent } from './exposition/recent.ts'
import { inPieces, labelText, Page, writeHistogram } from './exposition/text.ts'

export interface Exposition {
  readonly contentType: string
  /** One page, in pieces. */
  render(): AsyncGenerator<string, void>
  close(): void
}

/** `more`: further lines. */
export function exposition(broker: Broker, more = () => ''): Exposition {
  const { clock } = broker.system
  const runtime = new Registry()
  collectDefaultMetrics({ register: runtime })
  const recent = new Recent(clock.monotonic(), cpuMs())
  const ages = new LagAges()
  const begin = { ms: clock.monotonic(), cpuMs: cpuMs() }
  return {
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    async *render() {
      const nowMs = clock.monotonic()
      recent.advance(nowMs, broker.metrics.requests, cpuMs())
      const page = new Page()
      const { turns } = broker
      const idle = { share: recent.idleShare(nowMs, cpuMs()), ms: nowMs - begin.ms - (cpuMs() - begin.cpuMs) }
      yield* inPieces(page, turns, writeBroker(page, broker, recent, idle))
      yield* inPieces(page, turns, writeGroups(page, await readGroups(broker, ages)))
      yield (await runtime.metrics()) + more()
    },
    close: () => runtime.clear(),
  }
}

/** A step for each line of what may be long. */
function* writeBroker(page: Page, broker: Broker, recent: Recent, idle: { share: number; ms: number }): Generator<void> {
  yield* writeTopics(page, broker)
  yield* writeDeadLetters(page, broker)
  yield* writeRequests(page, broker, recent)
  yield* writeServer(page, broker, idle.share)
  writeIdle(page, idle.ms)
  writeDisk(page, broker)
  writeOwn(page, broker)
  if (broker.cluster !== null) writeCluster(page, broker.cluster)
  writeSkippedRecords(page, broker)
  yield
  yield* writeOffline(page, broker)
  yield* writeClients(page, broker.telemetry)
  yield* writePartitions(page, broker)
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Strimzi's metrics reporter (`strimzi.io` ≥ 0.46) and the dashboards for it name the same meters as Kafka's code does. */
const reporterNames = (name: string) => `kafka_server_brokertopicmetrics_${name.replace(/requests$|in$|out$/, '$&persec')}_total`

const topicFamilies: readonly (readonly [name: string, help: string, of: (counts: TopicCounts) => number])[] = [
  ['messagesin', 'Records produced.', counts => counts.messagesIn],
  ['bytesin', 'Bytes of record batches produced.', counts => counts.bytesIn],
  ['bytesout', 'Bytes of record batches sent to consumers.', counts => counts.bytesOut],
  ['totalproducerequests', 'Produce requests, per partition in them.', counts => counts.produceRequests],
  ['totalfetchrequests', 'Fetch requests that brought records, per partition in them.', counts => counts.fetchRequests],
  ['failedproducerequests', 'Produce requests that failed, per partition in them.', counts => counts.failedProduceRequests],
  ['failedfetchrequests', 'Fetch requests that failed, per partition in them.', counts => counts.failedFetchRequests],
]

/** As in Kafka, the series without a topic is the sum over all. */
function* writeTopics(page: Page, { metrics, metadata }: Broker): Generator<void> {
  const topics = [...metrics.topics].filter(([name]) => metadata.topic(name) !== undefined)
  for (const [name, help, of] of topicFamilies) {
    for (const family of [`kafka_server_brokertopicmetrics_${name}_total`, reporterNames(name)]) {
      page.family(family, 'counter', help)
      page.sample(of(metrics.allTopics))
      for (const [topic, counts] of topics) {
        page.sample(of(counts), { topic })
        yield
      }
    }
  }
}

const deadLetterFamilies: readonly (readonly [name: string, help: string, of: (counts: DeadLetterCounts) => number])[] = [
  ['recordcount', 'Dead letters written for a share group.', counts => counts.letters],
  ['totalproducerequests', 'Batches of dead letters written.', counts => counts.appends],
  ['failedproducerequests', 'Times that dead letters were given up: the records are archived without them.', counts => counts.givenUp],
]

function* writeDeadLetters(page: Page, { metrics }: Broker): Generator<void> {
  if (metrics.deadLetters.size === 0) return
  for (const [name, help, of] of deadLetterFamilies) {
    page.family(`kafka_server_sharegroupmetrics_deadletterqueue${name}_total`, 'counter', help)
    for (const [group, counts] of metrics.deadLetters) {
      page.sample(of(counts), { group })
      yield
    }
  }
}

const quantiles = [0.5, 0.75, 0.95, 0.98, 0.99, 0.999]

/** Kafka counts a consumer's fetch twice: as Fetch and as FetchConsumer. */
function* writeRequests(page: Page, { metrics }: Broker, recent: Recent): Generator<void> {
  const rows = [...metrics.requests].flatMap(([api, counts]) =>
    (api === 'Fetch' ? ['Fetch', 'FetchConsumer'] : [api]).map(request => ({ api, request, counts })),
  )
  page.family('kafka_network_requestmetrics_requests_total', 'counter', 'Requests answered.')
  for (const { request, counts } of rows) page.sample(counts.durations.count, { request })
  page.family('kafka_network_requestmetrics_errors_total', 'counter', 'Requests that failed as a whole.')
  for (const { request, counts } of rows) page.sample(counts.errors, { request })
  page.family('kafka_network_requestmetrics_totaltimems', 'summary', 'Milliseconds from the last byte of a request to its reply.')
  for (const { api, request, counts } of rows) {
    const buckets = recent.buckets(api, counts)
    for (const share of quantiles) page.sample(quantile(buckets, share), { request, quantile: share })
    page.sample(counts.durations.totalMs, { request }, '_sum')
    page.sample(counts.durations.count, { request }, '_count')
    yield
  }
  page.family('millrace_request_duration_seconds', 'histogram', 'Seconds from the last byte of a request to its reply.')
  for (const [request, { durations }] of metrics.requests) {
    writeHistogram(page, durations, { request })
    yield
  }
}

function* writeServer(page: Page, broker: Broker, idle: number): Generator<void> {
  const { metadata, metrics, self } = broker
  const alive = aliveOf(broker)
  const [controllerId] = alive
  const { led, offline, underReplicated } = yield* countLed(broker, alive)
  const gauge = (name: string, help: string, value: number) => page.single(`kafka_${name}`, 'gauge', help, value)
  gauge('server_replicamanager_leadercount', 'Partitions led by this broker.', led)
  gauge('server_replicamanager_partitioncount', 'Partitions on this broker.', led)
  gauge('server_replicamanager_underreplicatedpartitions', 'Partitions with too few replicas in sync.', underReplicated)
  gauge('server_replicamanager_underminisrpartitioncount', 'Partitions below min.insync.replicas.', offline)
  gauge('server_replicamanager_offlinereplicacount', 'Replicas that cannot be used.', offline)
  page.single('kafka_server_replicamanager_isrshrinks_total', 'counter', 'Times a replica fell out of sync.', 0)
  page.single('kafka_server_replicamanager_isrexpands_total', 'counter', 'Times a replica came back into sync.', 0)
  gauge('controller_kafkacontroller_activecontrollercount', 'Whether this broker is the controller.', controllerId === self.id ? 1 : 0)
  gauge('controller_kafkacontroller_activebrokercount', 'Active brokers.', alive.size)
  gauge('controller_kafkacontroller_globaltopiccount', 'Topics of the cluster.', metadata.topics().length)
  gauge('controller_kafkacontroller_globalpartitioncount', 'Partitions of the cluster.', metadata.partitionCount)
  gauge('controller_kafkacontroller_offlinepartitionscount', 'Partitions that cannot be used.', offline)
  for (const name of ['uncleanleaderelections', 'uncleanleaderelectionspersec'])
    page.single(`kafka_controller_controllerstats_${name}_total`, 'counter', 'Leaders elected out of sync.', 0)
  gauge('log_logmanager_offlinelogdirectorycount', 'Log directories that cannot be used.', 0)
  gauge('network_socketserver_networkprocessoravgidlepercent', 'Idle fraction (0 to 1) of one core.', idle)
  gauge('network_socketserver_networkprocessoravgidle_percent', 'Idle fraction (0 to 1) of one core.', idle)
  gauge('server_kafkarequesthandlerpool_requesthandleravgidle_percent', 'Share (0 to 1) of a core that the process leaves idle.', idle)
  page.family('kafka_server_socket_server_metrics_connection_count', 'gauge', 'Open connections.')
  for (const [listener, open] of Map.groupBy(metrics.connections, each => each.listener)) page.sample(open.length, { listener })
  if (metrics.connections.size === 0) page.sample(0)
  gauge('brokers', 'Number of Brokers in the Kafka Cluster.', alive.size)
  page.family('kafka_broker_info', 'gauge', 'Information about the Kafka Broker.')
  const listener = broker.config.listeners[0]
  if (listener !== undefined) {
    const { host, port } = self.advertised(listener.name)
    page.sample(1, { id: self.id, address: `${host}:${port}` })
  }
}

/** As Kafka's meter counts: nanoseconds. `idleMs` since the start. */
function writeIdle(page: Page, idleMs: number): void {
  const name = 'kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_total'
  page.single(name, 'counter', 'Idle time of one core, in nanoseconds.', Math.max(0, Math.round(idleMs * 1e6)))
}

/** The brokers whose replicas are in sync: each of them could lead with all that was acknowledged. In the order of the metadata. */
function aliveOf({ metadata, self }: Broker): ReadonlySet<number> {
  return new Set(metadata.brokers().flatMap(({ id, fenced }) => (id === self.id || !fenced ? id : [])))
}

function inSync({ replicas }: TopicPartition, log: PartitionLog, alive: ReadonlySet<number>): number {
  if (log.offline !== null) return 0
  let count = 0
  for (const id of replicas) if (alive.has(id)) count++
  return count
}

/** Partitions whose log is here, and those of them that cannot be used or have a replica on a broker that is away. */
function* countLed(
  { metadata }: Broker,
  alive: ReadonlySet<number>,
): Generator<void, { led: number; offline: number; underReplicated: number }> {
  const counts = { led: 0, offline: 0, underReplicated: 0 }
  for (const { partitions } of metadata.topics()) {
    for (const partition of partitions) {
      const { log } = partition
      if (log === null) continue
      counts.led++
      if (log.offline !== null) counts.offline++
      if (inSync(partition, log, alive) < partition.replicas.length) counts.underReplicated++
    }
    yield
  }
  return counts
}

/** What the process read from and wrote to disks; Linux only. */
function writeDisk(page: Page, { system }: Broker): void {
  if (process.platform !== 'linux') return
  const text = readIfAllowed(system.files, '/proc/self/io')
  for (const direction of ['read', 'write']) {
    const bytes = text === null ? null : new RegExp(`^${direction}_bytes: (\\d+)$`, 'm').exec(text)
    if (bytes === null) continue
    page.single(
      `kafka_server_kafkaserver_linux_disk_${direction}_bytes`,
      'gauge',
      `Bytes: ${direction} to or from disks.`,
      Number(bytes[1]),
    )
  }
}

/** null if the file is missing or may not be read: Linux hides it from a Node that was given capabilities. */
function readIfAllowed(files: FileSystem, path: string): string | null {
  try {
    return files.readFile(path)?.toString('latin1') ?? null
  } catch (error) {
    if (error instanceof DiskError) return null
    throw error
  }
}

function writeOwn(page: Page, { log, metrics, stalls, requestMemory, responseMemory, largeRequests }: Broker): void {
  const { freeBytes, floorBytes } = log.space
  if (freeBytes !== null) page.single('millrace_disk_free_bytes', 'gauge', 'Bytes free on the volume of log.dirs.', freeBytes)
  page.single(
    'millrace_disk_free_floor_bytes',
    'gauge',
    'log.free.bytes.floor: below this free space, produce requests are rejected.',
    floorBytes,
  )
  page.single('millrace_log_pressure', 'gauge', 'Whether produce requests wait because checkpoints fall behind.', log.pressure.on ? 1 : 0)
  const { journal } = log
  page.single('millrace_journal_frames_total', 'counter', 'Group commits: frames written to the journal.', journal.frames)
  page.single('millrace_journal_bytes_total', 'counter', 'Bytes written to the journal.', journal.bytes)
  page.family('millrace_journal_sync_duration_seconds', 'histogram', 'Seconds that one sync of the journal took.')
  writeHistogram(page, journal.syncs, null)
  page.family(
    'millrace_event_loop_stall_seconds',
    'histogram',
    'Seconds that a turn of the event loop took, only turns over 20 milliseconds. No client is served meanwhile.',
  )
  writeHistogram(page, stalls.durations, null)
  page.single('millrace_throttled_requests_total', 'counter', 'Requests that were throttled by a quota.', metrics.throttledRequests)
  page.single('millrace_throttle_seconds_total', 'counter', 'Sum of the throttle times, in seconds.', metrics.throttledMs / 1000)
  page.single('millrace_connections_refused_total', 'counter', 'Connections refused by a limit.', metrics.connectionsRefused)
  page.single('millrace_request_memory_bytes', 'gauge', 'Bytes of requests in memory (queued.max.request.bytes).', requestMemory.heldBytes)
  page.single(
    'millrace_response_memory_bytes',
    'gauge',
    'Bytes of large responses in memory (fetch.response.memory.bytes).',
    responseMemory.heldBytes,
  )
  page.single('millrace_large_requests_waiting', 'gauge', 'Large requests that wait for others, or for memory.', largeRequests.waiting)
  page.single(
    'millrace_connections_closed_for_memory_total',
    'counter',
    'Connections closed because they held memory that others needed and made no progress.',
    metrics.closedForMemory,
  )
  page.single('millrace_connections_malformed_total', 'counter', 'Connections closed because of malformed input.', metrics.malformed)
}

function writeSkippedRecords(page: Page, { metrics }: Broker): void {
  page.family(
    'millrace_internal_records_skipped_total',
    'counter',
    'Records of internal topics that were skipped because they cannot be decoded.',
  )
  for (const topic of internalTopics) page.sample(metrics.skippedRecords.get(topic) ?? 0, { topic })
}

/** Only of those that are offline: they are few, and an alert needs no more. */
function* writeOffline(page: Page, { metadata }: Broker): Generator<void> {
  page.family('millrace_partition_offline', 'gauge', 'Offline partitions, with the reason.')
  for (const { name, partitions } of metadata.topics()) {
    for (const { index, log } of partitions) {
      const reason = log?.offline ?? null
      if (reason === null) continue
      page.sample(1, { topic: name, partition: index, reason })
      yield
    }
    yield
  }
}

interface PartitionRow {
  /** Label text, the same in all families. */
  labels: string
  partition: TopicPartition
  log: PartitionLog
  /** Replicas. */
  inSync: number
}

type PartitionFamily = readonly [name: string, help: string, of: (row: PartitionRow) => number]

const perPartition: readonly PartitionFamily[] = [
  ['kafka_topic_partition_current_offset', 'Current Offset of a Broker at Topic/Partition.', ({ log }) => log.highWatermark],
  ['kafka_topic_partition_oldest_offset', 'Oldest Offset of a Broker at Topic/Partition.', ({ log }) => log.logStartOffset],
  [
    'kafka_topic_partition_leader',
    'Leader Broker ID of this Topic/Partition.',
    ({ log, partition }) => (log.offline === null ? partition.leader : -1),
  ],
  [
    'kafka_topic_partition_leader_is_preferred',
    '1 if Topic/Partition is using the Preferred Broker.',
    ({ partition }) => (partition.leader === partition.replicas[0] ? 1 : 0),
  ],
  ['kafka_topic_partition_replicas', 'Number of Replicas for this Topic/Partition.', ({ partition }) => partition.replicas.length],
  ['kafka_topic_partition_in_sync_replica', 'Number of In-Sync Replicas for this Topic/Partition.', ({ inSync }) => inSync],
  [
    'kafka_topic_partition_under_replicated_partition',
    '1 if Topic/Partition is under Replicated.',
    ({ partition, inSync }) => (inSync < partition.replicas.length ? 1 : 0),
  ],
  ['kafka_cluster_partition_replicascount', 'Replicas of the partition.', ({ partition }) => partition.replicas.length],
  [
    'kafka_cluster_partition_atminisr',
    'Whether no replica may be lost: always, with one copy.',
    ({ log }) => (log.offline === null ? 1 : 0),
  ],
  [
    'kafka_cluster_partition_underminisr',
    'Whether the partition is below min.insync.replicas.',
    ({ log }) => (log.offline === null ? 0 : 1),
  ],
  ['kafka_log_log_size', 'Bytes of the partition.', ({ log }) => log.sizeBytes()],
  ['kafka_log_log_logstartoffset', 'First offset of the partition.', ({ log }) => log.logStartOffset],
  ['kafka_log_log_logendoffset', 'Next offset of the partition.', ({ log }) => log.logEndOffset],
]

/** Of the partitions whose log is here: the other brokers write the others. */
function* writePartitions(page: Page, broker: Broker): Generator<void> {
  const topics = broker.metadata.topics()
  const alive = aliveOf(broker)
  const rows: PartitionRow[] = []
  page.family('kafka_topic_partitions', 'gauge', 'Number of partitions for this Topic.')
  for (const { name, partitions } of topics) {
    page.sample(partitions.length, { topic: name })
    for (const partition of partitions) {
      const { index, log } = partition
      if (log === null) continue
      rows.push({ labels: labelText({ topic: name, partition: index }), partition, log, inSync: inSync(partition, log, alive) })
      yield
    }
    yield
  }
  for (const [name, help, of] of perPartition) {
    page.family(name, 'gauge', help)
    for (const row of rows) {
      page.labelled(row.labels, of(row))
      yield
    }
  }
}
