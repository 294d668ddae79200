/**
 * Kafka sink: records of one cluster in topics of another one, each once.
 *
 * Each partition is written in transactions of its own, together with the offsets that they reach to; a task goes on at these offsets, whatever was committed
 * in the source. A failure fails the task: what its transactions had is taken back and read again. Keys, values and headers go on as they are where they are
 * bytes or texts; everything else becomes JSON. `millrace mirror` copies whole clusters, with groups and ACLs.
 */
import { severalAtOnce } from '../../base.ts'
import { type Client, openClient, type RecordWriter } from '../../client.ts'
import {
  defineSink,
  type Offsets,
  type OpenedPartition,
  type SinkContext,
  type SinkRecord,
  type SinkTask,
  type TopicPartition,
} from '../../connector.ts'
import { nameOf } from '../kafka/formats.ts'
import { securityProperties } from '../kafka/security.ts'
import { missing, requireNone } from '../required.ts'
import { type Config, keys } from './keys.ts'
import { TargetOffsets } from './offsets.ts'
import { Outgoing } from './outgoing.ts'
import { PartitionCopy, patienceMs, type Target } from './partition-copy.ts'

const check = (config: Config) => missing(config, ['kafka.topic'])

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
      bootstrap: config['kafka.bootstrap.servers'],
      properties: securityProperties('kafka.', config),
      clientId: `connector-target-${context.connector}-${context.task}`,
      files: context.system.files,
    })
    return config['kafka.exactly.once'] ? new OnceTask(config, context, client) : new PlainTask(config, context, client)
  },
})

/** More would wait for each other at the brokers. */
const partitionsAtOnce = 16

class OnceTask implements SinkTask {
  readonly #target: Target
  readonly #copies = new Map<string, PartitionCopy>()

  constructor(config: Config, context: SinkContext, client: Client) {
    const offsets = new TargetOffsets(client, config['kafka.offsets.topic'], context.connector)
    this.#target = { client, config, context, outgoing: new Outgoing(config, context, client), offsets }
  }

  async opened(partitions: readonly OpenedPartition[]): Promise<void> {
    const { offsets, context } = this.#target
    await offsets.prepare()
    await severalAtOnce(partitions, partitionsAtOnce, async place => {
      this.#copies.set(nameOf(place), await PartitionCopy.open(this.#target, place))
    })
    // Not before all are fenced who might commit others.
    const stored = await offsets.of(partitions)
    for (const each of stored) this.#copies.get(nameOf(each))!.goOnAt(each.offset)
    if (stored.length > 0) context.seek(stored)
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    const byPartition = Map.groupBy(records, ({ original }) => nameOf(original))
    await severalAtOnce(byPartition, partitionsAtOnce, ([name, some]) => this.#copies.get(name)!.put(some))
    await this.#commit(copy => copy.isOld)
  }

  async flush(): Promise<Offsets> {
    await this.#commit(() => true)
    return Array.from(this.#copies.values(), copy => copy.reached).flat()
  }

  #commit(isWanted: (copy: PartitionCopy) => boolean): Promise<void> {
    return severalAtOnce([...this.#copies.values()].filter(isWanted), partitionsAtOnce, copy => copy.commit())
  }

  async closed(partitions: readonly TopicPartition[]): Promise<void> {
    await severalAtOnce(partitions, partitionsAtOnce, async place => {
      await this.#copies.get(nameOf(place))?.abort()
      this.#copies.delete(nameOf(place))
    })
  }

  async close(): Promise<void> {
    await this.#target.client[Symbol.asyncDispose]()
  }
}

class PlainTask implements SinkTask {
  readonly #client: Client
  readonly #outgoing: Outgoing
  readonly #writer: RecordWriter

  constructor(config: Config, context: SinkContext, client: Client) {
    this.#client = client
    this.#outgoing = new Outgoing(config, context, client)
    this.#writer = client.openRecordWriter({ compression: config['kafka.compression.type'], patienceMs })
  }

  put(records: readonly SinkRecord[]): Promise<void> {
    return this.#outgoing.send(records, this.#writer)
  }

  async flush(): Promise<undefined> {
    return undefined
  }

  async close(): Promise<void> {
    await this.#client[Symbol.asyncDispose]()
  }
}
