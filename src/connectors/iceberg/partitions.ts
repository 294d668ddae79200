/** Partitions of tables: which a row belongs to, and how manifests describe it. Of Iceberg's transforms those that keep or shorten a value. */
import { DataError } from '../../connector.ts'
import type { ParquetValue } from '../formats/parquet-values.ts'
import { floorDivide } from '../values/temporal.ts'
import type { IcebergField, StructType } from './types.ts'

export interface PartitionSpec {
  readonly 'spec-id': number
  readonly fields: readonly PartitionField[]
}

export interface PartitionField {
  readonly 'source-id': number
  readonly 'field-id'?: number
  readonly name: string
  readonly transform: string
}

export interface Partitioning {
  readonly spec: PartitionSpec
  /** As manifests have it, for a row as Parquet takes it. */
  of(row: Readonly<Record<string, ParquetValue>>): Readonly<Record<string, ParquetValue>>
  /** Fields of the Avro record that describes a partition. */
  readonly avro: readonly {
    readonly name: string
    readonly type: readonly unknown[]
    readonly default: null
    readonly 'field-id': number
  }[]
}

type Shorten = (value: ParquetValue) => ParquetValue

/** Throws Error for what cannot be written. */
export function partitioningOf(struct: StructType, spec: PartitionSpec): Partitioning {
  const parts = spec.fields
    .filter(field => field.transform !== 'void')
    .map(field => {
      const source = struct.fields.find(each => each.id === field['source-id'])
      if (source === undefined)
        throw new Error(`the table is partitioned by a field within another one, ${field.name}, which this connector cannot write`)
      return { field, source, shorten: transformOf(field, source) }
    })
  return {
    spec,
    of: row =>
      Object.fromEntries(
        parts.map(({ field, source, shorten }) => [field.name, row[source.name] === null ? null : shorten(row[source.name]!)]),
      ),
    avro: parts.map(({ field, source }) => ({
      name: field.name,
      type: ['null', avroTypeOf(field, source)],
      default: null,
      'field-id': field['field-id']!,
    })),
  }
}

const hourMicros = 3_600_000_000n
const dayMicros = 24n * hourMicros

function transformOf({ transform, name }: PartitionField, source: IcebergField): Shorten {
  if (transform === 'identity') {
    if (typeof source.type !== 'string' || source.type.startsWith('decimal'))
      throw new Error(`the table is partitioned by ${name}, of a type that this connector cannot write`)
    return value => value
  }
  const isDate = source.type === 'date'
  if (source.type !== 'timestamp' && source.type !== 'timestamptz' && !isDate) throw unknown(name, transform)
  const dayOf = (value: ParquetValue) => (isDate ? (value as number) : Number(floorDivide(value as bigint, dayMicros)))
  switch (transform) {
    case 'hour':
      if (isDate) throw unknown(name, transform)
      return value => Number(floorDivide(value as bigint, hourMicros))
    case 'day':
      return dayOf
    case 'month':
    case 'year':
      return value => {
        const date = new Date(dayOf(value) * 86_400_000)
        if (Number.isNaN(date.getTime())) throw new DataError(`field ${source.name} holds a time that has no month`)
        const year = date.getUTCFullYear() - 1970
        return transform === 'year' ? year : year * 12 + date.getUTCMonth()
      }
    default:
      throw unknown(name, transform)
  }
}

function unknown(name: string, transform: string): Error {
  return new Error(`the table is partitioned by ${name}, ${transform}, which this connector cannot write`)
}

const avroTypes: Readonly<Record<string, unknown>> = {
  boolean: 'boolean',
  int: 'int',
  long: 'long',
  float: 'float',
  double: 'double',
  string: 'string',
  binary: 'bytes',
  date: { type: 'int', logicalType: 'date' },
  time: { type: 'long', logicalType: 'time-micros' },
  timestamp: { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': false },
  timestamptz: { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': true },
}

function avroTypeOf({ transform }: PartitionField, source: IcebergField): unknown {
  if (transform === 'identity') return avroTypes[source.type as string]
  return transform === 'day' ? avroTypes['date'] : 'int'
}
