/**
 * Kafka sink: records of one cluster in topics of another one, each once.
 *
 * Records are written in transactions together with the offsets that they reach to; a task goes on at these offsets, whatever was committed in the source. A
 * failure fails the task: what its transaction had is taken back and read again. Keys, values and headers go on as they are where they are bytes or texts;
 * everything else becomes JSON. `millrace mirror` copies whole clusters, with groups and ACLs.
 */
import { type Client, ensureTopic, openClient, type RecordHeader, type RecordToSend, type TransactionalWriter } from '../../client.ts'
import {
  type ConnectValue,
  defineSink,
  type Offsets,
  type Schema,
  type SinkContext,
  type SinkRecord,
  type SinkTask,
  type TopicPartition,
} from '../../connector.ts'
import { securityProperties } from '../kafka/security.ts'
import { NextOffsets } from '../next-offsets.ts'
import { missing, requireNone } from '../required.ts'
import { parseTemplate, type Template } from '../template/template.ts'
import { jsonText } from '../values/json.ts'
import { type Config, keys } from './keys.ts'
import { TargetOffsets } from './offsets.ts'

const check = (config: Config) => missing(config, ['kafka.bootstrap.servers', 'kafka.topic'])

export const kafkaSink = defineSink({
  name: 'kafka-sink',
  classes: [],
  version: '1',
  summary: 'Writes records to topics of another Kafka cluster, each record once.',
  example: { 'kafka.bootstrap.servers': '127.0.0.1:9192', 'kafka.topic': 'copy.${topic}' },
  config: keys,
  withoutOffsets: { 'kafka.exactly.once': 'false' },
  check,
  async open(config, context): Promise<SinkTask> {
    requireNone(check(config))
    const client = openClient({
      bootstrap: config['kafka.bootstrap.servers']!,
      properties: securityProperties('kafka.', config),
      clientId: `connector-target-${context.connector}-${context.task}`,
      files: context.system.files,
    })
    return config['kafka.exactly.once'] ? new OnceTask(config, context, client) : new PlainTask(config, client)
  },
})

/** How long the target may be away before the task fails. */
const patienceMs = 30_000

/** What both tasks do with records. */
class Outgoing {
  readonly #client: Client
  readonly #topic: Template
  readonly #config: Config
  readonly #known = new Set<string>()

  constructor(config: Config, client: Client) {
    this.#config = config
    this.#client = client
    this.#topic = parseTemplate(config['kafka.topic'])
  }

  /** By topic of the target, which is there then. */
  async of(records: readonly SinkRecord[]): Promise<Map<string, RecordToSend[]>> {
    const outgoing = new Map<string, RecordToSend[]>()
    const isSame = this.#config['kafka.partitioner'] === 'same'
    for (const record of records) {
      const topic = this.#topic.render(record)
      let some = outgoing.get(topic)
      if (some === undefined) outgoing.set(topic, (some = []))
      some.push(outgoingOf(record, isSame))
    }
    for (const topic of outgoing.keys()) if (!this.#known.has(topic)) await this.#require(topic)
    return outgoing
  }

  async #require(topic: string): Promise<void> {
    const partitions = this.#config['kafka.topic.partitions']
    if (this.#config['kafka.topic.create'])
      await ensureTopic(this.#client, { name: topic, partitions: partitions < 1 ? undefined : partitions })
    this.#known.add(topic)
  }
}

class OnceTask implements SinkTask {
  readonly #config: Config
  readonly #context: SinkContext
  readonly #client: Client
  readonly #outgoing: Outgoing
  readonly #offsets: TargetOffsets
  #writer: TransactionalWriter | null = null
  /** Put, in the transaction that is open; null: none is. */
  #begunMs: number | null = null
  readonly #reached = new NextOffsets()
  #committed: Offsets = []

  constructor(config: Config, context: SinkContext, client: Client) {
    this.#config = config
    this.#context = context
    this.#client = client
    this.#outgoing = new Outgoing(config, client)
    this.#offsets = new TargetOffsets(client, config['kafka.offsets.topic'], context.connector)
  }

  async opened(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#offsets.prepare()
    // Ends what an earlier run of this task has left open.
    this.#writer ??= await this.#client.openTransactionalWriter({
      transactionalId: `connect-sink-${this.#context.connector}-${this.#context.task}`,
      transactionTimeoutMs: this.#config['kafka.transaction.timeout.ms'],
      compression: this.#config['kafka.compression.type'],
      patienceMs,
    })
    const stored = await this.#offsets.of(partitions)
    this.#reached.set(stored)
    this.#committed = stored
    if (stored.length > 0) this.#context.seek(stored)
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    const fresh = records.filter(({ original }) => original.offset >= this.#reached.of(original))
    if (fresh.length === 0) return
    const { clock } = this.#context.system
    for (const [topic, some] of await this.#outgoing.of(fresh)) {
      this.#begunMs ??= clock.monotonic()
      await this.#writer!.send(topic, some)
    }
    this.#reached.set(fresh.map(({ original }) => ({ ...original, offset: original.offset + 1n })))
    if (clock.monotonic() - this.#begunMs! >= this.#config['kafka.transaction.timeout.ms'] / 2) await this.#commit()
  }

  async flush(): Promise<Offsets> {
    await this.#commit()
    return this.#committed
  }

  async #commit(): Promise<void> {
    if (this.#begunMs === null) return
    const reached = this.#reached.all()
    await this.#writer!.send(this.#offsets.topic, this.#offsets.records(reached))
    await this.#writer!.commit()
    this.#begunMs = null
    this.#committed = reached
  }

  async closed(partitions: readonly TopicPartition[]): Promise<void> {
    if (this.#begunMs !== null) await this.#writer?.abort()
    this.#begunMs = null
    this.#reached.forget(partitions)
    this.#committed = []
  }

  async close(): Promise<void> {
    await this.#writer?.close()
    await this.#client[Symbol.asyncDispose]()
  }
}

class PlainTask implements SinkTask {
  readonly #compression: Config['kafka.compression.type']
  readonly #client: Client
  readonly #outgoing: Outgoing

  constructor(config: Config, client: Client) {
    this.#compression = config['kafka.compression.type']
    this.#client = client
    this.#outgoing = new Outgoing(config, client)
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    for (const [topic, some] of await this.#outgoing.of(records)) await this.#client.send(topic, some, { compression: this.#compression })
  }

  async flush(): Promise<undefined> {
    return undefined
  }

  async close(): Promise<void> {
    await this.#client[Symbol.asyncDispose]()
  }
}

function outgoingOf(record: SinkRecord, isSame: boolean): RecordToSend {
  const { key, keySchema, value, valueSchema, timestampMs, partition } = record
  const headers: RecordHeader[] = record.headers.map(each => ({
    key: Buffer.from(each.name),
    value: bytesOf(each.value, each.schema),
  }))
  return {
    ...(isSame ? { partition } : {}),
    ...(timestampMs === null ? {} : { timestampMs }),
    key: bytesOf(key, keySchema),
    value: bytesOf(value, valueSchema),
    headers,
  }
}

function bytesOf(value: ConnectValue, schema: Schema | null): Buffer | null {
  if (value === null || Buffer.isBuffer(value)) return value
  return Buffer.from(typeof value === 'string' ? value : jsonText({ schema, value }))
}
