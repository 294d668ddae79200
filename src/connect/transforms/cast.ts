/** Cast: fields, or the whole key or value, to another type. */
import { list } from '../../base.ts'
import { type ConnectValue, DataError, Decimal, logical, type Schema, type SchemaType, struct } from '../../connector.ts'
import { dateToText } from '../values/date-text.ts'
import { bitsOf, isDate, javaClass, javaText, narrowed, parseDouble, parseInteger, wholePart } from '../values/java.ts'
import { basicsOf, cachedBySchema, defaultIf, fieldValue, optionalIf, typeOf } from '../values/schemas.ts'
import { replaceNullWithDefault, requireMap, requireStruct } from './require.ts'
import { defineTransform, type Part, type Transform } from './transform.ts'

const targets = ['int8', 'int16', 'int32', 'int64', 'float32', 'float64', 'boolean', 'string'] as const
type Target = (typeof targets)[number]
const sources: readonly SchemaType[] = [...targets, 'bytes']
const allTypes: readonly SchemaType[] = [...sources, 'array', 'map', 'struct']

export const cast = defineTransform({
  name: 'Cast',
  sides: true,
  summary: 'casts fields, or the whole key or value, to another type',
  keys: {
    spec: list({
      required: true,
      mayBeEmpty: true,
      importance: 'high',
      allowed: 'a type for the whole value, or pairs field:type separated by commas',
      doc: `Fields and the types to which they are cast, as field1:type,field2:type, or one type for the whole value. The types are ${targets.join(', ')}. Bytes can only be cast to string, in base64.`,
    }),
    'replace.null.with.default': replaceNullWithDefault,
  },
  open({ spec, 'replace.null.with.default': withDefault }, { part, refuse }) {
    const casts = parseSpec(spec, reason => refuse('spec', spec.join(','), reason, reason))
    return new Cast(casts, withDefault, part)
  },
})

interface Casts {
  readonly whole: Target | null
  readonly fields: ReadonlyMap<string, Target>
}

function parseSpec(spec: readonly string[], refused: (reason: string) => Error): Casts {
  if (spec.length === 0) throw refused('Must specify at least one field to cast.')
  const fields = new Map<string, Target>()
  let whole: Target | null = null
  const targetOf = (text: string): Target => {
    const type = allTypes.find(each => each === text.trim().toLowerCase())
    if (type === undefined) throw refused(`Invalid type found in casting spec: ${text.trim()}`)
    const target = targets.find(each => each === type)
    if (target === undefined)
      throw refused(`Cast transformation does not support casting to ${type.toUpperCase()}; supported types are ${names(targets)}`)
    return target
  }
  for (const mapping of spec) {
    const [first, second, ...more] = mapping.split(':') as [string, ...string[]]
    if (more.length > 0) throw refused(`Invalid value [${spec.join(', ')}] for configuration spec: Invalid cast mapping: ${mapping}`)
    if (second === undefined) whole = targetOf(first)
    else fields.set(first.trim(), targetOf(second))
  }
  if (whole !== null && spec.length > 1)
    throw refused('Cast transformations that specify a type to cast the entire value to may only specify a single cast in their spec')
  return { whole, fields }
}

function names(types: readonly string[]): string {
  return `[${types.map(type => type.toUpperCase()).join(', ')}]`
}

class Cast implements Transform {
  readonly #casts: Casts
  readonly #withDefault: boolean
  readonly #part: Part
  readonly #schemaOf = cachedBySchema(schema => this.#updated(schema))

  constructor(casts: Casts, withDefault: boolean, part: Part) {
    this.#casts = casts
    this.#withDefault = withDefault
    this.#part = part
  }

  apply: Transform['apply'] = record => {
    const value = this.#part.value(record)
    if (value === null) return record
    const schema = this.#part.schema(record)
    const { whole, fields } = this.#casts
    if (whole !== null) return this.#part.with(record, schema === null ? null : this.#schemaOf(schema), castTo(value, schema, whole))
    if (schema === null) {
      const cast = struct(Object.entries(requireMap(value, 'cast types')))
      for (const [name, target] of fields) cast[name] = castTo(cast[name] ?? null, null, target)
      return this.#part.with(record, null, cast)
    }
    const before = requireStruct(value, schema, 'cast types')
    const cast = struct()
    for (const field of schema.fields ?? []) {
      const each = fieldValue(before, field, this.#withDefault)
      const target = fields.get(field.name)
      cast[field.name] = target === undefined ? each : castTo(each, field.schema, target)
    }
    return this.#part.with(record, this.#schemaOf(schema), cast)
  }

  #updated(schema: Schema): Schema {
    const { whole, fields } = this.#casts
    if (whole !== null) return { type: whole, ...(isLogical(schema) ? {} : basicsOf(schema)), ...this.#rest(schema, whole) }
    const cast = (schema.fields ?? []).map(field => {
      const target = fields.get(field.name)
      return target === undefined ? field : { name: field.name, schema: { type: target, ...this.#rest(field.schema, target) } }
    })
    return { type: 'struct', ...basicsOf(schema), ...optionalIf(schema.optional), fields: cast }
  }

  #rest(schema: Schema, target: Target): Pick<Schema, 'optional' | 'default'> {
    return { ...optionalIf(schema.optional), ...defaultIf(castTo(schema.default ?? null, schema, target)) }
  }
}

function isLogical(schema: Schema): boolean {
  return isDate(schema) || schema.name === logical.decimal
}

function castTo(value: ConnectValue, schema: Schema | null, target: Target): ConnectValue {
  if (value === null) return null
  const type = schema?.type ?? typeOf(value)
  if (type === null)
    throw new DataError(
      `Cast transformation was passed a value of type class ${javaClass(value)} which is not supported by Connect's data API`,
    )
  if (!sources.includes(type))
    throw new DataError(`Cast transformation does not support casting from ${type.toUpperCase()}; supported types are ${names(sources)}`)
  if (target === 'string') return toText(value, schema)
  if (typeof value === 'string') return fromText(value, target)
  if (typeof value === 'boolean') return target === 'boolean' ? value : fromNumber(value ? 1 : 0, target)
  if (value instanceof Decimal) {
    const isFraction = target === 'float32' || target === 'float64'
    return fromNumber(isFraction ? Number(value.toString()) : BigInt.asIntN(64, wholePart(value)), target)
  }
  const isDouble = type === 'float32' || type === 'float64'
  if (typeof value === 'number' || typeof value === 'bigint') return fromNumber(value, target, isDouble)
  throw new DataError(`Unexpected type in Cast transformation: class ${javaClass(value, schema)}`)
}

function fromNumber(value: number | bigint, target: Exclude<Target, 'string'>, isDouble = false): ConnectValue {
  switch (target) {
    case 'int64':
      return narrowed(value, 64, isDouble)
    case 'float64':
      return Number(value)
    case 'float32':
      return Math.fround(Number(value))
    case 'boolean':
      return narrowed(value, 64, isDouble) !== 0n
    default:
      return Number(narrowed(value, bitsOf[target], isDouble))
  }
}

function fromText(text: string, target: Exclude<Target, 'string'>): ConnectValue {
  if (target === 'boolean') return text.toLowerCase() === 'true'
  const isFraction = target === 'float32' || target === 'float64'
  const value = isFraction ? parseDouble(text) : parseInteger(text, bitsOf[target])
  if (value === null) throw new DataError(`Value (${text}) was out of range for requested data type`)
  return fromNumber(value, target)
}

function toText(value: ConnectValue, schema: Schema | null): string {
  if (Buffer.isBuffer(value)) return value.toString('base64')
  if (schema !== null && isDate(schema)) return dateToText(schema, value)
  return javaText(value, schema)
}
