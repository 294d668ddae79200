/**
 * The rows of the benchmark: what is done to a broker, and which ratios to Apache Kafka are the goals. Every row names all settings
 * that are not the peers' defaults.
 */
import type { RunningBroker } from '../compat/support/brokers.ts'
import { consumerPerf, createTopic, drive, java, kcatProduce, type Options, producerPerf, type Throughput } from './clients.ts'
import { costOf, pause, rssOf } from './measure.ts'
import { protocolRows } from './protocol-rows.ts'
import {
  cpuPerGigabyte,
  free,
  type Goal,
  type Measured,
  megabyte,
  megabytesPerSecond,
  price,
  type Row,
  type Stage,
  speed,
  withTopic,
} from './row.ts'

/** On Kafka an fsync for each append is a setting of the topic; on Millrace durability is the broker's. */
const durableTopic = (broker: RunningBroker): Options => (broker.name === 'kafka' ? { 'flush.messages': 1 } : {})

const sink = (atMost: number): Goal => ({ metric: 'cpuPerGigabyte', label: 'CPU', unit: 's/GB', against: 'sink', atMost })

/** So many requests are a step of the warm-up of produce rows. */
const warmRequests = 10_000
const recordOverhead = 8
const batchOverhead = 61

/** How many records of `size` a batch of `batch` bytes takes, at most. */
const recordsPerBatch = (size: number, batch: number) => Math.floor((batch - batchOverhead) / (size + recordOverhead))

function produceRow(name: string, size: number, records: number, batch: number, goals: readonly Goal[], compression = 'none'): Row {
  const options = { acks: 1, 'batch.size': batch, 'linger.ms': 5, 'buffer.memory': 67_108_864, 'compression.type': compression }
  const words = compression === 'none' ? '' : `, ${compression}`
  const perf = ({ broker, topic }: Stage, count: number) =>
    withTopic(broker, topic, 1, () => costOf(broker.pid, () => producerPerf(broker, topic, size, count, options)))
  return {
    name,
    settings: `records of ${size} B, batches of ${batch / 1024} KiB, linger 5 ms${words}, acks=1, no fsync, no keys, 1 partition; Kafka's perf tool`,
    durability: 'os',
    goals,
    async warm(stage) {
      const requests = Math.ceil(warmRequests * stage.scale)
      await perf(stage, requests * recordsPerBatch(size, batch))
      return requests
    },
    async measure(stage) {
      const { result, cost } = await perf(stage, Math.ceil(records * stage.scale))
      return {
        megabytesPerSecond: megabytesPerSecond(result),
        recordsPerSecond: result.records / result.seconds,
        cpuPerGigabyte: cpuPerGigabyte(cost, result.bytes),
        rssMegabytes: cost.rssBytes / megabyte,
        writtenPerByte: cost.writtenBytes / result.bytes,
      }
    },
  }
}

const kcatOptions = { acks: 1, 'batch.size': 65_536, 'linger.ms': 5 }
const kcatRecords = 1_500_000
const kcat: Row = {
  name: 'produce-1k-kcat',
  settings: 'records of 1 KiB, batches of 64 KiB, linger 5 ms, acks=1, no fsync, no keys, 1 partition; kcat',
  durability: 'os',
  goals: [speed('megabytesPerSecond', 'throughput with kcat', 1.4), price('cpuPerGigabyte', 'CPU with kcat', 0.45), sink(2.5)],
  async warm({ broker, topic, scale }) {
    const records = Math.ceil(kcatRecords * scale)
    await withTopic(broker, topic, 1, () => kcatProduce(broker, topic, records, kcatOptions))
    return Math.floor(records / recordsPerBatch(1024, 65_536))
  },
  async measure({ broker, topic, scale }) {
    const work = () => kcatProduce(broker, topic, Math.ceil(kcatRecords * scale), kcatOptions)
    const { result, cost } = await withTopic(broker, topic, 1, () => costOf(broker.pid, work))
    return { megabytesPerSecond: megabytesPerSecond(result), cpuPerGigabyte: cpuPerGigabyte(cost, result.bytes) }
  },
}

/** What a sync before the answer adds to the broker's CPU. Both are topics of one Millrace; Kafka's figures are beside them. */
const durable: Row = {
  name: 'produce-1k-durable',
  settings:
    "records of 1 KiB, batches of 64 KiB, linger 5 ms, acks=all, no keys, 1 partition, fsync before the answer; then the same without fsync; Kafka's perf tool",
  durability: 'fsync',
  goals: [free('factor', 'CPU with fsync against without', 1.3), price('cpuPerGigabyte', 'CPU with fsync', 0.85)],
  async warm(stage) {
    const requests = Math.ceil(warmRequests * stage.scale)
    await durablePerf(stage, requests * recordsPerBatch(1024, 65_536), durableTopic(stage.broker))
    return requests
  },
  async measure(stage) {
    const records = Math.ceil(700_000 * stage.scale)
    const synced = await durablePerf(stage, records, durableTopic(stage.broker))
    const cached = await durablePerf(stage, records, stage.broker.name === 'millrace' ? { durability: 'os' } : {})
    return {
      factor: synced.cpuPerGigabyte / cached.cpuPerGigabyte,
      cpuPerGigabyte: synced.cpuPerGigabyte,
      cachedCpuPerGigabyte: cached.cpuPerGigabyte,
      megabytesPerSecond: synced.megabytesPerSecond,
    }
  },
}

async function durablePerf({ broker, topic }: Stage, records: number, configs: Options) {
  const options = { acks: 'all', 'batch.size': 65_536, 'linger.ms': 5, 'buffer.memory': 67_108_864 }
  const work = () => costOf(broker.pid, () => producerPerf(broker, topic, 1024, records, options))
  const { result, cost } = await withTopic(broker, topic, 1, work, configs)
  return { megabytesPerSecond: megabytesPerSecond(result), cpuPerGigabyte: cpuPerGigabyte(cost, result.bytes) }
}

/** The clients' own default: answers to a fetch of one partition are at most this long. */
const fetchBytes = 1_048_576

const consume: Row = {
  name: 'consume',
  settings: 'records of 1 KiB in batches of 64 KiB from the beginning, 1 partition; Kafka’s perf tool, then librdkafka',
  durability: 'os',
  goals: [
    speed('megabytesPerSecond', 'throughput with Kafka’s perf tool', 1.1),
    price('cpuPerGigabyte', 'CPU with Kafka’s perf tool', 0.7),
    speed('cheapMegabytesPerSecond', 'throughput with librdkafka', 1.1),
    price('cheapCpuPerGigabyte', 'CPU with librdkafka', 0.85),
  ],
  async warm({ broker, topic, scale }) {
    const records = Math.ceil(1_000_000 * scale)
    const passes = 5
    await withTopic(broker, topic, 1, async () => {
      await drive.produce(broker, topic, { records, size: 1024, acks: 1, 'batch.size': 65_536 })
      for (let pass = 0; pass < passes; pass++) await drive.consume(broker, topic, { records })
      await consumerPerf(broker, topic, records)
    })
    return Math.floor(((passes + 1) * records * 1024) / fetchBytes)
  },
  async measure({ broker, topic, scale }) {
    const records = Math.ceil(2_000_000 * scale)
    return withTopic(broker, topic, 1, async () => {
      await drive.produce(broker, topic, { records, size: 1024, acks: 1, 'batch.size': 65_536 })
      const tool = await costOf(broker.pid, () => consumerPerf(broker, topic, records))
      const cheap = await costOf(broker.pid, () => drive.consume(broker, topic, { records }))
      return {
        megabytesPerSecond: megabytesPerSecond(tool.result),
        cpuPerGigabyte: cpuPerGigabyte(tool.cost, tool.result.bytes),
        cheapMegabytesPerSecond: megabytesPerSecond(cheap.result),
        cheapCpuPerGigabyte: cpuPerGigabyte(cheap.cost, cheap.result.bytes),
      }
    })
  },
}

const tailConsumers = 8
const tail: Row = {
  name: 'tail-8',
  settings: '8 consumers at the tail of 1 partition, records of 1 KiB at 20,000/s, acks=1, no fsync; librdkafka',
  durability: 'os',
  goals: [price('cpuPerGigabyte', 'CPU per GB delivered', 0.8)],
  async warm(stage) {
    const { seconds } = await readAtTail(stage, Math.ceil(100_000 * stage.scale))
    // librdkafka sends what 5 ms brought; each consumer fetches that.
    return Math.floor((seconds / 0.005) * (1 + tailConsumers))
  },
  async measure(stage) {
    const { pid } = stage.broker
    const { result, cost } = await costOf(pid, () => readAtTail(stage, Math.ceil(160_000 * stage.scale)))
    return { cpuPerGigabyte: cpuPerGigabyte(cost, result.bytes), megabytesPerSecond: megabytesPerSecond(result) }
  },
}

function readAtTail({ broker, topic }: Stage, records: number): Promise<Throughput> {
  return withTopic(broker, topic, 1, async () => {
    let produced: Promise<Throughput> | undefined
    const consumed = await drive.consume(broker, topic, { consumers: tailConsumers, records, from: 'end' }, () => {
      produced = drive.produce(broker, topic, { records, size: 1024, rate: 20_000, acks: 1 })
    })
    await produced
    return consumed
  })
}

function latencyRow(name: string, durability: Row['durability'], acks: string, atMost: number): Row {
  const fsync = durability === 'os' ? 'no fsync' : 'fsync before the answer'
  const goals = [
    price('produceP50', 'produce p50', atMost, 'ms'),
    price('produceP99', 'produce p99', atMost, 'ms'),
    price('endToEndP50', 'end to end p50', atMost, 'ms'),
    price('endToEndP99', 'end to end p99', atMost, 'ms'),
  ]
  const send = async ({ broker, topic }: Stage, seconds: number) => {
    const configs = durability === 'os' ? {} : durableTopic(broker)
    return (await withTopic(
      broker,
      topic,
      1,
      () => drive.latency(broker, topic, { acks, size: 100, seconds }),
      configs,
    )) as unknown as Measured
  }
  return {
    name,
    settings: `one record of 100 B at a time, linger 0, acks=${acks}, ${fsync}, 1 partition, one consumer at the tail; librdkafka`,
    durability,
    goals,
    warm: async stage => (await send(stage, Math.ceil(4 * stage.scale)))['records']!,
    async measure(stage) {
      const { records: _, ...latencies } = await send(stage, Math.ceil(8 * stage.scale))
      return latencies
    },
  }
}

const javaLatency: Row = {
  name: 'latency-java',
  settings:
    'one record of 100 B at a time, linger 0, acks=1, no fsync, 1 partition, from send to poll; Kafka’s Java client, warm after 10,000 records',
  durability: 'os',
  goals: [price('endToEndP50', 'end to end p50', 0.7, 'ms'), price('endToEndP99', 'end to end p99', 0.7, 'ms')],
  async warm({ broker, topic, scale }) {
    const records = Math.ceil(warmRequests * scale)
    await withTopic(broker, topic, 1, () => java.latency(broker, topic, 0, records))
    return records
  },
  measure: ({ broker, topic, scale }) =>
    withTopic(broker, topic, 1, async () => ({ ...(await java.latency(broker, topic, warmRequests, Math.ceil(10_000 * scale))) })),
}

const manyPartitions: Row = {
  name: 'durable-1000-partitions',
  settings:
    'records of 100 B, batches of 10 records, linger 5 ms, acks=all, fsync before the answer, 1,000 partitions in turn, 50 producers with 5 requests in flight each; librdkafka',
  durability: 'fsync',
  goals: [speed('recordsPerSecond', 'records/s', 10, '/s')],
  warm: async stage => (await writeEverywhere(stage, Math.ceil(6 * stage.scale))).records / 10,
  async measure(stage) {
    const { records, seconds } = await writeEverywhere(stage, Math.ceil(8 * stage.scale))
    return { recordsPerSecond: records / seconds }
  },
}

function writeEverywhere({ broker, topic }: Stage, seconds: number): Promise<Throughput> {
  const options = {
    producers: 50,
    partitions: 1000,
    size: 100,
    acks: 'all',
    'batch.num.messages': 10,
    'linger.ms': 5,
    'max.in.flight.requests.per.connection': 5,
    'queue.buffering.max.messages': 20_000,
    seconds,
  }
  return withTopic(broker, topic, 1000, () => drive.produce(broker, topic, options), durableTopic(broker))
}

const writeAmplification: Row = {
  name: 'durable-bandwidth',
  settings: 'records of 10 KiB, batches of 1 MB, acks=all, fsync before the answer, 1 partition; librdkafka',
  durability: 'fsync',
  goals: [free('writtenPerByte', 'bytes on disk per byte produced', 1.1), speed('megabytesPerSecond', 'throughput', 1)],
  async warm(stage) {
    const { result } = await writeBig(stage, Math.ceil(3 * stage.scale))
    return Math.floor(result.bytes / 1_000_000)
  },
  async measure(stage) {
    const { result, cost } = await writeBig(stage, Math.ceil(8 * stage.scale))
    return { writtenPerByte: cost.writtenBytes / result.bytes, megabytesPerSecond: megabytesPerSecond(result) }
  },
}

function writeBig({ broker, topic }: Stage, seconds: number) {
  const options = {
    size: 10_240,
    acks: 'all',
    'batch.size': 1_000_000,
    'linger.ms': 20,
    'max.in.flight.requests.per.connection': 5,
    seconds,
  }
  return withTopic(broker, topic, 1, () => costOf(broker.pid, () => drive.produce(broker, topic, options)), durableTopic(broker))
}

const manyTopics: Row = {
  name: 'topics',
  settings: '1,000 topics of 5 partitions, 50 in a request; then 10 s at rest',
  durability: 'os',
  cold: 'a new process for each round: memory at rest is that of a broker that did nothing else',
  goals: [
    price('createSeconds', 'time to create', 0.5, 's'),
    price('idleMegabytes', 'memory at rest', 0.3, 'MB'),
    free('idleMegabytes', 'memory at rest', 115, 'MB'),
  ],
  async measure({ broker, scale }) {
    const { seconds } = await drive.createTopics(broker, 'topic', { topics: Math.ceil(1000 * scale), partitions: 5 })
    await pause(10_000 * scale)
    return { createSeconds: seconds, idleMegabytes: rssOf(broker.pid) / megabyte }
  },
}

/** From the start of the process to the first acknowledged record; the client is started once the broker accepts connections. */
async function restartToFirst(broker: RunningBroker, signal: 'SIGTERM' | 'SIGKILL', topic: string): Promise<number> {
  await broker.stop(signal)
  const began = performance.now()
  await broker.restart()
  await drive.first(broker, topic)
  return (performance.now() - began) / 1000
}

const starting = 'a start is what is measured'

const startUp: Row = {
  name: 'start',
  settings: 'start to first acknowledged record, one topic; librdkafka, started once the port is open',
  durability: 'os',
  cold: starting,
  goals: [
    price('startSeconds', 'start to first acknowledged record', 0.2, 's'),
    free('startSeconds', 'start to first acknowledged record', 1, 's'),
  ],
  async measure({ broker, topic }) {
    await createTopic(broker, topic, 1)
    return { startSeconds: await restartToFirst(broker, 'SIGTERM', topic) }
  },
}

const restart: Row = {
  name: 'restart',
  settings: 'restart after kill -9 to first acknowledged record, 5,000 partitions, 10 GB; librdkafka, started once the port is open',
  durability: 'os',
  cold: starting,
  goals: [price('restartSeconds', 'restart to first acknowledged record', 0.3, 's')],
  async measure({ broker, topic, scale }) {
    const partitions = Math.ceil(5000 * scale)
    await createTopic(broker, topic, partitions)
    await drive.produce(broker, topic, { records: Math.ceil(1_000_000 * scale), size: 10_240, partitions, acks: 1 })
    return { restartSeconds: await restartToFirst(broker, 'SIGKILL', topic) }
  },
}

const group: Row = {
  name: 'group-100',
  settings: 'a classic group of 100 members, 100 partitions, until each member has its share; librdkafka',
  durability: 'os',
  goals: [price('joinSeconds', 'time to settle', 1, 's')],
  warmSteps: 3,
  async warm(stage) {
    await settle(stage)
    return 4 * Math.ceil(100 * stage.scale) // join, sync, heartbeat, leave: at least
  },
  measure: async stage => ({ joinSeconds: await settle(stage) }),
}

function settle({ broker, topic, scale }: Stage): Promise<number> {
  const members = Math.ceil(100 * scale)
  return withTopic(broker, topic, members, async () => (await drive.group(broker, topic, { members })).seconds)
}

export const rows: readonly Row[] = [
  produceRow('produce-1k', 1024, 1_000_000, 65_536, [
    { ...price('cpuPerGigabyte', 'CPU', 0.6), everyRound: true },
    speed('megabytesPerSecond', 'throughput', 1.1),
    price('rssMegabytes', 'memory under load', 0.2, 'MB'),
    free('rssMegabytes', 'memory under load', 125, 'MB'),
  ]),
  kcat,
  durable,
  produceRow('produce-100b', 100, 4_000_000, 16_384, [
    speed('recordsPerSecond', 'records/s', 1.1, '/s'),
    price('cpuPerGigabyte', 'CPU', 0.7),
  ]),
  produceRow('produce-zstd', 1024, 600_000, 65_536, [price('cpuPerGigabyte', 'CPU', 0.5)], 'zstd'),
  produceRow('produce-lz4', 1024, 1_000_000, 65_536, [price('cpuPerGigabyte', 'CPU', 0.5)], 'lz4'),
  consume,
  tail,
  latencyRow('latency', 'os', '1', 0.7),
  javaLatency,
  latencyRow('latency-durable', 'fsync', 'all', 0.6),
  manyPartitions,
  writeAmplification,
  manyTopics,
  startUp,
  restart,
  group,
  ...protocolRows,
]
