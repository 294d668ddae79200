/** Time, randomness, timers and the file system as values, so that a test or a simulation can replace each of them. */
import { randomFillSync } from 'node:crypto'
import type { ClockHistory } from './clock-history.ts'
import type { FileSystem } from './file-system.ts'
import { localFileSystem } from './local-file-system.ts'

export interface Clock {
  /** Wall clock, milliseconds since the epoch. May jump; only for what is stored or shown. */
  now(): number
  /** For what expires: how long ago the wall clock showed a time is `ageOf(time, clock.history())`, though it jumped since. */
  history(): ClockHistory
  /** Milliseconds from an arbitrary start, never going back, with fractions. For every timeout and every measurement. */
  monotonic(): number
}

export interface Timer {
  /** After this returns, the callback will not run. Harmless when it already ran. */
  cancel(): void
}

export interface Timers {
  /** Runs `callback` once after `delayMs` on the monotonic clock. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer
  /** Runs `callback` at the end of this turn of the event loop, after all input that is ready now has been read. */
  soon(callback: () => void): void
}

export interface Random {
  fill(buffer: Uint8Array): void
  /** A whole number in [0, bound). */
  below(bound: number): number
}

export interface System {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly files: FileSystem
}

/** The machine this process runs on; `files` may be replaced (`memory: true`). */
export function realSystem(files: FileSystem = localFileSystem()): System {
  return { clock: realClock, timers: realTimers, random: realRandom, files }
}

/** A clock without history, whose times are trusted; a broker uses `watchClock`. */
export function trustingClock(now: () => number, monotonic: () => number): Clock {
  return { now, monotonic, history: () => [{ from: Number.NEGATIVE_INFINITY, to: now() }] }
}

const realClock = trustingClock(
  () => Date.now(),
  () => performance.now(),
)

/** setTimeout turns a longer delay into 1 ms. */
const longestDelayMs = 2 ** 31 - 1

const realTimers: Timers = {
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), longestDelayMs))
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
  soon: callback => void setImmediate(callback),
}

/** Asking the system for a few bytes costs as much as for a few thousand: so they are drawn ahead. */
const drawn = Buffer.alloc(4_096)
let used = drawn.length
const word = Buffer.alloc(4)

const realRandom: Random = {
  fill(buffer) {
    if (buffer.length > drawn.length / 16) randomFillSync(buffer)
    else {
      if (used + buffer.length > drawn.length) {
        randomFillSync(drawn)
        used = 0
      }
      buffer.set(drawn.subarray(used, used + buffer.length))
      // What was given may be a secret.
      drawn.fill(0, used, used + buffer.length)
      used += buffer.length
    }
  },
  below(bound) {
    realRandom.fill(word)
    return Math.floor((word.readUInt32BE() / 2 ** 32) * bound)
  },
}
