/**
 * Writes records in transactions, over a connection of its own: what is not committed is never seen by readers of committed records.
 *
 * Speaks the first generation of Kafka's transaction protocol, which every broker knows: partitions are entered before the first record, and the
 * epoch stays the same until another writer is opened for the id.
 */
import type { Admin } from '@platformatic/kafka'
import type { System } from '../base.ts'
import { ClientError, mayPass, settled } from '../channel.ts'
import { compatibilityPartitioner } from '../library.ts'
import { apis, buildBatch, type ErrorName, errorName, errorText } from '../protocol.ts'
import type { TransactionalWriter, TransactionalWriterOptions } from './coordination.ts'
import { offsetsByTopic } from './membership.ts'
import { endTransaction, enterPartitions, identifyProducer, type ProducerIdentity } from './producing.ts'
import { type Ask, Requests, refuse } from './requests.ts'
import type { CommittedOffset, MemberIdentity, PartitionOffset, RecordToSend } from './types.ts'

type Options = TransactionalWriterOptions & { readonly bootstrap: string; readonly forget: () => void }

const produceTimeoutMs = 30_000
const pauseMs = { first: 50, last: 1_000 }
/** Later versions enter partitions by themselves, or name topics by id. */
const newest = { produce: 11, offsets: 3 } as const
/** Below what a topic takes by default. */
const mostBatchBytes = 900_000

export async function openTransactionalWriter(admin: Admin, ask: Ask, system: System, options: Options): Promise<TransactionalWriter> {
  const writer = new Writer(admin, ask, system, options)
  try {
    await writer.begin()
  } catch (error) {
    await writer.close()
    throw error
  }
  return writer
}

interface Place {
  readonly topic: string
  readonly partition: number
}

class Writer implements TransactionalWriter {
  readonly #admin: Admin
  readonly #ask: Ask
  readonly #requests: Requests
  readonly #system: System
  readonly #options: Options
  #producer: ProducerIdentity
  /** By topic: who leads each partition. */
  readonly #leaders = new Map<string, ReadonlyMap<number, number>>()
  readonly #sequences = new Map<string, number>()
  /** Of this transaction. */
  readonly #entered = new Set<string>()
  readonly #turns = new Map<string, number>()

  constructor(admin: Admin, ask: Ask, system: System, options: Options) {
    this.#admin = admin
    this.#ask = ask
    this.#requests = new Requests(admin, system)
    this.#system = system
    this.#options = options
    this.#producer = { transactionalId: options.transactionalId, producerId: -1, producerEpoch: -1 }
  }

  async begin(): Promise<void> {
    const { transactionalId, transactionTimeoutMs } = this.#options
    this.#producer = await this.#patiently(() => this.#ask(requests => identifyProducer(requests, transactionalId, transactionTimeoutMs)))
  }

  async send(topic: string, records: readonly RecordToSend[]): Promise<PartitionOffset[]> {
    if (records.length === 0) return []
    // A topic that was just made is not known to every broker.
    const count = (await this.#patiently(() => this.#leadersOf(topic))).size
    const shares = new Map<number, number[]>()
    for (const [index, record] of records.entries()) {
      const partition = record.partition ?? this.#choose(topic, record, count)
      if (partition < 0 || partition >= count)
        throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `${topic} has no partition ${partition}; it has ${count}`)
      const share = shares.get(partition)
      if (share === undefined) shares.set(partition, [index])
      else share.push(index)
    }
    await this.#enter(topic, [...shares.keys()])
    const placed = new Array<PartitionOffset>(records.length)
    const sending = Array.from(shares, async ([partition, indexes]) => {
      for (const part of inBatches(records, indexes)) {
        const base = await this.#append(
          { topic, partition },
          part.map(index => records[index]!),
        )
        for (const [at, index] of part.entries()) placed[index] = { topic, partition, offset: base < 0n ? -1n : base + BigInt(at) }
      }
    })
    // Nothing is under way when the caller hears of a failure.
    await Promise.allSettled(sending)
    await Promise.all(sending)
    return placed
  }

  async sendOffsets(group: string, { generation, memberId }: MemberIdentity, offsets: readonly CommittedOffset[]): Promise<void> {
    const { transactionalId } = this.#options
    const own = { ...this.#producer, groupId: group }
    await this.#patiently(() =>
      this.#ask(async requests => refuse((await requests.ask(apis.addOffsetsToTxn, own, { transactionalId }, newest.offsets)).errorCode)),
    )
    this.#entered.add(`of group ${group}`)
    const request = { ...own, generationIdOrMemberEpoch: generation, memberId, topics: offsetsByTopic(offsets) }
    await this.#patiently(() =>
      this.#ask(async requests => {
        const answer = await requests.ask(apis.txnOffsetCommit, request, { group }, newest.offsets)
        for (const { partitions } of answer.topics) for (const { errorCode } of partitions) refuse(errorCode)
      }),
    )
  }

  commit(): Promise<void> {
    return this.#end(true)
  }

  abort(): Promise<void> {
    return this.#end(false)
  }

  async close(): Promise<void> {
    this.#options.forget()
    await this.#admin.close()
  }

  async #end(committed: boolean): Promise<void> {
    if (this.#entered.size === 0) return
    await this.#patiently(() => this.#ask(requests => endTransaction(requests, this.#producer, committed)))
    this.#entered.clear()
  }

  async #enter(topic: string, partitions: readonly number[]): Promise<void> {
    const fresh = partitions.filter(partition => !this.#entered.has(nameOf({ topic, partition })))
    if (fresh.length === 0) return
    const topics = [{ name: topic, partitions: fresh }]
    await this.#patiently(() => this.#ask(requests => enterPartitions(requests, this.#producer, topics)))
    for (const partition of fresh) this.#entered.add(nameOf({ topic, partition }))
  }

  /** Resolves to the offset of the first one; -1: an earlier attempt, whose answer was lost, has stored them. */
  async #append(place: Place, records: readonly RecordToSend[]): Promise<bigint> {
    const name = nameOf(place)
    const baseSequence = this.#sequences.get(name) ?? 0
    this.#sequences.set(name, (baseSequence + records.length) % 2 ** 31)
    const timestamp = this.#system.clock.now()
    const batch = buildBatch({
      records: records.map(({ key, value, headers, timestampMs }) => ({
        key,
        value,
        headers,
        timestamp: timestampMs === undefined ? timestamp : Number(timestampMs),
      })),
      timestamp,
      compression: this.#options.compression ?? 'none',
      producerId: this.#producer.producerId,
      producerEpoch: this.#producer.producerEpoch,
      baseSequence,
      isTransactional: true,
    })
    return this.#patiently(() => this.#produce(place, batch))
  }

  async #produce({ topic, partition }: Place, batch: Buffer): Promise<bigint> {
    const node = (await this.#leadersOf(topic)).get(partition) ?? -1
    if (node < 0) {
      this.#leaders.delete(topic)
      throw new ClientError('LEADER_NOT_AVAILABLE', `${topic}-${partition} has no leader`)
    }
    const request = {
      transactionalId: this.#options.transactionalId,
      acks: -1,
      timeoutMs: produceTimeoutMs,
      topicData: [{ name: topic, partitionData: [{ index: partition, records: batch }] }],
    }
    const answer = await settled(this.#options.bootstrap, this.#requests.ask(apis.produce, request, { node }, newest.produce))
    const { errorCode, errorMessage, baseOffset } = answer.responses[0]!.partitionResponses[0]!
    const error: ErrorName = errorName(errorCode)
    if (error === 'DUPLICATE_SEQUENCE_NUMBER') return -1n
    if (error !== 'NONE') throw new ClientError(error, `${topic}-${partition}: ${errorMessage || errorText(error)}`)
    return BigInt(baseOffset)
  }

  async #leadersOf(topic: string): Promise<ReadonlyMap<number, number>> {
    const known = this.#leaders.get(topic)
    if (known !== undefined) return known
    const [found] = await this.#requests.retrying(this.#options.bootstrap, () => this.#requests.metadata([topic]))
    const leaders = new Map((found?.partitions ?? []).map(each => [each.partitionIndex, each.leaderId]))
    if (leaders.size === 0) throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `topic not found: ${topic}`)
    this.#leaders.set(topic, leaders)
    return leaders
  }

  /** As Kafka's producers do with a key. */
  #choose(topic: string, { key }: RecordToSend, count: number): number {
    if (key !== null) return compatibilityPartitioner({ topic }, key) % count
    const turn = this.#turns.get(topic) ?? 0
    this.#turns.set(topic, turn + 1)
    return turn % count
  }

  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    const { clock, timers } = this.#system
    const beganMs = clock.monotonic()
    for (let attempt = 0; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof ClientError) || !mayPass(error) || clock.monotonic() - beganMs > this.#options.patienceMs) throw error
        this.#leaders.clear()
        this.#admin.clearMetadata()
        await new Promise<void>(resolve => void timers.after(Math.min(pauseMs.last, pauseMs.first * 2 ** attempt), resolve))
      }
    }
  }
}

function nameOf({ topic, partition }: Place): string {
  return `${topic} ${partition}`
}

function* inBatches(records: readonly RecordToSend[], indexes: readonly number[]): Generator<number[]> {
  let batch: number[] = []
  let bytes = 0
  for (const index of indexes) {
    const { key, value, headers = [] } = records[index]!
    let size = 32 + (key?.length ?? 0) + (value?.length ?? 0)
    for (const header of headers) size += 8 + header.key.length + (header.value?.length ?? 0)
    if (batch.length > 0 && bytes + size > mostBatchBytes) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(index)
    bytes += size
  }
  yield batch
}
