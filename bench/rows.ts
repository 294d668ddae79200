/**
 * The rows of the benchmark: what is done to a broker, and which ratios to Apache Kafka are the goals. Every row names all settings
 * that are not the peers' defaults.
 */
import type { RunningBroker } from '../compat/support/brokers.ts'
import { consumerPerf, createTopic, drive, kcatProduce, producerPerf, type Throughput } from './clients.ts'
import { costOf, pause, rssOf } from './measure.ts'
import { protocolRows } from './protocol-rows.ts'
import { cpuPerGigabyte, type Goal, type Measured, megabyte, megabytesPerSecond, price, type Row, speed, warm } from './row.ts'

/** On Kafka an fsync for each append is a setting of the topic; on Millrace durability is the broker's. */
const durableTopic = (broker: RunningBroker) => (broker.name === 'kafka' ? { 'flush.messages': 1 } : {})

/** The sinks are fed by a sender as cheap as kcat; Kafka's perf tool keeps the other core busy, which makes the same work dearer. */
const sinks: Goal[] = [
  { metric: 'cpuPerGigabyte', label: 'CPU', unit: 's/GB', against: 'plain sink', atMost: 1.25 },
  { metric: 'cpuPerGigabyte', label: 'CPU', unit: 's/GB', against: 'best sink', atMost: 1.25 },
]

function produceRow(name: string, size: number, records: number, batch: number, goals: readonly Goal[], compression = 'none'): Row {
  const options = { acks: 1, 'batch.size': batch, 'linger.ms': 5, 'buffer.memory': 67_108_864, 'compression.type': compression }
  const words = compression === 'none' ? '' : `, ${compression}`
  return {
    name,
    settings: `records of ${size} B, batches of ${batch / 1024} KiB, linger 5 ms${words}, acks=1, no fsync, no keys, 1 partition; Kafka's perf tool`,
    durability: 'os',
    goals,
    async measure(broker, scale) {
      await createTopic(broker, 'produce', 1)
      await warm(broker, 'produce', { acks: 1, size }, scale)
      const count = Math.ceil(records * scale)
      const { result, cost } = await costOf(broker.pid, () => producerPerf(broker, 'produce', size, count, options))
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

const kcat: Row = {
  name: 'produce-1k-kcat',
  settings: 'records of 1 KiB, batches of 64 KiB, linger 5 ms, acks=1, no fsync, no keys, 1 partition; kcat',
  durability: 'os',
  goals: [speed('megabytesPerSecond', 'throughput with kcat', 1.4), price('cpuPerGigabyte', 'CPU with kcat', 0.65), ...sinks],
  async measure(broker, scale) {
    await createTopic(broker, 'produce', 1)
    await warm(broker, 'produce', { acks: 1 }, scale)
    const options = { acks: 1, 'batch.size': 65_536, 'linger.ms': 5 }
    const work = () => kcatProduce(broker, 'produce', Math.ceil(1_500_000 * scale), options)
    const { result, cost } = await costOf(broker.pid, work)
    return { megabytesPerSecond: megabytesPerSecond(result), cpuPerGigabyte: cpuPerGigabyte(cost, result.bytes) }
  },
}

const consume: Row = {
  name: 'consume',
  settings: 'records of 1 KiB in batches of 64 KiB from the beginning, 1 partition; Kafka’s perf tool, then librdkafka',
  durability: 'os',
  goals: [
    speed('megabytesPerSecond', 'throughput with Kafka’s perf tool', 1.1),
    price('cpuPerGigabyte', 'CPU with Kafka’s perf tool', 0.85),
    speed('cheapMegabytesPerSecond', 'throughput with librdkafka', 1.1),
    price('cheapCpuPerGigabyte', 'CPU with librdkafka', 0.85),
  ],
  async measure(broker, scale) {
    const records = Math.ceil(2_000_000 * scale)
    await createTopic(broker, 'consume', 1)
    await drive.produce(broker, 'consume', { records, size: 1024, acks: 1, 'batch.size': 65_536 })
    await drive.consume(broker, 'consume', { records: Math.ceil(records / 4) })
    const java = await costOf(broker.pid, () => consumerPerf(broker, 'consume', records))
    const cheap = await costOf(broker.pid, () => drive.consume(broker, 'consume', { records }))
    return {
      megabytesPerSecond: megabytesPerSecond(java.result),
      cpuPerGigabyte: cpuPerGigabyte(java.cost, java.result.bytes),
      cheapMegabytesPerSecond: megabytesPerSecond(cheap.result),
      cheapCpuPerGigabyte: cpuPerGigabyte(cheap.cost, cheap.result.bytes),
    }
  },
}

const tail: Row = {
  name: 'tail-8',
  settings: '8 consumers at the tail of 1 partition, records of 1 KiB at 20,000/s, acks=1, no fsync; librdkafka',
  durability: 'os',
  goals: [price('cpuPerGigabyte', 'CPU per GB delivered', 0.8)],
  async measure(broker, scale) {
    const records = Math.ceil(160_000 * scale)
    await createTopic(broker, 'tail', 1)
    await warm(broker, 'tail', { acks: 1 }, scale)
    const { result, cost } = await costOf(broker.pid, async () => {
      let produced: Promise<Throughput> | undefined
      const consumed = await drive.consume(broker, 'tail', { consumers: 8, records, from: 'end' }, () => {
        produced = drive.produce(broker, 'tail', { records, size: 1024, rate: 20_000, acks: 1 })
      })
      await produced
      return consumed
    })
    return { cpuPerGigabyte: cpuPerGigabyte(cost, result.bytes), megabytesPerSecond: megabytesPerSecond(result) }
  },
}

function latencyRow(name: string, durability: Row['durability'], acks: string, atMost: number): Row {
  const fsync = durability === 'os' ? 'no fsync' : 'fsync before the answer'
  const goals = [
    price('produceP50', 'produce p50', atMost, 'ms'),
    price('produceP99', 'produce p99', atMost, 'ms'),
    price('endToEndP50', 'end to end p50', atMost, 'ms'),
    price('endToEndP99', 'end to end p99', atMost, 'ms'),
  ]
  return {
    name,
    settings: `one record of 100 B at a time, linger 0, acks=${acks}, ${fsync}, 1 partition, one consumer at the tail; librdkafka`,
    durability,
    goals,
    async measure(broker, scale) {
      await createTopic(broker, 'latency', 1, durability === 'os' ? {} : durableTopic(broker))
      await drive.latency(broker, 'latency', { acks, size: 100, warmup: 0, seconds: Math.ceil(3 * scale) })
      const { records: _, ...latencies } = (await drive.latency(broker, 'latency', {
        acks,
        size: 100,
        seconds: Math.ceil(8 * scale),
      })) as unknown as Measured
      return latencies
    },
  }
}

const manyPartitions: Row = {
  name: 'durable-1000-partitions',
  settings:
    'records of 100 B, batches of 10 records, linger 5 ms, acks=all, fsync before the answer, 1,000 partitions in turn, 50 producers with 5 requests in flight each; librdkafka',
  durability: 'fsync',
  goals: [speed('recordsPerSecond', 'records/s', 10, '/s')],
  async measure(broker, scale) {
    await createTopic(broker, 'many', 1000, durableTopic(broker))
    const options = {
      producers: 50,
      partitions: 1000,
      size: 100,
      acks: 'all',
      'batch.num.messages': 10,
      'linger.ms': 5,
      'max.in.flight.requests.per.connection': 5,
      'queue.buffering.max.messages': 20_000,
    }
    await drive.produce(broker, 'many', { ...options, seconds: 2 })
    const result = await drive.produce(broker, 'many', { ...options, seconds: Math.ceil(8 * scale) })
    return { recordsPerSecond: result.records / result.seconds }
  },
}

const writeAmplification: Row = {
  name: 'durable-bandwidth',
  settings: 'records of 10 KiB, batches of 1 MB, acks=all, fsync before the answer, 1 partition; librdkafka',
  durability: 'fsync',
  goals: [
    { metric: 'writtenPerByte', label: 'bytes on disk per byte produced', unit: '', against: 'nothing', atMost: 1.1 },
    speed('megabytesPerSecond', 'throughput', 1),
  ],
  async measure(broker, scale) {
    await createTopic(broker, 'bandwidth', 1, durableTopic(broker))
    const options = { size: 10_240, acks: 'all', 'batch.size': 1_000_000, 'linger.ms': 20, 'max.in.flight.requests.per.connection': 5 }
    await drive.produce(broker, 'bandwidth', { ...options, seconds: 1 })
    const work = () => drive.produce(broker, 'bandwidth', { ...options, seconds: Math.ceil(8 * scale) })
    const { result, cost } = await costOf(broker.pid, work)
    return { writtenPerByte: cost.writtenBytes / result.bytes, megabytesPerSecond: megabytesPerSecond(result) }
  },
}

const manyTopics: Row = {
  name: 'topics',
  settings: '1,000 topics of 5 partitions, 50 in a request; then 10 s at rest',
  durability: 'os',
  goals: [price('createSeconds', 'time to create', 0.5, 's'), price('idleMegabytes', 'memory at rest', 0.3, 'MB')],
  async measure(broker, scale) {
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

const startUp: Row = {
  name: 'start',
  settings: 'start to first acknowledged record, one topic; librdkafka, started once the port is open',
  durability: 'os',
  goals: [
    price('startSeconds', 'start to first acknowledged record', 0.2, 's'),
    { metric: 'startSeconds', label: 'start to first acknowledged record', unit: 's', against: 'nothing', atMost: 1 },
  ],
  async measure(broker) {
    await createTopic(broker, 'start', 1)
    return { startSeconds: await restartToFirst(broker, 'SIGTERM', 'start') }
  },
}

const restart: Row = {
  name: 'restart',
  settings: 'restart after kill -9 to first acknowledged record, 5,000 partitions, 10 GB; librdkafka, started once the port is open',
  durability: 'os',
  once: true,
  goals: [price('restartSeconds', 'restart to first acknowledged record', 0.3, 's')],
  async measure(broker, scale) {
    const partitions = Math.ceil(5000 * scale)
    await createTopic(broker, 'restart', partitions)
    await drive.produce(broker, 'restart', { records: Math.ceil(1_000_000 * scale), size: 10_240, partitions, acks: 1 })
    return { restartSeconds: await restartToFirst(broker, 'SIGKILL', 'restart') }
  },
}

const group: Row = {
  name: 'group-100',
  settings: 'a classic group of 100 members, 100 partitions, until each member has its share; librdkafka',
  durability: 'os',
  goals: [price('joinSeconds', 'time to settle', 1, 's')],
  async measure(broker, scale) {
    const members = Math.ceil(100 * scale)
    await createTopic(broker, 'group', members)
    return { joinSeconds: (await drive.group(broker, 'group', { members })).seconds }
  },
}

export const rows: readonly Row[] = [
  produceRow('produce-1k', 1024, 1_000_000, 65_536, [
    price('cpuPerGigabyte', 'CPU', 0.65),
    ...sinks,
    speed('megabytesPerSecond', 'throughput', 1.1),
    price('rssMegabytes', 'memory under load', 0.2, 'MB'),
  ]),
  kcat,
  produceRow('produce-100b', 100, 4_000_000, 16_384, [
    speed('recordsPerSecond', 'records/s', 1.1, '/s'),
    price('cpuPerGigabyte', 'CPU', 0.7),
  ]),
  produceRow('produce-zstd', 1024, 600_000, 65_536, [price('cpuPerGigabyte', 'CPU', 0.5)], 'zstd'),
  produceRow('produce-lz4', 1024, 1_000_000, 65_536, [price('cpuPerGigabyte', 'CPU', 0.5)], 'lz4'),
  consume,
  tail,
  latencyRow('latency', 'os', '1', 0.7),
  latencyRow('latency-durable', 'fsync', 'all', 0.6),
  manyPartitions,
  writeAmplification,
  manyTopics,
  startUp,
  restart,
  group,
  ...protocolRows,
]
