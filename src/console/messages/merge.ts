/**
 * Records of several partitions in the order of time, oldest or newest first.
 *
 * Each partition is read a little at a time, and only when all that was read of it has been given out: so a page of a topic with a billion records
 * costs a few fetches. Records that do not match are dropped as soon as they are read, and the steps get longer while nothing matches, so that a search
 * runs at the speed of fetches. Exact where a partition's timestamps do not go back.
 */
import type { Client, ReceivedRecord } from '../../client.ts'
import { type ShownRecord, shownRecord } from './shown.ts'

/** `low` up to, but without, `high`. */
export interface Range {
  low: bigint
  high: bigint
}

export interface MergeOptions {
  readonly client: Pick<Client, 'read'>
  readonly topic: string
  readonly ranges: ReadonlyMap<number, Range>
  readonly newestFirst: boolean
  /** How many records are wanted, which says how much to read first. */
  readonly wanted: number
  readonly matches: (record: ReceivedRecord) => boolean
  readonly signal: AbortSignal
}

export interface Progress {
  scanned: number
  bytes: number
  /** Offsets that are still to be read. */
  left: bigint
}

interface Source {
  readonly partition: number
  /** Not read yet. */
  readonly rest: Range
  /** Read, not given out; the next is the last one. */
  rows: ShownRecord[]
  step: number
}

/** Enough to read a row. */
const mostShownBytes = 4_096
const longestStep = 65_536

/** Yields records, and how far it has come after each step of reading. */
export class Merge {
  readonly progress: Progress
  readonly #options: MergeOptions
  readonly #sources: Source[]

  constructor(options: MergeOptions) {
    this.#options = options
    const step = Math.max(Math.ceil((2 * options.wanted) / Math.max(options.ranges.size, 1)), 8)
    this.#sources = Array.from(options.ranges, ([partition, { low, high }]) => ({ partition, rest: { low, high }, rows: [], step }))
    this.progress = { scanned: 0, bytes: 0, left: this.#left() }
  }

  /** Where to go on, by partition: the ends of what has not been given out. */
  get positions(): Map<number, bigint> {
    const { newestFirst } = this.#options
    const position = ({ rows, rest }: Source) => {
      const next = rows.at(-1)
      if (next !== undefined) return newestFirst ? BigInt(next.offset) + 1n : BigInt(next.offset)
      return newestFirst ? rest.high : rest.low
    }
    return new Map(this.#sources.map(source => [source.partition, position(source)]))
  }

  async *run(): AsyncGenerator<ShownRecord | null, void> {
    const { signal } = this.#options
    for (;;) {
      const empty = this.#sources.filter(({ rows, rest }) => rows.length === 0 && rest.low < rest.high)
      if (empty.length > 0) {
        await this.#read(empty)
        if (signal.aborted) return
        yield null
        continue
      }
      const next = this.#next()
      if (next === null) return
      yield next
    }
  }

  #next(): ShownRecord | null {
    const { newestFirst } = this.#options
    let best: Source | null = null
    let bestTime = 0
    for (const source of this.#sources) {
      const row = source.rows.at(-1)
      if (row === undefined) continue
      const time = newestFirst ? -Number(row.timestamp) : Number(row.timestamp)
      if (best === null || time < bestTime) [best, bestTime] = [source, time]
    }
    return best?.rows.pop() ?? null
  }

  async #read(sources: readonly Source[]): Promise<void> {
    const { client, topic, newestFirst, matches, signal } = this.#options
    const parts = new Map(sources.map(({ partition, rest, step }) => [partition, cut(rest, BigInt(step), newestFirst)]))
    const from = new Map(Array.from(parts, ([partition, { low }]) => [partition, low]))
    const until = new Map(Array.from(parts, ([partition, { high }]) => [partition, high]))
    const byPartition = new Map(sources.map(source => [source.partition, source]))
    for await (const records of client.read({ topic, from, until, signal })) {
      const rows = byPartition.get(records[0]!.partition)!.rows
      for (const record of records) {
        this.progress.scanned++
        this.progress.bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
        if (matches(record)) rows.push(shownRecord(record, mostShownBytes))
      }
    }
    for (const source of sources) {
      const { low, high } = parts.get(source.partition)!
      if (newestFirst) source.rest.high = low
      else source.rest.low = high
      // They were read oldest first, and are given out from the end.
      if (!newestFirst) source.rows.reverse()
      if (source.rows.length === 0) source.step = Math.min(source.step * 4, longestStep)
    }
    this.progress.left = this.#left()
  }

  #left(): bigint {
    return this.#sources.reduce((sum, { rest }) => sum + rest.high - rest.low, 0n)
  }
}

function cut({ low, high }: Range, step: bigint, fromEnd: boolean): Range {
  if (high - low <= step) return { low, high }
  return fromEnd ? { low: high - step, high } : { low, high: low + step }
}
