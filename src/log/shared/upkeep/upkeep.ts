/**
 * The upkeep of the partitions that a session leads: flush, trim, retention, compaction, merge, and the removal of deleted partitions.
 *
 * One per session; it ends with the session. Objects are written first, then one frame of the session changes the rows: so what fails half way
 * leaves all as it was, or is done. It is reported once and tried again after growing pauses, and meanwhile other partitions are looked after.
 */
import type { System } from '../../../base.ts'
import type { LogSettings, Pressure } from '../../../log.ts'
import type { Database, ObjectStore, PartitionKey } from '../../../store.ts'
import type { PieceStore } from '../pieces/piece-store.ts'
import type { SharedSettings } from '../settings.ts'
import { noCounts, type UpkeepCounts } from './counts.ts'
import { Flusher } from './flusher.ts'
import { Leftovers } from './leftovers.ts'
import { Merger } from './merger.ts'
import type { FlushedPartition, RowJournal } from './ports.ts'
import { removePartitionRows } from './removal.ts'
import { Repeated } from './repeated.ts'
import { RowRetention } from './retention.ts'
import { Retries } from './retries.ts'
import { RowAges } from './row-ages.ts'
import { cleanedNames, RowCleaner } from './row-cleaner.ts'
import { RowWriter } from './row-writer.ts'

export interface UpkeepOptions {
  system: System
  database: Database
  objects: ObjectStore
  journal: RowJournal
  pieces: PieceStore
  settings: LogSettings
  shared: SharedSettings
  /** Compaction in a thread of its own: not where time is simulated. */
  useThread: boolean
  /** All that this session leads now. */
  partitions(): Iterable<FlushedPartition>
  report(what: string, error: unknown): void
}

/** Rows of the journal live seconds to minutes, and their space is for the next ones. */
const vacuumMs = 10_000
const removeMs = 1_000

export class Upkeep {
  readonly counts: UpkeepCounts = noCounts()
  readonly #options: UpkeepOptions
  readonly #rows: RowWriter
  readonly #retries: Retries
  readonly #leftovers: Leftovers
  readonly #flusher: Flusher
  readonly #retention: RowRetention
  readonly #cleaner: RowCleaner
  readonly #merger: Merger
  readonly #repeated: Repeated[]
  readonly #dropped: PartitionKey[] = []
  #vacuumedTrims = 0

  constructor(options: UpkeepOptions) {
    this.#options = options
    const { system, objects, journal, pieces, shared, settings, useThread, report } = options
    const rows = new RowWriter(journal)
    const retries = new Retries(system, report)
    const leftovers = new Leftovers(objects, retries)
    const ages = new RowAges(system)
    const rewriting = new Set<FlushedPartition>()
    const partitions = () => options.partitions()
    const nameCleaned = cleanedNames(system.random, journal.session)
    const common = { system, rows, pieces, leftovers, partitions, nameCleaned, counts: this.counts, report }
    this.#rows = rows
    this.#retries = retries
    this.#leftovers = leftovers
    this.#flusher = new Flusher({ ...common, journal, shared })
    this.#retention = new RowRetention({ ...common, ages })
    this.#cleaner = new RowCleaner({ ...common, useThread, ages, rewriting, settings })
    this.#merger = new Merger({ ...common, cleaner: this.#cleaner, rewriting })
    const repeated = (what: string, pauseMs: number, work: () => Promise<void>) =>
      new Repeated(system, pauseMs, work, error => report(`${what} failed`, error))
    this.#repeated = [
      repeated('retention', settings.retentionCheckIntervalMs, () => this.#retention.run()),
      repeated('compaction', settings.cleanerBackoffMs, () => this.#cleaner.run()),
      repeated('merging of pieces', settings.cleanerBackoffMs, () => this.#merger.run()),
      repeated('tidying the journal', vacuumMs, () => this.#tidy()),
      repeated('removing rows of deleted partitions', removeMs, () => this.#removeDropped()),
    ]
  }

  /** Appends for clients wait while it is on: too much is unflushed. */
  get pressure(): Pressure {
    return this.#flusher.pressure
  }

  /** Throws KAFKA_STORAGE_ERROR when so much is unflushed, of all or of this partition alone, that not even those may append who ignore `pressure`. */
  admit(partition: FlushedPartition, origin: 'client' | 'coordinator'): void {
    this.#flusher.admit(partition, origin)
  }

  /** Flushes what these have now. Rejects when that fails, or the session has ended; what was not flushed is as before then. */
  flush(partitions: readonly FlushedPartition[]): Promise<void> {
    return this.#flusher.flush(partitions)
  }

  /** It cannot be flushed while others can. */
  isStuck(partition: FlushedPartition): boolean {
    return this.#flusher.isStuck(partition)
  }

  /**
   * Runs while no frame of upkeep is under way: for others who write rows of these partitions (giving them away). `action` must not wait for upkeep.
   */
  alone<T>(action: () => Promise<T>): Promise<T> {
    return this.#rows.alone(action)
  }

  /** These partitions were deleted, and nothing more is appended to them: their rows and objects go in steps, in the background. */
  drop(keys: readonly PartitionKey[]): void {
    this.#dropped.push(...keys)
  }

  /**
   * Resolves when nothing of it runs any more; so the journal must go on, or have ended. With `flush` all that is unflushed is flushed first, as far
   * as that succeeds at once.
   */
  async close({ flush }: { flush: boolean }): Promise<void> {
    for (const each of [this.#retention, this.#cleaner, this.#merger]) each.stop()
    const ended = Promise.all([this.#flusher.close(), ...this.#repeated.map(each => each.close())])
    if (flush && !this.#rows.ended) {
      try {
        await this.#flusher.flush([...this.#options.partitions()])
      } catch (error) {
        // Nothing is lost: whoever takes over reads the stream.
        if (!this.#rows.ended) this.#options.report('the last flush failed; the journal keeps what is unflushed', error)
      }
    }
    await ended
    await this.#cleaner.close()
  }

  async #tidy(): Promise<void> {
    await this.#leftovers.remove()
    const { trims } = this.counts
    if (trims === this.#vacuumedTrims || !this.#retries.isDue(this)) return
    try {
      await this.#options.database.vacuum()
      this.#vacuumedTrims = trims
      this.#retries.succeeded(this)
    } catch (error) {
      this.#retries.failed(this, 'VACUUM of the journal', error)
    }
  }

  async #removeDropped(): Promise<void> {
    if (this.#dropped.length === 0 || this.#rows.ended || !this.#retries.isDue(this.#dropped)) return
    try {
      await removePartitionRows(this.#options.database, this.#rows, this.#dropped)
      this.#retries.succeeded(this.#dropped)
    } catch (error) {
      // What is left when the session ends is found by the first in rank.
      if (!this.#rows.ended) this.#retries.failed(this.#dropped, 'removing rows of deleted partitions', error)
    }
  }
}
