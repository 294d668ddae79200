/**
 * Writes records in transactions, over a connection of its own: what is not committed is never seen by readers of committed records.
 *
 * Speaks the first generation of Kafka's transaction protocol, which every broker knows: partitions are entered before the first record, and the
 * epoch stays the same until another writer is opened for the id.
 */
import type { ClientError } from '../channel.ts'
import { apis } from '../protocol.ts'
import type { TransactionalWriter, TransactionalWriterOptions } from './coordination.ts'
import { offsetsByTopic } from './membership.ts'
import { endTransaction, enterPartitions, identifyProducer, type ProducerIdentity } from './producing.ts'
import { type Ask, refuse } from './requests.ts'
import { SequencedSender } from './sequenced-sender.ts'
import type { CommittedOffset, MemberIdentity, RecordToSend, Written } from './types.ts'
import type { WriterConnections } from './writer-connections.ts'

type Options = TransactionalWriterOptions & { close(): Promise<void> }

const newestOffsets = 3

export async function openTransactionalWriter(connections: WriterConnections, ask: Ask, options: Options): Promise<TransactionalWriter> {
  const { transactionalId, transactionTimeoutMs } = options
  const sender = new SequencedSender(connections, options)
  try {
    const producer = await sender.patiently(() => ask(requests => identifyProducer(requests, transactionalId, transactionTimeoutMs)))
    sender.producer = producer
    return new Writer(ask, options, sender, producer)
  } catch (error) {
    await options.close()
    throw error
  }
}

class Writer implements TransactionalWriter {
  readonly #ask: Ask
  readonly #options: Options
  readonly #sender: SequencedSender
  readonly #producer: ProducerIdentity
  /** What this transaction has. */
  readonly #entered = new Set<string>()

  constructor(ask: Ask, options: Options, sender: SequencedSender, producer: ProducerIdentity) {
    this.#ask = ask
    this.#options = options
    this.#sender = sender
    this.#producer = producer
  }

  send(topic: string, records: readonly RecordToSend[], refused?: Map<number, ClientError>): Promise<readonly Written[]> {
    return this.#sender.send(topic, records, { enter: partitions => this.#enter(topic, partitions), refused })
  }

  async sendOffsets(group: string, { generation, memberId }: MemberIdentity, offsets: readonly CommittedOffset[]): Promise<void> {
    const { transactionalId } = this.#options
    const own = { ...this.#producer, groupId: group }
    await this.#sender.patiently(() =>
      this.#ask(async requests => refuse((await requests.ask(apis.addOffsetsToTxn, own, { transactionalId }, newestOffsets)).errorCode)),
    )
    this.#entered.add(`of group ${group}`)
    const request = { ...own, generationIdOrMemberEpoch: generation, memberId, topics: offsetsByTopic(offsets) }
    await this.#sender.patiently(() =>
      this.#ask(async requests => {
        const answer = await requests.ask(apis.txnOffsetCommit, request, { group }, newestOffsets)
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
    await this.#sender.patiently(() => this.#ask(requests => endTransaction(requests, this.#producer, committed)))
    this.#entered.clear()
  }

  async #enter(topic: string, partitions: readonly number[]): Promise<void> {
    const fresh = partitions.filter(partition => !this.#entered.has(`${topic} ${partition}`))
    if (fresh.length === 0) return
    const topics = [{ name: topic, partitions: fresh }]
    await this.#sender.patiently(() => this.#ask(requests => enterPartitions(requests, this.#producer, topics)))
    for (const partition of fresh) this.#entered.add(`${topic} ${partition}`)
  }
}
