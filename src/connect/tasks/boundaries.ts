/** Transactions whose ends the connector decides (`transaction.boundary=connector`, KIP-618). */
import type { SourceRecord, SourceTransaction } from '../../connector.ts'

type End = 'commit' | 'abort'

export class Boundaries implements SourceTransaction {
  readonly #after = new Map<SourceRecord, End>()
  #atEnd: End | null = null

  commit(after?: SourceRecord): void {
    this.#end('commit', after)
  }

  abort(after?: SourceRecord): void {
    this.#end('abort', after)
  }

  #end(end: End, after: SourceRecord | undefined): void {
    if (after === undefined) this.#atEnd = end
    else this.#after.set(after, end)
  }

  /** What has been polled, in parts, and what ends each of them; null: the transaction goes on. */
  *parts(records: readonly SourceRecord[]): Generator<readonly [readonly SourceRecord[], End | null]> {
    let from = 0
    for (const [index, record] of this.#after.size === 0 ? [] : records.entries()) {
      const end = this.#after.get(record)
      if (end === undefined) continue
      yield [records.slice(from, index + 1), end]
      from = index + 1
    }
    // Records that were not given do not come any more.
    this.#after.clear()
    const end = this.#atEnd
    this.#atEnd = null
    if (from < records.length || end !== null) yield [records.slice(from), end]
  }
}
