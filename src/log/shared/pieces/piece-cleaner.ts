/**
 * The part of compaction that works on batches in memory: first maps the keys of the dirty part, then filters all of them, buffer by buffer. In a
 * thread (cleaner-thread.ts), or in slices on the event loop where there are no threads (simulation). The rules are those of the local cleaner.
 */
import { assert, type ClockHistory, type Turns } from '../../../base.ts'
import { header, type Offset } from '../../../protocol.ts'
import { CleanedTransactions, CleanerFilter } from '../../cleaner/cleaner-filter.ts'
import { DirtyPart } from '../../cleaner/dirty-part.ts'
import type { LastRecord } from '../../partition/producer-state.ts'
import type { AbortedTransaction } from '../../segments/aborted-entries.ts'

/** Plain data, so that it can be sent to a thread. */
export interface CleaningJob {
  /** Dirty records are those in [firstDirty, end). */
  firstDirty: Offset
  end: Offset
  /** Where the first buffer that is mapped begins. */
  mapFrom: Offset
  nowMs: number
  history: ClockHistory
  deleteRetentionMs: number
  mapBytes: number
  /** All that overlap what is cleaned. */
  aborted: readonly AbortedTransaction[]
  lastRecords: readonly LastRecord[]
}

export interface Kept {
  /** What stays of the buffer's batches. */
  bytes: Buffer
  /** The transactions to be noted in the index of the cleaned piece. */
  aborted: AbortedTransaction[]
}

/** Buffers of whole batches, in order; one call at a time. All of `map` come before the first `filter`. */
export interface Cleaning {
  /** False: the map is full, and no more can be mapped. */
  map(batches: Buffer): Promise<boolean>
  /** What was mapped reaches up to here, behind the last batch. Resolves with the end of the part that will be clean. */
  mapped(end: Offset): Promise<Offset>
  filter(batches: Buffer): Promise<Kept>
}

export class PieceCleaner implements Cleaning {
  readonly #job: CleaningJob
  readonly #turns: Turns
  readonly #dirty: DirtyPart
  #full = false
  #filter: CleanerFilter | null = null

  constructor(job: CleaningJob, turns: Turns) {
    this.#job = job
    this.#turns = turns
    const { mapBytes, firstDirty, mapFrom, aborted } = job
    this.#dirty = new DirtyPart(
      mapBytes,
      firstDirty,
      aborted.filter(entry => entry.lastOffset >= mapFrom),
    )
  }

  async map(batches: Buffer): Promise<boolean> {
    for (const batch of batchesOf(batches)) {
      if (this.#turns.over) await this.#turns.next()
      if (!this.#dirty.add(batch)) {
        this.#full = true
        return false
      }
    }
    return true
  }

  async mapped(end: Offset): Promise<Offset> {
    if (!this.#full) this.#dirty.reach(end)
    const { firstDirty, mapBytes } = this.#job
    assert(this.#dirty.mappedTo > firstDirty, `no key from offset ${firstDirty} on fits into ${mapBytes} bytes`)
    return this.#dirty.mappedTo
  }

  async filter(batches: Buffer): Promise<Kept> {
    const filter = (this.#filter ??= this.#newFilter())
    const kept: Buffer[] = []
    const noted: AbortedTransaction[] = []
    for (const batch of batchesOf(batches)) {
      if (this.#turns.over) await this.#turns.next()
      const { kept: rest, aborted } = filter.filter(batch)
      if (rest !== null) kept.push(rest)
      if (aborted !== null) noted.push(aborted)
    }
    return { bytes: Buffer.concat(kept), aborted: noted }
  }

  #newFilter(): CleanerFilter {
    const { end, nowMs, history, deleteRetentionMs, lastRecords, aborted } = this.#job
    const { map, mappedTo } = this.#dirty
    const rules = { mapEndOffset: mappedTo, upperBound: end, nowMs, history, deleteRetentionMs, lastRecords }
    return new CleanerFilter(map, rules, new CleanedTransactions(aborted))
  }
}

function* batchesOf(buffer: Buffer): Generator<Buffer> {
  for (let at = 0; at < buffer.length; ) {
    const end = at + header.sizeBytes(buffer, at)
    yield buffer.subarray(at, end)
    at = end
  }
}
