/** Schemas of records, as Kafka Connect has them (org.apache.kafka.connect.data). */
import type { ConnectValue } from './value.ts'

export type SchemaType =
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float32'
  | 'float64'
  | 'boolean'
  | 'string'
  | 'bytes'
  | 'array'
  | 'map'
  | 'struct'

/** Absent properties are Kafka Connect's defaults: not optional, no name, no version, no default. */
export interface Schema {
  readonly type: SchemaType
  readonly optional?: boolean
  /** Of a struct; for other types it says what the value means, see {@link logical}. */
  readonly name?: string
  readonly version?: number
  readonly doc?: string
  /** Used where the value is null. */
  readonly default?: ConnectValue
  readonly parameters?: Readonly<Record<string, string>>
  /** Of a struct. */
  readonly fields?: readonly Field[]
  /** Of an array. */
  readonly items?: Schema
  /** Of a map. */
  readonly keys?: Schema
  readonly values?: Schema
}

export interface Field {
  readonly name: string
  readonly schema: Schema
}

/** Names of the logical types. */
export const logical = {
  decimal: 'org.apache.kafka.connect.data.Decimal',
  date: 'org.apache.kafka.connect.data.Date',
  time: 'org.apache.kafka.connect.data.Time',
  timestamp: 'org.apache.kafka.connect.data.Timestamp',
} as const

export function decimal(scale: number, optional = false): Schema {
  return { type: 'bytes', name: logical.decimal, version: 1, parameters: { scale: String(scale) }, ...(optional ? { optional } : {}) }
}

export function fieldOf(schema: Schema, name: string): Field | undefined {
  return schema.fields?.find(field => field.name === name)
}
