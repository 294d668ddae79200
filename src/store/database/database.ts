/**
 * The database as the brokers use it: who tries what again, on which connection, for how long.
 *
 * Three connections: one for commits ({@link Commits}), one that listens for metadata, one for everything else. The last one is used by one
 * call after the other on the server; nothing here is both frequent and slow, except reads at a take-over, and they are paged.
 */
import type { Durations, System } from '../../base.ts'
import type { CommitOutcome, Database, DatabaseCounts, Frame, MetadataAppend, SessionStart, Writes } from '../../store.ts'
import { type Backend, DatabaseRefused, DatabaseUnavailable, type Queries, StreamGrown } from './backend.ts'
import { Commits } from './commits.ts'
import { MetadataWatch } from './metadata-watch.ts'
import { Pauses } from './pauses.ts'

export interface DatabaseOptions {
  system: System
  /** Opens a connection, with its own time-out: see `postgres()`. */
  connect: () => Promise<Backend>
  /** After this time a call that can be repeated is given up. Default: 10 s. */
  timeoutMs?: number
  /** What went wrong without a caller to learn of it. */
  report?(what: string, error: unknown): void
  /** The database takes commits again, after what was reported. */
  recovered?(service: string, ms: number): void
}

/** For one attempt. */
const attemptTimeoutMs = 5_000
/** `start` may wait for a schema change by another broker. */
const longAttemptTimeoutMs = 60_000
/** A fence that meets a session which writes at that moment takes the next seq; each try has a fair chance. */
const mostFenceRaces = 1_000

export function openDatabase(options: DatabaseOptions): Database {
  return new SharedDatabase(options)
}

class SharedDatabase implements Database, DatabaseCounts {
  queries = 0
  failures = 0
  readonly #system: System
  readonly #connect: () => Promise<Backend>
  readonly #timeoutMs: number
  readonly #report: (what: string, error: unknown) => void
  readonly #commits: Commits
  readonly #watch: MetadataWatch
  /** The newest session of this database. */
  #begun: { session: number; incarnation: string } | null = null
  #backend: Promise<Backend> | null = null
  #reconnects = 0
  #closed = false

  constructor({ system, connect, timeoutMs = 10_000, report = () => {}, recovered = () => {} }: DatabaseOptions) {
    this.#system = system
    this.#connect = connect
    this.#timeoutMs = timeoutMs
    this.#report = report
    const knowsSession = async ({ queries }: Backend) =>
      this.#begun === null || (await queries.sessionOf(this.#begun.incarnation)) === this.#begun.session
    this.#commits = new Commits({ system, connect, attemptTimeoutMs, report, recovered, knowsSession })
    const askElsewhere = () => this.#attempt(queries => queries.metadataEnd(), attemptTimeoutMs)
    this.#watch = new MetadataWatch({ system, connect, askElsewhere, report })
  }

  get counts(): DatabaseCounts {
    return this
  }
  get commits(): number {
    return this.#commits.commits
  }
  get commitBytes(): number {
    return this.#commits.commitBytes
  }
  get commitDurations(): Durations {
    return this.#commits.durations
  }
  get resent(): number {
    return this.#commits.resent
  }
  get reconnects(): number {
    return this.#commits.reconnects + this.#reconnects
  }

  commit(frame: Frame, writes?: Writes): Promise<CommitOutcome> {
    return this.#commits.commit(frame, writes ?? null)
  }

  check = () => this.#try(queries => queries.check())
  troubles = () => this.#try(queries => queries.troubles())
  start = (newId: string) => this.#try(queries => queries.start(newId), longAttemptTimeoutMs)

  claimPlace = (place: string) => this.#try(queries => queries.claimPlace(place))
  raiseIncarnation = (from: number) => this.#try(queries => queries.raiseIncarnation(from))

  async beginSession(start: SessionStart): Promise<number> {
    const session = await this.#try(queries => queries.beginSession(start))
    this.#begun = { session, incarnation: start.incarnation }
    this.#commits.begin(session)
    return session
  }

  async fence(session: number, by: number, metadata?: MetadataAppend, after?: number): Promise<boolean> {
    for (let races = 0; races < mostFenceRaces; races++) {
      const result = await this.#try(queries => queries.fence(session, metadata ?? null, by, after ?? null))
      if (result === 'raced' && after !== undefined) throw new StreamGrown(session)
      if (result !== 'raced') return result === 'done' || (metadata !== undefined && (await this.#isOwn(metadata, by)))
    }
    throw new DatabaseUnavailable(`session ${session} wrote before each of ${mostFenceRaces} attempts to fence it`)
  }

  async appendMetadata(append: MetadataAppend, session: number): Promise<boolean> {
    const forever = Number.POSITIVE_INFINITY
    if (await this.#try(queries => queries.appendMetadata(append, session), attemptTimeoutMs, forever)) return true
    return this.#isOwn(append, session)
  }

  readMetadata = (from: number, mostBytes: number) => this.#try(queries => queries.readMetadata(from, mostBytes))
  metadataEnd = () => this.#try(queries => queries.metadataEnd())
  onMetadata = (callback: (end: number) => void) => this.#watch.onGrown(callback)
  metadataSnapshot = () => this.#try(queries => queries.metadataSnapshot())
  putMetadataSnapshot: Database['putMetadataSnapshot'] = (snapshot, below, session) =>
    this.#try(queries => queries.putMetadataSnapshot(snapshot, below, session))
  sessions = () => this.#try(queries => queries.sessions())
  heads = () => this.#try(queries => queries.heads())
  frames = (session: number, from: number, mostBytes: number) => this.#try(queries => queries.frames(session, from, mostBytes))
  partitionsOf = (session: number) => this.#try(queries => queries.partitionsOf(session))
  partitions: Database['partitions'] = keys => this.#try(queries => queries.partitions(keys))
  segments: Database['segments'] = keys => this.#try(queries => queries.segments(keys))
  dueGarbage = (most: number) => this.#try(queries => queries.dueGarbage(most))
  forgetGarbage: Database['forgetGarbage'] = objects => this.#try(queries => queries.forgetGarbage(objects))
  unreferenced: Database['unreferenced'] = objects => this.#try(queries => queries.unreferenced(objects))
  sweepable = (endedForMs: number) => this.#try(queries => queries.sweepable(endedForMs))
  markSwept = (session: number) => this.#try(queries => queries.markSwept(session))

  /** On a connection of its own, because it may wait for the disk, and nobody else should. */
  async vacuum(): Promise<void> {
    if (this.#closed) throw new DatabaseRefused('the database was closed')
    const backend = await this.#connect()
    try {
      await this.#inTime(backend.queries.vacuum(), longAttemptTimeoutMs)
    } finally {
      backend.close()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#commits.close()
    this.#watch.close()
    const backend = this.#backend
    this.#backend = null
    if (backend !== null) (await backend.catch(() => null))?.close()
  }

  /** An append whose first attempt was committed, though its answer was lost, finds itself. */
  async #isOwn(append: MetadataAppend, session: number): Promise<boolean> {
    const found = await this.#try(queries => queries.metadataAt(append.offset), attemptTimeoutMs, Number.POSITIVE_INFINITY)
    return found !== null && found.session === session && Buffer.from(found.records).equals(append.records)
  }

  /** Tries until it succeeds, is refused, or `timeoutMs` has passed. */
  async #try<T>(work: (queries: Queries) => Promise<T>, attemptMs = attemptTimeoutMs, timeoutMs = this.#timeoutMs): Promise<T> {
    const endMs = this.#system.clock.monotonic() + timeoutMs
    const pauses = new Pauses(this.#system)
    for (;;) {
      await pauses.before()
      if (this.#closed) throw new DatabaseRefused('the database was closed')
      try {
        return await this.#attempt(work, attemptMs)
      } catch (error) {
        this.failures++
        const again = error instanceof DatabaseUnavailable && !this.#closed && this.#system.clock.monotonic() < endMs
        if (!again) throw error
      }
    }
  }

  async #attempt<T>(work: (queries: Queries) => Promise<T>, attemptMs: number): Promise<T> {
    const opened = this.#connection()
    const backend = await opened
    this.queries++
    try {
      return await this.#inTime(work(backend.queries), attemptMs)
    } catch (error) {
      if (error instanceof DatabaseUnavailable) {
        this.#drop(opened)
        backend.close()
      }
      throw error
    }
  }

  async #inTime<T>(work: Promise<T>, ms: number): Promise<T> {
    const late = Promise.withResolvers<never>()
    const timer = this.#system.timers.after(ms, () => late.reject(new DatabaseUnavailable(`no answer in ${ms} ms`)))
    try {
      return await Promise.race([work, late.promise])
    } finally {
      timer.cancel()
    }
  }

  #connection(): Promise<Backend> {
    if (this.#backend !== null) return this.#backend
    const opening: Promise<Backend> = this.#connect().then(
      backend => {
        if (this.#closed) backend.close()
        backend.onLost(() => this.#drop(opening))
        return backend
      },
      error => {
        this.#drop(opening)
        this.#report('no connection to the database', error)
        throw error
      },
    )
    this.#backend = opening
    return opening
  }

  #drop(connection: Promise<Backend>): void {
    if (this.#backend !== connection) return
    this.#backend = null
    this.#reconnects++
  }
}
