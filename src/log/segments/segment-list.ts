/**
 * The segments of one partition in order, and its directory: which segment holds an offset, and how segments come and go on disk so that
 * a crash at any step leaves what `openSegments` can put right.
 */
import { assert, type Int64, type System } from '../../base.ts'
import { header, type Offset } from '../../protocol.ts'
import { Segment, type SegmentContext, segmentName, segmentSuffixes } from './segment.ts'
import { type AbortedTransaction, collectAborted } from './transaction-index.ts'

export class SegmentList {
  readonly directory: string
  readonly #context: SegmentContext
  #segments: Segment[]
  /** Bytes of all segments but the last; NaN until asked for. */
  #sealedBytes = Number.NaN

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

  /** A new active segment. The caller has sealed the one before. */
  add(segment: Segment): void {
    const active = this.active
    assert(active === undefined || active.baseOffset < segment.baseOffset, `segment ${segment.baseOffset} after ${active?.baseOffset}`)
    if (active !== undefined && !Number.isNaN(this.#sealedBytes)) this.#sealedBytes += active.size
    this.#segments.push(segment)
  }

  /** Undoes `add`: an append that began this segment failed. Its files go at once. */
  removeActive(): void {
    const active = this.#segments.pop()
    active?.removeFiles()
    this.#sealedBytes = Number.NaN
  }

  /** Takes the first `count` segments out of the list; `discard` them afterwards. */
  removeOldest(count: number): Segment[] {
    this.#sealedBytes = Number.NaN
    return this.#segments.splice(0, count)
  }

  /** Takes segments out from the one that begins at or after `offset` on (truncation); `discard` them afterwards. */
  removeFrom(offset: Offset): Segment[] {
    this.#sealedBytes = Number.NaN
    const first = this.#segments.findIndex(segment => segment.baseOffset >= offset)
    return first === -1 ? [] : this.#segments.splice(first)
  }

  /**
   * Puts a cleaned segment (files end in `.cleaned`, all synced) in place of `old`, neighbours whose first has the same base offset. From
   * the first renaming on a crash leads to the new state, before it to the old one. Returns those replaced, renamed
   * to `.deleted`: `removeLater` them.
   */
  async replace(old: readonly Segment[], cleaned: Segment): Promise<Segment[]> {
    assert(cleaned.baseOffset === old[0]!.baseOffset, `segment ${cleaned.baseOffset} in place of ${old[0]!.baseOffset}`)
    cleaned.renameTo('.swap')
    await this.#context.files.syncDirectory(this.directory)
    // Meanwhile retention may have taken some of them; then what remains of the group decides whether its result is still wanted.
    const present = this.#segments.filter(segment => old.includes(segment))
    if (present.length === 0) {
      cleaned.removeFiles()
      return []
    }
    assert(!present.includes(this.active!), 'the active segment is never replaced')
    for (const segment of present) {
      if (segment.baseOffset !== cleaned.baseOffset) segment.removeSnapshot()
      segment.renameTo('.deleted')
    }
    cleaned.renameTo('')
    this.#segments.splice(this.#segments.indexOf(present[0]!), present.length, cleaned)
    this.#sealedBytes = Number.NaN
    await this.#context.files.syncDirectory(this.directory)
    return present
  }

  /** Aborted transactions that a reader of [from, to) must know, by first offset. */
  abortedTransactions(from: Offset, to: Offset): { producerId: Int64; firstOffset: Offset }[] {
    const found = this.abortedEntries(from, to).map(({ producerId, firstOffset }) => ({ producerId, firstOffset }))
    // The index has the order of the markers. Kafka's clients sort it anew; kafkajs takes for granted that it is.
    return found.length < 2 ? found : found.sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /** The same as whole entries, by their markers' offsets: for the cleaner. */
  abortedEntries(from: Offset, to: Offset): AbortedTransaction[] {
    const found: AbortedTransaction[] = []
    for (let at = Math.max(0, this.indexOf(from)); at < this.#segments.length; at++)
      if (collectAborted(this.#segments[at]!.abortedTransactions(), from, to, found)) break
    return found
  }

  close(): void {
    for (const segment of this.#segments) segment.close()
  }
}

/**
 * Removes segments that are out of their list, and their producer snapshots: renamed to `.deleted` at once, gone after `delayMs`, so that
 * readers end in peace. What a crash leaves is removed by `openSegments`.
 */
export function discard(system: System, segments: readonly Segment[], delayMs: number, onError: (error: unknown) => void): void {
  if (segments.length === 0) return
  for (const segment of segments) {
    segment.removeSnapshot()
    segment.renameTo('.deleted')
  }
  removeLater(system, segments, delayMs, onError)
}

/** The second half of `discard`, for what `replace` returns: it is renamed already. */
export function removeLater(system: System, segments: readonly Segment[], delayMs: number, onError: (error: unknown) => void): void {
  system.timers.after(delayMs, () => {
    for (const segment of segments)
      try {
        segment.removeFiles()
      } catch (error) {
        onError(error)
      }
  })
}

/** What lies in a partition's directory besides segments. */
export interface OpenedDirectory {
  segments: SegmentList
  /** Offsets of producer snapshots, ascending. */
  snapshots: Offset[]
  /** Segments with no `.index` or `.timeindex`: a cleaner or a crash left them so; `recover` them. */
  withoutIndex: Segment[]
}

/** Opens a partition's directory (Kafka's or ours): finishes or undoes what a crash interrupted, and reads no file. */
export function openSegments(context: SegmentContext, directory: string, nowMs: number): OpenedDirectory {
  const names = tidy(context, directory)
  const segments: Segment[] = []
  const withoutIndex: Segment[] = []
  const snapshots: Offset[] = []
  for (const name of [...names].sort()) {
    const match = /^(\d{20})\.(log|snapshot)$/.exec(name)
    if (match === null) continue
    const offset = Number(match[1])
    if (match[2] === 'snapshot') {
      snapshots.push(offset)
      continue
    }
    const segment = Segment.open(context, directory, offset, nowMs)
    segments.push(segment)
    const stem = segmentName(offset)
    if (!names.has(`${stem}.index`) || !names.has(`${stem}.timeindex`)) withoutIndex.push(segment)
  }
  return { segments: new SegmentList(context, directory, segments), snapshots, withoutIndex }
}

/** Kafka's LogLoader: `.deleted` and `.cleaned` go, complete `.swap` files take their place, index files without a log go. */
function tidy(context: SegmentContext, directory: string): Set<string> {
  const { files } = context
  const names = new Set(files.list(directory).flatMap(({ name, kind }) => (kind === 'file' ? [name] : [])))
  const remove = (name: string) => {
    files.remove(`${directory}/${name}`)
    names.delete(name)
  }
  for (const name of names) if (/\.(deleted|cleaned)$/.test(name)) remove(name)
  finishSwaps(context, directory, names, remove)
  for (const name of names) {
    const match = /^(\d{20})\.(index|timeindex|txnindex)$/.exec(name)
    if (match !== null && !names.has(`${match[1]}.log`)) remove(name)
  }
  return names
}

/**
 * A `.log.swap` is complete and synced, and so are its other three files, under `.swap` or already in their place. Segments that it
 * covers, those that begin up to its last offset, may still be there.
 */
function finishSwaps(context: SegmentContext, directory: string, names: Set<string>, remove: (name: string) => void): void {
  for (const name of [...names]) if (/\.swap$/.test(name) && !names.has(`${name.slice(0, 20)}.log.swap`)) remove(name)
  for (const name of [...names]) {
    const stem = /^(\d{20})\.log\.swap$/.exec(name)?.[1]
    if (stem === undefined) continue
    const last = lastOffsetIn(context, `${directory}/${name}`, Number(stem))
    for (const other of [...names]) {
      const covered = /^(\d{20})\.(log|index|timeindex|txnindex|snapshot)$/.exec(other)?.[1]
      if (covered !== undefined && Number(covered) > Number(stem) && Number(covered) <= last) remove(other)
    }
    // Over what the replaced segment of the same base has left; the .log last, as it vouches for the others.
    for (const kind of segmentSuffixes.toReversed()) {
      if (!names.delete(`${stem}${kind}.swap`)) continue
      context.files.rename(`${directory}/${stem}${kind}.swap`, `${directory}/${stem}${kind}`)
      names.add(`${stem}${kind}`)
    }
  }
}

/** Of a complete log file; base offset - 1 when it is empty. Synchronous: swaps are small in number and rare. */
function lastOffsetIn(context: SegmentContext, path: string, baseOffset: Offset): Offset {
  const file = context.handles.get(path)
  const bytes = Buffer.alloc(header.batchHeaderSize)
  let last = baseOffset - 1
  for (let position = 0; file.readSync(bytes, position) === bytes.length; position += header.sizeBytes(bytes, 0)) {
    if (header.sizeBytes(bytes, 0) < header.batchHeaderSize) throw new Error(`${path}: batch of ${header.sizeBytes(bytes, 0)} bytes`)
    last = header.lastOffset(bytes, 0)
  }
  context.handles.forget(path)
  return last
}
