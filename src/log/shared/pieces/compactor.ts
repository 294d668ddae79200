/**
 * Compaction of a partition's pieces: reads them by streaming, keeps what the local cleaner would keep, and writes new pieces in their place. Only
 * reads and writes objects; the caller decides what is due, and commits the rows.
 */
import { type ClockHistory, type System, Turns } from '../../../base.ts'
import type { TopicConfig } from '../../../log.ts'
import type { Offset } from '../../../protocol.ts'
import type { SegmentRow } from '../../../store.ts'
import type { LastRecord } from '../../partition/producer-state.ts'
import { AbortedEntries } from '../../segments/aborted-entries.ts'
import { CleanerThread } from './cleaner-thread.ts'
import { abortedInPieces } from './lookups.ts'
import { type Rewritten, rangeOf } from './merge.ts'
import { type Cleaning, type CleaningJob, PieceCleaner } from './piece-cleaner.ts'
import type { PieceStore } from './piece-store.ts'

export interface CompactorOptions {
  system: System
  store: PieceStore
  /** False in a simulation: then it works in slices on the event loop. */
  useThread: boolean
}

export interface Compaction {
  /** All pieces of the partition, in order. Those are cleaned that end at or below `end`, and in which no transaction is open. */
  rows: readonly SegmentRow[]
  /** Records below are clean. */
  firstDirty: Offset
  end: Offset
  config: Pick<TopicConfig, 'deleteRetentionMs' | 'segmentBytes'>
  history: ClockHistory
  /** For the map of keys. */
  mapBytes: number
  /** ProducerStates.lastRecords(). */
  lastRecords: readonly LastRecord[]
  /** Of the new objects. Default: the store's. */
  nameObject?: () => string
  /** New pieces are written: commits their rows, and says whether to go on. If it did not commit them, it removes their objects. */
  onRewritten(rewritten: Rewritten): Promise<'go on' | 'stop'>
  signal: AbortSignal
}

/** One result; a larger one would be lost as a whole if something fails. */
const mostGroupBytes = 256 << 20

/** One compaction at a time. */
export class Compactor {
  readonly #options: CompactorOptions
  readonly #turns: Turns
  readonly #thread: CleanerThread | null

  constructor(options: CompactorOptions) {
    this.#options = options
    this.#turns = new Turns(options.system)
    this.#thread = options.useThread ? new CleanerThread() : null
  }

  /** Resolves with the offset below which all is clean now, if no answer was 'stop'. Rejects soon after `signal` is aborted. */
  async compact(compaction: Compaction): Promise<Offset> {
    const { store, system } = this.#options
    const { rows, firstDirty, config, history, mapBytes, lastRecords } = compaction
    const newest = rows.at(-1)
    if (newest === undefined) return firstDirty
    const limit = Math.min(compaction.end, (await store.index(newest)).lastStableOffset)
    const wanted = rows.filter(row => row.endOffset <= limit)
    const end = wanted.at(-1)?.endOffset ?? firstDirty
    if (end <= firstDirty) return firstDirty
    const dirty = wanted.filter(row => row.endOffset > firstDirty)
    const cleaning = await this.#begin({
      firstDirty,
      end,
      mapFrom: dirty[0]!.baseOffset,
      nowMs: system.clock.now(),
      history,
      deleteRetentionMs: config.deleteRetentionMs,
      mapBytes,
      aborted: await abortedInPieces(store, rows, wanted[0]!.baseOffset, end),
      lastRecords,
    })
    try {
      return await this.#run(compaction, wanted, dirty, cleaning)
    } finally {
      await this.#thread?.end()
    }
  }

  async close(): Promise<void> {
    await this.#thread?.close()
  }

  async #begin(job: CleaningJob): Promise<Cleaning> {
    return this.#thread === null ? new PieceCleaner(job, this.#turns) : await this.#thread.begin(job)
  }

  async #run(compaction: Compaction, rows: readonly SegmentRow[], dirty: readonly SegmentRow[], cleaning: Cleaning): Promise<Offset> {
    const { config, signal, onRewritten } = compaction
    await this.#map(dirty, cleaning, signal)
    const cleanTo = await cleaning.mapped(rows.at(-1)!.endOffset)
    for (const group of groupsOf(rows, Math.min(config.segmentBytes, mostGroupBytes))) {
      if (group[0]!.baseOffset >= cleanTo) break
      const rewritten = await this.#rewrite(group, cleaning, compaction)
      if ((await onRewritten(rewritten)) === 'stop') break
    }
    return cleanTo
  }

  async #map(dirty: readonly SegmentRow[], cleaning: Cleaning, signal: AbortSignal): Promise<void> {
    for (const row of dirty) {
      for await (const batches of this.#options.store.batches(row)) {
        check(signal)
        if (!(await cleaning.map(batches))) return
      }
    }
  }

  async #rewrite(group: readonly SegmentRow[], cleaning: Cleaning, { signal, nameObject }: Compaction): Promise<Rewritten> {
    const { store } = this.#options
    const aborted = new AbortedEntries(group[0]!.baseOffset)
    const { lastStableOffset } = await store.index(group.at(-1)!)
    const filtered = async function* () {
      for (const row of group) {
        for await (const batches of store.batches(row)) {
          check(signal)
          const kept = await cleaning.filter(batches)
          for (const each of kept.aborted) aborted.append(each)
          if (kept.bytes.length > 0) yield kept.bytes
        }
      }
    }
    const row = await store.writeStream(rangeOf(group), filtered(), () => ({ aborted, lastStableOffset }), nameObject)
    return { removed: group, added: [row] }
  }
}

/** Neighbours whose result fits into one piece: otherwise cleaning again and again would leave ever smaller ones. */
function groupsOf(rows: readonly SegmentRow[], mostBytes: number): SegmentRow[][] {
  const groups: SegmentRow[][] = []
  let bytes = 0
  for (const row of rows) {
    const group = groups.at(-1)
    if (group !== undefined && bytes + row.bytes <= mostBytes) group.push(row)
    else groups.push([row])
    bytes = (groups.at(-1) === group ? bytes : 0) + row.bytes
  }
  return groups
}

function check(signal: AbortSignal): void {
  if (signal.aborted) throw new Error('the compaction was cancelled')
}
