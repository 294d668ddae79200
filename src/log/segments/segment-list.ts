/**
 * The segments of one partition in order: finds the segment with an offset, and adds, replaces and removes segments on disk in such a way that
 * `openSegments` can repair the directory after a crash at any step, and steps that fail on the disk are retried.
 */
import { assert, DiskError } from '../../base.ts'
import type { Offset } from '../../protocol.ts'
import type { Chores } from '../chores.ts'
import type { AbortedTransaction } from './aborted-entries.ts'
import type { Segment, SegmentContext } from './segment.ts'
import { abortedAgain } from './transaction-remake.ts'

export class SegmentList {
  readonly directory: string
  readonly #context: SegmentContext
  #segments: Segment[]
  /** Bytes of all segments but the last; NaN until asked for. */
  #sealedBytes = Number.NaN
  /** Out of the list, but not yet off the disk; null until there are some. */
  #leaving: Set<Segment> | null = null
  /** Its files do not have their final names yet. */
  #swapping: Segment | null = null
  /** null until an index is remade. */
  #remaking: Map<Segment, Promise<void>> | null = null
  #closed = false

  constructor(context: SegmentContext, directory: string, segments: readonly Segment[]) {
    this.directory = directory
    this.#context = context
    this.#segments = [...segments]
  }

  get all(): readonly Segment[] {
    return this.#segments
  }

  get length(): number {
    return this.#segments.length
  }

  /** The first segment. */
  get oldest(): Segment | undefined {
    return this.#segments[0]
  }

  /** The one that is appended to. */
  get active(): Segment | undefined {
    return this.#segments.at(-1)
  }

  sizeBytes(): number {
    if (this.#segments.length === 0) return 0
    if (Number.isNaN(this.#sealedBytes)) {
      this.#sealedBytes = 0
      for (const segment of this.#segments.slice(0, -1)) this.#sealedBytes += segment.size
    }
    return this.#sealedBytes + this.active!.size
  }

  /** Index of the segment that holds `offset` if any does: the last one that begins at or before it; -1 below all. */
  indexOf(offset: Offset): number {
    let low = -1
    let high = this.#segments.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#segments[middle]!.baseOffset <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  floor(offset: Offset): Segment | undefined {
    return this.#segments[this.indexOf(offset)]
  }

  /** Where the segment's offsets end: the base offset of the next one, or the log's end. */
  endOf(segment: Segment, logEndOffset: Offset): Offset {
    return this.#segments[this.indexOf(segment.baseOffset) + 1]?.baseOffset ?? logEndOffset
  }

  /** A new active segment. The caller seals the one before. */
  add(segment: Segment): void {
    const active = this.active
    assert(active === undefined || active.baseOffset < segment.baseOffset, `segment ${segment.baseOffset} after ${active?.baseOffset}`)
    if (active !== undefined && !Number.isNaN(this.#sealedBytes)) this.#sealedBytes += active.size
    this.#segments.push(segment)
  }

  /** Undoes `add`: an append that began this segment failed. */
  removeActive(): void {
    const active = this.#segments.pop()
    this.#sealedBytes = Number.NaN
    active?.unmakeFile()
  }

  /** Takes the first `count` segments away; their files go after `delayMs`. Answers what was taken. */
  removeOldest(count: number, chores: Chores, delayMs: number): Segment[] {
    this.#sealedBytes = Number.NaN
    const removed = this.#segments.splice(0, count)
    this.#discard(removed, chores, delayMs)
    return removed
  }

  /**
   * In recovery: removes the segments that begin at or after `offset`. The log continues in their place, so a power cut must not bring them
   * back: when this resolves, they have lost their names for good. Rejects if the disk refuses that.
   */
  async dropFrom(offset: Offset, chores: Chores): Promise<void> {
    const first = this.#segments.findIndex(segment => segment.baseOffset >= offset)
    if (first === -1) return
    this.#sealedBytes = Number.NaN
    // From the last one on: if the disk refuses one, the segments before it are a log without a gap.
    for (const segment of this.#segments.slice(first).toReversed()) {
      segment.renameTo('.deleted')
      segment.removeSnapshot()
    }
    await this.#context.files.syncDirectory(this.directory)
    this.#discard(this.#segments.splice(first), chores, 0)
  }

  /** A cleaned segment has not its final name yet: until then none may be cleaned again. */
  get isSwapping(): boolean {
    return this.#swapping !== null
  }

  /**
   * Puts a cleaned segment (files end in `.cleaned`, all synced) in place of `old`, neighbours whose first has the same base offset. From
   * the first renaming on a crash leads to the new state, before it to the old one; so what the disk refuses after it is tried again, and
   * readers find the cleaned segment under whatever name it has. When this rejects, nothing was replaced.
   */
  async replace(old: readonly Segment[], cleaned: Segment, chores: Chores, delayMs: number): Promise<void> {
    assert(cleaned.baseOffset === old[0]!.baseOffset, `segment ${cleaned.baseOffset} in place of ${old[0]!.baseOffset}`)
    cleaned.renameTo('.swap')
    await this.#context.files.syncDirectory(this.directory)
    if (this.#closed) return
    // Meanwhile retention may have taken some of them; then what remains of the group decides whether its result is still wanted.
    const present = this.#segments.filter(segment => old.includes(segment))
    if (present.length === 0) {
      this.#discard([cleaned], chores, 0)
      return
    }
    assert(!present.includes(this.active!), 'the active segment is never replaced')
    this.#segments.splice(this.#segments.indexOf(present[0]!), present.length, cleaned)
    this.#sealedBytes = Number.NaN
    this.#swapping = cleaned
    for (const segment of present) this.#leave(segment)
    await chores.begin(`renaming ${cleaned.path}`, () => this.#finishSwap(present, cleaned, chores, delayMs))
  }

  async #finishSwap(replaced: readonly Segment[], cleaned: Segment, chores: Chores, delayMs: number): Promise<void> {
    if (this.#closed) return
    for (const segment of replaced) segment.renameTo('.deleted')
    // Once the cleaned segment has its name, nothing says any more that it covers these: they must not come back.
    await this.#context.files.syncDirectory(this.directory)
    if (this.#closed) return
    if (this.#segments.includes(cleaned)) cleaned.renameTo('')
    this.#swapping = null
    this.#discard(replaced, chores, delayMs, cleaned.baseOffset)
  }

  /** Aborted transactions that a reader of [from, to) must know, by first offset. A promise when an index has to be read first. */
  abortedTransactions(from: Offset, to: Offset): AbortedTransaction[] | Promise<AbortedTransaction[]> {
    const found: AbortedTransaction[] = []
    const ends = this.#collect(Math.max(0, this.indexOf(from)), from, to, found)
    // The index is in the order of the markers. Kafka's clients sort the list; kafkajs assumes that it is sorted.
    const sorted = () => (found.length < 2 ? found : found.sort((a, b) => a.firstOffset - b.firstOffset))
    return ends === undefined ? sorted() : ends.then(sorted)
  }

  close(): void {
    this.#closed = true
    for (const segment of this.#segments) segment.close()
    for (const segment of this.#leaving ?? []) segment.close()
  }

  #collect(first: number, from: Offset, to: Offset, found: AbortedTransaction[]): Promise<void> | undefined {
    for (let at = first; at < this.#segments.length; at++) {
      const segment = this.#segments[at]!
      const complete = segment.transactions.collect(from, to, found)
      if (complete === true) return undefined
      if (complete === false) continue
      // Segments may come and go while the file is read.
      return complete
        .catch(error => this.#remake(segment, error as Error).then(() => segment.transactions.collect(from, to, found)))
        .then(done => (done ? undefined : this.#collect(this.indexOf(segment.baseOffset) + 1, from, to, found)))
    }
    return undefined
  }

  /** The transaction index of a sealed segment is damaged. Rejects, with the damage, when the log does not say what was in it. */
  async #remake(segment: Segment, damage: Error): Promise<void> {
    const at = this.#segments.indexOf(segment)
    if (at < 0 || segment === this.active || (damage instanceof DiskError && damage.isShortage)) throw damage
    const all = (this.#remaking ??= new Map())
    let remaking = all.get(segment)
    if (remaking === undefined) {
      const isThere = () => !this.#closed && this.#segments.includes(segment)
      remaking = abortedAgain(this.#context.files, this.directory, this.#segments.slice(0, at + 1))
        .then(entries => segment.transactions.remake(entries, isThere))
        .finally(() => all.delete(segment))
      all.set(segment, remaking)
    }
    await remaking
  }

  #leave(segment: Segment): void {
    this.#leaving ??= new Set()
    this.#leaving.add(segment)
  }

  /**
   * Segments that are out of the list: renamed to `.deleted` at once, gone after `delayMs`, so that readers end in peace. Their producer
   * snapshots go too, but for that of `kept`.
   */
  #discard(segments: readonly Segment[], chores: Chores, delayMs: number, kept: Offset = -1): void {
    for (const segment of segments) {
      this.#leave(segment)
      // Later the snapshot's name may be that of a new segment's.
      let isRenamed = false
      // Once the partition is gone, so is its directory, and its name may be that of another topic's.
      const rename = async () => {
        if (this.#closed || isRenamed) return
        segment.renameTo('.deleted')
        if (segment.baseOffset !== kept) segment.removeSnapshot()
        isRenamed = true
      }
      const remove = async () => {
        if (this.#closed) return
        await rename()
        await segment.removeFiles()
        this.#leaving?.delete(segment)
      }
      void chores.begin(`renaming ${segment.path}`, rename)
      chores.add(`removing ${segment.path}`, delayMs, remove)
    }
  }
}
