/**
 * A machine with simulated time, randomness and disk: the seed determines everything that happens.
 *
 * Time does not advance while code runs, and jumps to the next timer when nothing is left to do, so a minute of waiting costs nothing.
 * Promises are as deterministic as what settles them: between two events the world lets Node drain every microtask.
 */
import { type System, trustingClock } from '../../src/base.ts'
import { type Disk, type Image, simulatedDisk } from './disk.ts'
import { type SeededRandom, seededRandom } from './random.ts'

export interface World {
  readonly system: System
  readonly disk: Disk
  readonly random: SeededRandom
  /** Lets the world go on until `work` settles. Throws when nothing is left that could settle it. */
  run<T>(work: Promise<T>): Promise<T>
  /** Lets this much time pass. */
  pass(ms: number): Promise<void>
  /** Moves the wall clock, as an operator or NTP might; the monotonic clock does not notice. */
  jumpClock(ms: number): void
  /** Appends to the run's history, which two runs of a seed must share. */
  note(line: string): void
  readonly history: readonly string[]
}

export interface WorldOptions {
  seed: number
  /** What the disk holds at first; empty by default. */
  image?: Image
}

const firstWallClockMs = Date.UTC(2026, 0, 1)

export function simulatedWorld(options: WorldOptions): World {
  const random = seededRandom(options.seed)
  const events = new EventQueue()
  let wallOffsetMs = firstWallClockMs
  const diskRandom = random.fork()
  const disk = simulatedDisk({
    image: options.image,
    random: diskRandom,
    delay: () => new Promise(resolve => events.add(0.1 + diskRandom.fraction() * 2.9, resolve)),
  })
  const history: string[] = []
  return {
    system: {
      clock: trustingClock(
        () => Math.floor(wallOffsetMs + events.nowMs),
        () => events.nowMs,
      ),
      timers: {
        after: (delayMs, callback) => events.add(Math.max(delayMs, 0), callback),
        soon: callback => void events.add(0, callback),
      },
      random: random.fork(),
      files: disk.files,
    },
    disk,
    random: random.fork(),
    history,
    run: work => runUntilSettled(events, work),
    pass: ms => runUntilSettled(events, new Promise<void>(resolve => events.add(ms, resolve))),
    jumpClock: ms => {
      wallOffsetMs += ms
    },
    note: line => void history.push(`${events.nowMs.toFixed(3)} ${line}`),
  }
}

interface Event {
  atMs: number
  order: number
  callback: () => void
}

/** Events by time, then by the order in which they were asked for. */
class EventQueue {
  nowMs = 0
  #order = 0
  readonly #events: Event[] = []

  add(delayMs: number, callback: () => void): { cancel(): void } {
    const event = { atMs: this.nowMs + delayMs, order: this.#order++, callback }
    this.#events.splice(this.#placeOf(event), 0, event)
    return { cancel: () => this.#remove(event) }
  }

  /** Behind all that are later. */
  #placeOf({ atMs, order }: Event): number {
    let low = 0
    for (let high = this.#events.length; low < high; ) {
      const middle = (low + high) >> 1
      const other = this.#events[middle]!
      if (other.atMs > atMs || (other.atMs === atMs && other.order > order)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    const event = this.#events.pop()
    if (event === undefined) return false
    this.nowMs = event.atMs
    event.callback()
    return true
  }

  #remove(event: Event): void {
    const place = this.#placeOf(event)
    if (this.#events[place] === event) this.#events.splice(place, 1)
  }
}

async function runUntilSettled<T>(events: EventQueue, work: Promise<T>): Promise<T> {
  let settled = false
  const end = () => {
    settled = true
  }
  work.then(end, end)
  await microtasksDrained()
  while (!settled) {
    if (!events.step()) throw new Error('the simulated world stands still: nothing is left that could settle what is awaited')
    await microtasksDrained()
  }
  return work
}

function microtasksDrained(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
