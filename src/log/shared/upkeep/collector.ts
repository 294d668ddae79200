/**
 * What is nobody's in particular: objects whose time has come, objects that ended sessions left behind, rows of topics that were deleted while
 * nobody led them. One broker does it, the first in rank; two at once are harmless, and so is one that was paused in the middle: what may be
 * deleted once may be deleted for ever, because names are never used again, and nothing begins in a session that has ended.
 */
import { type System, Turns } from '../../../base.ts'
import type { Uuid } from '../../../protocol.ts'
import { type Database, ObjectError, type ObjectStore, objectsPerList, type PartitionKey, type SessionRow } from '../../../store.ts'
import { type SharedSettings, sharedDefaults } from '../settings.ts'
import { uuidOf } from '../topic-id.ts'
import type { RowJournal } from './ports.ts'
import { removePartitionRows } from './removal.ts'
import { Retries } from './retries.ts'
import { RowWriter } from './row-writer.ts'

export interface CollectorOptions {
  system: System
  database: Database
  objects: ObjectStore
  /** Default: {@link sharedDefaults}. */
  shared?: Pick<SharedSettings, 'sweepMs'>
  /** Of this broker's session; null while it has none. Rows are removed with its frames. */
  journal(): RowJournal | null
  /**
   * Answers whether the metadata log has a topic with that id at this moment. What is merely not seen or not open here is there: its rows are all
   * that is left of its records.
   */
  topics(): Promise<(topicId: Uuid) => boolean>
  report(what: string, error: unknown): void
}

/** Rows of living sessions are their owners' to remove, unless a topic was deleted between two owners: that is rare, and looking is dear. */
const livingRowsMs = 600_000
/** Objects that the store refuses to delete, each by itself. When there are more, it hardly is because of them. */
const mostStuck = 100

export class Collector {
  /** What it has done so far, for metrics. */
  readonly counts = { deletedObjects: 0, sweptSessions: 0, sweptObjects: 0, removedPartitions: 0 }
  readonly #options: CollectorOptions
  readonly #turns: Turns
  readonly #retries: Retries
  /** What is tried by itself: so one that fails stops no other. */
  readonly #duties = { garbage: {}, sweep: {}, rows: {}, stuck: {} }
  /** In this round. */
  readonly #stuck = new Set<string>()
  #livingRowsMs = Number.NEGATIVE_INFINITY
  #running: Promise<void> | null = null

  constructor(options: CollectorOptions) {
    this.#options = options
    this.#turns = new Turns(options.system)
    this.#retries = new Retries(options.system, options.report)
  }

  /**
   * One round, in bounded steps; stops early when `goOn` says no. Called by the first in rank, some time after the one before was done. Never
   * rejects: what failed is reported once, and tried again by a later round.
   */
  run(goOn: () => boolean): Promise<void> {
    this.#running ??= this.#round(goOn).finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async #round(goOn: () => boolean): Promise<void> {
    const { garbage, sweep, rows, stuck } = this.#duties
    this.#stuck.clear()
    await this.#try(garbage, 'deleting garbage', () => this.#collectGarbage(goOn))
    await this.#try(rows, 'removing rows of deleted topics', () => this.#removeRows(goOn))
    await this.#try(sweep, 'sweeping what ended sessions left behind', () => this.#sweepAll(goOn))
    if (this.#stuck.size === 0) this.#retries.succeeded(stuck)
  }

  async #try(key: object, what: string, work: () => Promise<void>): Promise<void> {
    if (!this.#retries.isDue(key)) return
    try {
      await work()
      this.#retries.succeeded(key)
    } catch (error) {
      this.#retries.failed(key, what, error)
    }
  }

  async #collectGarbage(goOn: () => boolean): Promise<void> {
    const { database } = this.#options
    while (goOn()) {
      const found = await database.dueGarbage(objectsPerList + this.#stuck.size)
      const due = found.filter(object => !this.#stuck.has(object)).slice(0, objectsPerList)
      if (due.length === 0) break
      const deleted = await this.#delete(due)
      if (deleted.length > 0) await database.forgetGarbage(deleted)
      this.counts.deletedObjects += deleted.length
      if (due.length < objectsPerList) break
    }
  }

  /** Returns those that are gone. Rejects when the store is away. */
  async #delete(names: readonly string[]): Promise<readonly string[]> {
    try {
      await this.#options.objects.delete(names)
      return names
    } catch (error) {
      if (!(error instanceof ObjectError) || error.retriable) throw error
      if (names.length === 1) {
        if (this.#stuck.size >= mostStuck) throw error
        // The first one stands for all of them: the reason is mostly the same.
        this.#retries.failed(this.#duties.stuck, `deleting ${names[0]}`, error)
        this.#stuck.add(names[0]!)
        return []
      }
      const half = names.length >> 1
      return [...(await this.#delete(names.slice(0, half))), ...(await this.#delete(names.slice(half)))]
    }
  }

  async #sweepAll(goOn: () => boolean): Promise<void> {
    const { database, shared = sharedDefaults } = this.#options
    const sessions = new Set<number>()
    for (const ms of shared.sweepMs) for (const session of await database.sweepable(ms)) sessions.add(session)
    let failure: { error: unknown } | null = null
    for (const session of sessions) {
      if (!goOn()) return
      try {
        if (!(await this.#sweep(session, goOn))) return
        // Its frames go, and what only they named becomes garbage.
        await database.markSwept(session)
        this.counts.sweptSessions++
      } catch (error) {
        failure ??= { error }
      }
    }
    if (failure !== null) throw failure.error
  }

  /** Deletes what no row names. False: it stopped early. */
  async #sweep(session: number, goOn: () => boolean): Promise<boolean> {
    const { objects, database } = this.#options
    for (let after: string | undefined; ; ) {
      if (!goOn()) return false
      const page = await objects.list(`${session}/`, after)
      const names = page.objects.map(each => each.name)
      const needless = names.length === 0 ? [] : await database.unreferenced(names)
      if (needless.length > 0) this.counts.sweptObjects += (await this.#delete(needless)).length
      if (!page.more || names.length === 0) return true
      after = names.at(-1)
    }
  }

  async #removeRows(goOn: () => boolean): Promise<void> {
    const { database, system } = this.#options
    const nowMs = system.clock.monotonic()
    const withLiving = nowMs - this.#livingRowsMs >= livingRowsMs
    const sessions = (await database.sessions()).filter(({ ended }) => ended || withLiving)
    for (const session of sessions) {
      if (!goOn()) return
      await this.#removeRowsOf(session)
    }
    if (withLiving) this.#livingRowsMs = nowMs
  }

  async #removeRowsOf({ session }: SessionRow): Promise<void> {
    const { database, topics, journal } = this.#options
    // First the rows, then the topics: of a row that is there, the topic was in the metadata before.
    const rows = await database.partitionsOf(session)
    if (rows.length === 0) return
    const isThere = await topics()
    const orphans: PartitionKey[] = []
    for (const { topicId, partition } of rows) {
      if (this.#turns.over) await this.#turns.next()
      if (!isThere(uuidOf(topicId))) orphans.push({ topicId, partition })
    }
    const own = journal()
    if (orphans.length === 0 || own === null || own.ended !== null) return
    const count = orphans.length
    await removePartitionRows(database, new RowWriter(own), orphans)
    this.counts.removedPartitions += count
  }
}
