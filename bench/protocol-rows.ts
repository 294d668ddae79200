/** Rows of what came with transactions, the new group protocol, and security. */
import type { RunningBroker } from '../compat/support/brokers.ts'
import { consumerPerf, createTopic, drive, java, producerPerf, type Throughput } from './clients.ts'
import { costOf } from './measure.ts'
import { cpuPerGigabyte, free, type Goal, type Measured, megabytesPerSecond, price, type Row, type Stage, speed, withTopic } from './row.ts'
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
  async warm(stage) {
    const records = Math.ceil(600_000 * stage.scale)
    await withTopic(stage.broker, stage.topic, 1, () => transact(stage, records))
    return Math.floor(records / recordsPerRequest)
  },
  measure: stage =>
    withTopic(stage.broker, stage.topic, 1, async () => {
      const { broker, topic, scale } = stage
      const { result, cost } = await costOf(broker.pid, () => transact(stage, Math.ceil(1_000_000 * scale)))
      const timed = await java.commits(broker, topic, Math.ceil(10 * scale), 500, 100)
      const small = await java.commits(broker, topic, Math.ceil(5 * scale), 0, 0)
      return {
        megabytesPerSecond: megabytesPerSecond(result),
        cpuPerGigabyte: cpuPerGigabyte(cost, result.bytes),
        commitP50: timed.commitP50,
        commitP99: timed.commitP99,
        commitsPerSecond: small.commitsPerSecond,
      }
    }),
}

/** At most: of records of 1 KiB in a batch of 64 KiB. */
const recordsPerRequest = 63

function transact({ broker, topic }: Stage, records: number): Promise<Throughput> {
  const options = { 'batch.size': 65_536, 'linger.ms': 5, 'buffer.memory': 67_108_864 }
  const flags = { 'transactional-id': 'bench', 'transaction-duration-ms': 100 }
  return producerPerf(broker, topic, 1024, records, options, flags)
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
  warmSteps: 2,
  async warm(stage) {
    await converge(stage, 1)
    return 4 * Math.ceil(100 * stage.scale) // heartbeats: one to join, one to take its share, and those between
  },
  async measure(stage) {
    const { result, cost } = await costOf(stage.broker.pid, () => converge(stage, Math.ceil(5 * stage.scale)))
    return { ...result, cpuSeconds: cost.cpuSeconds }
  },
}

function converge({ broker, topic, scale }: Stage, rounds: number) {
  const members = Math.ceil(100 * scale)
  return withTopic(broker, topic, 2 * members, () => java.group(broker, topic, members, 2 * members, rounds))
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
  async warm({ broker, topic, scale }) {
    const { target, driver, tool } = await overTls(broker)
    const records = Math.ceil(400_000 * scale)
    await withTopic(broker, topic, 1, async () => {
      await producerPerf(target, topic, 1024, records, tlsBatches, tool)
      await drive.produce(target, topic, { ...driver, ...tlsBatches, records, size: 1024 })
    })
    return Math.floor((2 * records) / recordsPerRequest)
  },
  async measure({ broker, topic, scale }) {
    const { target, driver, tool } = await overTls(broker)
    const records = Math.ceil(600_000 * scale)
    const perf = { ...tlsBatches, 'buffer.memory': 67_108_864 }
    return withTopic(broker, topic, 1, async () =>
      bothClients(
        await costOf(broker.pid, () => producerPerf(target, topic, 1024, records, perf, tool)),
        await costOf(broker.pid, () => drive.produce(target, topic, { ...driver, ...tlsBatches, records, size: 1024 })),
      ),
    )
  },
}

const tlsBatches = { acks: 1, 'batch.size': 65_536, 'linger.ms': 5 }

const tlsConsume: Row = {
  name: 'tls-consume',
  settings: `${tlsSettings}, from the beginning; Kafka’s perf tool, then librdkafka`,
  durability: 'os',
  secured: 'SSL',
  goals: throughputGoals,
  warm: async stage => (await readOverTls(stage, 1_000_000, async ({ tool, cheap }) => [await tool(), await cheap(5)])).requests,
  measure: async stage => (await readOverTls(stage, 1_500_000, async ({ tool, cheap }) => bothClients(await tool(), await cheap(1)))).found,
}

interface TlsReaders {
  tool(): Promise<Work>
  cheap(passes: number): Promise<Work>
}

/** Lets `read` have a topic of so many records, with either client. `requests` are those of librdkafka, at least. */
async function readOverTls<T>({ broker, topic, scale }: Stage, count: number, read: (readers: TlsReaders) => Promise<T>) {
  const { target, driver, tool } = await overTls(broker)
  const records = Math.ceil(count * scale)
  let bytes = 0
  const cheap = async () => {
    const result = await drive.consume(target, topic, { ...driver, records })
    bytes += result.bytes
    return result
  }
  const several = async (passes: number) => {
    for (let pass = 1; pass < passes; pass++) await cheap()
    return costOf(broker.pid, cheap)
  }
  const found = await withTopic(broker, topic, 1, async () => {
    await drive.produce(broker, topic, { records, size: 1024, acks: 1, 'batch.size': 65_536 })
    return read({ tool: () => costOf(broker.pid, () => consumerPerf(target, topic, records, tool)), cheap: several })
  })
  return { found, requests: Math.floor(bytes / 2 ** 20) }
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
  cold: 'there are no ACLs at first; 200,000 requests and 500 of metadata before that are the warm-up',
  async measure({ broker, scale }) {
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
