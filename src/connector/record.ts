/** Records between converters, transforms and connectors. They are never changed: a transform returns another one. */
import type { Schema } from './schema.ts'
import type { ConnectValue, Struct } from './value.ts'

export interface Header {
  readonly name: string
  /** null: without schema. */
  readonly schema: Schema | null
  readonly value: ConnectValue
}

export interface ConnectRecord {
  readonly topic: string
  /** null: to be chosen by the producer. */
  readonly partition: number | null
  /** null: without schema. */
  readonly keySchema: Schema | null
  readonly key: ConnectValue
  readonly valueSchema: Schema | null
  /** null: a tombstone. */
  readonly value: ConnectValue
  /** In ms since 1970; null: now. */
  readonly timestampMs: bigint | null
  readonly headers: readonly Header[]
}

/** Goes to a target. */
export interface SinkRecord extends ConnectRecord {
  readonly partition: number
  readonly offset: bigint
  /** Where it was read, before transforms changed topic or partition (KIP-793): offsets are committed for these. */
  readonly original: { readonly topic: string; readonly partition: number; readonly offset: bigint }
  readonly timestampType: 'CREATE_TIME' | 'LOG_APPEND_TIME' | 'NO_TIMESTAMP_TYPE'
}

/** Comes from a source. */
export interface SourceRecord extends ConnectRecord {
  /** What it was read from, such as a file. */
  readonly sourcePartition: Struct
  /** From where to go on after it. */
  readonly sourceOffset: Struct
}

type Chosen = 'topic' | 'sourcePartition' | 'sourceOffset'

/** Null where nothing is given, and without headers. */
export function sourceRecord(given: Pick<SourceRecord, Chosen> & Partial<SourceRecord>): SourceRecord {
  return { partition: null, keySchema: null, key: null, valueSchema: null, value: null, timestampMs: null, headers: [], ...given }
}
