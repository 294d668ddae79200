/** TimestampConverter: times between text, numbers since 1970, and Kafka Connect's Date, Time and Timestamp. */
import { choice, string } from '../../base.ts'
import { type ConnectValue, DataError, logical, type Schema, struct } from '../../connector.ts'
import { type DateFormat, dateFormat } from '../values/date-format.ts'
import { exactNumber, javaClass } from '../values/java.ts'
import { basicsOf, cachedBySchema, defaultIf, fieldValue, optionalIf } from '../values/schemas.ts'
import { replaceNullWithDefault, requireMap, requireStruct } from './require.ts'
import { defineTransform, type OpenContext, type Transform } from './transform.ts'

const purpose = 'converting timestamp formats'
const kinds = ['string', 'unix', 'Date', 'Time', 'Timestamp'] as const
type Kind = (typeof kinds)[number]

/** Units of a ms, or ms of a unit. */
const precisions = {
  seconds: { toMs: (value: bigint) => value * 1000n, ofMs: (ms: bigint) => ms / 1000n },
  milliseconds: { toMs: (value: bigint) => value, ofMs: (ms: bigint) => ms },
  microseconds: { toMs: (value: bigint) => value / 1000n, ofMs: (ms: bigint) => ms * 1000n },
  nanoseconds: { toMs: (value: bigint) => value / 1_000_000n, ofMs: (ms: bigint) => ms * 1_000_000n },
} as const
type Precision = (typeof precisions)[keyof typeof precisions]

export const timestampConverter = defineTransform({
  name: 'TimestampConverter',
  sides: true,
  summary: 'converts times between text, numbers and the types Date, Time and Timestamp',
  keys: {
    field: string({ default: '', importance: 'high', doc: 'The field with the time; empty: the whole key or value is one.' }),
    'target.type': choice(kinds, {
      required: true,
      importance: 'high',
      doc: 'What results. Without a schema, Date, Time and Timestamp are milliseconds, because only a schema can say more.',
    }),
    format: string({
      default: '',
      doc: "How times are written in text, as a pattern of Java's SimpleDateFormat, in UTC; for the target string, and to read text.",
    }),
    'unix.precision': choice(Object.keys(precisions) as (keyof typeof precisions)[], {
      default: 'milliseconds',
      importance: 'low',
      doc: 'Unit of numbers. Parts of a millisecond are lost.',
    }),
    'replace.null.with.default': replaceNullWithDefault,
  },
  open(values, context) {
    const { field, 'target.type': target, 'replace.null.with.default': withDefault } = values
    const format = openFormat(values.format, target, context)
    const times = new Times(target, format, precisions[values['unix.precision']])
    const { part } = context
    const updated = cachedBySchema((schema: Schema): Schema => withTarget(schema, field, target, times))
    const apply: Transform['apply'] = record => {
      const schema = part.schema(record)
      const value = part.value(record)
      if (schema === null) {
        if (value === null || field === '') return part.with(record, null, times.convert(value, null))
        const after = struct(Object.entries(requireMap(value, purpose)))
        after[field] = times.convert(after[field] ?? null, null)
        return part.with(record, null, after)
      }
      if (field === '') return part.with(record, updated(schema), times.convert(value, schema))
      if (value === null) return part.with(record, updated(schema), null)
      const before = requireStruct(value, schema, purpose)
      const after = struct()
      for (const each of schema.fields ?? []) {
        const now = fieldValue(before, each, withDefault)
        after[each.name] = each.name === field ? times.convert(now, each.schema) : now
      }
      return part.with(record, updated(schema), after)
    }
    return { apply }
  },
})

function openFormat(pattern: string, target: Kind, { system, refuse }: OpenContext): DateFormat | null {
  const refused = (reason: string) => refuse('format', pattern, reason, reason)
  if (pattern.trim() === '') {
    if (target === 'string') throw refused('TimestampConverter requires format option to be specified when using string timestamps')
    return null
  }
  try {
    return dateFormat(pattern, system.clock.now())
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw refused(`TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps: ${pattern} (${error.message})`)
  }
}

const targetSchemas: Readonly<Record<Kind, Schema>> = {
  string: { type: 'string' },
  unix: { type: 'int64' },
  Date: { type: 'int32', name: logical.date, version: 1 },
  Time: { type: 'int32', name: logical.time, version: 1 },
  Timestamp: { type: 'int64', name: logical.timestamp, version: 1 },
}

function withTarget(schema: Schema, field: string, target: Kind, times: Times): Schema {
  if (field === '') return { ...targetSchemas[target], ...optionalIf(schema.optional) }
  const fields = (schema.fields ?? []).map(each => {
    if (each.name !== field) return each
    const converted = times.convert(each.schema.default ?? null, each.schema)
    return { name: field, schema: { ...targetSchemas[target], ...optionalIf(each.schema.optional), ...defaultIf(converted) } }
  })
  return { type: 'struct', ...basicsOf(schema), ...optionalIf(schema.optional), fields }
}

const msPerDay = 86_400_000n

class Times {
  readonly #target: Kind
  readonly #format: DateFormat | null
  readonly #precision: Precision

  constructor(target: Kind, format: DateFormat | null, precision: Precision) {
    this.#target = target
    this.#format = format
    this.#precision = precision
  }

  convert(value: ConnectValue, schema: Schema | null): ConnectValue {
    if (value === null) return null
    const ms = this.#read(value, schema)
    switch (this.#target) {
      case 'string':
        return this.#format!.format(Number(ms))
      case 'unix':
        return sized(BigInt.asIntN(64, this.#precision.ofMs(ms)), schema)
      case 'Timestamp':
        return sized(ms, schema)
      case 'Date':
        return schema === null ? sized(floorDay(ms) * msPerDay, null) : Number(floorDay(ms))
      default:
        return Number(ms - floorDay(ms) * msPerDay)
    }
  }

  /** ms since 1970. */
  #read(value: NonNullable<ConnectValue>, schema: Schema | null): bigint {
    const kind = schema === null ? inferred(value) : kindOf(schema)
    if (kind === 'string') return this.#parse(value, schema)
    if (typeof value !== 'bigint' && !(typeof value === 'number' && Number.isInteger(value))) {
      const wanted = kind === 'unix' ? 'Unix timestamp to be a Long' : `${kind} to be a java.util.Date`
      throw new DataError(`Expected ${wanted}, but found class ${javaClass(value, schema)}`)
    }
    if (kind === 'unix') return this.#precision.toMs(BigInt(value))
    return kind === 'Date' ? BigInt(value) * msPerDay : BigInt(value)
  }

  #parse(value: NonNullable<ConnectValue>, schema: Schema | null): bigint {
    if (typeof value !== 'string')
      throw new DataError(`Expected string timestamp to be a String, but found class ${javaClass(value, schema)}`)
    if (this.#format === null) throw new DataError('TimestampConverter requires format option to be specified when using string timestamps')
    const ms = this.#format.parse(value)
    if (ms === null) throw new DataError(`Could not parse timestamp: value (${value}) does not match pattern (${this.#format.pattern})`)
    return BigInt(ms)
  }
}

function kindOf(schema: Schema): Kind {
  if (schema.name === logical.timestamp) return 'Timestamp'
  if (schema.name === logical.date) return 'Date'
  if (schema.name === logical.time) return 'Time'
  if (schema.type === 'string') return 'string'
  if (schema.type === 'int64') return 'unix'
  const shown = `Schema{${schema.name === undefined ? '' : `${schema.name}:`}${schema.type.toUpperCase()}}`
  throw new DataError(`Schema ${shown} does not correspond to a known timestamp type format`)
}

function inferred(value: NonNullable<ConnectValue>): Kind {
  if (typeof value === 'string') return 'string'
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))) return 'unix'
  throw new DataError(`TimestampConverter does not support class ${javaClass(value)} objects as timestamps`)
}

/** Whole days before. */
function floorDay(ms: bigint): bigint {
  return (ms - (((ms % msPerDay) + msPerDay) % msPerDay)) / msPerDay
}

/** An int64 as values have it. */
function sized(value: bigint, schema: Schema | null): number | bigint {
  return schema === null ? exactNumber(value) : value
}
