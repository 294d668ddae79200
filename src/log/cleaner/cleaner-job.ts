/**
 * The part of compaction that works only on files: reads segments and writes `.cleaned` ones. Runs in a worker thread, or in
 * slices on the event loop if files are in memory. Its input is plain data, so that it can be sent to a thread.
 */
import { assert, type ClockHistory, type System } from '../../base.ts'
import { header, type Offset } from '../../protocol.ts'
import { emptyBatchInfo, readBatchInfo } from '../partition/batch-info.ts'
import type { LastRecord } from '../partition/producer-state.ts'
import type { AbortedTransaction } from '../segments/aborted-entries.ts'
import { Segment, type SegmentContext, segmentContext, segmentName } from '../segments/segment.ts'
import { scanBatches, type Visit } from '../segments/segment-scan.ts'
import { CleanedTransactions, CleanerFilter, type FilterRules } from './cleaner-filter.ts'
import { DirtyPart } from './dirty-part.ts'

export interface CleanerJob {
  directory: string
  /** Groups of neighbouring segments' base offsets, from the log's first segment on; each group becomes one segment. */
  groups: Offset[][]
  /** Dirty records are those in [firstDirty, end). */
  firstDirty: Offset
  end: Offset
  nowMs: number
  history: ClockHistory
  deleteRetentionMs: number
  indexIntervalBytes: number
  mapBytes: number
  aborted: AbortedTransaction[]
  lastRecords: LastRecord[]
}

/** A group has been written and synced, under `.cleaned`; it replaces the group's segments. The job waits for the answer. */
export type OnCleaned = (group: Offset[]) => Promise<'go on' | 'stop'>

/** Small enough to hold the event loop only for some milliseconds where the job runs there. */
const windowBytes = 64 << 10

/** Resolves with the offset up to which records are now clean. Rejects soon after `signal` is aborted. */
export async function runCleanerJob(system: System, job: CleanerJob, onCleaned: OnCleaned, signal: AbortSignal): Promise<Offset> {
  const context = segmentContext(system.files, { openFiles: 16, indexBytes: 8 << 20 })
  try {
    return await new Cleaning(system, context, job, signal).run(onCleaned)
  } finally {
    context.handles.closeAll()
  }
}

class Cleaning {
  readonly #system: System
  readonly #context: SegmentContext
  readonly #job: CleanerJob
  readonly #signal: AbortSignal

  constructor(system: System, context: SegmentContext, job: CleanerJob, signal: AbortSignal) {
    this.#signal = signal
    this.#system = system
    this.#context = context
    this.#job = job
  }

  async run(onCleaned: OnCleaned): Promise<Offset> {
    const { groups } = this.#job
    const { map, mappedTo: mapEndOffset } = await this.#mapDirtyPart()
    const transactions = new CleanedTransactions(this.#job.aborted)
    const { end, nowMs, history, deleteRetentionMs, lastRecords } = this.#job
    const rules: FilterRules = { mapEndOffset, upperBound: end, nowMs, history, deleteRetentionMs, lastRecords }
    const filter = new CleanerFilter(map, rules, transactions)
    for (const group of groups) {
      if (group[0]! >= mapEndOffset) break
      await this.#cleanGroup(group, filter)
      if ((await onCleaned(group)) === 'stop') break
    }
    return mapEndOffset
  }

  /** Last offset of every key in the dirty part, or in as much of it as the map holds. */
  async #mapDirtyPart(): Promise<DirtyPart> {
    const { firstDirty, end, aborted, groups, mapBytes, directory } = this.#job
    const bases = groups.flat()
    const begin = bases.findLast(base => base <= firstDirty) ?? firstDirty
    const dirty = new DirtyPart(
      mapBytes,
      firstDirty,
      aborted.filter(entry => entry.lastOffset >= begin),
    )
    let full = false
    const visit: Visit = (buffer, at) => {
      full = !dirty.add(buffer.subarray(at, at + header.sizeBytes(buffer, at)))
      return full ? false : undefined
    }
    for (const [nth, base] of bases.entries()) {
      const next = bases[nth + 1] ?? end
      if (next <= firstDirty) continue
      await this.#scan(base, visit)
      if (full) break
      dirty.reach(next)
    }
    assert(dirty.mappedTo > firstDirty, `no key of ${directory} from ${firstDirty} on fits into ${mapBytes} bytes`)
    return dirty
  }

  async #cleanGroup(group: readonly Offset[], filter: CleanerFilter): Promise<void> {
    const { directory, nowMs } = this.#job
    const cleaned = Segment.create(this.#context, directory, group[0]!, nowMs, '.cleaned')
    try {
      await this.#writeGroup(group, filter, cleaned)
    } catch (error) {
      // What stays of it is overwritten by the next job, and removed by the next start.
      await cleaned.removeFiles().catch(() => {})
      throw error
    }
    cleaned.close()
  }

  async #writeGroup(group: readonly Offset[], filter: CleanerFilter, cleaned: Segment): Promise<void> {
    const { indexIntervalBytes } = this.#job
    cleaned.makeAllFiles()
    const info = emptyBatchInfo()
    let pending: Buffer[] = []
    let written = 0
    const write = async () => {
      const buffers = pending
      pending = []
      if (buffers.length === 0) return
      await cleaned.write(buffers, written)
      for (const buffer of buffers) written += buffer.length
    }
    const visit: Visit = (buffer, at) => {
      const bytes = buffer.subarray(at, at + header.sizeBytes(buffer, at))
      const { kept, aborted } = filter.filter(bytes)
      if (aborted !== null) cleaned.addAbortedTransaction(aborted)
      if (kept === null) return undefined
      cleaned.place(readBatchInfo(kept, 0, info), indexIntervalBytes)
      // The window is used again for what is read next.
      pending.push(kept === bytes ? Buffer.from(kept) : kept)
      return undefined
    }
    for (const base of group) {
      await this.#scan(base, visit, write)
      await write()
    }
    cleaned.seal()
    await cleaned.datasyncAll()
  }

  /**
   * Every batch of a segment; `between` runs before each read. Damage ends the job. The file is opened for reading
   * only, so that nothing is changed if another topic now has this name.
   */
  async #scan(base: Offset, visit: Visit, between?: () => Promise<void>): Promise<void> {
    const path = `${this.#job.directory}/${segmentName(base)}.log`
    const file = this.#context.files.open(path, 'r')
    const read = async (buffer: Uint8Array, position: number) => {
      await between?.()
      await this.#letOthersRun()
      return await file.read(buffer, position)
    }
    try {
      const end = await scanBatches({ read }, { from: 0, to: file.size(), what: 'whole', minOffset: base, windowBytes }, visit)
      if (end.problem !== null) throw new Error(`${path}: ${end.problem} at position ${end.position}`)
    } finally {
      file.close()
    }
  }

  async #letOthersRun(): Promise<void> {
    await new Promise<void>(resolve => this.#system.timers.soon(resolve))
    if (this.#signal.aborted) throw new Error('the job was cancelled')
  }
}
