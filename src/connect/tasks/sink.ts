/**
 * Runs a sink: reads as a member of the group `connect-NAME`, and commits what the sink says that it has written.
 *
 * At least once: offsets are committed after a flush, never before. Order of a partition is kept, because the same records are put again until they are
 * taken, and nothing else before. At most two polls are in memory: one that is put, and the next one, which is fetched meanwhile.
 */
import { pause, readValues, Turns } from '../../base.ts'
import { type Client, ClientError, mayPass, type PolledUnopened, type Reader, type ReceivedRecord } from '../../client.ts'
import {
  type ConnectorDefinition,
  DataError,
  type Offsets,
  type OpenedPartition,
  RetriableError,
  type SinkContext,
  type SinkRecord,
  type SinkTask,
  type TopicPartition,
} from '../../connector.ts'
import { commonKeys, type SinkValues } from '../connector-keys.ts'
import { type ConsumerSettings, consumerSettings } from './consumer-settings.ts'
import { growing, pauseAfter } from './errors.ts'
import { guardedSink, offsetsIn } from './guard.ts'
import { openPipeline, type Pipeline } from './pipeline.ts'
import type { TaskRun } from './run.ts'
import { SinkGroup } from './sink-group.ts'

type SinkDefinition = Extract<ConnectorDefinition, { kind: 'sink' }>

/** Kafka names it in dead letters, whatever the connector is. */
const javaSinkTask = 'org.apache.kafka.connect.sink.SinkTask'
const maxWaitMs = 500
const idleMs = 1_000
const longestAwayMs = 5_000
/** Well below the time that members have to join again. */
const giveUpMs = 20_000

/** Resolves when the task has ended because it was asked to. */
export async function runSink(run: TaskRun, definition: SinkDefinition): Promise<void> {
  const values = readValues(commonKeys.sink, run.config)
  const pipeline = await openPipeline(run, values)
  try {
    await new SinkRun(run, definition, values, pipeline).run()
  } finally {
    pipeline.close()
  }
}

const keyOf = ({ topic, partition }: TopicPartition) => `${topic} ${partition}`

interface Position extends TopicPartition {
  /** The next one to read. */
  offset: bigint
}

/** Records that are put together. */
interface Chunk {
  readonly made: SinkRecord[]
  /** Behind those that were read, of each partition; a later one counts more. */
  readonly ends: Position[]
  /** Why there are no more that can be read. */
  damage: ClientError | null
  isLast: boolean
}

/** null: there are no more. */
function nextOf(unread: Iterator<ReceivedRecord>, chunk: Chunk): ReceivedRecord | null {
  try {
    const next = unread.next()
    if (next.done !== true) return next.value
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    chunk.damage = error
  }
  chunk.isLast = true
  return null
}

class SinkRun {
  readonly #run: TaskRun
  readonly #definition: SinkDefinition
  readonly #pipeline: Pipeline
  readonly #settings: ConsumerSettings
  readonly #client: Client
  readonly #group: SinkGroup
  readonly #reader: Reader
  /** Of the partitions that this task reads. */
  readonly #positions = new Map<string, Position>()
  /** After the last record that was put. */
  readonly #put = new Map<string, Position>()
  readonly #committed = new Map<string, bigint>()
  /** Where the target itself knows how far it has come. */
  readonly #sought = new Set<string>()
  readonly #topics = new Set<string>()
  readonly #turns: Turns
  /** As they were read, by the identity of `original`. */
  #raw = new WeakMap<object, ReceivedRecord>()
  #next: Promise<PolledUnopened> | null = null
  #lastCommitMs = 0
  #task!: SinkTask

  constructor(run: TaskRun, definition: SinkDefinition, values: SinkValues, pipeline: Pipeline) {
    const { client, system, control } = run
    this.#run = run
    this.#definition = definition
    this.#pipeline = pipeline
    this.#settings = consumerSettings(run, definition.recordsAtOnce)
    this.#client = client
    const { group, timing } = this.#settings
    const pattern = values['topics.regex'] === '' ? null : values['topics.regex']
    const { memberId } = run.order
    const joined = (as: string) => run.tell({ kind: 'member', memberId: as })
    const { stopSignal } = control
    this.#group = new SinkGroup({ client, group, topics: values.topics, pattern, memberId, joined, ...timing, stopSignal, system })
    this.#reader = client.openReader()
    this.#turns = new Turns(system)
    this.#lastCommitMs = system.clock.monotonic()
  }

  async run(): Promise<void> {
    const { control, farewells } = this.#run
    await this.#open()
    farewells.add(() => this.#group.close())
    try {
      await this.#join()
      this.#tellState()
      while (!control.stopping) await this.#step()
      await this.#flush()
      await this.#task.closed?.([...this.#positions.values()])
    } finally {
      // The rest of a failed task is forgotten: another one, or the same again, reads it from where it was committed.
      this.#next?.catch(() => {})
      await this.#close()
      await this.#group.close()
      await this.#reader.close()
    }
  }

  #tellState(): void {
    const { control, tell } = this.#run
    tell({ kind: 'state', state: control.paused ? 'PAUSED' : 'RUNNING' })
  }

  async #open(): Promise<void> {
    const { guard, config } = this.#run
    const { open, config: declared } = this.#definition
    this.#task = guardedSink(await guard.call('open', () => open(readValues(declared, config) as never, this.#context())), guard)
  }

  #close(): Promise<void> {
    return this.#task.close().catch(error => this.#run.log.warn({ err: error }, 'a sink could not be closed'))
  }

  async #step(): Promise<void> {
    if (this.#group.mustRejoin) return this.#rejoin()
    try {
      await this.#work()
    } catch (error) {
      // Whoever has the partitions now has fenced it in the target, for instance. That is no failure: it joins next.
      if (this.#run.control.stopping || !(await this.#group.isOvertaken())) throw error
      this.#run.log.warn({ err: error }, 'the group has gone on without a sink, which joins it again')
      // What it was in the middle of, nobody knows.
      await this.#close()
      this.#positions.clear()
      await this.#open()
    }
  }

  async #work(): Promise<void> {
    const { control, system, tell } = this.#run
    if (control.paused) {
      await this.#flush()
      tell({ kind: 'state', state: 'PAUSED' })
      while (control.paused && !control.stopping && !this.#group.mustRejoin) await control.changed(system.timers, idleMs)
      if (!control.paused) tell({ kind: 'state', state: 'RUNNING' })
      return
    }
    const polled = this.#positions.size === 0 ? null : await this.#poll()
    if (polled !== null) await this.#take(polled)
    else await control.changed(system.timers, idleMs)
    if (system.clock.monotonic() - this.#lastCommitMs >= this.#run.order.worker.values['offset.flush.interval.ms']) await this.#flush()
  }

  /** What was fetched while the records before were put, or what is fetched now; then fetches on. null: brokers were away until something else was to be done. */
  async #poll(): Promise<PolledUnopened | null> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#pollOnce()
      } catch (error) {
        await this.#wait(error, attempt, ms => this.#pause(ms))
        if (this.#isInterrupted()) return null
      }
    }
  }

  async #pollOnce(): Promise<PolledUnopened> {
    const fetching = this.#next ?? this.#fetch()
    this.#next = null
    const polled = await fetching
    // Before any position goes on: if this fails, all is fetched again.
    if (polled.outOfRange.length > 0) await this.#leap(polled.outOfRange)
    for (const { topic, partition, offset } of polled.next) {
      const position = this.#positions.get(keyOf({ topic, partition }))
      if (position !== undefined) position.offset = offset
    }
    if (!polled.records.isEmpty) {
      this.#next = this.#fetch()
      this.#next.catch(() => {})
    }
    return polled
  }

  /** Brokers that are away are waited for, as by Kafka's consumers, and do not fail the task. Throws every other error. */
  async #wait(error: unknown, attempt: number, waiting: (ms: number) => Promise<void>): Promise<void> {
    if (!(error instanceof ClientError) || !mayPass(error)) throw error
    if (attempt === 0) this.#run.log.warn({ err: error }, 'brokers do not answer; they are asked again')
    await waiting(growing(attempt, longestAwayMs))
  }

  #fetch(): Promise<PolledUnopened> {
    const { mostBytes, committedOnly } = this.#settings
    const positions = Array.from(this.#positions.values(), each => ({ ...each }))
    return this.#reader.pollUnopened({ positions, maxWaitMs, maxBytes: mostBytes, committedOnly })
  }

  async #take({ records, next }: PolledUnopened): Promise<void> {
    const unread = records[Symbol.iterator]()
    for (let isLast = false; !isLast; ) {
      if (this.#turns.over) await this.#turns.next()
      if (this.#isInterrupted()) return
      const chunk = await this.#read(unread)
      if (chunk.made.length > 0 && !(await this.#putPatiently(chunk.made))) return
      for (const end of chunk.ends) this.#put.set(keyOf(end), end)
      if (chunk.damage !== null) throw chunk.damage
      isLast = chunk.isLast
    }
    // Behind markers of transactions, which are no records.
    for (const position of next) this.#put.set(keyOf(position), { ...position })
  }

  /** As many as are put together. One that was read is forgotten before the next one is, unless somebody wants to see it later. */
  async #read(unread: Iterator<ReceivedRecord>): Promise<Chunk> {
    const keepsRaw = this.#pipeline.errors.wantsRaw
    const chunk: Chunk = { made: [], ends: [], damage: null, isLast: false }
    let end: Position | null = null
    let last = 0n
    let count = 0
    for (; count < this.#settings.mostRecords; count++) {
      const raw = nextOf(unread, chunk)
      if (raw === null) break
      if (end === null || raw.partition !== end.partition || raw.topic !== end.topic) {
        if (end !== null) end.offset = last + 1n
        end = { topic: raw.topic, partition: raw.partition, offset: -1n }
        chunk.ends.push(end)
        this.#noticeTopic(raw.topic)
      }
      last = raw.offset
      const reading = this.#pipeline.read(raw)
      const record = reading instanceof Promise ? await reading : reading
      if (record === null) continue
      if (keepsRaw) this.#raw.set(record.original, raw)
      chunk.made.push(record)
    }
    if (end !== null) end.offset = last + 1n
    this.#run.metrics.count('sink_records_read', count)
    return chunk
  }

  /** Records that were not put yet are read again. */
  #isInterrupted(): boolean {
    return this.#group.mustRejoin || this.#run.control.stopping
  }

  /** false: the task has to end, or to give up its partitions, before the target has taken them. */
  async #putPatiently(records: readonly SinkRecord[]): Promise<boolean> {
    const { system, metrics, log } = this.#run
    for (let attempt = 0; ; attempt++) {
      try {
        const beganMs = system.clock.monotonic()
        await this.#task.put(records)
        metrics.gauge('put_batch_ms', system.clock.monotonic() - beganMs)
        metrics.count('sink_records_sent', records.length)
        return true
      } catch (error) {
        if (error instanceof DataError) return this.#putEach(records, error)
        if (!(error instanceof RetriableError)) throw error
        metrics.count('put_retries')
        if (attempt === 0) log.warn({ err: error }, 'the target does not take records; they are put again')
        await this.#pause(pauseAfter(error, attempt))
        if (this.#isInterrupted()) return false
      }
    }
  }

  /** One of them is refused: which one, is seen when they come one by one. */
  async #putEach(records: readonly SinkRecord[], error: DataError): Promise<boolean> {
    if (records.length === 1) {
      await this.#report(records[0]!, error)
      return true
    }
    if (!this.#pipeline.errors.tolerated) throw error
    for (const record of records) if (!(await this.#putPatiently([record]))) return false
    return true
  }

  /** Ends early when the task has something else to do. */
  async #pause(ms: number): Promise<void> {
    const { system, control } = this.#run
    const untilMs = system.clock.monotonic() + ms
    for (let left = ms; left > 0 && !this.#isInterrupted(); left = untilMs - system.clock.monotonic())
      await pause(system, Math.min(left, idleMs), control.stopSignal)
  }

  #report(record: SinkRecord, error: unknown): Promise<void> {
    const raw = this.#raw.get(record.original) ?? null
    return this.#pipeline.errors.report({ stage: 'TASK_PUT', className: javaSinkTask, raw, place: record.original }, error)
  }

  /** Commits what is written. `mostMs`: so long a target that is away is waited for. */
  async #flush(mostMs = Number.POSITIVE_INFINITY): Promise<void> {
    const { system } = this.#run
    this.#lastCommitMs = system.clock.monotonic()
    if (this.#positions.size === 0) return
    const written = await this.#flushed(mostMs)
    const changed = written.filter(each => this.#positions.has(keyOf(each)) && this.#committed.get(keyOf(each)) !== each.offset)
    for (const { topic, partition, offset } of changed) {
      const { offset: reached } = this.#put.get(keyOf({ topic, partition })) ?? this.#positions.get(keyOf({ topic, partition }))!
      if (offset > reached)
        throw new Error(`flush of the connector has given offset ${offset} of ${topic}-${partition}, but ${reached} comes next`)
    }
    await this.#commit(changed)
  }

  async #commit(changed: Offsets): Promise<void> {
    if (changed.length === 0) return
    try {
      await this.#group.commit(changed)
      for (const each of changed) this.#committed.set(keyOf(each), each.offset)
    } catch (error) {
      // The group has gone on without this task, or the broker is away: the records are delivered again.
      if (!(error instanceof ClientError)) throw error
      this.#run.log.warn({ err: error }, 'offsets could not be committed')
    }
  }

  async #flushed(mostMs: number): Promise<Offsets> {
    const { control, system, metrics } = this.#run
    const untilMs = system.clock.monotonic() + mostMs
    for (let attempt = 0; ; attempt++) {
      // Another task may write the same records by now; this one forgets them in `closed`.
      if (this.#group.hasLost) return []
      try {
        return (await this.#task.flush()) ?? [...this.#put.values()]
      } catch (error) {
        const isLate = system.clock.monotonic() > untilMs || control.giveUpSignal.aborted
        if (!(error instanceof RetriableError) || isLate) throw error
        metrics.count('flush_retries')
        await pause(system, Math.min(mostMs, pauseAfter(error, attempt)), control.giveUpSignal)
      }
    }
  }

  /** Others wait for it: what the target does not take in time is read again, by whoever reads there then. */
  async #rejoin(): Promise<void> {
    try {
      await this.#flush(giveUpMs)
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error
      this.#run.log.warn({ err: error }, 'the target is away; partitions are given up without their newest records')
    }
    await this.#task.closed?.([...this.#positions.values()])
    await this.#join()
  }

  async #join(): Promise<void> {
    const { system, control } = this.#run
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#joinOnce()
      } catch (error) {
        if (control.stopping) throw error
        // It may be for long; a task without a state looks as if it was never begun.
        if (attempt === 0) this.#tellState()
        await this.#wait(error, attempt, ms => pause(system, ms, control.stopSignal))
      }
    }
  }

  async #joinOnce(): Promise<void> {
    this.#next?.catch(() => {})
    this.#next = null
    for (const each of [this.#positions, this.#put, this.#committed, this.#sought]) each.clear()
    this.#raw = new WeakMap()
    const partitions = await this.#group.join()
    const known = partitions.length === 0 ? [] : await this.#client.groupOffsets(this.#settings.group, 'classic')
    const committed = new Map(known.map(each => [keyOf(each), each.offset]))
    const fresh: TopicPartition[] = []
    for (const each of partitions) {
      const offset = committed.get(keyOf(each))
      if (offset === undefined) fresh.push(each)
      else this.#begin(each, offset)
    }
    await this.#reset(fresh)
    // A task that fails before its first flush would begin at a later end.
    if (this.#settings.reset === 'latest') await this.#commit(fresh.map(each => this.#positions.get(keyOf(each))!))
    await this.#task.opened?.(await this.#withIds(partitions))
    this.#run.log.info({ partitions: partitions.length, missingTopics: this.#group.missing.join(', ') || undefined }, 'a sink reads')
  }

  async #withIds(partitions: readonly TopicPartition[]): Promise<OpenedPartition[]> {
    const names = [...new Set(partitions.map(each => each.topic))]
    const topics = names.length === 0 ? [] : await this.#client.topics(names)
    const ids = new Map(topics.map(({ name, id }) => [name, id]))
    return partitions.map(({ topic, partition }) => {
      const topicId = ids.get(topic) ?? ''
      return { topic, partition, ...(topicId !== '' && { topicId }) }
    })
  }

  #begin(partition: TopicPartition, offset: bigint): void {
    this.#positions.set(keyOf(partition), { topic: partition.topic, partition: partition.partition, offset })
  }

  /** Their positions are out of range: records were deleted, or the partition ends before them, or its topic was made again. */
  async #leap(partitions: readonly TopicPartition[]): Promise<void> {
    const begun: TopicPartition[] = []
    for (const [topic, some] of Map.groupBy(partitions, each => each.topic)) {
      const ids = some.map(each => each.partition)
      const [starts, ends] = await Promise.all([this.#client.offsets(topic, ids, 'earliest'), this.#client.offsets(topic, ids, 'latest')])
      for (const each of some) {
        const { offset } = this.#positions.get(keyOf(each))!
        if (offset < starts.get(each.partition)!) continue
        const end = ends.get(each.partition)!
        // There are records at the position, so it is in another topic.
        if (this.#put.has(keyOf(each)) || offset <= end) begun.push(each)
        // The target would take the records that come for some that it has, and leave them out.
        else if (this.#sought.has(keyOf(each))) throw endsBefore(each, offset, end)
      }
    }
    if (begun.length > 0) await this.#leaveOld(begun)
    await this.#reset(partitions)
    if (begun.length === 0) return
    // After `join` the target says whether it knows the partition.
    await this.#commit(begun.map(each => this.#positions.get(keyOf(each))!))
    this.#group.askToRejoin()
  }

  /** What was put is of topics that were there before: it is written, and its offsets are nothing to commit in those that are there now. */
  async #leaveOld(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#flushed(giveUpMs)
    await this.#task.closed?.(partitions)
    for (const each of partitions) this.#put.delete(keyOf(each))
  }

  /** As `auto.offset.reset` says. */
  async #reset(partitions: readonly TopicPartition[]): Promise<void> {
    const { reset } = this.#settings
    if (partitions.length > 0 && reset === 'none')
      throw new Error('there are partitions without a valid offset, and auto.offset.reset is none')
    for (const [topic, some] of Map.groupBy(partitions, each => each.topic)) {
      const ids = some.map(each => each.partition)
      const found = await this.#client.offsets(topic, ids, reset === 'latest' ? 'latest' : 'earliest')
      for (const partition of ids) this.#begin({ topic, partition }, found.get(partition)!)
    }
  }

  #noticeTopic(topic: string): void {
    if (this.#topics.has(topic)) return
    this.#topics.add(topic)
    this.#run.tell({ kind: 'topic', topic })
  }

  #context(): SinkContext {
    return {
      ...this.#run.context,
      report: (record, error) => this.#report(record, error),
      seek: given => {
        const offsets = offsetsIn(given, 'seek') ?? []
        // What was fetched is from elsewhere.
        this.#next?.catch(() => {})
        this.#next = null
        for (const each of offsets) {
          if (!this.#positions.has(keyOf(each))) continue
          this.#begin(each, each.offset)
          this.#sought.add(keyOf(each))
        }
      },
    }
  }
}

function endsBefore({ topic, partition }: TopicPartition, offset: bigint, end: bigint): Error {
  return new Error(
    `the target has the records of ${topic}-${partition} up to offset ${offset}, but the partition ends at ${end}: the topic was made again, or has lost records. ` +
      'To read it from the start, delete the offsets that the target keeps for it, and reset those of the connector; or use a topic with another name',
  )
}
