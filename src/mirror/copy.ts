/**
 * Copies records in rounds: fetch, write the intents, send, and wait until all of it is acknowledged; the next round is fetched meanwhile.
 *
 * A partition that cannot be read or written is left, and the others go on.
 */

import { pause, type System } from '../base.ts'
import { type BatchReader, type BatchWriter, ClientError, mayPass, Patience, type PolledBatches } from '../client.ts'
import { type ErrorName, header, isRetriable, KafkaError } from '../protocol.ts'
import { type Outgoing, toOutgoing } from './batches.ts'
import { type Chunk, cutTo, placeOf, type State } from './state.ts'

const roundBytes = 33_554_432
const roundPartitions = 500
const fetchWaitMs = 500
const pauseMs = 250
/** A partition without a leader is waited for this long, as long as the others have work. */
const partitionPatienceMs = 15_000
/** So often a partition may answer that there is nothing, though it should have something. */
const mostEmpty = 3

export interface Task {
  readonly topic: string
  readonly partition: number
  readonly ids: readonly [source: string, target: string]
  /** Where the source is read next. */
  position: bigint
  /** Up to where it is copied. */
  copied: bigint
  readonly until: bigint
  /** The end of the partition in the target. */
  end: bigint
  /** Of the next batch. */
  sequence: number
  /** What the target takes in one batch. */
  readonly mostBytes: number
  failure: string | null
  failingSinceMs: number | null
  empty: number
}

export interface Counts {
  records: number
  bytes: number
}

interface Prepared {
  task: Task
  batches: Outgoing[]
  chunk: Chunk
}

interface CopyOptions {
  readonly reader: BatchReader
  readonly writer: BatchWriter
  readonly state: State
  readonly system: System
  readonly patienceMs: number
  readonly signal: AbortSignal
  /** The first offset of a partition of the source. */
  startOf(task: Task): Promise<bigint>
  onRound(counts: Counts): void
  onWaiting(reason: string | null): void
}

export class Copy {
  readonly counts: Counts = { records: 0, bytes: 0 }
  readonly #options: CopyOptions
  #queue: Task[]
  #round = 1
  /** What the next records of state have to correct. */
  #corrections: Chunk[] = []
  readonly #byPlace: ReadonlyMap<string, Task>

  constructor(tasks: readonly Task[], options: CopyOptions) {
    this.#queue = tasks.filter(task => task.position < task.until)
    this.#byPlace = new Map(tasks.map(task => [placeOf(task), task]))
    this.#options = options
  }

  async run(): Promise<void> {
    const { signal, state, system } = this.#options
    let fetching = this.#fetch()
    while (!signal.aborted) {
      const polled = await fetching
      if (polled === null) break
      await this.#skipDeleted(polled)
      const prepared = this.#prepare(polled)
      if (prepared.length === 0 && polled.failed.length > 0) await pause(system, pauseMs)
      fetching = this.#fetch()
      // If this round fails, nobody waits for that one.
      fetching.catch(() => {})
      await this.#send(prepared)
      this.#options.onRound(this.counts)
    }
    await fetching.catch(() => {})
    if (this.#corrections.length > 0) await state.writeChunks(this.#corrections)
  }

  /** null: nothing is left. */
  async #fetch(): Promise<PolledBatches | null> {
    const { reader, signal, patienceMs, onWaiting, system } = this.#options
    for (let patience: Patience | null = null; ; ) {
      this.#queue = this.#queue.filter(task => task.failure === null && task.position < task.until)
      if (this.#queue.length === 0 || signal.aborted) return null
      const positions = this.#queue
        .slice(0, roundPartitions)
        .map(({ topic, partition, position: offset }) => ({ topic, partition, offset }))
      try {
        const polled = await reader.poll({ positions, maxWaitMs: fetchWaitMs, maxBytes: roundBytes, committedOnly: true })
        if (patience !== null) onWaiting(null)
        return polled
      } catch (error) {
        if (!(error instanceof ClientError) || !mayPass(error)) throw error
        patience ??= new Patience(system, { patienceMs })
        if (patience.isOver) throw error
        onWaiting(error.message)
        await patience.next()
      }
    }
  }

  /** Retention has deleted what was to be read next; or the source has lost what was copied. */
  async #skipDeleted({ outOfRange }: PolledBatches): Promise<void> {
    for (const place of outOfRange) {
      const task = this.#byPlace.get(placeOf(place))!
      const start = await this.#options.startOf(task)
      if (start > task.position) task.position = start
      else task.failure = `the source ends before offset ${task.position}, up to which it was copied: it has lost records`
    }
  }

  #prepare({ partitions, failed, bytes }: PolledBatches): Prepared[] {
    const prepared: Prepared[] = []
    for (const { topic, partition, error } of failed) this.#failing(this.#byPlace.get(placeOf({ topic, partition }))!, error)
    for (const { topic, topicId, partition, batches, next, stableOffset } of partitions) {
      const task = this.#byPlace.get(placeOf({ topic, partition }))!
      if (task.failure !== null) continue
      if (topicId !== task.ids[0]) {
        task.failure = 'the topic was made again in the source while it was copied'
        continue
      }
      if (next === task.position) {
        if (bytes < roundBytes / 2) this.#nothing(task, stableOffset)
        continue
      }
      Object.assign(task, { failingSinceMs: null, empty: 0 })
      const outgoing = this.#outgoing(task, batches)
      if (outgoing === null) continue
      if (outgoing.length > 0) prepared.push({ task, batches: outgoing, chunk: this.#chunk(task, outgoing, next) })
      // Aborted or deleted: there is nothing to send.
      else task.copied = next
      task.position = next
    }
    return prepared
  }

  #outgoing(task: Task, batches: PolledBatches['partitions'][number]['batches']): Outgoing[] | null {
    const { producerId, producerEpoch } = this.#options.writer
    try {
      return toOutgoing(batches, task.position, { producerId, producerEpoch, sequence: task.sequence }, task.mostBytes)
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      task.failure = `the source cannot be read at offset ${task.position}: ${error.message}`
      return null
    }
  }

  #chunk(task: Task, outgoing: readonly Outgoing[], next: bigint): Chunk {
    const { producerId, producerEpoch: epoch } = this.#options.writer
    const { topic, partition, ids, position: from, end: at, sequence } = task
    const batches = outgoing.map(({ count, next: end, runs }) => ({ count, next: end, runs }))
    return { topic, partition, ids, from, next, at, batches, producerId, epoch, sequence, round: this.#round, isSettled: false }
  }

  async #send(prepared: readonly Prepared[]): Promise<void> {
    if (prepared.length === 0) return
    const { state, writer } = this.#options
    await state.writeChunks([...this.#corrections, ...prepared.map(each => each.chunk)])
    this.#corrections = []
    this.#round++
    const outcomes = await writer.append(
      prepared.map(({ task: { topic, partition }, batches }) => ({ topic, partition, batches: batches.map(each => each.bytes) })),
    )
    for (const [index, { task, batches, chunk }] of prepared.entries()) {
      const { appended, baseOffsets, error } = outcomes[index]!
      const sent = batches.slice(0, appended)
      for (const [at, { count, bytes }] of sent.entries()) {
        const base = baseOffsets[at]!
        task.end = (base < 0n ? task.end : base) + BigInt(count)
        task.sequence = header.incrementSequence(task.sequence, count)
        this.counts.records += count
        this.counts.bytes += bytes.length
      }
      task.copied = error === null ? chunk.next : (sent.at(-1)?.next ?? chunk.from)
      if (error === null) continue
      task.failure = reasonOf(error, task.topic)
      this.#corrections.push(
        cutTo(
          chunk,
          sent.reduce((sum, each) => sum + each.count, 0),
        ),
      )
    }
  }

  /** It may pass: others go on meanwhile. */
  #failing(task: Task, error: ClientError): void {
    const nowMs = this.#options.system.clock.monotonic()
    task.failingSinceMs ??= nowMs
    if (!isRetriable(error.code as ErrorName) || nowMs - task.failingSinceMs > partitionPatienceMs)
      task.failure = reasonOf(error, task.topic)
  }

  /** At the end of a partition compaction may have left nothing. */
  #nothing(task: Task, stableOffset: bigint): void {
    if (++task.empty < mostEmpty) return
    if (stableOffset >= task.until) task.position = task.copied = task.until
    else this.#failing(task, new ClientError('OFFSET_NOT_AVAILABLE', `the source ends at offset ${stableOffset} for now`))
  }
}

function reasonOf({ code, message }: ClientError, topic: string): string {
  if (code !== 'MESSAGE_TOO_LARGE' && code !== 'RECORD_LIST_TOO_LARGE') return `${code}: ${message}`
  return `${code}: the target takes no batch of this size: millrace topic alter ${topic} --set max.message.bytes=…, or message.max.bytes of its brokers`
}
