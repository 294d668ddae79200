/** Where what a function returns goes: nowhere, to a topic, if wanted exactly once, or to a sink connector. */
import type { System } from '../../base.ts'
import {
  type Client,
  ClientError,
  type CommittedOffset,
  ensureTopic,
  type Membership,
  type PartitionName,
  type RecordToSend,
  type TransactionalWriter,
} from '../../client.ts'
import type { Logger } from '../../logger.ts'
import { BadResult, recordsOf } from '../results.ts'
import type { Trigger } from '../store.ts'
import type { Entry } from './batch.ts'
import { ConnectorOutput } from './connector-output.ts'
import type { Lane } from './lane.ts'

export interface Output {
  /** Before it is asked where these partitions are read from: whoever has read them before can write nothing from now on. */
  begin?(partitions: readonly PartitionName[]): Promise<void>
  /** Resolves when it is there. Throws BadResult; after any other error the partition begins again at what is committed. */
  deliver(result: unknown, entries: readonly Entry[], lane: Lane): Promise<readonly Refused[]>
  /** Of what is done; resolves to those that it has committed. Absent: the membership commits. */
  commit?(offsets: readonly CommittedOffset[]): Promise<readonly CommittedOffset[]>
  close(): Promise<void>
}

/** The target does not take what was made of it. */
export interface Refused {
  readonly entry: Entry
  readonly error: Error
}

export interface OutputOptions {
  readonly client: Client
  readonly membership: Membership
  readonly group: string
  readonly system: System
  readonly logger: Logger
  /** Called for each failure that is tried again before `deliver` ends. */
  readonly onFailure: (error: Error) => void
}

export function openOutput({ name, definition: { output } }: Trigger, options: OutputOptions): Output {
  if (output === null) return { deliver: async () => [], async close() {} }
  if ('connector' in output) return new ConnectorOutput(name, output, options)
  return output.exactlyOnce ? new ExactlyOnceOutput(name, output.topic, options) : new TopicOutput(output.topic, options.client)
}

/** The broker says no to what the function has made; to try the same again does not help. */
const refusals = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD', 'INVALID_TIMESTAMP'])

function isRefusal(error: unknown, records: readonly RecordToSend[]): error is ClientError {
  if (!(error instanceof ClientError)) return false
  return (
    refusals.has(error.code) || (error.code === 'UNKNOWN_TOPIC_OR_PARTITION' && records.some(({ partition }) => partition !== undefined))
  )
}

class TopicOutput implements Output {
  readonly #topic: string
  readonly #client: Client

  constructor(topic: string, client: Client) {
    this.#topic = topic
    this.#client = client
  }

  async deliver(result: unknown): Promise<readonly Refused[]> {
    const records = recordsOf(result)
    if (records.length === 0) return []
    try {
      await this.#client.send(this.#topic, records)
    } catch (error) {
      throw isRefusal(error, records) ? new BadResult(error.message, error) : error
    }
    return []
  }

  async close(): Promise<void> {}
}

/** With what neither names of triggers nor of topics have: no two of them have the same id, by which they would fence each other. */
export function transactionalIdOf(trigger: string, topic: string, partition: number): string {
  return `trigger-${trigger}:${topic}:${partition}`
}

const transactionTimeoutMs = 60_000
const patienceMs = 30_000

/**
 * The records and the offsets of what they were made from are one transaction. There is a writer for each partition that is read, so that a worker that does
 * not know yet that the partition is another's is fenced by the other one.
 *
 * What is done without results is committed outside transactions, and never while one of the same partition holds an offset: of two commits the one that was
 * written last stays, so an older offset that comes before the transaction ends would replace the newer one, whose records are then made once more.
 */
class ExactlyOnceOutput implements Output {
  readonly #name: string
  readonly #topic: string
  readonly #options: OutputOptions
  readonly #writers = new Map<string, TransactionalWriter>()
  /** Partitions with a transaction under way, or with one that has failed, of which nobody knows whether it holds an offset. */
  readonly #open = new Set<string>()
  /** The last commit outside transactions; never rejects. */
  #committing: Promise<unknown> = Promise.resolve()

  constructor(name: string, topic: string, options: OutputOptions) {
    this.#name = name
    this.#topic = topic
    this.#options = options
  }

  async begin(partitions: readonly PartitionName[]): Promise<void> {
    // Without transactions the broker makes it when the first record is sent.
    await ensureTopic(this.#options.client, { name: this.#topic })
    for (const { topic, partition } of partitions) {
      const place = placeOf({ topic, partition })
      await this.#writers.get(place)?.close()
      this.#writers.delete(place)
      const options = { transactionalId: transactionalIdOf(this.#name, topic, partition), transactionTimeoutMs, patienceMs }
      this.#writers.set(place, await this.#options.client.openTransactionalWriter(options))
      this.#open.delete(place)
    }
  }

  async deliver(result: unknown, entries: readonly Entry[]): Promise<readonly Refused[]> {
    const records = recordsOf(result)
    const { topic, partition, offset } = entries.at(-1)!.record
    const place = placeOf({ topic, partition })
    const writer = this.#writers.get(place)!
    const { membership, group } = this.#options
    this.#open.add(place)
    await this.#committing
    try {
      if (records.length > 0) await writer.send(this.#topic, records)
    } catch (error) {
      if (!isRefusal(error, records)) throw error
      // Nothing of this result may be in the next transaction.
      await this.begin([{ topic, partition }])
      throw new BadResult(error.message, error)
    }
    await writer.sendOffsets(group, membership.identity(), [{ topic, partition, offset: offset + 1n }])
    await writer.commit()
    this.#open.delete(place)
    return []
  }

  async commit(offsets: readonly CommittedOffset[]): Promise<readonly CommittedOffset[]> {
    const free = offsets.filter(each => !this.#open.has(placeOf(each)))
    const committing = this.#options.membership.commit(free)
    this.#committing = Promise.allSettled([this.#committing, committing])
    await committing
    return free
  }

  async close(): Promise<void> {
    await Promise.allSettled(Array.from(this.#writers.values(), writer => writer.close()))
  }
}

function placeOf({ topic, partition }: PartitionName): string {
  return `${topic}-${partition}`
}
