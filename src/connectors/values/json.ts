/**
 * Values as JSON and as text, without loss: int64 and decimals keep all digits, dates and times are ISO 8601, bytes are base64 in JSON, numbers that JSON
 * does not know (NaN, Infinity) are strings.
 */
import { isUtf8 } from 'node:buffer'
import { stringifyLossless } from '../../base.ts'
import { DataError, Decimal, isStruct, type Schema } from '../../connector.ts'
import { fieldsOf, type Typed } from './select.ts'
import { temporalOf, temporalText } from './temporal.ts'

/** `JSON.rawJSON` is older than TypeScript's library for it. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object }

export function jsonText(typed: Typed): string {
  return stringifyLossless(jsonOf(typed))
}

/** For {@link stringifyLossless}: integers may be bigints. */
export function jsonOf({ schema, value }: Typed): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint') {
    const time = temporalOf(schema, value)
    if (time !== null) return temporalText(time)
    return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
  }
  if (Buffer.isBuffer(value)) return value.toString('base64')
  if (value instanceof Decimal) return rawJSON(value.toString())
  if (Array.isArray(value)) {
    const items = schema?.items ?? null
    return value.map(each => jsonOf({ schema: items, value: each }))
  }
  // Keys that are no texts: pairs, as Kafka's JsonConverter has them.
  if (value instanceof Map && [...value.keys()].some(key => typeof key !== 'string'))
    return [...value].map(([key, each]) => [
      jsonOf({ schema: schema?.keys ?? null, value: key }),
      jsonOf({ schema: schema?.values ?? null, value: each }),
    ])
  const made: Record<string, unknown> = Object.create(null)
  for (const [name, field] of fieldsOf({ schema, value })!) made[name] = jsonOf(field)
  return made
}

/** What stands in a name or a key; null for null. Bytes are text if they are UTF-8, and refused otherwise. */
export function textOf(typed: Typed): string | null {
  const { schema, value } = typed
  if (value === null) return null
  if (typeof value === 'string') return value
  if (Buffer.isBuffer(value)) {
    if (!isUtf8(value)) throw new DataError(`${value.length} bytes are no UTF-8 text`)
    return value.toString()
  }
  if (value instanceof Decimal) return value.toString()
  if (Array.isArray(value) || value instanceof Map || isStruct(value)) return jsonText(typed)
  const time = temporalOf(schema, value)
  return time === null ? String(value) : temporalText(time)
}

/** Of a record, for {@link select}. */
export function typedKey(record: { readonly keySchema: Schema | null; readonly key: Typed['value'] }): Typed {
  return { schema: record.keySchema, value: record.key }
}

export function typedValue(record: { readonly valueSchema: Schema | null; readonly value: Typed['value'] }): Typed {
  return { schema: record.valueSchema, value: record.value }
}
