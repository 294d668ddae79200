/**
 * Watches the free space of the volume. Below `log.free.bytes.floor` clients' records are refused, so that there is still enough space for
 * operations that free space: checkpoints, offset commits, deletions.
 *
 * Hides that the file system is queried at most once a second, however many appends there are, and periodically when there are none.
 */
import { DiskError, type System, type Timer } from '../base.ts'
import type { DiskSpace } from '../log.ts'

export interface FreeSpaceOptions {
  system: System
  directory: string
  /** 0: nothing is refused. */
  floorBytes(): number
  /** Called when space runs out, and when there is enough again. */
  report(what: string): void
}

const askEveryMs = 1000
const lookEveryMs = 10_000

export class FreeSpace implements DiskSpace {
  readonly #options: FreeSpaceOptions
  #freeBytes: number | null = null
  #askedMs = Number.NEGATIVE_INFINITY
  #wasLow = false
  #timer: Timer | null = null

  constructor(options: FreeSpaceOptions) {
    this.#options = options
  }

  start(): void {
    this.#look()
    this.#lookLater()
  }

  get freeBytes(): number | null {
    this.#look()
    return this.#freeBytes
  }

  get floorBytes(): number {
    return this.#options.floorBytes()
  }

  get shortage(): string | null {
    this.#look()
    const free = this.#freeBytes
    const floor = this.#options.floorBytes()
    if (free === null || free >= floor) return null
    return `The disk of ${this.#options.directory} has ${free} bytes free, less than log.free.bytes.floor=${floor}: produce requests are refused`
  }

  close(): void {
    this.#timer?.cancel()
  }

  #look(): void {
    const { system, directory, report } = this.#options
    const nowMs = system.clock.monotonic()
    if (nowMs - this.#askedMs < askEveryMs) return
    this.#askedMs = nowMs
    try {
      this.#freeBytes = system.files.freeBytes(directory)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      if (this.#freeBytes !== null) report(`cannot determine the free disk space: ${error.message}`)
      this.#freeBytes = null
    }
    const shortage = this.shortage
    if ((shortage !== null) === this.#wasLow) return
    this.#wasLow = shortage !== null
    report(shortage ?? `The disk of ${directory} has enough free space again: ${this.#freeBytes} bytes`)
  }

  #lookLater(): void {
    this.#timer = this.#options.system.timers.after(lookEveryMs, () => {
      this.#look()
      this.#lookLater()
    })
  }
}
