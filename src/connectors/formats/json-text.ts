/**
 * Values as JSON text, without loss: a 64-bit integer and a decimal leave with all their digits, never through a float.
 *
 * What JSON cannot hold is written as Kafka's JsonConverter does it (bytes in base64, NaN as a string) unless the style says otherwise.
 */
import { type ConnectValue, DataError, Decimal, logical, type Schema } from '../../connector.ts'
import { twosComplement } from './numbers.ts'

export interface JsonStyle {
  /** `base64` is JsonConverter's default: two's complement of the unscaled value, without the scale. */
  readonly decimals: 'number' | 'string' | 'base64'
  /** JsonConverter's numbers (days, ms), or ISO 8601, which targets recognize as dates. */
  readonly times: 'numbers' | 'iso'
  /** `pairs`: objects where keys are strings, otherwise `[[key, value]]`; `compact` the same with `[{key, value}]`; `entries`: always `[{key, value}]`. */
  readonly maps: 'pairs' | 'compact' | 'entries'
}

export function jsonText(value: ConnectValue | undefined, schema: Schema | null, style: JsonStyle): string {
  if (value === null || value === undefined) {
    return schema?.default === undefined || schema.default === null ? 'null' : jsonText(schema.default, schema, style)
  }
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'number':
    case 'bigint':
      return schema?.name === undefined ? numberText(value) : timeText(value, schema.name, style)
    default:
      return objectText(value, schema, style)
  }
}

function objectText(
  value: Exclude<ConnectValue, null | string | boolean | number | bigint>,
  schema: Schema | null,
  style: JsonStyle,
): string {
  if (value instanceof Decimal) return decimalText(value, style)
  if (Buffer.isBuffer(value)) return `"${value.toString('base64')}"`
  if (Array.isArray(value)) return `[${value.map(each => jsonText(each, schema?.items ?? null, style)).join(',')}]`
  if (value instanceof Map) return mapText(value, schema, style)
  const parts: string[] = []
  if (schema?.fields !== undefined)
    for (const field of schema.fields) parts.push(`${JSON.stringify(field.name)}:${jsonText(value[field.name], field.schema, style)}`)
  else for (const name of Object.keys(value)) parts.push(`${JSON.stringify(name)}:${jsonText(value[name], schema?.values ?? null, style)}`)
  return `{${parts.join(',')}}`
}

function mapText(map: Map<ConnectValue, ConnectValue>, schema: Schema | null, style: JsonStyle): string {
  const keys = schema?.keys ?? null
  const values = schema?.values ?? null
  const parts: string[] = []
  if (style.maps !== 'entries' && [...map.keys()].every(key => typeof key === 'string')) {
    for (const [key, value] of map) parts.push(`${JSON.stringify(key)}:${jsonText(value, values, style)}`)
    return `{${parts.join(',')}}`
  }
  for (const [key, value] of map) {
    const pair = [jsonText(key, keys, style), jsonText(value, values, style)] as const
    parts.push(style.maps === 'pairs' ? `[${pair[0]},${pair[1]}]` : `{"key":${pair[0]},"value":${pair[1]}}`)
  }
  return `[${parts.join(',')}]`
}

function numberText(value: number | bigint): string {
  if (typeof value === 'bigint' || Number.isFinite(value)) return String(value)
  return `"${value}"`
}

function decimalText(value: Decimal, { decimals }: JsonStyle): string {
  if (decimals === 'number') return value.toString()
  return decimals === 'string' ? `"${value}"` : `"${twosComplement(value.unscaled).toString('base64')}"`
}

function timeText(value: number | bigint, name: string, { times }: JsonStyle): string {
  if (times === 'numbers') return numberText(value)
  if (name === logical.date) return `"${isoOf(Number(value) * dayMs).slice(0, -'T00:00:00.000Z'.length)}"`
  if (name === logical.timestamp) return `"${isoOf(Number(value))}"`
  if (name === logical.time) return `"${isoOf(Number(value)).slice('1970-01-01T'.length, -1)}"`
  return numberText(value)
}

const dayMs = 86_400_000

function isoOf(ms: number): string {
  const date = new Date(ms)
  if (Number.isNaN(date.getTime())) throw new DataError(`${ms} ms since 1970 is no time that ISO 8601 can name`)
  return date.toISOString()
}
