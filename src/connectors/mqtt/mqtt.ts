/**
 * MQTT source: messages of subscriptions.
 *
 * A message of QoS 1 or 2 is acknowledged when Kafka has it, never before, so that with a persistent session the broker gives it again after a crash: at
 * least once. MQTT has no position to go on from, so it cannot be exactly once.
 */
import {
  defineSource,
  RetriableError,
  type Schema,
  type SourceContext,
  type SourceRecord,
  type SourceTask,
  struct,
} from '../../connector.ts'
import { tlsOf } from '../http-client/settings.ts'
import { Connection, type Message } from './connection.ts'
import { type Config, keys, serverOf } from './keys.ts'
import { refuses } from './refusals.ts'

export const mqtt = defineSource({
  name: 'mqtt',
  classes: ['io.confluent.connect.mqtt.MqttSourceConnector'],
  version: '1',
  summary: 'Reads the messages of MQTT subscriptions; they are acknowledged when Kafka has them.',
  example: {
    'mqtt.server.uri': 'tcp://127.0.0.1:1883',
    'mqtt.topics': 'plant/+/temperature',
    'kafka.topic': 'temperatures',
  },
  formats: { 'key.converter': 'string', 'value.converter': 'bytes' },
  config: keys,
  refuses,
  acknowledges: true,
  async open(config, context): Promise<SourceTask> {
    return new MqttTask(config, context)
  },
})

/** Of a message that must be acknowledged: by whom it came, and its number there. */
interface Owed {
  readonly connection: Connection
  readonly id: number
  readonly qos: 1 | 2
}

class MqttTask implements SourceTask {
  readonly #config: Config
  readonly #context: SourceContext
  readonly #clientId: string
  readonly #owed = new WeakMap<SourceRecord, Owed>()
  /** Kafka has them, but the connection was gone before it could be said; by their numbers in the session. */
  readonly #unsaid = new Map<number, 1 | 2>()
  #connection: Connection | null = null
  #attempts = 0
  #isClosed = false

  constructor(config: Config, context: SourceContext) {
    this.#config = config
    this.#context = context
    this.#clientId = config['mqtt.client.id'] === '' ? `millrace-${context.connector}` : config['mqtt.client.id']
  }

  async poll(): Promise<readonly SourceRecord[]> {
    try {
      const connection = (this.#connection ??= await this.#open())
      const { 'records.buffer.queue.max.batch.size': most, 'records.buffer.queue.empty.timeout': waitMs } = this.#config
      const messages = await connection.take(most, waitMs)
      return this.#withoutKnown(connection, messages).map(message => this.#record(connection, message))
    } catch (error) {
      this.#connection?.close()
      this.#connection = null
      if (this.#isClosed) return []
      throw error
    }
  }

  async #open(): Promise<Connection> {
    const servers = this.#config['mqtt.server.uri'].map(serverOf)
    const server = servers[this.#attempts++ % servers.length]!
    const connection = await Connection.open(
      this.#config,
      server,
      tlsOf(this.#config, this.#context.system),
      this.#clientId,
      this.#context.system,
    )
    // Another session numbers its messages anew.
    if (!connection.isResumed) this.#unsaid.clear()
    if (this.#isClosed) {
      connection.close()
      throw new RetriableError('the task has ended')
    }
    return connection
  }

  /** Acknowledges what Kafka has already, and the broker gives again. */
  #withoutKnown(connection: Connection, messages: readonly Message[]): readonly Message[] {
    if (this.#unsaid.size === 0) return messages
    return messages.filter(({ id, qos, isDuplicate }) => {
      if (id === null || qos === 0) return true
      const isKnown = isDuplicate && this.#unsaid.get(id) === qos
      this.#unsaid.delete(id)
      if (isKnown) connection.acknowledge([{ id, qos }])
      return !isKnown
    })
  }

  #record(connection: Connection, { topic, payload, qos, isRetained, isDuplicate, id }: Message): SourceRecord {
    const record: SourceRecord = {
      topic: this.#config['kafka.topic'],
      partition: null,
      keySchema: textSchema,
      key: topic,
      valueSchema: bytesSchema,
      value: payload,
      timestampMs: null,
      headers: [
        { name: 'mqtt.message.id', schema: intSchema, value: id ?? 0 },
        { name: 'mqtt.qos', schema: intSchema, value: qos },
        { name: 'mqtt.retained', schema: booleanSchema, value: isRetained },
        { name: 'mqtt.duplicate', schema: booleanSchema, value: isDuplicate },
      ],
      sourcePartition: nowhere,
      sourceOffset: nowhere,
    }
    if (id !== null && qos !== 0) this.#owed.set(record, { connection, id, qos })
    return record
  }

  async committed(records: readonly SourceRecord[]): Promise<void> {
    const said: Owed[] = []
    for (const record of records) {
      const owed = this.#owed.get(record)
      if (owed === undefined) continue
      if (owed.connection === this.#connection && owed.connection.isOpen) said.push(owed)
      else this.#unsaid.set(owed.id, owed.qos)
    }
    this.#connection?.acknowledge(said)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#connection?.close()
  }
}

/** MQTT has no positions: what was not acknowledged comes again. */
const nowhere = struct()
const textSchema: Schema = { type: 'string' }
const bytesSchema: Schema = { type: 'bytes' }
const intSchema: Schema = { type: 'int32' }
const booleanSchema: Schema = { type: 'boolean' }
