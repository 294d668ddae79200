/**
 * What a worker is told: Kafka Connect's own keys, as `worker.properties` has them, so that an existing file is taken as it is.
 *
 * Keys that are not declared here belong to clients (`security.protocol`, `consumer.…`), to converters (`key.converter.…`), or are ignored, as by Kafka.
 */
import { boolean, type Declarations, InvalidConfig, int, intMs, list, ms, nearestName, readValues, string, type ValuesOf } from '../base.ts'

const inAnyCase = (words: readonly string[]) => (text: string) =>
  words.includes(text.toLowerCase()) ? null : `String must be one of: ${words.join(', ')}`

const workerKeys = {
  'bootstrap.servers': string({
    default: '127.0.0.1:9092',
    doc: 'Brokers to connect to first, as host:port, several separated by commas.',
  }),
  'group.id': string({
    default: null,
    doc: 'Name of the group of workers. Without it, and with offset.storage.file.filename, a worker is alone.',
  }),
  'config.storage.topic': string({ default: 'connect-configs', doc: 'Topic with the configurations.' }),
  'config.storage.replication.factor': int({
    default: -1,
    min: -1,
    doc: "Replicas of the topic if it is created here; -1: the broker's default.",
  }),
  'offset.storage.topic': string({ default: 'connect-offsets', doc: 'Topic with the offsets of sources.' }),
  'offset.storage.replication.factor': int({
    default: -1,
    min: -1,
    doc: "Replicas of the topic if it is created here; -1: the broker's default.",
  }),
  'offset.storage.partitions': int({ default: 25, min: 1, doc: 'Partitions of the topic if it is created here.' }),
  'status.storage.topic': string({ default: 'connect-status', doc: 'Topic with the status of connectors and tasks.' }),
  'status.storage.replication.factor': int({
    default: -1,
    min: -1,
    doc: "Replicas of the topic if it is created here; -1: the broker's default.",
  }),
  'status.storage.partitions': int({ default: 5, min: 1, doc: 'Partitions of the topic if it is created here.' }),
  'offset.storage.file.filename': string({ default: null, doc: 'File with the offsets of sources of a worker that is alone.' }),
  'key.converter': string({ default: 'org.apache.kafka.connect.json.JsonConverter', doc: 'Converter of keys, if the connector has none.' }),
  'value.converter': string({
    default: 'org.apache.kafka.connect.json.JsonConverter',
    doc: 'Converter of values, if the connector has none.',
  }),
  'header.converter': string({
    default: 'org.apache.kafka.connect.storage.SimpleHeaderConverter',
    doc: 'Converter of headers, if the connector has none.',
  }),
  listeners: list({ default: 'http://127.0.0.1:8083', doc: 'URLs on which the REST API listens; the first one counts.' }),
  'rest.advertised.host.name': string({ default: null, doc: 'Host name under which other workers reach this one.' }),
  'rest.advertised.port': int({ default: null, min: 1, max: 65_535, doc: 'Port under which other workers reach this one.' }),
  'rest.advertised.listener': string({
    default: null,
    check: inAnyCase(['http', 'https']),
    doc: 'Scheme under which other workers reach this one: http or https.',
  }),
  'plugin.path': list({ default: '', doc: 'Files and npm packages with connectors, and folders of them.' }),
  'offset.flush.interval.ms': ms({ default: 60_000, min: 1, doc: 'How often tasks commit their offsets.' }),
  'offset.flush.timeout.ms': ms({ default: 5_000, min: 1, doc: 'How long a task may take to flush when it ends.' }),
  'task.shutdown.graceful.timeout.ms': ms({ default: 5_000, min: 0, doc: 'How long tasks may take to end by themselves.' }),
  'session.timeout.ms': intMs({ default: 10_000, min: 1_000, doc: 'A worker that is silent for so long is out of the group.' }),
  'rebalance.timeout.ms': intMs({ default: 60_000, min: 1_000, doc: 'How long workers may take to join again when the group changes.' }),
  'heartbeat.interval.ms': intMs({ default: 3_000, min: 100, doc: 'How often a worker tells the group that it is there.' }),
  'scheduled.rebalance.max.delay.ms': intMs({
    default: 300_000,
    min: 0,
    doc: 'How long what a lost worker ran waits for it to come back, before others run it.',
  }),
  'connect.protocol': string({
    default: 'sessioned',
    check: inAnyCase(['sessioned', 'compatible']),
    doc: 'sessioned: workers sign what they ask each other; compatible: for workers of Kafka before 2.4.',
  }),
  'exactly.once.source.support': string({
    default: 'disabled',
    check: inAnyCase(['disabled', 'preparing', 'enabled']),
    doc: 'enabled: sources write in transactions, together with their offsets (KIP-618).',
  }),
  'connector.client.config.override.policy': string({
    default: 'All',
    doc: 'What connectors may override in their clients: All, Principal (the login) or None.',
  }),
  'topic.tracking.enable': boolean({ default: true, doc: 'Whether the topics that connectors use are kept and shown.' }),
  'topic.tracking.allow.reset': boolean({ default: true, doc: 'Whether they may be forgotten by request.' }),
  'topic.creation.enable': boolean({
    default: true,
    doc: 'Whether topics of sources are created as topic.creation.* of the connector says.',
  }),
  'inter.worker.key.generation.algorithm': string({ default: 'HmacSHA256', doc: 'Algorithm of the key for requests between workers.' }),
  'inter.worker.key.size': int({ default: null, min: 1, doc: 'Size of that key in bits.' }),
  'inter.worker.key.ttl.ms': intMs({ default: 3_600_000, min: 0, doc: 'How long that key is used.' }),
  'inter.worker.signature.algorithm': string({ default: 'HmacSHA256', doc: 'Algorithm with which this worker signs.' }),
  'inter.worker.verification.algorithms': list({ default: 'HmacSHA256', doc: 'Algorithms of signatures that this worker accepts.' }),
  'restart.backoff.initial.ms': ms({
    default: 1_000,
    min: 1,
    doc: 'A task or connector that has failed is started again after so long, then after twice as long, and so on.',
  }),
  'restart.backoff.max.ms': ms({ default: 300_000, min: 1, doc: 'The longest such pause.' }),
  'restart.max.attempts': int({ default: -1, min: -1, doc: 'How often in a row; -1: without limit; 0: never, as Kafka Connect does.' }),
  'task.heap.mb': int({ default: 256, min: 32, doc: 'Maximum heap of the thread of one task, in MiB.' }),
  'task.buffers.mb': int({ default: 1_024, min: 32, doc: 'Maximum of the buffers of one task, which are not in its heap, in MiB.' }),
  'task.call.timeout.ms': ms({
    default: 600_000,
    min: 100,
    doc: 'A task fails when a call of its connector, such as put or poll, takes longer.',
  }),
  'task.blocked.timeout.ms': ms({
    default: 60_000,
    min: 1_000,
    doc: 'A task fails when code of its connector keeps its thread busy for so long without a pause.',
  }),
} satisfies Declarations

export type WorkerValues = ValuesOf<typeof workerKeys>

/** Plain data: it goes to the threads of tasks. */
export interface WorkerConfig {
  readonly values: WorkerValues
  /** All of them, as they were given. */
  readonly properties: Readonly<Record<string, string>>
}

/** Throws InvalidConfig. */
export function workerConfig(properties: Readonly<Record<string, string>>): WorkerConfig {
  const values = readValues(workerKeys, properties)
  if (values['heartbeat.interval.ms'] >= values['session.timeout.ms'])
    throw new InvalidConfig('heartbeat.interval.ms', String(values['heartbeat.interval.ms']), 'it must be below session.timeout.ms')
  return { values, properties }
}

/** Keys that are ignored, and look like one that is not, for the log. */
export function slipsIn(properties: Readonly<Record<string, string>>): string[] {
  const names = Object.keys(workerKeys)
  return Object.keys(properties).flatMap(key => {
    const near = names.includes(key) ? null : nearestName(key, names, 2)
    return near === null ? [] : [`${key} is not a key of a worker; did you mean ${near}?`]
  })
}

/** Of the keys that begin with the prefix, without it. */
export function withPrefix(properties: Readonly<Record<string, string | null>>, prefix: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [key, value] of Object.entries(properties))
    if (key.startsWith(prefix) && key.length > prefix.length && value !== null) found[key.slice(prefix.length)] = value
  return found
}

/** Of every client: its login and encryption. */
export function clientProperties(properties: Readonly<Record<string, string | null>>): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [key, value] of Object.entries(properties)) if (/^(?:security\.|ssl\.|sasl\.)/.test(key) && value !== null) found[key] = value
  return found
}

/** Java's name of an algorithm of signatures, as Node has it; null: there is none. */
export function hashOf(algorithm: string): string | null {
  const found = /^HmacSHA(1|224|256|384|512)$/i.exec(algorithm)
  return found === null ? null : `sha${found[1]}`
}
