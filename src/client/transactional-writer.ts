/**
 * Writes records in transactions, so that what is not committed is never seen by readers of committed records.
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
import { concernsRecord } from './refusals.ts'
import { type Ask, Requests, refuse } from './requests.ts'
import type { CommittedOffset, MemberIdentity, PartitionOffset, RecordToSend } from './types.ts'

type Options = TransactionalWriterOptions & { readonly bootstrap: string; close(): Promise<void> }

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
    const placed: PartitionOffset[] = []
    for (const each of await this.sendEach(topic, records)) {
      if (each instanceof ClientError) throw each
      placed.push(each)
    }
    return placed
  }

  async sendEach(topic: string, records: readonly RecordToSend[]): Promise<(PartitionOffset | ClientError)[]> {
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
    const outcomes = new Array<PartitionOffset | ClientError>(records.length)
    const sending = Array.from(shares, ([partition, indexes]) => this.#place({ topic, partition }, records, indexes, outcomes))
    // Nothing is under way when the caller hears of a failure.
    await Promise.allSettled(sending)
    await Promise.all(sending)
    return outcomes
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

  close(): Promise<void> {
    return this.#options.close()
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

  /** What is refused is divided, until it is known which records it is for. */
  async #place(
    place: Place,
    records: readonly RecordToSend[],
    indexes: readonly number[],
    outcomes: (PartitionOffset | ClientError)[],
  ): Promise<void> {
    const waiting = [...inBatches(records, indexes)].reverse()
    for (let part = waiting.pop(); part !== undefined; part = waiting.pop())
      try {
        const base = await this.#append(
          place,
          part.map(index => records[index]!),
        )
        for (const [at, index] of part.entries()) outcomes[index] = { ...place, offset: base < 0n ? -1n : base + BigInt(at) }
      } catch (error) {
        if (!(error instanceof ClientError) || !concernsRecord(error)) throw error
        const middle = part.length >> 1
        if (middle === 0) outcomes[part[0]!] = error
        else waiting.push(part.slice(middle), part.slice(0, middle))
      }
  }

  /** Resolves to the offset of the first one; -1: an earlier attempt, whose answer was lost, has stored them. What is refused takes no sequence numbers. */
  async #append(place: Place, records: readonly RecordToSend[]): Promise<bigint> {
    const name = nameOf(place)
    const baseSequence = this.#sequences.get(name) ?? 0
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
    const base = await this.#patiently(() => this.#produce(place, batch))
    this.#sequences.set(name, (baseSequence + records.length) % 2 ** 31)
    return base
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
