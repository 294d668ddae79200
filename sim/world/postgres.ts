/**
 * A PostgreSQL in a simulated world: transactions that overlap and wait for each other, connections that break before or after a commit,
 * and backends that carry on after their client has given up.
 *
 * What is simulated are the calls of the store's `Backend`; who sends what again is the store's own code, and runs unchanged.
 */
import type { Clock, Timers } from '../../src/base.ts'
import { type Backend, DatabaseUnavailable, type Frame, type Queries, type TransactResult, type Writes } from '../../src/store.ts'
import { simulatedQueries, simulatedTransact, tryToInsertFrame } from './postgres-calls.ts'
import type { Process } from './process.ts'
import type { SeededRandom } from './random.ts'
import { Aborted, Refusal, Rows, type RowWatcher, type Transaction } from './rows.ts'

/** What happens to a call. `late`: the client learns that the connection broke, and its backend goes on for a while. */
export type CallFate = 'well' | 'lost-before' | 'lost-after' | 'late'

export interface SimulatedPostgresOptions {
  clock: Clock
  /** The server's: not those of a broker, which may be paused. */
  timers: Timers
  random: SeededRandom
  fate(): CallFate
  graceMs: number
  /** For how long a transaction that has written stands still before it commits: its locks are held, and its client may give up meanwhile. */
  stallMs?(): number
  plant?: PostgresPlant
}

/** Bugs on purpose, which the contract must find. */
export type PostgresPlant =
  | 'no-predecessor-check'
  | 'flag-fence'
  | 'unguarded-trim'
  | 'metadata-apart'
  | 'no-lock-on-objects'
  | 'take-over-of-any'

/** How long a backend lives on without its client. */
const latestMs = 8_000

export class SimulatedPostgres {
  readonly #options: SimulatedPostgresOptions
  readonly #rows: Rows
  readonly #connections = new Set<SimulatedBackend>()
  readonly #listeners = new Set<(end: number) => void>()
  /** They cannot reach it. */
  readonly #cutOff = new Set<Process>()
  #up = true

  constructor(options: SimulatedPostgresOptions) {
    this.#options = options
    this.#rows = new Rows(() => options.clock.monotonic())
  }

  /** For a broker that runs in this process. */
  connect(process: Process): () => Promise<Backend> {
    return () =>
      new Promise((resolve, reject) => {
        this.#options.timers.after(this.latency(), () =>
          process.run(() => {
            if (!this.#up || this.#cutOff.has(process) || this.#options.fate() !== 'well')
              reject(new DatabaseUnavailable('connection refused'))
            else {
              const backend = new SimulatedBackend(this, process)
              this.#connections.add(backend)
              resolve(backend)
            }
          }),
        )
      })
  }

  /** Everything in progress is lost; what was committed stays. */
  stop(): void {
    this.#up = false
    this.#rows.abortAll()
    for (const connection of [...this.#connections]) connection.lose('the server stopped')
  }

  start(): void {
    this.#up = true
  }

  /** This one cannot reach it, until {@link reconnect}. */
  cutOff(process: Process): void {
    this.#cutOff.add(process)
    for (const connection of [...this.#connections]) if (connection.isOf(process)) connection.lose('the connection was reset')
  }

  reconnect(process: Process): void {
    this.#cutOff.delete(process)
  }

  /** What is committed of a table, in the order of its keys. */
  rows<T>(prefix: string): T[] {
    const transaction = this.#rows.begin()
    const found = transaction.scan<T>(prefix).map(([, row]) => row)
    transaction.end(false)
    return found
  }

  /** Told of everything that is committed. */
  watch(watcher: RowWatcher): void {
    this.#rows.watch(watcher)
  }

  /** Breaks one connection, if there is one. */
  breakOne(): void {
    const connections = [...this.#connections]
    if (connections.length > 0) this.#options.random.pick(connections).lose('the connection was reset')
  }

  /** To a standby that has nothing of the last `lagMs`. */
  failOver(lagMs: number): void {
    this.stop()
    this.#rows.forget(this.#options.clock.monotonic() - lagMs)
    this.start()
  }

  /** Deletes the newest frame of a session, as a failover to a standby that lags does. */
  async forgetNewestFrame(session: number): Promise<void> {
    await this.atomically(async transaction => {
      const newest = transaction.scan(`frame/${String(session).padStart(16, '0')}/`).at(-1)
      if (newest !== undefined) await transaction.delete(newest[0])
    })
  }

  /** Deletes the newest append to the metadata log, as such a failover does, and breaks all connections. */
  async forgetNewestMetadata(): Promise<void> {
    await this.atomically(async transaction => {
      const newest = transaction.scan('metadata/').at(-1)
      if (newest !== undefined) await transaction.delete(newest[0])
    })
    this.breakAll()
  }

  breakAll(): void {
    for (const connection of [...this.#connections]) connection.lose('another server has taken over')
  }

  get nowMs(): number {
    return this.#options.clock.now()
  }

  planted(plant: PostgresPlant): boolean {
    return this.#options.plant === plant
  }

  get graceMs(): number {
    return this.#options.graceMs
  }

  latency(): number {
    const { random } = this.#options
    return 0.1 + random.fraction() * (random.chance(0.02) ? 50 : 1)
  }

  fate(): CallFate {
    return this.#up ? this.#options.fate() : 'lost-before'
  }

  after(ms: number): Promise<void> {
    return new Promise(resolve => this.#options.timers.after(ms, resolve))
  }

  lateMs(): number {
    return this.#options.random.fraction() * latestMs
  }

  /** Rolled back if `work` throws {@link Refusal}, which gives the result, or anything else. */
  async atomically<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const transaction = this.#rows.begin()
    try {
      const result = await work(transaction)
      // Committing takes its time, too.
      await this.statement()
      const stallMs = transaction.holdsLocks ? (this.#options.stallMs?.() ?? 0) : 0
      if (stallMs > 0) await this.after(stallMs)
      if (transaction.ended) throw new Aborted('the transaction was aborted')
      transaction.end(true)
      return result
    } catch (error) {
      transaction.end(false)
      if (error instanceof Refusal) return error.result as T
      if (error instanceof Aborted) throw new DatabaseUnavailable(error.message)
      throw error
    }
  }

  /** Between two statements. */
  async statement(): Promise<void> {
    if (this.#options.random.chance(0.5)) await this.after(this.#options.random.fraction() * 3)
  }

  listen(listener: (end: number) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  notify(end: number): void {
    for (const listener of [...this.#listeners]) listener(end)
  }

  gone(connection: SimulatedBackend): void {
    this.#connections.delete(connection)
  }
}

class SimulatedBackend implements Backend {
  readonly queries: Queries
  readonly #server: SimulatedPostgres
  readonly #process: Process
  /** Calls of a connection are carried out one after the other. */
  #last: Promise<unknown> = Promise.resolve()
  #broken: DatabaseUnavailable | null = null
  #closed = false
  #lost: (error: Error) => void = () => {}
  #stopListening = () => {}
  readonly #open = new Set<(error: Error) => void>()

  constructor(server: SimulatedPostgres, process: Process) {
    this.#server = server
    this.#process = process
    this.queries = simulatedQueries(server, work => this.#call(work))
  }

  isOf(process: Process): boolean {
    return this.#process === process
  }

  insertFrame(frame: Frame): Promise<boolean> {
    return this.#call(() => this.#server.atomically(transaction => tryToInsertFrame(this.#server, transaction, frame)))
  }

  transact(frame: Frame, writes: Writes): Promise<TransactResult> {
    return this.#call(() => simulatedTransact(this.#server, frame, writes))
  }

  onLost(callback: (error: Error) => void): void {
    this.#lost = callback
    if (this.#broken !== null && !this.#closed) callback(this.#broken)
  }

  async listen(callback: (end: number) => void): Promise<void> {
    await this.#call(async () => {})
    this.#stopListening = this.#server.listen(end => {
      const heard = () => {
        if (this.#broken === null) callback(end)
      }
      void this.#server.after(this.#server.latency()).then(() => this.#process.run(heard))
    })
  }

  close(): void {
    this.#closed = true
    this.lose('closed')
  }

  /** Calls under way go on at the server, or not: that was settled when they were sent. */
  lose(reason: string): void {
    if (this.#broken !== null) return
    const error = new DatabaseUnavailable(reason)
    this.#broken = error
    this.#stopListening()
    this.#server.gone(this)
    const open = [...this.#open]
    this.#open.clear()
    this.#process.run(() => {
      for (const reject of open) reject(error)
      if (!this.#closed) this.#lost(error)
    })
  }

  #call<T>(work: () => Promise<T>): Promise<T> {
    if (this.#broken !== null) return Promise.reject(new DatabaseUnavailable('the connection is lost'))
    const server = this.#server
    const fate = server.fate()
    return new Promise<T>((resolve, reject) => {
      this.#open.add(reject)
      const carriedOut = this.#last.then(async () => {
        await server.after(server.latency())
        if (fate === 'lost-before') {
          this.lose('the connection broke before the server got the request')
          throw new DatabaseUnavailable('lost')
        }
        if (fate === 'late') {
          this.lose('the connection broke')
          await server.after(server.lateMs())
        }
        return work()
      })
      this.#last = carriedOut.catch(() => {})
      const answered = async (answer: () => void) => {
        if (fate === 'lost-after') this.lose('the connection broke before the answer')
        await server.after(server.latency())
        this.#process.run(() => {
          if (this.#open.delete(reject)) answer()
        })
      }
      carriedOut.then(
        result => answered(() => resolve(result)),
        error => answered(() => reject(error)),
      )
    })
  }
}
