/**
 * The metadata of a broker that does not keep the metadata log: an image that follows a {@link MetadataLog} of another broker.
 *
 * Hides how a change gets there. One write at a time decides on the image and appends where the image ends. If others were faster, the
 * image catches up and the step decides again. What is replayed was accepted before, so nothing is ever taken back.
 *
 * While the log cannot be reached, changes fail with retriable errors, and the last image serves readers. An append whose answer was lost
 * is repeated until its fate is known, and nothing else is written meanwhile; its caller waits no longer than {@link answerWithinMs}.
 * A step may run several times, so it must have no effects but its decision: records and a response.
 */
import { growingMs, runInSlices, type System, type Timer, Turns } from '../../base.ts'
import { KafkaError, type Offset } from '../../protocol.ts'
import { coordinatorError } from '../runtime-errors.ts'
import type { Decision, LogRecord } from '../shard.ts'
import { isDeciding, type Step } from './deciding.ts'
import type { MetadataHome } from './metadata-home.ts'
import {
  type AppendMetadata,
  type MetadataLog,
  type MetadataSlice,
  newImage,
  type PlacedRecord,
  type SnapshotPlace,
} from './metadata-log.ts'
import type { ClusterShard } from './shard.ts'
import { snapshotBatches } from './snapshot-file.ts'

export interface FollowedMetadataOptions {
  system: System
  log: MetadataLog
  makeShard(): ClusterShard
  /** Records have been replayed. */
  changed(): void
  report(what: string, error: unknown): void
}

/** A lost notification costs so long. */
const pollMs = 1_000
/** Between two attempts to load, or to learn the fate of an append; doubles up to the second number. */
const pauseMs = { first: 20, last: 2_000 }
/** Who wants to know that the image is the newest one causes a read, but not more often than this, however many ask. */
const leastCatchUpMs = 5
/** How often others may be faster, one after the other. */
const mostAttempts = 100
const answerWithinMs = 30_000
const mostWaiting = 1_000
/** The log could not be reached, or not in time. */
const passing: ReadonlySet<string> = new Set(['COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_LOAD_IN_PROGRESS', 'REQUEST_TIMED_OUT'])
const sessionBytes = 16
const counterBytes = 6

export class FollowedMetadata implements MetadataHome {
  readonly shared = null
  readonly loaded: Promise<void>
  readonly #options: FollowedMetadataOptions
  readonly #log: MetadataLog
  readonly #turns: Turns
  /** Makes the ids of this object's appends differ from those of all others. */
  readonly #session = Buffer.alloc(sessionBytes)
  #appends = 0
  /** Null until the log has been read to its end. */
  #shard: ClusterShard | null = null
  /** The end of the last slice that was replayed: all that is read is durable, and a slice is published as a whole. */
  #durableOffset: Offset = 0
  /** Settles when nobody looks at the image or changes it: replaying takes several turns. */
  #imageFree: Promise<unknown> = Promise.resolve()
  /** Has not begun to read yet: it is for all who ask until then. */
  #nextCatchUp: Promise<void> | null = null
  #lastCatchUp: Promise<unknown> = Promise.resolve()
  #lastCatchUpMs = Number.NEGATIVE_INFINITY
  /** How many have begun, and the last one that has succeeded. */
  #catchUps = { begun: 0, done: 0 }
  #lastWrite: Promise<unknown> = Promise.resolve()
  #waiting = 0
  /** The log may hold more than the image. */
  #behind = true
  /** Up to here it goes on, as was told since the last look; 0: nothing was told. */
  #announced: Offset = 0
  #following = false
  #failing = false
  #takingSnapshot = false
  #closed = false
  readonly #sleepers = new Set<{ timer: Timer; wake(): void }>()
  #subscription: { cancel(): void } | null = null

  constructor(options: FollowedMetadataOptions) {
    this.#options = options
    this.#log = options.log
    this.#turns = new Turns(options.system)
    options.system.random.fill(this.#session)
    this.loaded = this.#load()
    this.loaded.catch(() => {})
  }

  get durableOffset(): Offset {
    return this.#durableOffset
  }

  async write<R>(step: Step<R>, append: AppendMetadata = this.#appendToLog): Promise<R> {
    const { begun } = this.#catchUps
    const first = await this.#writeInTurn(step, append, begun)
    if (first !== notNewest) return first
    // Others may write meanwhile.
    await this.catchUp()
    return (await this.#writeInTurn(step, append, begun)) as R
  }

  async #writeInTurn<R>(step: Step<R>, append: AppendMetadata, since: number): Promise<R | typeof notNewest> {
    if (this.#waiting === mostWaiting) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', 'Too many changes of the metadata wait')
    let begun = false
    let givenUp = false
    const result = this.#lastWrite.then(() => {
      if (givenUp) throw unavailable('The change was given up')
      begun = true
      return this.#writeNow(step, append, since)
    })
    this.#waiting++
    const settled = () => {
      this.#waiting--
      // Whoever waited for it would have published it.
      if (givenUp) this.#options.changed()
    }
    this.#lastWrite = result.then(settled, settled)
    const tooLate = Promise.withResolvers<never>()
    const deadline = this.#options.system.timers.after(answerWithinMs, () => {
      givenUp = true
      tooLate.reject(begun ? unknownFate() : unavailable('Earlier changes of the metadata take too long'))
    })
    try {
      return await Promise.race([result, tooLate.promise])
    } finally {
      deadline.cancel()
    }
  }

  async writeFirst<R>(step: Step<R>): Promise<R> {
    for (let failures = 0; ; failures++) {
      try {
        return await this.write(step)
      } catch (error) {
        if (this.#closed || !(error instanceof KafkaError) || !passing.has(error.name)) throw error
        this.#noteFailure(error)
        await this.#sleep(growingMs(pauseMs, failures))
      }
    }
  }

  catchUp(anew = false): Promise<void> {
    if (anew) return this.#withImage(async () => this.#begin(await this.#log.read(newImage)))
    this.#nextCatchUp ??= this.#catchUpSoon()
    return this.#nextCatchUp
  }

  async #catchUpSoon(): Promise<void> {
    await this.#lastCatchUp
    const { clock } = this.#options.system
    const restMs = this.#lastCatchUpMs + leastCatchUpMs - clock.monotonic()
    if (restMs > 0) await this.#sleep(restMs)
    this.#nextCatchUp = null
    this.#lastCatchUpMs = clock.monotonic()
    const number = ++this.#catchUps.begun
    const run = this.#withImage(() => this.#catchUp(null))
    this.#lastCatchUp = run.catch(() => {})
    await run
    this.#catchUps.done = number
  }

  /** Nothing waits for a snapshot: the log is there without it, and the next change tries again. */
  async published(): Promise<void> {
    const { snapshots } = this.#log
    if (snapshots === undefined || this.#takingSnapshot || !snapshots.isDue(this.#durableOffset)) return
    this.#takingSnapshot = true
    void this.#takeSnapshot(snapshots).finally(() => {
      this.#takingSnapshot = false
    })
  }

  async #takeSnapshot(snapshots: SnapshotPlace): Promise<void> {
    try {
      const taken = await this.#withImage(() => this.#encodeImage())
      if (taken !== null) await snapshots.put(taken.batches, taken.end)
    } catch (error) {
      if (!this.#closed) this.#options.report('cannot write a snapshot of the metadata', error)
    }
  }

  async #encodeImage(): Promise<{ batches: Buffer[]; end: Offset } | null> {
    const shard = this.#shard
    if (shard === null) return null
    const batches: Buffer[] = []
    for (const batch of snapshotBatches(shard.image.records(), this.#options.system.clock.now())) {
      batches.push(batch)
      if (this.#turns.over) await this.#turns.next()
    }
    return { batches, end: shard.nextOffset }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#subscription?.cancel()
    for (const { timer, wake } of [...this.#sleepers]) {
      timer.cancel()
      wake()
    }
    this.#drop()
    this.#log.close()
  }

  // ---- writing

  readonly #appendToLog: AppendMetadata = (expected, records, id) => this.#log.append(expected, records, id)

  /** What it finds unnecessary, or refuses, it does on an image that is newer than catch-up `since`, or answers {@link notNewest}. */
  async #writeNow<R>(step: Step<R>, append: AppendMetadata, since: number): Promise<R | typeof notNewest> {
    let isNewest = false
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const { shard, expected, decided } = await this.#withImage(async () => {
        if (this.#behind || this.#shard === null) {
          await this.#catchUp(null)
          isNewest = true
        }
        const shard = this.#current()
        // Before the step, which decides what it answers on this state.
        const expected = shard.nextOffset
        return { shard, expected, decided: await this.#outcomeOf(step, shard) }
      })
      if (decided instanceof KafkaError || decided.records.length === 0) {
        // Others may have changed what it was decided on; with records, the append would show it.
        if (!isNewest && this.#catchUps.done <= since) return notNewest
        if (decided instanceof KafkaError) throw decided
        return decided.response
      }
      const { records, response } = decided
      const { accepted, repeated } = await this.#append(expected, records, append)
      if (accepted) {
        await this.#withImage(() => this.#replayOwn(shard, expected, records))
        return response
      }
      await this.#withImage(() => this.#catchUp(expected))
      // The log was read from a snapshot on, which does not show what stood at this offset.
      if (repeated && this.#shard !== shard) throw unknownFate()
    }
    throw unavailable(`Other brokers changed the metadata first, ${mostAttempts} times`)
  }

  async #outcomeOf<R>(step: Step<R>, shard: ClusterShard): Promise<Decision<R> | KafkaError> {
    try {
      const made = step(shard)
      return isDeciding(made) ? await runInSlices(this.#turns, made) : made
    } catch (error) {
      if (error instanceof KafkaError) return error
      throw error
    }
  }

  /** `repeated`: there was a call whose fate was not known. */
  async #append(
    expected: Offset,
    records: readonly LogRecord[],
    append: AppendMetadata,
  ): Promise<{ accepted: boolean; repeated: boolean }> {
    const id = this.#nextId()
    for (let failures = 0; ; failures++) {
      const repeated = failures > 0
      try {
        return { accepted: await append(expected, records, id), repeated }
      } catch (error) {
        const isRefused = error instanceof KafkaError
        // Nor did an earlier call append anything: the log is a shorter one, as catching up will find.
        if (isRefused && error.name === 'OFFSET_OUT_OF_RANGE') return { accepted: false, repeated: false }
        if (isRefused && !repeated) throw coordinatorError(error)
        if (!repeated) this.#options.report('asking again whether records were appended to the metadata log', error)
      }
      await this.#sleep(growingMs(pauseMs, failures))
      if (this.#closed) throw unknownFate()
    }
  }

  #nextId(): Buffer {
    const id = Buffer.alloc(sessionBytes + counterBytes)
    this.#session.copy(id)
    id.writeUIntBE(this.#appends++, sessionBytes, counterBytes)
    return id
  }

  async #replayOwn(shard: ClusterShard, expected: Offset, records: readonly LogRecord[]): Promise<void> {
    try {
      if (this.#shard === shard && shard.nextOffset === expected) {
        const placed = records.map((record, index) => ({ offset: expected + index, record }))
        await this.#replay(shard, { records: placed, end: expected + records.length })
        // The append's mark follows.
        this.#behind = true
      } else await this.#catchUp(expected)
    } catch (error) {
      // It is in the log all the same, and will be read from there.
      this.#noteFailure(error)
    }
  }

  // ---- reading

  async #load(): Promise<void> {
    for (let failures = 0; this.#shard === null; failures++) {
      if (this.#closed) throw closedError()
      try {
        await this.#withImage(() => this.#catchUp(null))
      } catch (error) {
        this.#noteFailure(error)
        await this.#sleep(growingMs(pauseMs, failures))
      }
    }
    if (this.#closed) throw closedError()
    this.#subscription = this.#log.onChanged(end => void this.#follow(end))
    void this.#poll()
  }

  async #poll(): Promise<void> {
    for (;;) {
      await this.#sleep(pollMs)
      if (this.#closed) return
      await this.#follow()
    }
  }

  /** Up to `end`, which saves asking whether that is all: partitions that change their leader wait for it. By default up to what the log has. */
  async #follow(end: Offset = Number.POSITIVE_INFINITY): Promise<void> {
    this.#behind = true
    this.#announced = Math.max(this.#announced, end)
    if (this.#following) return
    this.#following = true
    try {
      while (this.#behind && !this.#closed) await this.#withImage(() => this.#catchUpWithAnnounced())
      this.#failing = false
    } catch (error) {
      this.#noteFailure(error)
    } finally {
      this.#following = false
    }
  }

  #catchUpWithAnnounced(): Promise<void> {
    const end = this.#announced
    this.#announced = 0
    this.#behind = false
    return this.#catchUp(end === 0 ? null : end - 1)
  }

  /** Once until it works again. */
  #noteFailure(error: unknown): void {
    this.#behind = true
    if (this.#closed || this.#failing) return
    this.#failing = true
    this.#options.report('cannot follow the metadata log; trying again', error)
  }

  /** Tasks run one at a time: nobody sees a part of a batch. */
  #withImage<R>(task: () => Promise<R>): Promise<R> {
    const run = this.#imageFree.then(task)
    this.#imageFree = run.catch(() => {})
    return run
  }

  #current(): ClusterShard {
    if (this.#closed) throw closedError()
    if (this.#shard === null) throw new KafkaError('COORDINATOR_LOAD_IN_PROGRESS', 'The metadata is being loaded')
    return this.#shard
  }

  /** Replays until the image contains `offset`, or all there is. */
  async #catchUp(offset: Offset | null): Promise<void> {
    if (this.#closed) throw closedError()
    const shard = this.#shard
    if (offset === null) this.#behind = false
    if (shard === null) return this.#begin(await this.#log.read(newImage))
    const before = shard.nextOffset
    try {
      while (offset === null || shard.nextOffset <= offset) {
        const slice = await this.#readOn(shard.nextOffset)
        if (this.#closed) throw closedError()
        if (slice.isSnapshot) return await this.#begin(slice)
        if (slice.end <= shard.nextOffset) return
        await this.#replay(shard, slice)
      }
    } finally {
      if (this.#durableOffset > before) this.#options.changed()
    }
  }

  async #readOn(from: Offset): Promise<MetadataSlice> {
    try {
      return await this.#log.read(from)
    } catch (error) {
      if (!(error instanceof KafkaError) || error.name !== 'OFFSET_OUT_OF_RANGE') throw error
      this.#options.report('the metadata log is not the one that was followed; loading it anew', error)
      return this.#log.read(newImage)
    }
  }

  /** Makes a new image, which is used when it has all that the log holds. */
  async #begin(state: MetadataSlice): Promise<void> {
    this.#drop()
    let slice = state
    let shard = this.#options.makeShard()
    for (;;) {
      if (this.#closed) throw closedError()
      if (slice.isSnapshot && slice !== state) shard = this.#options.makeShard()
      else if (!slice.isSnapshot && slice.end <= shard.nextOffset) break
      await this.#replayInto(shard, slice.records)
      shard.nextOffset = slice.end
      slice = await this.#log.read(shard.nextOffset)
    }
    this.#shard = shard
    this.#durableOffset = shard.nextOffset
    shard.loaded()
  }

  #drop(): void {
    this.#shard?.unload()
    this.#shard = null
  }

  async #replay(shard: ClusterShard, { records, end }: Omit<MetadataSlice, 'isSnapshot'>): Promise<void> {
    try {
      await this.#replayInto(shard, records)
    } catch (error) {
      // A part of them has changed it.
      this.#drop()
      throw error
    }
    shard.nextOffset = end
    this.#durableOffset = end
  }

  async #replayInto(shard: ClusterShard, records: readonly PlacedRecord[]): Promise<void> {
    for (const { offset, record } of records) {
      if (this.#turns.over) await this.#turns.next()
      shard.replay(record, offset)
    }
  }

  #sleep(ms: number): Promise<void> {
    if (this.#closed) return Promise.resolve()
    return new Promise(resolve => {
      const wake = () => {
        this.#sleepers.delete(sleeper)
        resolve()
      }
      const sleeper = { timer: this.#options.system.timers.after(ms, wake), wake }
      this.#sleepers.add(sleeper)
    })
  }
}

/** Of a write that has to be decided again. */
const notNewest = Symbol('not the newest image')

function unknownFate(): KafkaError {
  return new KafkaError('REQUEST_TIMED_OUT', 'It is not known whether the change was made: the metadata log did not answer in time')
}

function unavailable(message: string): KafkaError {
  return new KafkaError('COORDINATOR_NOT_AVAILABLE', message)
}

function closedError(): KafkaError {
  return new KafkaError('NOT_COORDINATOR', 'The metadata is closed')
}
