/**
 * Clients that work while the broker is killed, and remember the responses.
 *
 * Idempotent producers send a batch until it is acknowledged, with the same sequence, and must leave each value exactly once and in
 * order. Plain producers (acks 1 and all) give up a batch whose connection broke; it may or may not be stored. A group commits offsets.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Int64 } from '../../src/base.ts'
import { apis } from '../../src/protocol.ts'
import {
  connect,
  createTopic,
  fetchRecords,
  findCoordinator,
  type ProduceAnswer,
  produce,
  type RawClient,
} from '../../test/support/client.ts'
import { expectThat } from '../scenarios/finding.ts'
import { buildBatch, readBatches } from '../world/batches.ts'
import type { SeededRandom } from '../world/random.ts'

const partitions = 4
const topic = 'load'
const group = 'load-group'
const requestDeadlineMs = 15_000
/** DUPLICATE_SEQUENCE_NUMBER. */
const duplicateSequence = 46

interface Acknowledged {
  partition: number
  offset: number
  value: string
}

export class Load {
  readonly acknowledged: Acknowledged[] = []
  readonly #random: SeededRandom
  readonly #port: () => number
  /** What each idempotent producer sent, in order; only the last may be unacknowledged. */
  readonly #sent: { partition: number; values: string[] }[] = []
  /** What a consumer saw, per partition. */
  readonly #seen: Map<number, string>[] = Array.from({ length: partitions }, () => new Map())
  #committed = -1
  #running = true
  #tasks: Promise<void>[] = []
  /** Rejects as soon as a client sees a broken promise. */
  broken: Promise<void> = Promise.resolve()

  constructor(random: SeededRandom, port: () => number) {
    this.#random = random
    this.#port = port
  }

  async start(): Promise<void> {
    const client = await connect(this.#port())
    await createTopic(client, topic, partitions)
    await findCoordinator(client, group)
    client.close()
    for (let index = 0; index < 4; index++) this.#tasks.push(this.#idempotent(index))
    this.#tasks.push(this.#plain('acks1', 1), this.#plain('acksall', -1), this.#group(), this.#consumer())
    this.broken = Promise.all(this.#tasks).then(() => {})
    // Whoever waits for the tasks hears of it; until then it is not unheard.
    this.broken.catch(() => {})
  }

  async stop(): Promise<void> {
    this.#running = false
    await Promise.all(this.#tasks)
  }

  /** Everything that was acknowledged or seen is where it was; nothing is there twice. */
  async check(): Promise<void> {
    // What comes while the logs are read is not judged by what was read.
    const acknowledged = this.acknowledged.slice()
    const before = this.#seen.map(seen => [...seen])
    const client = await connect(this.#port())
    const logs: Map<number, string>[] = []
    for (let partition = 0; partition < partitions; partition++) logs.push(await readAll(client, partition))
    client.close()
    for (const { partition, offset, value } of acknowledged)
      expectThat(
        logs[partition]!.get(offset) === value,
        `${value} was acknowledged at ${partition}:${offset}; there is ${logs[partition]!.get(offset)}`,
      )
    for (const [partition, seen] of before.entries())
      for (const [offset, value] of seen)
        expectThat(
          logs[partition]!.get(offset) === value,
          `a consumer saw ${value} at ${partition}:${offset}; now ${logs[partition]!.get(offset)}`,
        )
    for (const { partition, values } of this.#sent) checkOnce(logs[partition]!, values)
  }

  async #idempotent(index: number): Promise<void> {
    const sent = { partition: index % partitions, values: [] as string[] }
    this.#sent.push(sent)
    let client: RawClient | null = null
    let producer: { producerId: Int64; producerEpoch: number } | null = null
    let sequence = 0
    let batch: string[] = []
    while (this.#running || batch.length > 0) {
      try {
        client ??= await connect(this.#port())
        producer ??= await within(client, initProducerId(client))
        if (batch.length === 0) {
          batch = Array.from({ length: 1 + this.#random.below(5) }, (_, each) => `i${index}-${sequence + each}`)
          sent.values.push(...batch)
        }
        const records = buildBatch({ values: batch, ...producer, baseSequence: sequence })
        const { errorCode, baseOffset } = await within(client, produce(client, topic, records, { partition: sent.partition }))
        expectThat(
          errorCode === 0 || (errorCode === duplicateSequence && baseOffset < 0),
          `an idempotent producer may go on after a kill, but gets error ${errorCode} for sequence ${sequence}`,
        )
        if (errorCode === 0) this.#acknowledge(sent.partition, baseOffset, batch)
        sequence += batch.length
        batch = []
      } catch (error) {
        client = await this.#afterCut(client, error)
      }
    }
    client?.close()
  }

  async #plain(name: string, acks: number): Promise<void> {
    let client: RawClient | null = null
    for (let count = 0; this.#running; count++) {
      const partition = this.#random.below(partitions)
      const values = [`${name}-${count}`.padEnd(10 + this.#random.below(2000), '.')]
      try {
        client ??= await connect(this.#port())
        const answer: ProduceAnswer = await within(client, produce(client, topic, buildBatch({ values }), { partition, acks }))
        expectThat(answer.errorCode === 0, `a plain produce failed with ${answer.errorCode}`)
        this.#acknowledge(partition, answer.baseOffset, values)
      } catch (error) {
        client = await this.#afterCut(client, error)
      }
    }
    client?.close()
  }

  async #consumer(): Promise<void> {
    let client: RawClient | null = null
    const next = new Array<number>(partitions).fill(0)
    while (this.#running) {
      const partition = this.#random.below(partitions)
      try {
        client ??= await connect(this.#port())
        const { errorCode, records } = await within(client, fetchRecords(client, topic, next[partition]!, { partition, maxWaitMs: 50 }))
        expectThat(errorCode === 0, `a fetch from ${partition}:${next[partition]} failed with ${errorCode}`)
        for (const batch of readBatches(records)) {
          for (const { offset, value } of batch.records) this.#seen[partition]!.set(offset, value)
          next[partition] = batch.lastOffset + 1
        }
      } catch (error) {
        client = await this.#afterCut(client, error)
      }
    }
    client?.close()
  }

  /** A member of a classic group that commits, ever higher; what it committed never goes back. */
  async #group(): Promise<void> {
    let client: RawClient | null = null
    let member: { generationId: number; memberId: string } | null = null
    while (this.#running) {
      try {
        client ??= await connect(this.#port())
        const fetched = await within(client, committedOffset(client))
        expectThat(fetched >= this.#committed, `the group committed ${this.#committed}, but the broker says ${fetched}`)
        member ??= await within(client, joinGroup(client))
        const offset = Math.max(fetched, 0) + 1
        const errorCode = await within(client, commit(client, member, offset))
        // Kafka's members join again after these: unknown member, illegal generation, rebalance in progress.
        if ([25, 22, 27].includes(errorCode)) member = null
        else expectThat(errorCode === 0 || errorCode === 14 || errorCode === 16, `a commit failed with ${errorCode}`)
        if (errorCode === 0) this.#committed = offset
        await sleep(5)
      } catch (error) {
        client = await this.#afterCut(client, error)
      }
    }
    client?.close()
  }

  #acknowledge(partition: number, baseOffset: number, values: readonly string[]): void {
    for (const [index, value] of values.entries()) this.acknowledged.push({ partition, offset: baseOffset + index, value })
  }

  /** The broker was killed: connect again in a moment. Anything else is a finding. */
  async #afterCut(client: RawClient | null, error: unknown): Promise<null> {
    const code = (error as NodeJS.ErrnoException).code
    const cut = code === 'ECONNREFUSED' || code === 'ECONNRESET' || /closed the connection/.test(String(error))
    if (!cut) throw error
    client?.close()
    await sleep(10)
    return null
  }
}

/** Rejects when the broker holds an answer back for too long. */
async function within<T>(client: RawClient, work: Promise<T>): Promise<T> {
  const timer = setTimeout(() => client.socket.destroy(new Error('deadline')), requestDeadlineMs)
  try {
    return await work
  } finally {
    clearTimeout(timer)
  }
}

async function initProducerId(client: RawClient): Promise<{ producerId: Int64; producerEpoch: number }> {
  const answer = await client.request(apis.initProducerId, 4, {
    transactionalId: null,
    transactionTimeoutMs: 60_000,
    producerId: -1,
    producerEpoch: -1,
  })
  expectThat(answer.errorCode === 0, `InitProducerId failed with ${answer.errorCode}`)
  return answer
}

async function committedOffset(client: RawClient): Promise<number> {
  for (;;) {
    const answer = await client.request(apis.offsetFetch, 5, { groupId: group, topics: [{ name: topic, partitionIndexes: [0] }] })
    // COORDINATOR_LOAD_IN_PROGRESS and COORDINATOR_NOT_AVAILABLE: ask again, as every client does.
    if (answer.errorCode === 0) return Number(answer.topics[0]!.partitions[0]!.committedOffset)
    expectThat(answer.errorCode === 14 || answer.errorCode === 15 || answer.errorCode === 16, `OffsetFetch failed with ${answer.errorCode}`)
    await sleep(20)
  }
}

async function commit(client: RawClient, member: { generationId: number; memberId: string }, offset: number): Promise<number> {
  const answer = await client.request(apis.offsetCommit, 7, {
    groupId: group,
    generationIdOrMemberEpoch: member.generationId,
    memberId: member.memberId,
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: '' }] }],
  })
  return answer.topics[0]!.partitions[0]!.errorCode
}

async function joinGroup(client: RawClient): Promise<{ generationId: number; memberId: string }> {
  let memberId = ''
  for (;;) {
    const joined = await client.request(apis.joinGroup, 5, {
      groupId: group,
      sessionTimeoutMs: 6000,
      rebalanceTimeoutMs: 6000,
      memberId,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) }],
    })
    memberId = joined.errorCode === 79 ? joined.memberId : ''
    if (joined.errorCode !== 0) {
      // MEMBER_ID_REQUIRED, the coordinator's loading, and a member that the restart forgot.
      expectThat([79, 14, 15, 16, 25].includes(joined.errorCode), `JoinGroup failed with ${joined.errorCode}`)
      await sleep(20)
      continue
    }
    const assignments = joined.leader === joined.memberId ? [{ memberId: joined.memberId, assignment: Buffer.alloc(0) }] : []
    const synced = await client.request(apis.syncGroup, 3, {
      groupId: group,
      generationId: joined.generationId,
      memberId: joined.memberId,
      assignments,
    })
    if (synced.errorCode === 0) return joined
    expectThat([22, 25, 27].includes(synced.errorCode), `SyncGroup failed with ${synced.errorCode}`)
    memberId = joined.memberId
  }
}

async function readAll(client: RawClient, partition: number): Promise<Map<number, string>> {
  const found = new Map<number, string>()
  for (let next = 0; ; ) {
    const { errorCode, highWatermark, records } = await fetchRecords(client, topic, next, { partition })
    expectThat(errorCode === 0, `a fetch from ${partition}:${next} failed with ${errorCode}`)
    for (const batch of readBatches(records)) {
      expectThat(batch.baseOffset <= next, `a hole at ${partition}:${next}, next is ${batch.baseOffset}`)
      for (const { offset, value } of batch.records) found.set(offset, value)
      next = batch.lastOffset + 1
    }
    if (next >= highWatermark) return found
    expectThat(records.length > 0, `nothing to read at ${partition}:${next} below the high watermark ${highWatermark}`)
  }
}

/** Each value once, in the order in which it was sent. */
function checkOnce(log: Map<number, string>, values: readonly string[]): void {
  const prefix = `${values[0]?.split('-')[0]}-`
  const there = [...log.entries()].sort((a, b) => a[0] - b[0]).filter(([, value]) => value.startsWith(prefix))
  for (const [index, [offset, value]] of there.entries())
    expectThat(value === values[index], `an idempotent producer sent ${values[index]} next, but at ${offset} there is ${value}`)
}
