/**
 * Records of several partitions in the order of time, oldest or newest first.
 *
 * Each partition is read a little at a time, and only when all that was read of it has been given out: so a page of a topic with a billion records
 * costs a few fetches. Records that do not match are dropped as soon as they are read, and the steps get longer while little is found, so that a search
 * runs at the speed of fetches. Exact where a partition's timestamps do not go back.
 */
import type { MaybePromise } from '../../base.ts'
import type { ReceivedRecord } from '../../client.ts'
import type { Range } from './job.ts'

/** The records of each fetch; those of a partition in their order. */
export type Read = (from: ReadonlyMap<number, bigint>, until: ReadonlyMap<number, bigint> | null) => AsyncIterable<ReceivedRecord[]>

export interface MergeOptions<Row> {
  readonly read: Read
  readonly ranges: ReadonlyMap<number, Range>
  readonly newestFirst: boolean
  /** How many records are wanted, which says how much to read first. */
  readonly wanted: number
  /** null: it does not match. */
  readonly take: (record: ReceivedRecord) => MaybePromise<Row | null>
  readonly signal: AbortSignal
}

interface Found<Row> {
  readonly row: Row
  readonly offset: bigint
  readonly timestampMs: bigint
}

interface Source<Row> {
  readonly partition: number
  /** Not read yet. */
  readonly rest: Range
  /** Read, not given out; the next is the last one. */
  rows: Found<Row>[]
  step: number
}

const longestStep = 65_536
/** A step that turns out to have too many bytes is begun again, shorter by so much. */
const shorter = 16
/** That are kept before they are given out, of all partitions and at least of each. */
const mostRows = 8_000
const fewestRows = 32
/** A step of fewer bytes may be longer, one of more was too long. */
const fewBytes = 2 ** 22
const manyBytes = 2 ** 25
/** Records that are larger on the average are read a few at a time, because nobody wants to wait for a hundred of them to see the first. */
const largeRecord = 2 ** 16

/** Yields rows, and null after each step of reading. */
export class Merge<Row> {
  scanned = 0
  bytes = 0
  readonly #options: MergeOptions<Row>
  readonly #sources: Source<Row>[]
  /** Of one partition. */
  readonly #mostRows: number

  constructor(options: MergeOptions<Row>) {
    this.#options = options
    const step = Math.min(Math.max(Math.ceil((2 * options.wanted) / Math.max(options.ranges.size, 1)), 8), 128)
    this.#mostRows = Math.max(Math.floor(mostRows / Math.max(options.ranges.size, 1)), fewestRows)
    this.#sources = Array.from(options.ranges, ([partition, { low, high }]) => ({ partition, rest: { low, high }, rows: [], step }))
  }

  /** Offsets that are still to be read. */
  get left(): bigint {
    return this.#sources.reduce((sum, { rest }) => sum + rest.high - rest.low, 0n)
  }

  /** Where to go on, by partition: the ends of what has not been given out. */
  get positions(): Map<number, bigint> {
    const { newestFirst } = this.#options
    const position = ({ rows, rest }: Source<Row>) => {
      const next = rows.at(-1)
      if (next !== undefined) return newestFirst ? next.offset + 1n : next.offset
      return newestFirst ? rest.high : rest.low
    }
    return new Map(this.#sources.map(source => [source.partition, position(source)]))
  }

  async *run(): AsyncGenerator<Row | null, void> {
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

  #next(): Row | null {
    const { newestFirst } = this.#options
    let best: Source<Row> | null = null
    let bestTime = 0n
    for (const source of this.#sources) {
      const found = source.rows.at(-1)
      if (found === undefined) continue
      const time = newestFirst ? -found.timestampMs : found.timestampMs
      if (best === null || time < bestTime) [best, bestTime] = [source, time]
    }
    return best?.rows.pop()?.row ?? null
  }

  async #read(sources: readonly Source<Row>[]): Promise<void> {
    const { read, newestFirst, signal } = this.#options
    const parts = new Map(sources.map(({ partition, rest, step }) => [partition, cut(rest, BigInt(step), newestFirst)]))
    const from = new Map(Array.from(parts, ([partition, { low }]) => [partition, low]))
    const until = new Map(Array.from(parts, ([partition, { high }]) => [partition, high]))
    const byPartition = new Map(sources.map(source => [source.partition, source]))
    const reached = new Map(from)
    const [before, scannedBefore] = [this.bytes, this.scanned]
    for await (const records of read(from, until)) {
      const [first] = records
      if (first !== undefined) {
        await this.#take(records, byPartition.get(first.partition)!.rows)
        reached.set(first.partition, records.at(-1)!.offset + 1n)
      }
      if (signal.aborted) return
      const bytes = this.bytes - before
      if (bytes < manyBytes || bytes < (this.scanned - scannedBefore) * largeRecord) continue
      if (newestFirst && sources.some(each => each.step > 1)) return beginAgain(sources)
      if (newestFirst) continue
      for (const [partition, part] of parts) part.high = reached.get(partition)!
      break
    }
    const perSource = (this.bytes - before) / sources.length
    for (const source of sources) this.#settle(source, parts.get(source.partition)!, perSource)
  }

  async #take(records: readonly ReceivedRecord[], rows: Found<Row>[]): Promise<void> {
    const { take, newestFirst } = this.#options
    for (const record of records) {
      if (rows.length > this.#mostRows && !newestFirst) return
      if (rows.length > 2 * this.#mostRows) rows.splice(0, this.#mostRows)
      this.scanned++
      this.bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
      const taken = take(record)
      const row = taken instanceof Promise ? await taken : taken
      if (row !== null) rows.push({ row, offset: record.offset, timestampMs: record.timestampMs })
    }
  }

  /** What is too much to be kept is read again later. */
  #settle(source: Source<Row>, { low, high }: Range, bytes: number): void {
    const { newestFirst } = this.#options
    const { rest, rows } = source
    const tooMany = rows.length > this.#mostRows
    if (newestFirst) {
      if (tooMany) rows.splice(0, rows.length - this.#mostRows)
      rest.high = tooMany ? rows[0]!.offset : low
    } else {
      // They were read oldest first, and are given out from the end.
      if (tooMany) rows.splice(this.#mostRows)
      rest.low = tooMany ? rows.at(-1)!.offset + 1n : high
      rows.reverse()
    }
    if (tooMany || bytes > manyBytes) source.step = Math.max(Math.floor(source.step / 4), 1)
    else if (bytes < fewBytes) source.step = Math.min(source.step * 4, longestStep)
  }
}

/** The newest records are at the end of what is read, so that of large ones less is to be read. */
function beginAgain(sources: readonly Source<unknown>[]): void {
  for (const source of sources) {
    source.rows = []
    source.step = Math.max(Math.floor(source.step / shorter), 1)
  }
}

function cut({ low, high }: Range, step: bigint, fromEnd: boolean): Range {
  if (high - low <= step) return { low, high }
  return fromEnd ? { low: high - step, high } : { low, high: low + step }
}
