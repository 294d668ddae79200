/** Rows of a cluster at work: latency, bulk produce, consume of what is not recent. */
import { drive, type Options, type Throughput } from '../clients.ts'
import { costOf, pause, quantile } from '../measure.ts'
import {
  cpuPerGigabyte,
  free,
  type Goal,
  least,
  type Measured,
  megabyte,
  megabytesPerSecond,
  type RowOf,
  type Stage,
  shown,
  withTopic,
} from '../row.ts'
import { type Load, underLoad, waits } from './load.ts'
import { type ClusterPeer, moveLeader, startCluster } from './peers.ts'

type ClusterStage = Stage<ClusterPeer>

const skippedSeconds = 1

/** All of its latencies, but for those of the first second. */
async function readLatencies({ broker, topic }: ClusterStage, seconds: number, load: Omit<Load, 'mostSeconds'>) {
  const all = { ...load, mostSeconds: seconds + skippedSeconds + 1 }
  const work = () => pause((seconds + skippedSeconds) * 1000)
  const { moments } = await withTopic(broker, topic, load.partitions, () => underLoad(broker, topic, all, work))
  const from = moments[0]!.due + skippedSeconds
  const counted = moments.filter(({ due }) => due >= from)
  return { moments, acked: waits(counted, 'acked'), received: waits(counted, 'received') }
}

const oneByOne = { partitions: 6, perSecond: 500, options: { acks: 'all', 'enable.idempotence': 'true', 'batch.num.messages': 1 } }

/** The warm-up of rows with small records. */
export async function warmWithSmall(stage: ClusterStage): Promise<number> {
  const { moments } = await readLatencies(stage, Math.ceil(8 * stage.scale), { ...oneByOne, perSecond: 1000 })
  return moments.length
}

const latency: RowOf<ClusterPeer> = {
  name: 'cluster-latency',
  settings:
    'a record of 100 B each 2 ms, whatever becomes of earlier ones, each its own request, 6 partitions in turn, acks=all, idempotent, linger 0, a consumer that follows all partitions; librdkafka; latencies count from when a record was due',
  goals: [
    free('produceP50', 'produce p50', 5, 'ms'),
    free('produceP99', 'produce p99', 50, 'ms'),
    shown('produceP50', 'produce p50', 'ms'),
    shown('produceP99', 'produce p99', 'ms'),
    shown('endToEndP50', 'end to end p50', 'ms'),
    shown('endToEndP99', 'end to end p99', 'ms'),
  ],
  start: startCluster,
  warm: warmWithSmall,
  async measure(stage) {
    const { acked, received } = await readLatencies(stage, Math.ceil(20 * stage.scale), oneByOne)
    return {
      produceP50: quantile(acked, 0.5),
      produceP99: quantile(acked, 0.99),
      endToEndP50: quantile(received, 0.5),
      endToEndP99: quantile(received, 0.99),
    }
  },
}

/** Not idempotent: librdkafka would then have one request in flight for each partition. */
export const bulkOptions: Options = {
  producers: 4,
  size: 10_240,
  acks: 'all',
  'batch.size': 1_000_000,
  'linger.ms': 20,
  'max.in.flight.requests.per.connection': 5,
}
export const bulkWords =
  'records of 10 KiB, batches of 1 MB, linger 20 ms, acks=all, 4 producers with 5 requests in flight each; librdkafka'
const bulkRequestBytes = 1_000_000
const smallRequestBytes = 65_536

/** Many requests and then large ones, so that neither takes minutes. Returns how many there were. */
async function warmWithBulk({ broker, topic, scale }: ClusterStage, partitions: number): Promise<number> {
  const seconds = Math.ceil(3 * scale)
  return withTopic(broker, topic, partitions, async () => {
    const small = await drive.produce(broker, topic, { ...bulkOptions, partitions, seconds, 'batch.size': smallRequestBytes })
    const large = await drive.produce(broker, topic, { ...bulkOptions, partitions, seconds })
    return small.bytes / smallRequestBytes + large.bytes / bulkRequestBytes
  })
}

function bulkRow(name: string, partitions: number, words: string, goals: readonly Goal[]): RowOf<ClusterPeer> {
  return {
    name,
    settings: `${bulkWords}; ${words}; CPU with what is left to be flushed; warm-up also with batches of 64 KiB`,
    goals: [
      ...goals,
      shown('megabytesPerSecond', 'throughput', 'MB/s'),
      shown('cpuPerGigabyte', 'CPU of the brokers', 's/GB'),
      shown('allCpuPerGigabyte', 'CPU of brokers, PostgreSQL and MinIO', 's/GB'),
      shown('writtenPerByte', 'bytes written to files per byte produced', ''),
      shown('rssMegabytes', 'memory of the brokers', 'MB'),
    ],
    start: startCluster,
    warm: stage => warmWithBulk(stage, partitions),
    measure: ({ broker, topic, scale }) =>
      withTopic(broker, topic, partitions, () => {
        const seconds = Math.ceil(8 * scale)
        return paidBy(broker, async () => {
          const produced = await drive.produce(broker, topic, { ...bulkOptions, partitions, seconds })
          if (broker.name === 'millrace') await moveAll(broker, topic, partitions)
          return produced
        })
      }),
  }
}

/** Also what it cost the brokers, and all. */
async function paidBy(broker: ClusterPeer, work: () => Promise<Throughput>): Promise<Measured> {
  const all = await costOf(broker.allPids, () => costOf(broker.pid, work))
  const { result, cost } = all.result
  return {
    megabytesPerSecond: megabytesPerSecond(result),
    cpuPerGigabyte: cpuPerGigabyte(cost, result.bytes),
    allCpuPerGigabyte: cpuPerGigabyte(all.cost, result.bytes),
    writtenPerByte: all.cost.writtenBytes / result.bytes,
    rssMegabytes: cost.rssBytes / megabyte,
  }
}

/** In Millrace all is flushed then, and the next leader has nothing of it in memory. */
export async function moveAll(broker: ClusterPeer, topic: string, partitions: number): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) await moveLeader(broker, topic, partition)
}

const coldPartitions = 3

const cold: RowOf<ClusterPeer> = {
  name: 'cluster-consume-cold',
  settings:
    'records of 10 KiB in batches of 1 MB from the beginning, one of 3 partitions, then all three; each partition has just moved to another broker, which has nothing of it in memory and reads it from the object store; Kafka reads its log; files are in the page cache on both sides; warm-up with batches of 64 KiB; librdkafka',
  goals: [
    least('megabytesPerSecond', 'throughput, 3 partitions', 200),
    shown('megabytesPerSecond', 'throughput, 3 partitions', 'MB/s'),
    shown('oneMegabytesPerSecond', 'throughput, 1 partition', 'MB/s'),
    shown('cpuPerGigabyte', 'CPU of the brokers', 's/GB'),
    shown('allCpuPerGigabyte', 'CPU of brokers, PostgreSQL and MinIO', 's/GB'),
    shown('rssMegabytes', 'memory of the brokers', 'MB'),
  ],
  start: startCluster,
  async warm({ broker, topic, scale }) {
    const records = coldPartitions * Math.ceil(2_500 * scale) * 4
    const passes = 5
    const small: Options = { ...bulkOptions, partitions: coldPartitions, records, 'batch.size': smallRequestBytes }
    await withTopic(broker, topic, coldPartitions, async () => {
      await drive.produce(broker, topic, small)
      for (let pass = 0; pass < passes; pass++) {
        if (broker.name === 'millrace') await moveAll(broker, topic, coldPartitions)
        await drive.consume(broker, topic, { records, partitions: coldPartitions, 'fetch.message.max.bytes': smallRequestBytes })
      }
    })
    return (passes * records * 10_240) / smallRequestBytes
  },
  async measure({ broker, topic, scale }) {
    // Divided among the producers.
    const each = Math.ceil(7_500 * scale) * 4
    const records = coldPartitions * each
    return withTopic(broker, topic, coldPartitions, async () => {
      await drive.produce(broker, topic, { ...bulkOptions, partitions: coldPartitions, records })
      if (broker.name === 'millrace') await moveAll(broker, topic, coldPartitions)
      const one = await drive.consume(broker, topic, { records: each, partitions: 1 })
      if (broker.name === 'millrace') await moveAll(broker, topic, coldPartitions)
      const all = await paidBy(broker, () => drive.consume(broker, topic, { records, partitions: coldPartitions }))
      return { ...all, oneMegabytesPerSecond: megabytesPerSecond(one) }
    })
  },
}

export const streamRows: readonly RowOf<ClusterPeer>[] = [
  latency,
  bulkRow('cluster-produce-1', 1, '1 partition, so one broker takes all', [least('megabytesPerSecond', 'throughput of one broker', 100)]),
  bulkRow('cluster-produce-12', 12, '12 partitions over three brokers', []),
  cold,
]
