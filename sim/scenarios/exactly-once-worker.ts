/**
 * One life of a consume–transform–produce worker: a transactional producer and a consumer in one, as KIP-447 has it.
 *
 * `modern` uses `transaction.version` 2 (KIP-890), otherwise the producer adds its partitions first. If the outcome of a
 * request is unknown, a modern worker may repeat it; an old one starts over with InitProducerId, because its epoch would not fence a late request.
 */
import type { Int64 } from '../../src/base.ts'
import { apis, buildBatch, type ErrorName } from '../../src/protocol.ts'
import type { Process } from '../world/process.ts'
import type { SeededRandom } from '../world/random.ts'
import { NoAnswer, visibleRecords, type Wire } from '../world/wire.ts'
import { acknowledge, committedPositions } from './exactly-once-clients.ts'
import { type Send, type Transaction, transformed } from './exactly-once-history.ts'
import { type Membership, membershipFor } from './exactly-once-membership.ts'
import { groupId, inputTopic, nameOf, outputTopic, type Stage } from './exactly-once-stage.ts'

export interface WorkerOptions {
  stage: Stage
  random: SeededRandom
  name: string
  transactionalId: string
  slot: number
  slots: number
  modern: boolean
  /** Called when it is held up in the middle of a transaction: another one should take its place. */
  onStall(): void
}

/** Why a transaction does not go on: this life is over, the producer has to start anew, or the transaction has to be aborted. */
class GiveUp extends Error {
  readonly next: 'fenced' | 'restart' | 'abort'

  constructor(next: GiveUp['next'], why: string) {
    super(why)
    this.next = next
  }
}

interface Input {
  partition: number
  offset: number
  value: string
}

const fencing: readonly ErrorName[] = ['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH', 'TRANSACTION_COORDINATOR_FENCED']
const again: readonly ErrorName[] = [
  'CONCURRENT_TRANSACTIONS',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_ENOUGH_REPLICAS',
  'KAFKA_STORAGE_ERROR',
  'NOT_LEADER_OR_FOLLOWER',
  'NETWORK_EXCEPTION',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'REQUEST_TIMED_OUT',
]
const ofGroup: readonly ErrorName[] = [
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
  'REBALANCE_IN_PROGRESS',
  'STALE_MEMBER_EPOCH',
  'FENCED_MEMBER_EPOCH',
]
const abortable: readonly ErrorName[] = ['TRANSACTION_ABORTABLE', ...ofGroup]
const starting: readonly ErrorName[] = [
  'INVALID_TXN_STATE',
  'INVALID_PRODUCER_ID_MAPPING',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
]

export const transactionTimeoutMs = 2500

export class Worker {
  readonly process: Process
  readonly #options: WorkerOptions
  readonly #stage: Stage
  readonly #random: SeededRandom
  readonly #wire: Wire
  readonly #membership: Membership
  readonly #positions = new Map<number, number>()
  #session: { producerId: Int64; producerEpoch: number } = { producerId: -1, producerEpoch: -1 }
  #sequences: number[] = []
  #count = 0

  constructor(options: WorkerOptions) {
    const { stage, random, slot, slots, modern } = options
    this.#options = options
    this.#stage = stage
    this.#random = random
    this.process = stage.process()
    this.#wire = stage.wire(this.process, random, modern)
    this.#membership = membershipFor(stage, random, this.#wire, slot, slots)
  }

  /** Resolves when this life is over: somebody else has the transactional id, or the run ends. */
  async run(): Promise<void> {
    const stage = this.#stage
    try {
      await this.#start()
      while (!stage.over) await this.#step()
    } catch (error) {
      if (!(error instanceof GiveUp)) throw error
      stage.world.note(`${this.#options.name} ends: ${error.message}`)
    } finally {
      this.#wire.close()
    }
  }

  /** As when its process is killed. */
  kill(): void {
    this.process.kill()
    this.#wire.close()
  }

  async #step(): Promise<void> {
    try {
      if (await this.#membership.poll()) this.#positions.clear()
      const inputs = await this.#consume()
      if (inputs.length > 0) await this.#transact(inputs)
      else await this.process.sleep(50 + this.#random.fraction() * 100)
    } catch (error) {
      if (error instanceof NoAnswer) await this.process.sleep(30)
      else if (error instanceof GiveUp && error.next !== 'fenced') await this.#start()
      else throw error
    }
  }

  // ---- input

  /** Some records of the partitions that it owns, from where the group stands; none when that cannot be known now. */
  async #consume(): Promise<Input[]> {
    const owned = this.#membership.partitions
    if (owned.length === 0) return []
    if (owned.some(partition => !this.#positions.has(partition))) {
      const positions = await committedPositions(this.#stage, this.#wire, true)
      for (const partition of owned) {
        const position = positions?.get(partition)
        if (position !== undefined && !this.#positions.has(partition)) this.#positions.set(partition, Math.max(position, 0))
      }
    }
    const partitions = owned
      .filter(partition => this.#positions.has(partition))
      .map(partition => ({ partition, fetchOffset: this.#positions.get(partition)!, partitionMaxBytes: 1000 }))
    const topics = [{ topic: inputTopic, partitions }]
    const fetched = await this.#wire.call(apis.fetch, 11, {
      maxWaitMs: 100,
      minBytes: 1,
      isolationLevel: 1,
      topics,
      forgottenTopicsData: [],
    })
    const inputs: Input[] = []
    for (const { partitionIndex, errorCode, records, abortedTransactions } of fetched.responses[0]?.partitions ?? []) {
      if (this.#stage.told('Fetch', errorCode) !== 'NONE') continue
      const from = this.#positions.get(partitionIndex)!
      const visible = visibleRecords(records ?? Buffer.alloc(0), from, abortedTransactions)
      for (const [offset, value] of visible.records) inputs.push({ partition: partitionIndex, offset, value })
    }
    return inputs.slice(0, 1 + this.#random.below(6))
  }

  // ---- the transaction

  async #transact(inputs: readonly Input[]): Promise<void> {
    const stage = this.#stage
    const { transactionalId, name } = this.#options
    const transaction: Transaction = {
      id: `${name}.${this.#count++}`,
      transactionalId,
      startedAt: stage.instant(),
      timesOutAtMs: stage.nowMs + transactionTimeoutMs,
      commitSentAt: null,
      mayEndAt: stage.beginning(transactionalId),
      outcome: 'open',
      offsets: new Map(),
      endedAt: null,
    }
    stage.history.transactions.push(transaction)
    try {
      await this.#work(transaction, inputs)
    } catch (error) {
      this.#positions.clear()
      if (error instanceof NoAnswer) throw new GiveUp('restart', error.message)
      if (!(error instanceof GiveUp) || error.next !== 'abort') throw error
      await this.#abort(transaction)
    }
  }

  async #abort(transaction: Transaction): Promise<void> {
    try {
      await this.#end(transaction, false)
    } catch (error) {
      if (error instanceof NoAnswer) throw new GiveUp('restart', error.message)
      throw error
    }
  }

  async #work(transaction: Transaction, inputs: readonly Input[]): Promise<void> {
    const { modern } = this.#options
    const groups = this.#outputs(transaction, inputs)
    if (!modern) await this.#addPartitions([...groups.keys()])
    for (const part of this.#random.chance(0.5) ? [groups] : [...groups].map(each => new Map([each]))) await this.#produce(part)
    if (this.#random.chance(0.12)) throw new GiveUp('abort', 'by chance')
    if (this.#random.chance(0.1)) await this.process.sleep(this.#random.fraction() * 600)
    await this.#commitOffsets(transaction, inputs)
    if (this.#random.chance(0.05)) throw new GiveUp('abort', 'by chance')
    await this.#end(transaction, true)
    for (const { partition, offset } of inputs) this.#positions.set(partition, offset + 1)
  }

  /** What is to be sent, by output partition. */
  #outputs(transaction: Transaction, inputs: readonly Input[]): Map<number, Send[]> {
    const groups = new Map<number, Send[]>()
    for (const { value } of inputs) {
      const partition = this.#random.below(this.#stage.partitions)
      const send: Send = {
        value: transformed(value, transaction.id),
        partition: nameOf(outputTopic, partition),
        writer: this.#options.name,
        transaction: transaction.id,
        outcome: 'info',
        offset: null,
        ackedAt: null,
      }
      this.#stage.history.sends.push(send)
      const group = groups.get(partition)
      if (group === undefined) groups.set(partition, [send])
      else group.push(send)
    }
    return groups
  }

  async #addPartitions(partitions: number[]): Promise<void> {
    const { transactionalId } = this.#options
    await this.#insist('AddPartitionsToTxn', async () => {
      const { resultsByTopicV3AndBelow } = await this.#wire.call(apis.addPartitionsToTxn, 3, {
        v3AndBelowTransactionalId: transactionalId,
        v3AndBelowProducerId: this.#session.producerId,
        v3AndBelowProducerEpoch: this.#session.producerEpoch,
        v3AndBelowTopics: [{ name: outputTopic, partitions }],
        transactions: [],
      })
      return firstError(
        resultsByTopicV3AndBelow.flatMap(({ resultsByPartition }) => resultsByPartition.map(each => each.partitionErrorCode)),
      )
    })
  }

  async #produce(groups: Map<number, Send[]>): Promise<void> {
    const { transactionalId, modern } = this.#options
    await this.#mayStall()
    const partitionData = [...groups].map(([index, sends]) => ({ index, records: this.#batch(index, sends) }))
    for (const [index, sends] of groups) this.#sequences[index] = (this.#sequences[index] ?? 0) + sends.length
    const request = { transactionalId, acks: -1, timeoutMs: 1000, topicData: [{ name: outputTopic, partitionData }] }
    await this.#insist('Produce', async () => {
      const { responses } = await this.#wire.call(apis.produce, modern ? 12 : 10, request)
      const answers = responses[0]!.partitionResponses
      for (const { index, errorCode, baseOffset } of answers)
        if (errorCode === 0) acknowledge(this.#stage, groups.get(index)!, Number(baseOffset))
      return firstError(answers.map(({ errorCode }) => errorCode))
    })
  }

  #batch(partition: number, sends: readonly Send[]): Buffer {
    return buildBatch({
      records: sends.map(({ value }) => ({ key: null, value: Buffer.from(value) })),
      timestamp: this.#stage.world.system.clock.now(),
      ...this.#session,
      baseSequence: this.#sequences[partition] ?? 0,
      isTransactional: true,
    })
  }

  async #commitOffsets(transaction: Transaction, inputs: readonly Input[]): Promise<void> {
    const { transactionalId, modern } = this.#options
    await this.#mayStall()
    const positions = new Map<number, number>()
    for (const { partition, offset } of inputs) positions.set(partition, offset + 1)
    for (const [partition, position] of positions) transaction.offsets.set(nameOf(inputTopic, partition), position)
    if (!modern) {
      await this.#insist('AddOffsetsToTxn', async () => {
        const request = { transactionalId, ...this.#session, groupId }
        return (await this.#wire.call(apis.addOffsetsToTxn, 3, request)).errorCode
      })
    }
    const partitions = [...positions].map(([partitionIndex, committedOffset]) => ({
      partitionIndex,
      committedOffset,
      committedMetadata: null,
    }))
    const topics = [{ name: inputTopic, partitions }]
    await this.#insist('TxnOffsetCommit', async () => {
      const request = { transactionalId, groupId, ...this.#session, ...this.#membership.identity, topics }
      const response = await this.#wire.call(apis.txnOffsetCommit, modern ? 5 : 3, request)
      return firstError(response.topics.flatMap(topic => topic.partitions.map(({ errorCode }) => errorCode)))
    })
  }

  async #end(transaction: Transaction, committed: boolean): Promise<void> {
    const { transactionalId, modern } = this.#options
    const stage = this.#stage
    await this.#mayStall()
    stage.mayEnd(transactionalId)
    transaction.mayEndAt ??= stage.instant()
    if (committed) transaction.commitSentAt = stage.instant()
    if (committed) transaction.outcome = 'info'
    let next = this.#session
    await this.#insist('EndTxn', async () => {
      const request = { transactionalId, ...this.#session, committed }
      const { errorCode, producerId, producerEpoch } = await this.#wire.call(apis.endTxn, modern ? 5 : 3, request)
      if (modern) next = { producerId, producerEpoch }
      return errorCode
    })
    transaction.outcome = committed ? 'committed' : 'aborted'
    transaction.endedAt = stage.instant()
    stage.onEnd?.()
    if (modern) this.#begin(next)
  }

  #begin(session: { producerId: Int64; producerEpoch: number }): void {
    this.#session = session
    this.#sequences = []
  }

  /** Asks until it is done; throws GiveUp. */
  async #insist(api: string, ask: () => Promise<number>): Promise<void> {
    for (let tries = 0; tries < 40; tries++) {
      let told: ErrorName
      try {
        told = this.#stage.told(api, await ask())
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error
        if (!this.#options.modern || this.#random.chance(0.3)) throw error
        await this.process.sleep(40)
        continue
      }
      if (told === 'NONE') return
      if (fencing.includes(told)) throw new GiveUp('fenced', `${api}: ${told}`)
      if (ofGroup.includes(told)) this.#membership.suspect()
      if (abortable.includes(told)) throw new GiveUp('abort', `${api}: ${told}`)
      if (starting.includes(told)) throw new GiveUp('restart', `${api}: ${told}`)
      if (!again.includes(told)) this.#stage.never(`${this.#options.name}: ${api} was answered with ${told}`)
      await this.process.sleep(20 + this.#random.fraction() * 60)
    }
    throw new GiveUp('restart', `${api}: in vain`)
  }

  /** Now and then a worker stands still at the worst moment, and comes back as a zombie that knows nothing of it. */
  async #mayStall(): Promise<void> {
    if (this.#stage.healed || !this.#random.chance(0.03)) return
    this.#stage.world.note(`${this.#options.name} stalls`)
    this.process.pause(300 + this.#random.fraction() * 5000)
    this.#options.onStall()
    await this.process.sleep(0)
  }

  // ---- the producer id

  async #start(): Promise<void> {
    const { transactionalId, modern } = this.#options
    const stage = this.#stage
    this.#positions.clear()
    // Brokers of a cluster may all be away for longer than their faults last.
    for (let tries = 0; tries < 1_500; tries++) {
      if (stage.over) throw new GiveUp('fenced', 'the run is over')
      const answered = stage.initialize(transactionalId)
      try {
        const { errorCode, ...session } = await this.#wire.call(apis.initProducerId, modern ? 5 : 4, {
          transactionalId,
          transactionTimeoutMs,
        })
        answered()
        const told = stage.told('InitProducerId', errorCode)
        if (told === 'NONE') return this.#begin({ producerId: session.producerId, producerEpoch: session.producerEpoch })
        if (!again.includes(told)) stage.never(`${this.#options.name}: InitProducerId was answered with ${told}`)
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error
      }
      await this.process.sleep(30 + this.#random.fraction() * 60)
    }
    stage.never(`${this.#options.name} gets no producer id`)
  }
}

function firstError(codes: readonly number[]): number {
  return codes.find(code => code !== 0) ?? 0
}
