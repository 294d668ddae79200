/**
 * Rows as PostgreSQL keeps them under READ COMMITTED, as far as the store relies on it: each statement sees what is committed when it begins
 * and what its own transaction did; who inserts or changes a key that another open transaction has touched waits for its end.
 */
import { assert } from '../../src/base.ts'

/** Told of every row that a commit adds, changes or deletes; undefined: there was none, or there is none any more. */
export type RowWatcher = (key: string, before: unknown, after: unknown) => void

const rememberedMs = 5_000

/** What is committed, in the order of keys. */
class Committed {
  watcher: RowWatcher = () => {}
  readonly #nowMs: () => number
  readonly #rows = new Map<string, unknown>()
  readonly #keys: string[] = []
  /** Of the last {@link rememberedMs}. */
  readonly #changes: { atMs: number; key: string; before: unknown }[] = []

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  get(key: string): unknown {
    return this.#rows.get(key)
  }

  set(key: string, row: unknown): void {
    const before = this.#rows.get(key)
    if (row === undefined) {
      if (this.#rows.delete(key)) this.#keys.splice(this.#placeOf(key), 1)
    } else {
      if (!this.#rows.has(key)) this.#keys.splice(this.#placeOf(key), 0, key)
      this.#rows.set(key, row)
    }
    const atMs = this.#nowMs()
    this.#changes.push({ atMs, key, before })
    while (this.#changes[0]!.atMs < atMs - rememberedMs) this.#changes.shift()
    this.watcher(key, before, row)
  }

  /** What was committed since then never was; at most {@link rememberedMs} ago. */
  forget(sinceMs: number): void {
    const first = this.#changes.findIndex(({ atMs }) => atMs >= sinceMs)
    if (first === -1) return
    for (const { key, before } of this.#changes.splice(first).reverse()) this.set(key, before)
  }

  scan(prefix: string): [key: string, row: unknown][] {
    const found: [string, unknown][] = []
    for (let at = this.#placeOf(prefix); this.#keys[at]?.startsWith(prefix); at++)
      found.push([this.#keys[at]!, this.#rows.get(this.#keys[at]!)])
    return found
  }

  last(prefix: string): unknown {
    const key = this.#keys[this.#placeOf(`${prefix}\uffff`) - 1]
    return key?.startsWith(prefix) ? this.#rows.get(key) : undefined
  }

  /** Where the key is, or would be. */
  #placeOf(key: string): number {
    let low = 0
    for (let high = this.#keys.length; low < high; ) {
      const middle = (low + high) >> 1
      if (this.#keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

export class Rows {
  readonly #committed: Committed
  readonly #locks = new Map<string, Transaction>()
  readonly #open = new Set<Transaction>()

  /** On any clock that does not go back. */
  constructor(nowMs: () => number) {
    this.#committed = new Committed(nowMs)
  }

  begin(): Transaction {
    const transaction = new Transaction(this.#committed, this.#locks, () => this.#open.delete(transaction))
    this.#open.add(transaction)
    return transaction
  }

  /** As if the server had crashed: what was not committed never was. */
  abortAll(): void {
    for (const transaction of [...this.#open]) transaction.end(false)
  }

  /** As after a failover to a standby that got nothing since then. */
  forget(sinceMs: number): void {
    this.abortAll()
    this.#committed.forget(sinceMs)
  }

  watch(watcher: RowWatcher): void {
    this.#committed.watcher = watcher
  }
}

/** The transaction cannot go on: it was aborted from outside, or it and another wait for each other. */
export class Aborted extends Error {}

/** Nothing is committed, and the call has this result. */
export class Refusal extends Error {
  readonly result: unknown

  constructor(result: unknown) {
    super('rolled back')
    this.result = result
  }
}

export class Transaction {
  readonly #committed: Committed
  readonly #locks: Map<string, Transaction>
  readonly #closed: () => void
  /** undefined: deleted. */
  readonly #own = new Map<string, unknown>()
  readonly #held: string[] = []
  #waitsFor: Transaction | null = null
  #ended = false
  readonly #waiters: (() => void)[] = []

  constructor(committed: Committed, locks: Map<string, Transaction>, closed: () => void) {
    this.#committed = committed
    this.#locks = locks
    this.#closed = closed
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Others wait for its end who want the same. */
  get holdsLocks(): boolean {
    return this.#held.length > 0
  }

  get<T>(key: string): T | undefined {
    this.#check()
    return (this.#own.has(key) ? this.#own.get(key) : this.#committed.get(key)) as T | undefined
  }

  /** Rows whose keys begin so, in the order of their keys. */
  scan<T>(prefix: string): [key: string, row: T][] {
    this.#check()
    const committed = this.#committed.scan(prefix) as [string, T][]
    const own = this.#ownOf(prefix)
    if (own.length === 0) return committed
    const found = new Map<string, unknown>([...committed, ...own])
    return [...found].filter(([, row]) => row !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)) as [string, T][]
  }

  /** The one with the highest key. */
  last<T>(prefix: string): T | undefined {
    this.#check()
    return (this.#ownOf(prefix).length > 0 ? this.scan(prefix).at(-1)?.[1] : this.#committed.last(prefix)) as T | undefined
  }

  /** False: there is one already. */
  async insert(key: string, row: unknown): Promise<boolean> {
    await this.lock(key)
    if (this.get(key) !== undefined) return false
    this.#own.set(key, row)
    return true
  }

  async put(key: string, row: unknown): Promise<void> {
    await this.lock(key)
    this.#own.set(key, row)
  }

  async delete(key: string): Promise<void> {
    await this.lock(key)
    this.#own.set(key, undefined)
  }

  async lock(key: string): Promise<void> {
    for (;;) {
      this.#check()
      const holder = this.#locks.get(key)
      if (holder === this) return
      if (holder === undefined) break
      for (let other: Transaction | null = holder; other !== null; other = other.#waitsFor)
        if (other === this) throw new Aborted('deadlock detected')
      this.#waitsFor = holder
      await new Promise<void>(resolve => holder.#waiters.push(resolve))
      this.#waitsFor = null
    }
    this.#locks.set(key, this)
    this.#held.push(key)
  }

  end(commit: boolean): void {
    if (this.#ended) return
    this.#ended = true
    if (commit) for (const [key, row] of this.#own) this.#committed.set(key, row)
    for (const key of this.#held) {
      assert(this.#locks.get(key) === this, `${key} is locked by its transaction`)
      this.#locks.delete(key)
    }
    this.#closed()
    for (const wake of this.#waiters.splice(0)) wake()
  }

  #ownOf(prefix: string): [string, unknown][] {
    return this.#own.size === 0 ? [] : [...this.#own].filter(([key]) => key.startsWith(prefix))
  }

  #check(): void {
    if (this.#ended) throw new Aborted('the transaction was aborted')
  }
}
