/** What becomes of a record of a sink in another Kafka: its topic there, and its bytes. */
import { type Client, type ClientError, ensureTopic, type RecordHeader, type RecordToSend, type RecordWriter } from '../../client.ts'
import { type ConnectValue, DataError, type Schema, type SinkContext, type SinkRecord } from '../../connector.ts'
import { parseTemplate, type Template } from '../template/template.ts'
import { jsonText } from '../values/json.ts'
import type { Config } from './keys.ts'

export class Outgoing {
  readonly #config: Config
  readonly #context: SinkContext
  readonly #client: Client
  readonly #topic: Template
  /** By topic of the target: that it is there. */
  readonly #known = new Map<string, Promise<void>>()

  constructor(config: Config, context: SinkContext, client: Client) {
    this.#config = config
    this.#context = context
    this.#client = client
    this.#topic = parseTemplate(config['kafka.topic'])
  }

  /** A record that the target refuses, because it is too large for the topic for instance, is reported. */
  async send(records: readonly SinkRecord[], writer: RecordWriter): Promise<void> {
    const isSame = this.#config['kafka.partitioner'] === 'same'
    for (const [topic, some] of Map.groupBy(records, record => this.#topic.render(record))) {
      if (this.#config['kafka.topic.create']) await this.#require(topic)
      const refused = new Map<number, ClientError>()
      const outgoing = some.map(record => outgoingOf(record, isSame))
      await writer.send(topic, outgoing, refused)
      for (const [at, error] of refused)
        await this.#context.report(some[at]!, new DataError(`${topic} refuses it: ${error.message}`, error))
    }
  }

  /** Several partitions may ask at once, and it is made once. */
  #require(topic: string): Promise<void> {
    let known = this.#known.get(topic)
    if (known === undefined) {
      const partitions = this.#config['kafka.topic.partitions']
      known = ensureTopic(this.#client, { name: topic, partitions: partitions < 1 ? undefined : partitions })
      this.#known.set(topic, known)
      known.catch(() => this.#known.delete(topic))
    }
    return known
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
