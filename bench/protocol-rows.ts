/** Rows of what came with transactions, the new group protocol, and security. */
import type { RunningBroker } from '../compat/support/brokers.ts'
import { consumerPerf, createTopic, drive, java, producerPerf, type Throughput } from './clients.ts'
import { costOf } from './measure.ts'
import { cpuPerGigabyte, type Goal, type Measured, megabytesPerSecond, price, type Row, speed, warm } from './row.ts'
import { driverConfig, javaConfig, loadAcls, securedTarget } from './secured.ts'

const transactions: Row = {
  name: 'txn-100ms',
  settings:
    'records of 1 KiB, batches of 64 KiB, linger 5 ms, acks=all, no fsync, 1 partition, a commit each 100 ms; Kafka’s perf tool; then commits timed by themselves at 500 records/s and 100 ms, and transactions of one record one after the other',
  durability: 'os',
  goals: [
    speed('megabytesPerSecond', 'throughput', 1.1),
    price('cpuPerGigabyte', 'CPU', 0.85),
    price('commitP50', 'commit p50', 0.85, 'ms'),
    price('commitP99', 'commit p99', 0.85, 'ms'),
    speed('commitsPerSecond', 'transactions of one record', 1.1, '/s'),
  ],
  async measure(broker, scale) {
    await createTopic(broker, 'txn', 1)
    await warm(broker, 'txn', { acks: 'all' }, scale)
    const count = Math.ceil(1_000_000 * scale)
    const options = { 'batch.size': 65_536, 'linger.ms': 5, 'buffer.memory': 67_108_864 }
    const flags = { 'transactional-id': 'bench', 'transaction-duration-ms': 100 }
    const { result, cost } = await costOf(broker.pid, () => producerPerf(broker, 'txn', 1024, count, options, flags))
    const timed = await java.commits(broker, 'txn', Math.ceil(10 * scale), 500, 100)
    const small = await java.commits(broker, 'txn', Math.ceil(5 * scale), 0, 0)
    return {
      megabytesPerSecond: megabytesPerSecond(result),
      cpuPerGigabyte: cpuPerGigabyte(cost, result.bytes),
      commitP50: timed.commitP50,
      commitP99: timed.commitP99,
      commitsPerSecond: small.commitsPerSecond,
    }
  },
}

const consumerGroup: Row = {
  name: 'group-848-100',
  settings:
    'a KIP-848 group of 100 members, 200 partitions, uniform assignor, default heartbeats of 5 s, from the subscription until each member has its share; then five times one more joins and one leaves (mean of the ten); Kafka’s Java client',
  durability: 'os',
  goals: [
    price('settleSeconds', 'time to settle', 1, 's'),
    price('changeSeconds', 'one joins or leaves (heartbeats rule it)', 1, 's'),
    price('cpuSeconds', 'CPU', 0.85, 's'),
  ],
  async measure(broker, scale) {
    const members = Math.ceil(100 * scale)
    await createTopic(broker, 'group', 2 * members)
    const { result, cost } = await costOf(broker.pid, () => java.group(broker, 'group', members, 2 * members, Math.ceil(5 * scale)))
    return { ...result, cpuSeconds: cost.cpuSeconds }
  },
}

const tlsSettings = 'TLS 1.3, the same certificate, default ciphers, no fsync, 1 partition, records of 1 KiB in batches of 64 KiB'

const throughputGoals: Goal[] = [
  speed('megabytesPerSecond', 'throughput with Kafka’s perf tool', 1.1),
  price('cpuPerGigabyte', 'CPU with Kafka’s perf tool', 0.85),
  speed('cheapMegabytesPerSecond', 'throughput with librdkafka', 1.1),
  price('cheapCpuPerGigabyte', 'CPU with librdkafka', 0.85),
]

const tlsProduce: Row = {
  name: 'tls-produce',
  settings: `${tlsSettings}, linger 5 ms, acks=1; Kafka’s perf tool, then librdkafka`,
  durability: 'os',
  secured: 'SSL',
  goals: throughputGoals,
  async measure(broker, scale) {
    const { target, driver, tool } = await overTls(broker)
    const options = { acks: 1, 'batch.size': 65_536, 'linger.ms': 5 }
    await createTopic(broker, 'produce', 1)
    await warm(target, 'produce', { ...driver, ...options }, scale)
    const records = Math.ceil(600_000 * scale)
    const work = { ...driver, ...options, records, size: 1024 }
    const perf = { ...options, 'buffer.memory': 67_108_864 }
    return bothClients(
      await costOf(broker.pid, () => producerPerf(target, 'produce', 1024, records, perf, tool)),
      await costOf(broker.pid, () => drive.produce(target, 'produce', work)),
    )
  },
}

const tlsConsume: Row = {
  name: 'tls-consume',
  settings: `${tlsSettings}, from the beginning; Kafka’s perf tool, then librdkafka`,
  durability: 'os',
  secured: 'SSL',
  goals: throughputGoals,
  async measure(broker, scale) {
    const { target, driver, tool } = await overTls(broker)
    const records = Math.ceil(1_500_000 * scale)
    await createTopic(broker, 'consume', 1)
    await drive.produce(broker, 'consume', { records, size: 1024, acks: 1, 'batch.size': 65_536 })
    await drive.consume(target, 'consume', { ...driver, records: Math.ceil(records / 4) })
    return bothClients(
      await costOf(broker.pid, () => consumerPerf(target, 'consume', records, tool)),
      await costOf(broker.pid, () => drive.consume(target, 'consume', { ...driver, records })),
    )
  },
}

async function overTls(broker: RunningBroker) {
  return { target: securedTarget(broker, 'SSL'), driver: await driverConfig('SSL'), tool: await javaConfig() }
}

type Work = Awaited<ReturnType<typeof costOf<Throughput>>>

function bothClients(tool: Work, cheap: Work): Measured {
  return {
    megabytesPerSecond: megabytesPerSecond(tool.result),
    cpuPerGigabyte: cpuPerGigabyte(tool.cost, tool.result.bytes),
    cheapMegabytesPerSecond: megabytesPerSecond(cheap.result),
    cheapCpuPerGigabyte: cpuPerGigabyte(cheap.cost, cheap.result.bytes),
  }
}

const free = (metric: string, label: string, atMost: number): Goal => ({ metric, label, unit: '', against: 'nothing', atMost })

const acls: Row = {
  name: 'acl-1000',
  settings:
    'SASL_PLAINTEXT with PLAIN, an authorizer, 1,000 topics; produce requests of one record of 100 B, pipelined, and metadata of all topics; without any ACL, then with 1,000 (100 on the topic itself, 100 on prefixes of its name, 798 on other topics, 2 for the user); librdkafka',
  durability: 'os',
  secured: 'SASL_PLAINTEXT',
  goals: [
    speed('produceRequests', 'produce requests/s with 1,000 ACLs', 1.1, '/s'),
    price('produceMicros', 'CPU per produce request with 1,000 ACLs', 0.85, 'µs'),
    price('metadataMicros', 'CPU per metadata request with 1,000 ACLs', 0.85, 'µs'),
    free('produceFactor', 'produce request, CPU with 1,000 ACLs against none', 1.1),
    free('metadataFactor', 'metadata request, CPU with 1,000 ACLs against none', 1.1),
  ],
  async measure(broker, scale) {
    const target = securedTarget(broker, 'SASL_PLAINTEXT')
    const driver = await driverConfig('SASL_PLAINTEXT')
    await createTopic(broker, 'orders', 1)
    await drive.createTopics(broker, 'other', { topics: Math.ceil(1000 * scale), partitions: 1 })
    const one = { ...driver, acks: 1, size: 100, 'batch.num.messages': 1, 'linger.ms': 0 }
    const requests = async () => {
      const records = Math.ceil(200_000 * scale)
      const produced = await costOf(broker.pid, () => drive.produce(target, 'orders', { ...one, records }))
      const listed = await costOf(broker.pid, () => drive.metadata(target, { ...driver, requests: Math.ceil(500 * scale) }))
      return {
        produceRequests: produced.result.records / produced.result.seconds,
        produceMicros: (produced.cost.cpuSeconds / produced.result.records) * 1e6,
        metadataMicros: (listed.cost.cpuSeconds / listed.result.requests) * 1e6,
      }
    }
    await requests()
    const without = await requests()
    await loadAcls(broker, 'orders', 1000)
    const loaded = await requests()
    return {
      ...loaded,
      produceFactor: loaded.produceMicros / without.produceMicros,
      metadataFactor: loaded.metadataMicros / without.metadataMicros,
    }
  },
}

export const protocolRows: readonly Row[] = [transactions, consumerGroup, tlsProduce, tlsConsume, acls]
