/**
 * Redis sink, by the official client.
 *
 * A batch is one transaction with the offsets in it (keys `millrace.connect.offset.…`), so that a record is written once. What Redis refuses in it, such as a
 * key of another type, does not undo the rest: such records are reported.
 */
import {
  DataError,
  defineSink,
  type Offsets,
  type OpenedPartition,
  RetriableError,
  type SinkContext,
  type SinkRecord,
  type SinkTask,
  type TopicPartition,
} from '../../connector.ts'
import { Batches } from '../batches/batches.ts'
import { NextOffsets } from '../next-offsets.ts'
import { requireNone } from '../required.ts'
import { TopicNames } from '../topic-names.ts'
import { within } from '../waits.ts'
import { type Command, Commands } from './commands.ts'
import { type Client, create, isPassing, isReply, sortedError } from './connection.ts'
import { type Config, keys } from './keys.ts'
import { refuses } from './refusals.ts'

function check(config: Config): Map<string, string> {
  const problems = new Map<string, string>()
  const command = config['redis.command']
  if (config['redis.key'] === '' && ['XADD', 'SADD', 'ZADD', 'LPUSH', 'RPUSH', 'TSADD'].includes(command))
    problems.set('redis.key', `${command} needs a key, such as \${topic}`)
  return problems
}

export const redis = defineSink({
  name: 'redis',
  classes: ['com.redis.kafka.connect.RedisSinkConnector'],
  version: '1',
  summary: 'Writes records to Redis: streams, hashes, strings, JSON, sets, lists and time series.',
  example: { 'redis.uri': 'redis://127.0.0.1:6379', 'redis.command': 'HSET', 'redis.key': '${topic}' },
  config: keys,
  refuses,
  withoutOffsets: { 'redis.multiexec': 'false' },
  check,
  async open(config, context): Promise<SinkTask> {
    requireNone(check(config))
    return new RedisTask(config, context)
  },
})

interface Sent {
  readonly record: SinkRecord
  readonly command: Command
}

class RedisTask implements SinkTask {
  readonly #config: Config
  readonly #context: SinkContext
  readonly #commands: Commands
  readonly #batches: Batches
  #client: Client | null = null
  /** Where offsets are in Redis. */
  readonly #next = new NextOffsets()
  readonly #names = new TopicNames()
  /** A record that is put again is not reported again. */
  readonly #reported = new WeakSet<SinkRecord>()

  constructor(config: Config, context: SinkContext) {
    this.#config = config
    this.#context = context
    this.#commands = new Commands(config)
    this.#batches = new Batches(config['batch.size'])
  }

  async opened(partitions: readonly OpenedPartition[]): Promise<void> {
    if (!this.#config['redis.multiexec']) return
    this.#names.opened(partitions)
    await this.#guarded(async client => {
      this.#next.set(partitions.map(({ topic, partition }) => ({ topic, partition, offset: 0n })))
      const stored = await this.#storedOffsets(client, partitions)
      this.#next.set(stored)
      const known = stored.filter(({ offset }) => offset > 0n)
      if (known.length > 0) this.#context.seek(known)
    })
  }

  /** Of those that have one. */
  async #storedOffsets(client: Client, partitions: readonly TopicPartition[]): Promise<Offsets> {
    if (partitions.length === 0) return []
    const stored = await client.mGet(partitions.map(({ topic, partition }) => this.#offsetKey(topic, partition)))
    return partitions.flatMap(({ topic, partition }, index) => {
      const text = stored[index]
      return text === null || text === undefined ? [] : [{ topic, partition, offset: BigInt(text.toString()) }]
    })
  }

  put(records: readonly SinkRecord[]): Promise<void> {
    return this.#batches.write(records, batch => this.#guarded(client => this.#write(client, batch)))
  }

  async #write(client: Client, batch: readonly SinkRecord[]): Promise<void> {
    const isTransaction = this.#config['redis.multiexec']
    const refused = new Map<SinkRecord, DataError>()
    const sent: Sent[] = []
    const next = new NextOffsets()
    for (const record of batch) {
      const { topic, partition, offset } = record.original
      if (offset < this.#next.of(record.original)) continue
      next.set([{ topic, partition, offset: offset + 1n }])
      try {
        for (const command of this.#commands.of(record)) sent.push({ record, command })
      } catch (error) {
        if (!(error instanceof DataError)) throw error
        refused.set(record, error)
      }
    }
    // Before the offset is stored: who dies behind it never comes back to these records.
    await this.#report(refused)
    if (isTransaction) await this.#transaction(client, sent, next.all(), refused)
    else await this.#pipeline(client, sent, refused)
    await this.#report(refused)
    // A transaction that replicas do not have yet is done nevertheless: when it is put again, only the replicas are waited for.
    if (isTransaction) this.#next.set(next.all())
    await this.#waitForReplicas(client)
  }

  async #report(refused: ReadonlyMap<SinkRecord, DataError>): Promise<void> {
    for (const [record, error] of refused) {
      if (this.#reported.has(record)) continue
      await this.#context.report(record, error)
      this.#reported.add(record)
    }
  }

  async #transaction(client: Client, sent: readonly Sent[], next: Offsets, refused: Map<SinkRecord, DataError>): Promise<void> {
    if (next.length === 0) return
    const multi = client.multi()
    for (const { command } of sent) multi.sendCommand(command)
    for (const { topic, partition, offset } of next) multi.sendCommand(['SET', this.#offsetKey(topic, partition), String(offset)])
    try {
      await multi.exec()
    } catch (error) {
      const { replies, errorIndexes } = error as { replies?: readonly Error[]; errorIndexes?: readonly number[] }
      if (replies === undefined || errorIndexes === undefined) throw error
      // Also of the offsets, which no record is to blame for.
      for (const index of errorIndexes) this.#refuse(sent[index] ?? null, replies[index]!, refused)
    }
  }

  async #pipeline(client: Client, sent: readonly Sent[], refused: Map<SinkRecord, DataError>): Promise<void> {
    const settled = await Promise.allSettled(sent.map(({ command }) => client.sendCommand(command)))
    for (const [index, result] of settled.entries()) if (result.status === 'rejected') this.#refuse(sent[index]!, result.reason, refused)
  }

  #refuse(sent: Sent | null, error: Error, refused: Map<SinkRecord, DataError>): void {
    if (sent === null || !isReply(error) || isPassing(error)) throw error
    refused.set(sent.record, new DataError(`Redis refuses the record: ${error.message}`, error))
  }

  async #waitForReplicas(client: Client): Promise<void> {
    const replicas = this.#config['redis.wait.replicas']
    if (replicas === 0) return
    const reached = Number(await client.sendCommand(['WAIT', String(replicas), String(this.#config['redis.wait.timeout'])]))
    if (reached < replicas) throw new RetriableError(`only ${reached} of ${replicas} replicas have the batch`)
  }

  #offsetKey(topic: string, partition: number): string {
    return `millrace.connect.offset.${this.#context.connector}.${this.#names.of(topic)}.${partition}`
  }

  async #guarded(work: (client: Client) => Promise<void>): Promise<void> {
    try {
      if (this.#client?.isReady !== true) {
        this.#disconnect()
        this.#client = await create(this.#config, this.#context.system)
      }
      const client = this.#client
      await within(
        this.#context,
        this.#config['redis.timeout'] * 1_000,
        () => this.#disconnect(),
        async () => {
          if (!client.isReady) {
            await client.connect()
            // The transaction before may have been done, although its end was not heard.
            this.#next.set(await this.#storedOffsets(client, this.#next.all()))
          }
          await work(client)
        },
      )
    } catch (error) {
      throw this.#sorted(error as Error)
    }
  }

  #sorted(error: Error): Error {
    const sorted = sortedError(error)
    if (sorted instanceof RetriableError && sorted !== error) this.#disconnect()
    return sorted
  }

  #disconnect(): void {
    if (this.#client?.isOpen) this.#client.destroy()
    this.#client = null
  }

  async flush(): Promise<undefined> {
    return undefined
  }

  async closed(partitions: readonly TopicPartition[]): Promise<void> {
    this.#next.forget(partitions)
    this.#batches.forget()
  }

  async close(): Promise<void> {
    this.#disconnect()
  }
}
