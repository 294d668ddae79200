/**
 * Compares the wall clock with the monotonic clock, so that ages stay correct when the wall clock jumps (see `clock-history.ts`). Keeps the
 * history in the data directory, because a clock that is wrong at one start may be corrected before the next.
 *
 * Downtime cannot be distinguished from a jump, so downtime of more than an hour does not count. Neither does the time a machine sleeps.
 */
import type { Era } from './clock-history.ts'
import { crc32c } from './crc.ts'
import type { FileSystem } from './file-system.ts'
import type { Clock, System, Timer } from './system.ts'

export interface WatchedClock extends Clock {
  /**
   * What another clock shows at this moment, where the history of this one is not kept. If this one is far ahead, one of them is wrong, and what it
   * shows more does not count.
   */
  compare(otherMs: number): void
  /** Stores when the clock was last seen. */
  close(): Promise<void>
}

export interface ClockWatchOptions {
  system: System
  /** Where the history is kept. */
  path: string
  /** The clock jumped, or this run began long after the last one ended or before its end. */
  onJump(jumpMs: number): void
  /** The history could not be read (then nothing counts as old) or written (which is retried). */
  onFailure(error: Error): void
}

/** More than gradual clock corrections add up to. */
const toleratedJumpMs = 60_000
/** Downtime up to this length counts as real time. */
const toleratedPauseMs = 3_600_000
const lookEveryMs = 10_000
const noteEveryMs = 600_000
/** Above this number the oldest eras are dropped; ages that include them become too small. */
const mostEras = 500
/** Format 1 had no checksum. */
const format = 2

/** Resolves when the stored history has been read and compared with the clock. */
export async function watchClock(options: ClockWatchOptions): Promise<WatchedClock> {
  const watch = new ClockWatch(options)
  await watch.open()
  return {
    now: () => watch.now(),
    monotonic: () => options.system.clock.monotonic(),
    history: () => watch.history(),
    compare: otherMs => watch.compare(otherMs),
    close: () => watch.close(),
  }
}

class ClockWatch {
  readonly #options: ClockWatchOptions
  #eras: { from: number; to: number }[] = []
  #seenMonotonic = 0
  #notedMonotonic = 0
  #timer: Timer | null = null
  #noting: Promise<void> = Promise.resolve()

  constructor(options: ClockWatchOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    const { clock } = this.#options.system
    const nowMs = clock.now()
    this.#seenMonotonic = clock.monotonic()
    this.#eras = this.#load(nowMs)
    const pauseMs = nowMs - this.#eras.at(-1)!.to
    if (pauseMs < -toleratedJumpMs || pauseMs > toleratedPauseMs) this.#begin(nowMs, pauseMs)
    else this.#eras.at(-1)!.to += Math.max(0, pauseMs)
    await this.#note()
    this.#lookLater()
  }

  /** Looks, so that every stamp that is made lies in the era it is made in. */
  now(): number {
    return this.#look()
  }

  history(): readonly Era[] {
    this.#look()
    return this.#eras
  }

  compare(otherMs: number): void {
    const nowMs = this.#look()
    const aheadMs = nowMs - otherMs
    if (aheadMs <= toleratedJumpMs) return
    this.#eras = [{ from: Number.NEGATIVE_INFINITY, to: otherMs }]
    this.#begin(nowMs, aheadMs)
    void this.#note()
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
    this.#look()
    await this.#note()
  }

  #look(): number {
    const { clock } = this.#options.system
    const era = this.#eras.at(-1)!
    const nowMs = clock.now()
    const monotonic = clock.monotonic()
    const passedMs = monotonic - this.#seenMonotonic
    const jumpMs = nowMs - era.to - passedMs
    this.#seenMonotonic = monotonic
    if (Math.abs(jumpMs) <= toleratedJumpMs) {
      era.to = Math.max(era.to, nowMs)
      return nowMs
    }
    // It may have jumped right after the last look, so all time since then belongs to the new era.
    this.#begin(Math.floor(nowMs - passedMs), Math.round(jumpMs))
    this.#eras.at(-1)!.to = nowMs
    void this.#note()
    return nowMs
  }

  #begin(from: number, jumpMs: number): void {
    this.#eras.push({ from, to: from })
    if (this.#eras.length > mostEras) this.#eras.shift()
    this.#options.onJump(jumpMs)
  }

  #lookLater(): void {
    this.#timer = this.#options.system.timers.after(lookEveryMs, () => {
      this.#look()
      if (this.#seenMonotonic - this.#notedMonotonic >= noteEveryMs) void this.#note()
      this.#lookLater()
    })
  }

  #load(nowMs: number): { from: number; to: number }[] {
    const { system, path, onFailure } = this.#options
    try {
      const content = system.files.readFile(path)
      return content === null ? [{ from: Number.NEGATIVE_INFINITY, to: nowMs }] : decode(content)
    } catch (error) {
      onFailure(error as Error)
      // The past is unknown, so nothing counts as old.
      return [{ from: nowMs, to: nowMs }]
    }
  }

  #note(): Promise<void> {
    this.#notedMonotonic = this.#seenMonotonic
    this.#noting = this.#noting.then(() => write(this.#options.system.files, this.#options.path, this.#eras)).catch(this.#options.onFailure)
    return this.#noting
  }
}

async function write(files: FileSystem, path: string, eras: readonly Era[]): Promise<void> {
  const rows = eras.map(({ from, to }): Row => [Number.isFinite(from) ? from : null, Math.floor(to)])
  await files.replaceFile(path, Buffer.from(`${JSON.stringify({ version: format, checksum: checksumOf(rows), eras: rows })}\n`))
}

type Row = [from: number | null, to: number]

/** A single digit that turned over could make everything old. */
function checksumOf(rows: readonly Row[]): number {
  return crc32c(Buffer.from(JSON.stringify(rows)))
}

function decode(content: Buffer): { from: number; to: number }[] {
  const { version, checksum, eras } = JSON.parse(content.toString()) as { version: number; checksum?: number; eras: Row[] }
  if (version !== format && version !== 1) throw new Error(`version ${version} of the clock history is not supported`)
  if (version === format && checksum !== checksumOf(eras)) throw new Error('the clock history is damaged')
  const decoded = eras.map(([from, to]) => ({ from: from ?? Number.NEGATIVE_INFINITY, to }))
  if (decoded.length === 0 || !decoded.every(({ from, to }) => Number.isFinite(to) && from <= to))
    throw new Error('the clock history is damaged')
  return decoded
}
