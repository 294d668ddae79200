/**
 * Values as JSON and as text, without loss: a 64-bit integer and a decimal leave with all their digits, never through a float.
 *
 * What JSON cannot hold is written as Kafka's JsonConverter does it (bytes in base64, NaN and Infinity as strings) unless the style says otherwise.
 */
import { isUtf8 } from 'node:buffer'
import { type ConnectValue, DataError, Decimal, isStruct, type Schema } from '../../connector.ts'
import { twosComplement } from './numbers.ts'
import type { Typed } from './select.ts'
import { temporalOf, temporalText } from './temporal.ts'

export interface JsonStyle {
  /** `base64` is JsonConverter's default: two's complement of the unscaled value, without the scale. */
  readonly decimals: 'number' | 'string' | 'base64'
  /** JsonConverter's numbers (days, ms), or ISO 8601, which targets recognize as dates. */
  readonly times: 'numbers' | 'iso'
  /** `pairs`: objects where keys are strings, otherwise `[[key, value]]`; `compact` the same with `[{key, value}]`; `entries`: always `[{key, value}]`. */
  readonly maps: 'pairs' | 'compact' | 'entries'
}

const usual: JsonStyle = { decimals: 'number', times: 'iso', maps: 'pairs' }

export function jsonText({ schema, value }: Typed, style = usual): string {
  return textWith(value, schema, style)
}

function textWith(value: ConnectValue | undefined, schema: Schema | null, style: JsonStyle): string {
  if (value === null || value === undefined) {
    return schema?.default === undefined || schema.default === null ? 'null' : textWith(schema.default, schema, style)
  }
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'number':
    case 'bigint': {
      const time = style.times === 'numbers' ? null : temporalOf(schema, value)
      if (time !== null) return `"${temporalText(time)}"`
      return typeof value === 'bigint' || Number.isFinite(value) ? String(value) : `"${value}"`
    }
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
  if (schema === null && isPlain(value)) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(each => textWith(each, schema?.items ?? null, style)).join(',')}]`
  if (value instanceof Map) return mapText(value, schema, style)
  if (schema?.fields !== undefined) {
    const heads = headsOf(schema)
    let text = ''
    for (let index = 0; index < heads.length; index++) {
      const field = schema.fields[index]!
      text += heads[index]! + textWith(value[field.name], field.schema, style)
    }
    return text === '' ? '{}' : `${text}}`
  }
  const parts: string[] = []
  for (const name of Object.keys(value)) parts.push(`${JSON.stringify(name)}:${textWith(value[name], schema?.values ?? null, style)}`)
  return `{${parts.join(',')}}`
}

/** By schema, what stands before each field: `{"name":`, `,"name":`. */
const heads = new WeakMap<Schema, readonly string[]>()

function headsOf(schema: Schema): readonly string[] {
  const known = heads.get(schema)
  if (known !== undefined) return known
  const made = schema.fields!.map(({ name }, index) => `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`)
  heads.set(schema, made)
  return made
}

/** Whether it is the same as JSON in every style. */
function isPlain(value: ConnectValue): boolean {
  switch (typeof value) {
    case 'bigint':
      return false
    case 'number':
      return Number.isFinite(value)
    case 'object':
      if (value === null) return true
      if (Array.isArray(value)) return value.every(isPlain)
      if (!isStruct(value)) return false
      for (const name in value) if (!isPlain(value[name]!)) return false
      return true
    default:
      return true
  }
}

function mapText(map: Map<ConnectValue, ConnectValue>, schema: Schema | null, style: JsonStyle): string {
  const keys = schema?.keys ?? null
  const values = schema?.values ?? null
  const parts: string[] = []
  if (style.maps !== 'entries' && [...map.keys()].every(key => typeof key === 'string')) {
    for (const [key, value] of map) parts.push(`${JSON.stringify(key)}:${textWith(value, values, style)}`)
    return `{${parts.join(',')}}`
  }
  for (const [key, value] of map) {
    const pair = [textWith(key, keys, style), textWith(value, values, style)] as const
    parts.push(style.maps === 'pairs' ? `[${pair[0]},${pair[1]}]` : `{"key":${pair[0]},"value":${pair[1]}}`)
  }
  return `[${parts.join(',')}]`
}

function decimalText(value: Decimal, { decimals }: JsonStyle): string {
  if (decimals === 'number') return value.toString()
  return decimals === 'string' ? `"${value}"` : `"${twosComplement(value.unscaled).toString('base64')}"`
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
