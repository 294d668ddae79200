/**
 * Which bytes of a partition's files are certainly still in the page cache: those written less than a minute ago, unless the log has
 * written more than an eighth of the available memory since. Such bytes are read synchronously, because a thread would cost more than the
 * copy; all others may have to come from the disk, and must not block the event loop.
 */
import type { Clock, FileSystem } from '../../base.ts'
import type { Segment } from '../segments/segment.ts'

const keptMs = 60_000
const shareOfMemory = 1 / 8
/** Where the operating system does not say how much memory there is. */
const usualMemoryBytes = 512 << 20

/** Everything from `position` of the segment on was written later. */
interface Mark {
  readonly segment: Segment
  readonly position: number
  /** What the log had written by then, and when that was (monotonic). */
  readonly writtenBytes: number
  readonly writtenMs: number
}

/** Of all partitions of one log. */
export class PageCache {
  readonly #clock: Clock
  readonly #keptBytes: number
  #writtenBytes = 0

  constructor(clock: Clock, files: FileSystem) {
    this.#clock = clock
    this.#keptBytes = memoryBytes(files) * shareOfMemory
  }

  wrote(bytes: number): void {
    this.#writtenBytes += bytes
  }

  mark(segment: Segment, position: number): Mark {
    return { segment, position, writtenBytes: this.#writtenBytes, writtenMs: this.#clock.monotonic() }
  }

  /** Whether bytes written since the mark are kept; `share` of the time, and of the memory, for which they are. */
  keeps(mark: Mark, share = 1): boolean {
    if (this.#writtenBytes - mark.writtenBytes > share * this.#keptBytes) return false
    return this.#clock.monotonic() - mark.writtenMs <= share * keptMs
  }
}

/** Of one partition. Two marks are enough: the newer one is moved on when it has half of its time behind it. */
export class RecentWrites {
  readonly #cache: PageCache
  #older: Mark | null = null
  #newer: Mark | null = null

  constructor(cache: PageCache) {
    this.#cache = cache
  }

  /** To be called after each write to a segment file. */
  note(segment: Segment, position: number, bytes: number): void {
    const cache = this.#cache
    if (this.#newer === null || !cache.keeps(this.#newer, 1 / 2)) {
      this.#older = this.#newer
      this.#newer = cache.mark(segment, position)
    }
    cache.wrote(bytes)
  }

  /** Whether everything from `position` on is in the page cache. */
  cover(segment: Segment, position: number): boolean {
    return this.#isSince(this.#older, segment, position) || this.#isSince(this.#newer, segment, position)
  }

  #isSince(mark: Mark | null, segment: Segment, position: number): boolean {
    if (mark === null) return false
    const isLater = segment === mark.segment ? position >= mark.position : segment.baseOffset > mark.segment.baseOffset
    return isLater && this.#cache.keeps(mark)
  }
}

/** What is available on the machine, or the limit of the container (cgroup v2, v1) if that is lower. */
function memoryBytes(files: FileSystem): number {
  const available = /^MemAvailable: +(\d+) kB/m.exec(files.readFile('/proc/meminfo')?.toString('latin1') ?? '')?.[1]
  const limits = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']
  const allowed = limits.map(path => Number.parseInt(files.readFile(path)?.toString('latin1') ?? '', 10)).filter(bytes => bytes > 0)
  return Math.min(available === undefined ? usualMemoryBytes : Number(available) * 1024, ...allowed)
}
