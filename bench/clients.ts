/** The clients that drive both peers alike: Kafka's performance tools, kcat, and our driver on librdkafka. */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { cacheDirectory, cached, compileDriver, kafkaJars, needs, quietJava } from '../compat/support/cache.ts'
import { must } from '../compat/support/run.ts'

/** A broker, by one of its listeners, or several brokers of a cluster, separated by commas. */
export interface Target {
  readonly bootstrap: string
  /** Of the topics that are created there; 1 when not given. */
  readonly replication?: number
}

export type Options = Readonly<Record<string, string | number>>

export interface Throughput {
  records: number
  bytes: number
  seconds: number
}

export interface Latencies {
  produceP50: number
  produceP99: number
  endToEndP50: number
  endToEndP99: number
}

export interface Commits {
  commitsPerSecond: number
  commitP50: number
  commitP99: number
}

/** Seconds until each member has its share. */
export interface Convergence {
  settleSeconds: number
  /** When one joins or leaves. */
  changeSeconds: number
}

let jars = ''
let driver = ''
let javaClients = ''

/** Fetches and compiles what the rows need; throws a Missing that says what cannot be had. */
export async function prepareClients(): Promise<void> {
  jars = await kafkaJars('4.3.1')
  await needs('kcat', 'Debian: apt-get install kcat')
  driver = await compileDriver(join(import.meta.dirname, 'driver.c'))
  const source = join(import.meta.dirname, 'java/Bench.java')
  javaClients = await cached('bench-java', readFileSync(source, 'utf8'), async at => {
    await must('javac', ['-d', at, '-cp', jars, source])
  })
}

export async function createTopic(broker: Target, topic: string, partitions: number, configs: Options = {}): Promise<void> {
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value: String(value) }))
  const wanted = { topic, numPartitions: partitions, replicationFactor: broker.replication ?? 1, configEntries }
  const admin = adminOf(broker)
  await admin.connect()
  await admin.createTopics({ topics: [wanted], timeout: 60_000 })
  await admin.disconnect()
}

export async function deleteTopic(broker: Target, topic: string): Promise<void> {
  const admin = adminOf(broker)
  await admin.connect()
  await admin.deleteTopics({ topics: [topic], timeout: 60_000 })
  await admin.disconnect()
}

const adminOf = ({ bootstrap }: Target) => new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING }).admin()

/** Kafka's kafka-producer-perf-test; `options` are the producer's, `more` flags of the tool's. */
export async function producerPerf(
  broker: Target,
  topic: string,
  size: number,
  records: number,
  options: Options,
  more: Options = {},
): Promise<Throughput> {
  const properties = Object.entries(options).map(([name, value]) => `${name}=${value}`)
  const flags = { ...more, 'bootstrap-server': broker.bootstrap, topic, 'record-size': size, 'num-records': records, throughput: -1 }
  const output = await tool('ProducerPerformance', [...flagList(flags), '--command-property', ...properties])
  const [, sent, rate] = /(\d+) records sent, ([\d.]+) records\/sec[^\n]*99\.9th/.exec(output) ?? []
  if (Number(sent) !== records) throw new Error(`kafka-producer-perf-test says: ${output.slice(-600)}`)
  return { records, bytes: records * size, seconds: records / Number(rate) }
}

/** Kafka's kafka-consumer-perf-test, without the time that it took to join its group. */
export async function consumerPerf(broker: Target, topic: string, records: number, more: Options = {}): Promise<Throughput> {
  const flags = { ...more, 'bootstrap-server': broker.bootstrap, topic, 'num-records': records, timeout: 60_000 }
  const output = await tool('ConsumerPerformance', [...flagList(flags), '--hide-header'])
  const line = output.split('\n').find(each => each.split(', ').length === 10)
  const [, , megabytes, , count, , , fetchMs] = (line ?? '').split(', ').map(Number)
  if (count === undefined || count < records) throw new Error(`kafka-consumer-perf-test says: ${output.slice(-600)}`)
  return { records: count, bytes: megabytes! * 1024 * 1024, seconds: fetchMs! / 1000 }
}

/** kcat's producer, fed with a file of lines of 1 KiB. */
export async function kcatProduce(broker: Target, topic: string, records: number, options: Options): Promise<Throughput> {
  const lines = fileOfLines(records)
  const began = performance.now()
  const settings = Object.entries(options).flatMap(([name, value]) => ['-X', `${name}=${value}`])
  const fd = openSync(lines, 'r')
  try {
    await must('kcat', ['-P', '-b', broker.bootstrap, '-t', topic, '-p', '0', ...settings], { stdin: fd })
  } finally {
    closeSync(fd)
  }
  return { records, bytes: records * 1024, seconds: (performance.now() - began) / 1000 }
}

export const drive = {
  produce: (broker: Target, topic: string, options: Options) => run<Throughput>(broker, 'produce', topic, options),
  latency: (broker: Target, topic: string, options: Options) => run<Latencies>(broker, 'latency', topic, options),
  group: (broker: Target, topic: string, options: Options) => run<{ seconds: number }>(broker, 'group', topic, options),
  createTopics: (broker: Target, prefix: string, options: Options) => run<{ seconds: number }>(broker, 'topics', prefix, options),
  metadata: (broker: Target, options: Options) => run<{ requests: number; seconds: number }>(broker, 'metadata', 'none', options),
  first: (broker: Target, topic: string) => run<{ seconds: number }>(broker, 'first', topic, {}),
  /** `began` is called when the first record is due. */
  paced: (broker: Target, topic: string, options: Options, began: () => void) =>
    run<{ records: number }>(broker, 'paced', topic, options, line => line === 'ready' && began()),
  /** `positioned` is called once the consumers know where they start. */
  consume: (broker: Target, topic: string, options: Options, positioned = () => {}) =>
    run<Throughput>(broker, 'consume', topic, options, line => line === 'ready' && positioned()),
}

async function run<T>(broker: Target, mode: string, topic: string, options: Options, onLine?: (line: string) => void): Promise<T> {
  const list = Object.entries(options).map(([name, value]) => `${name}=${value}`)
  const output = await must(driver, [mode, broker.bootstrap, topic, ...list], onLine === undefined ? {} : { onLine })
  return JSON.parse(output.trim().split('\n').at(-1)!) as T
}

/** Our own programs on Kafka's client: see java/Bench.java. */
export const java = {
  commits: (broker: Target, topic: string, seconds: number, perSecond: number, gapMs: number) =>
    bench<Commits>('commits', broker, topic, seconds, perSecond, gapMs),
  latency: (broker: Target, topic: string, warmup: number, records: number) =>
    bench<Omit<Latencies, 'produceP50' | 'produceP99'>>('latency', broker, topic, warmup, records),
  group: (broker: Target, topic: string, members: number, partitions: number, rounds: number) =>
    bench<Convergence>('group', broker, topic, members, partitions, rounds),
}

async function bench<T>(mode: string, broker: Target, topic: string, ...numbers: number[]): Promise<T> {
  const args = ['-Xmx512m', quietJava, '-cp', `${javaClients}:${jars}`, 'Bench', mode, broker.bootstrap, topic, ...numbers.map(String)]
  return JSON.parse((await must('java', args)).trim().split('\n').at(-1)!) as T
}

function tool(name: string, args: readonly string[]): Promise<string> {
  return must('java', ['-Xmx512m', quietJava, '-cp', jars, `org.apache.kafka.tools.${name}`, ...args])
}

function flagList(flags: Options): string[] {
  return Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)])
}

function fileOfLines(records: number): string {
  const file = join(cacheDirectory, `lines-1024-${records}`)
  if (existsSync(file)) return file
  mkdirSync(cacheDirectory, { recursive: true })
  const perBlock = 1000
  const block = Buffer.alloc(perBlock * 1025)
  for (let i = 0; i < block.length; i++) block[i] = i % 1025 === 1024 ? 10 : 65 + Math.floor(Math.random() * 26)
  const fd = openSync(`${file}.part`, 'w')
  for (let written = 0; written < records; written += perBlock) writeSync(fd, block, 0, Math.min(perBlock, records - written) * 1025)
  closeSync(fd)
  renameSync(`${file}.part`, file)
  return file
}
