/**
 * Rows as PostgreSQL keeps them under READ COMMITTED, as far as the store relies on it: each statement sees what is committed when it begins
 * and what its own transaction did; who inserts or changes a key that another open transaction has touched waits for its end.
 */
import { assert } from '../../src/base.ts'

export class Rows {
  readonly #committed = new Map<string, unknown>()
  readonly #locks = new Map<string, Transaction>()
  readonly #open = new Set<Transaction>()

  begin(): Transaction {
    const transaction = new Transaction(this.#committed, this.#locks, () => this.#open.delete(transaction))
    this.#open.add(transaction)
    return transaction
  }

  /** As if the server had crashed: what was not committed never was. */
  abortAll(): void {
    for (const transaction of [...this.#open]) transaction.end(false)
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
  readonly #committed: Map<string, unknown>
  readonly #locks: Map<string, Transaction>
  readonly #closed: () => void
  /** undefined: deleted. */
  readonly #own = new Map<string, unknown>()
  readonly #held: string[] = []
  #waitsFor: Transaction | null = null
  #ended = false
  readonly #waiters: (() => void)[] = []

  constructor(committed: Map<string, unknown>, locks: Map<string, Transaction>, closed: () => void) {
    this.#committed = committed
    this.#locks = locks
    this.#closed = closed
  }

  get ended(): boolean {
    return this.#ended
  }

  get<T>(key: string): T | undefined {
    this.#check()
    return (this.#own.has(key) ? this.#own.get(key) : this.#committed.get(key)) as T | undefined
  }

  /** Rows whose keys begin so, in the order of their keys. */
  scan<T>(prefix: string): [key: string, row: T][] {
    this.#check()
    const found = new Map<string, unknown>()
    for (const rows of [this.#committed, this.#own]) for (const [key, row] of rows) if (key.startsWith(prefix)) found.set(key, row)
    return [...found].filter(([, row]) => row !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)) as [string, T][]
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
    if (commit)
      for (const [key, row] of this.#own) {
        if (row === undefined) this.#committed.delete(key)
        else this.#committed.set(key, row)
      }
    for (const key of this.#held) {
      assert(this.#locks.get(key) === this, `${key} is locked by its transaction`)
      this.#locks.delete(key)
    }
    this.#closed()
    for (const wake of this.#waiters.splice(0)) wake()
  }

  #check(): void {
    if (this.#ended) throw new Aborted('the transaction was aborted')
  }
}
