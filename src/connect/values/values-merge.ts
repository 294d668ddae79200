/** One schema for the elements of a list that was read from text. */
import { type ConnectValue, Decimal, type Schema, type SchemaType } from '../../connector.ts'

const widths: readonly SchemaType[] = ['int8', 'int16', 'int32', 'int64', 'float32', 'float64']

/** undefined: nothing is known yet; null: there is none for all. An element without a schema, which is null, changes nothing. */
export function mergedSchema(before: Schema | null | undefined, next: Schema | null | undefined): Schema | null | undefined {
  if (before === null || next === null || next === undefined) return before
  if (before === undefined) return next
  if (before.type === next.type) return next
  const one = widths.indexOf(before.type)
  const other = widths.indexOf(next.type)
  if (one < 0 || other < 0) return null
  return one > other ? before : next
}

/** A number as the wider type has it. */
export function convertTo(schema: Schema, value: ConnectValue): ConnectValue {
  if (schema.type === 'int64' && typeof value === 'number') return BigInt(value)
  if (schema.type === 'float32' && typeof value !== 'number') return Math.fround(Number(value))
  if (schema.type === 'float64' && typeof value === 'bigint') return Number(value)
  if (schema.type === 'string' && value instanceof Decimal) return value.toString()
  return value
}
