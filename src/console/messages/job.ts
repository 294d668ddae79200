/** What is asked of the thread that reads records, and what it says. Plain data: it goes from thread to thread. */
import type { SerdeName } from '../../serde.ts'
import type { ShownRecord } from './shape.ts'

/** `low` up to, but without, `high`. */
export interface Range {
  low: bigint
  high: bigint
}

/** All that are given must hold. */
export interface Filters {
  /** The key, the value or a header has this text. */
  readonly contains?: string | undefined
  /** It has a header of this name; with `headerHas`, one whose value has that text. */
  readonly header?: string | undefined
  readonly headerHas?: string | undefined
  /** The value has something at this JSON path; with `pathIs`, something that is written so. */
  readonly path?: string | undefined
  readonly pathIs?: string | undefined
  /** A condition in CEL. */
  readonly cel?: string | undefined
}

export interface Decoding {
  readonly key: SerdeName | 'auto'
  readonly value: SerdeName | 'auto'
}

/** `rows`: for the application; `ndjson` and `csv`: the text of a file; `key` and `value`: the bytes of the first record. */
export type JobForm = 'rows' | 'ndjson' | 'csv' | 'key' | 'value'

export interface Job {
  readonly topic: string
  /** null: what is produced from `from` on, without an end. */
  readonly ranges: ReadonlyMap<number, Range> | null
  readonly from: ReadonlyMap<number, bigint>
  readonly newestFirst: boolean
  readonly limit: number
  readonly filters: Filters
  readonly decoding: Decoding
  readonly form: JobForm
  /** Of a key, value or header in a row, and of the bytes. */
  readonly mostShown: number
}

export type JobEvent =
  | { kind: 'records'; records: ShownRecord[] }
  | { kind: 'text'; text: string }
  /** A piece of the key or value. */
  | { kind: 'bytes'; bytes: Uint8Array }
  | ({ kind: 'progress'; found: number; ms: number } & Progress)
  /** Newer ones were sent instead. */
  | { kind: 'skipped'; records: number }
  /** `next`: by partition, where to go on; null: there are no more. */
  | { kind: 'end'; next: ReadonlyMap<number, bigint> | null }

export interface Progress {
  scanned: number
  bytes: number
  /** Offsets that are still to be read; in digits. */
  left: string
  /** Records for which a filter had no answer, which do not match. */
  failed: number
  /** Why, for the first of them. */
  problem: string | null
}
