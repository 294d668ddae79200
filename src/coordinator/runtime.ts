/**
 * The coordinator runtime: one shard over one partition of the log.
 *
 * Hides loading (in time slices, so that gigabytes of log never block the event loop), the gathering of one turn's records into one
 * batch, the wait for the high watermark, timers, and recovery: when an append fails, the replayed state and the log
 * differ, so the shard is discarded and rebuilt from the log.
 */
import { growingMs, runInSlices, type System, Turns } from '../base.ts'
import type { Appended, PartitionLog } from '../log.ts'
import { buildMarkerBatch, KafkaError } from '../protocol.ts'
import { coordinatorError } from './runtime-errors.ts'
import { loadShard } from './runtime-load.ts'
import { batchSize, encodeBatch, sizeOf } from './runtime-records.ts'
import { ShardTimers } from './runtime-timers.ts'
import type {
  Coordinator,
  CoordinatorOptions,
  CoordinatorState,
  Decision,
  LogRecord,
  ProducerMarker,
  ProducerSession,
  Shard,
} from './shard.ts'
import type { TimerKey } from './timer-key.ts'

/** Replays the partition's log into a new shard, then serialises operations on it. */
export function openCoordinator<S extends Shard>(options: CoordinatorOptions<S>): Coordinator<S> {
  return new Runtime(options)
}

/** Pause before a failed load is tried again; doubles up to the second number. Clients wait for it. */
const reloadPauseMs = { first: 100, last: 5_000 }
/** Between two looks at a log that is offline. */
const offlinePauseMs = 500

/** What one batch's responses wait for. */
interface Barrier {
  passed: Promise<void>
  pass(): void
  fail(error: KafkaError): void
}

class Runtime<S extends Shard> implements Coordinator<S> {
  state: CoordinatorState = 'loading'
  loaded!: Promise<void>
  readonly #options: CoordinatorOptions<S>
  readonly #system: System
  readonly #log: PartitionLog
  readonly #timers: ShardTimers
  readonly #turns: Turns
  #shard: S | null = null
  /** Counts shards; work begun for an older one is dropped. */
  #epoch = 0
  #reloads = 0

  /** Replayed but not yet appended: the records of this turn and the barrier of their responses. */
  #gathered: LogRecord[] = []
  #gatheredBytes = 0
  /** What follows once the gathered records have their place in the log. */
  #followers: (() => Decision<void> | null)[] = []
  #gathering: Barrier | null = null
  #nextOffset = 0
  /** Appended but not yet past the high watermark, oldest first. The last one guards reads. */
  #unsettled: Barrier[] = []

  constructor(options: CoordinatorOptions<S>) {
    this.#options = options
    this.#system = options.system
    this.#log = options.partitionLog
    this.#turns = options.turns ?? new Turns(options.system)
    this.#timers = new ShardTimers(options.system, this.#turns, (key, step, failures) => this.#runTimer(key, step, failures))
    this.#load()
  }

  get shard(): S {
    if (this.#shard === null) throw this.#unavailable()
    return this.#shard
  }

  /** For what is answered from memory. In a cluster, another broker may lead the partition since a moment. */
  get #currentShard(): S {
    const { shard } = this
    const { offline } = this.#log
    if (offline !== null) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', offline)
    return shard
  }

  async write<R>(step: (shard: S) => Decision<R>): Promise<R> {
    const decision = step(this.#currentShard)
    const barrier = this.#decide(decision)
    if (barrier !== null) await barrier.passed
    const { response } = decision
    if (!(response instanceof Promise)) return response
    const settled = await response
    // A parked response may depend on records that another operation wrote when it settled this one.
    const later = this.#newestBarrier()
    if (later !== null) await later.passed
    return settled
  }

  async writeInSlices<R>(deciding: Generator<void, Decision<R>>): Promise<{ durable: Promise<R> }> {
    const epoch = this.#epoch
    const shard = this.#currentShard
    const { records, response } = await runInSlices(this.#turns, deciding)
    this.#requireSame(epoch)
    const tooLarge = this.#tooLarge(sizeOf(records))
    if (tooLarge !== null) throw tooLarge
    this.#flush()
    this.#requireSame(epoch)
    if (records.length === 0) return { durable: this.read(() => null).then(() => response) }
    await this.#replayInSlices(shard, records)
    this.#gathered = [...records]
    const barrier = (this.#gathering = makeBarrier())
    this.#flush()
    return { durable: barrier.passed.then(() => response) }
  }

  async #replayInSlices(shard: S, records: readonly LogRecord[]): Promise<void> {
    const epoch = this.#epoch
    const now = this.#system.clock.now()
    for (const record of records) {
      if (this.#turns.over) {
        await this.#turns.next()
        this.#requireSame(epoch)
      }
      this.#replayOwn(shard, record, now)
    }
  }

  /** What was begun for a shard that is no more has come to nothing. */
  #requireSame(epoch: number): void {
    if (epoch !== this.#epoch) throw this.#unavailable()
  }

  async writeTransactional<R>(producer: ProducerSession, step: (shard: S) => Decision<R>): Promise<R> {
    const { records, response } = step(this.#currentShard)
    if (records.length === 0) return this.read(() => response)
    const tooLarge = this.#tooLarge(sizeOf(records))
    if (tooLarge !== null) throw tooLarge
    const batch = encodeBatch(records, this.#system.clock.now(), producer)
    const barrier = this.#appendNow(batch, (shard, first) => {
      const now = this.#system.clock.now()
      for (let index = 0; index < records.length; index++) shard.replay(records[index]!, first + index, now, producer.producerId)
    })
    await barrier.passed
    return response
  }

  endTransaction(marker: ProducerMarker): Promise<void> {
    const batch = buildMarkerBatch({ ...marker, timestamp: this.#system.clock.now() })
    const { producerId, producerEpoch, committed } = marker
    return this.#appendNow(batch, shard => shard.replayMarker?.(producerId, producerEpoch, committed)).passed
  }

  async read<R>(view: (shard: S) => R): Promise<R> {
    const result = view(this.#currentShard)
    const barrier = this.#newestBarrier()
    if (barrier !== null) await barrier.passed
    return result
  }

  close(): void {
    if (this.state === 'closed') return
    this.#flush()
    this.#discard('closed')
  }

  /** Replays the records and returns what their response has to wait for; null if everything written so far is visible. */
  #decide<R>({ records, atomic = true, headroom, rejected, appended }: Decision<R>): Barrier | null {
    let barrier = this.#newestBarrier()
    if (atomic) barrier = this.#accept(records, rejected, headroom)
    else for (const record of records) barrier = this.#accept([record], rejected, headroom)
    if (appended !== undefined && records.length > 0) this.#followers.push(appended)
    return barrier
  }

  #accept(records: readonly LogRecord[], rejected?: (error: KafkaError) => void, headroom = 0): Barrier | null {
    if (records.length === 0) return this.#newestBarrier()
    const bytes = sizeOf(records)
    // Before anything is replayed: to find out later would cost the shard its state.
    const tooLarge = this.#tooLarge(bytes + headroom)
    if (tooLarge !== null) {
      rejected?.(tooLarge)
      throw tooLarge
    }
    if (batchSize(this.#gatheredBytes + bytes) > this.#mostBytes) this.#flush()
    const shard = this.shard
    this.#gathering ??= this.#gather()
    const barrier = this.#gathering
    const now = this.#system.clock.now()
    for (const record of records) {
      this.#gathered.push(record)
      this.#replayOwn(shard, record, now)
    }
    this.#gatheredBytes += bytes
    return barrier
  }

  /** What is not yet in the log. */
  #replayOwn(shard: S, record: LogRecord, now: number): void {
    try {
      shard.replay(record, this.#nextOffset++, now, -1)
    } catch (error) {
      // Appended, it would make every later load fail.
      this.#options.report?.('a record cannot be replayed; reloading the shard', error)
      const failure = coordinatorError(error)
      this.#lose(failure)
      throw failure
    }
  }

  /** The largest batch that the log takes. */
  get #mostBytes(): number {
    const { maxMessageBytes, segmentBytes } = this.#log.config
    return Math.min(maxMessageBytes, segmentBytes)
  }

  /** The error for records that do not fit into a batch; null: they do. */
  #tooLarge(recordBytes: number): KafkaError | null {
    const limit = this.#mostBytes
    if (batchSize(recordBytes) <= limit) return null
    const message = `${recordBytes} bytes of records exceed the limit of ${limit} for a batch`
    return coordinatorError(new KafkaError('RECORD_LIST_TOO_LARGE', message))
  }

  /** Begins a batch, which is appended at the end of this turn of the event loop. */
  #gather(): Barrier {
    const epoch = this.#epoch
    this.#system.timers.soon(() => {
      if (epoch === this.#epoch) this.#flush()
    })
    return makeBarrier()
  }

  #newestBarrier(): Barrier | null {
    return this.#gathering ?? this.#unsettled.at(-1) ?? null
  }

  #flush(): void {
    const barrier = this.#gathering
    if (barrier === null) return
    const records = this.#gathered
    const followers = this.#followers
    this.#gathering = null
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#followers = []
    this.#unsettled.push(barrier)
    const epoch = this.#epoch
    try {
      const batch = encodeBatch(records, this.#system.clock.now())
      const expectedOffset = this.#nextOffset - records.length
      this.#await(barrier, this.#log.append(batch, { origin: 'coordinator', expectedOffset }))
    } catch (error) {
      this.#options.report?.('append failed; reloading the shard', error)
      this.#lose(coordinatorError(error))
    }
    for (const follower of followers) if (epoch === this.#epoch) this.#follow(follower)
  }

  #follow(follower: () => Decision<void> | null): void {
    try {
      const decision = follower()
      if (decision !== null) this.#decide(decision)
    } catch (error) {
      // What it would have done is found again in the state when the shard is loaded.
      this.#options.report?.('a follow-up step failed; reloading the shard', error)
      this.#lose(coordinatorError(error))
    }
  }

  /** Appends a batch of its own behind all that was gathered, and replays it only then: what the log refuses changes nothing. */
  #appendNow(batch: Buffer, replay: (shard: S, firstOffset: number) => void): Barrier {
    this.#flush()
    const shard = this.shard
    let appended: Appended
    try {
      appended = this.#log.append(batch, { origin: 'coordinator', expectedOffset: this.#nextOffset })
    } catch (error) {
      throw coordinatorError(error)
    }
    const barrier = makeBarrier()
    this.#unsettled.push(barrier)
    this.#nextOffset = appended.lastOffset + 1
    replay(shard, appended.baseOffset)
    this.#await(barrier, appended)
    return barrier
  }

  /** Releases the barrier when readers see what was appended. */
  #await(barrier: Barrier, { lastOffset, written }: Appended): void {
    const epoch = this.#epoch
    written?.catch(error => {
      if (epoch !== this.#epoch) return
      this.#options.report?.('records were not written; reloading the shard', error)
      this.#lose(coordinatorError(error))
    })
    this.#settleAt(barrier, lastOffset)
  }

  /** Releases the barrier when readers see `offset`. */
  #settleAt(barrier: Barrier, offset: number): void {
    if (this.#log.highWatermark > offset) {
      this.#settle(barrier)
      return
    }
    const epoch = this.#epoch
    this.#log.whenPast(offset, 'high-watermark', () => {
      if (epoch !== this.#epoch) return
      if (this.#log.highWatermark > offset) {
        this.#settle(barrier)
        return
      }
      const cause = new KafkaError('KAFKA_STORAGE_ERROR', this.#log.offline ?? 'the partition was deleted, or another broker leads it')
      this.#options.report?.('records did not become durable', cause)
      this.#discard('failed', coordinatorError(cause))
      // Not at once: the partition is offline or deleted, and would fail the same way.
      this.#loadLater()
    })
  }

  #settle(barrier: Barrier): void {
    const index = this.#unsettled.indexOf(barrier)
    if (index >= 0) this.#unsettled.splice(index, 1)
    barrier.pass()
  }

  /** The log refused what the shard has already replayed. */
  #lose(error: KafkaError): void {
    this.#discard('loading', error)
    this.#load()
  }

  #discard(state: CoordinatorState, error = new KafkaError('NOT_COORDINATOR', 'The coordinator was unloaded')): void {
    const shard = this.#shard
    const waiting = this.#gathering === null ? this.#unsettled : [...this.#unsettled, this.#gathering]
    this.#epoch++
    this.state = state
    this.#shard = null
    this.#gathering = null
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#followers = []
    this.#unsettled = []
    this.#timers.clear()
    for (const barrier of waiting) barrier.fail(error)
    shard?.unload()
  }

  #load(): void {
    this.loaded = this.#loadNow()
    // Nobody need wait for it; every operation reports the failure as well.
    this.loaded.catch(() => {})
  }

  async #loadNow(): Promise<void> {
    const epoch = this.#epoch
    this.state = 'loading'
    try {
      if (this.#log.offline !== null) throw new KafkaError('KAFKA_STORAGE_ERROR', this.#log.offline)
      const shard = this.#options.makeShard({
        clock: this.#system.clock,
        schedule: (key, delayMs, step) => {
          if (epoch === this.#epoch) this.#timers.schedule(key, delayMs, step)
        },
        scheduleIfAbsent: (key, delayMs, step) => {
          if (epoch === this.#epoch) this.#timers.scheduleIfAbsent(key, delayMs, step)
        },
        cancel: key => {
          if (epoch === this.#epoch) this.#timers.cancel(key)
        },
      })
      const { restore, skipped } = this.#options
      const wanted = () => epoch === this.#epoch
      const start = restore === undefined ? this.#log.logStartOffset : await restore(shard)
      // A new partition is ready immediately, so that its first client need not retry.
      if (start < this.#log.logEndOffset) await loadShard({ turns: this.#turns, log: this.#log, shard, from: start, wanted, skipped })
      if (!wanted()) return
      const end = this.#log.logEndOffset
      this.#shard = shard
      this.#nextOffset = end
      this.state = 'active'
      this.#reloads = 0
      shard.loaded()
      this.#guardLoaded(end)
    } catch (error) {
      if (epoch !== this.#epoch) return
      this.#options.report?.('loading failed', error)
      this.#discard('failed')
      this.#loadLater()
      throw coordinatorError(error)
    }
  }

  /** Loaded records may not be durable yet, and must not be exposed before. */
  #guardLoaded(end: number): void {
    if (this.#log.highWatermark >= end) return
    const barrier = makeBarrier()
    this.#unsettled.push(barrier)
    this.#settleAt(barrier, end - 1)
  }

  #loadLater(): void {
    const epoch = this.#epoch
    const pause = this.#log.offline === null ? growingMs(reloadPauseMs, this.#reloads++) : offlinePauseMs
    this.#system.timers.after(pause, () => {
      if (epoch !== this.#epoch || this.state !== 'failed') return
      if (this.#log.offline === null) this.#load()
      // It says itself why, and no load has failed meanwhile.
      else this.#loadLater()
    })
  }

  #runTimer(key: TimerKey, step: () => Decision<void>, failures: number): void {
    const epoch = this.#epoch
    this.write(step).catch(error => {
      // A shard that was lost arms its timers again when it is loaded.
      if (epoch !== this.#epoch) return
      // Not the step failed: it waits for the log, which says itself why it is offline, and runs soon after that is back.
      if (this.#log.offline !== null) return this.#timers.retry(key, step, 1)
      this.#options.report?.(`timer ${key} failed`, error)
      this.#timers.retry(key, step, failures + 1)
    })
  }

  #unavailable(): KafkaError {
    return this.state === 'loading'
      ? new KafkaError('COORDINATOR_LOAD_IN_PROGRESS', 'The coordinator is loading its state from the log')
      : new KafkaError('NOT_COORDINATOR', `The coordinator is ${this.state}`)
  }
}

function makeBarrier(): Barrier {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // A batch without waiters (timers) may fail unobserved: `report` has reported it.
  promise.catch(() => {})
  return { passed: promise, pass: resolve, fail: reject }
}
