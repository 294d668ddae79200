/** How far each series of objects was read: what the worker has stored, and what was given since. Of the others only the newest are kept in memory. */
import { type SourceContext, type Struct, struct } from '../../connector.ts'
import type { Listed } from './objects.ts'

export interface Given {
  readonly records: number
  /** The etag of the object of which they were; null: none was given. */
  readonly of: string | null
}

const mostKept = 20_000
const mostEmpty = 20_000

export class Positions {
  readonly #bucket: string
  readonly #context: Pick<SourceContext, 'storedOffsets'>
  /** By series; null: nothing is stored. */
  readonly #known = new Map<string, Struct | null>()
  /** Objects without records, by their etags: no offset can say that they were read. */
  readonly #empty = new Map<string, string>()

  constructor(bucket: string, context: Pick<SourceContext, 'storedOffsets'>) {
    this.#bucket = bucket
    this.#context = context
  }

  partitionOf(series: string): Struct {
    return struct([
      ['bucket', this.#bucket],
      ['series', series],
    ])
  }

  /** Asks the worker for those that are not known. */
  async know(series: readonly string[]): Promise<void> {
    const unknown: string[] = []
    for (const each of new Set(series)) {
      const known = this.#known.get(each)
      if (known === undefined) unknown.push(each)
      // Those that are about to be asked for are not the oldest.
      else this.moved(each, known)
    }
    if (unknown.length === 0) return
    const stored = await this.#context.storedOffsets(unknown.map(each => this.partitionOf(each)))
    for (const [index, each] of unknown.entries()) this.#known.set(each, stored[index] ?? null)
  }

  /** null: the object was read. */
  givenOf(series: string, { key, etag }: Listed): Given | null {
    if (this.#empty.get(key) === etag) return null
    const position = this.#known.get(series) ?? null
    if (position === null) return { records: 0, of: null }
    const last = String(position['object'])
    const order = Buffer.compare(Buffer.from(key), Buffer.from(last))
    if (order > 0) return { records: 0, of: null }
    if (order < 0 || position['done'] === true) return null
    return { records: Number(position['records']), of: String(position['etag']) }
  }

  moved(series: string, offset: Struct | null): void {
    // At the end, as the newest.
    this.#known.delete(series)
    this.#known.set(series, offset)
  }

  empty({ key, etag }: Listed): void {
    this.#empty.set(key, etag)
    forget(this.#empty, mostEmpty)
  }

  /** What was given is stored: it can be asked for. */
  stored(): void {
    forget(this.#known, mostKept)
  }
}

function forget(map: Map<string, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return
    map.delete(key)
  }
}
