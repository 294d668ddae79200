/** MaskField: values of fields are replaced by what is empty for their type, or by a given text. */
import { list, string } from '../../base.ts'
import { type ConnectValue, DataError, Decimal, isStruct, logical, type Schema, struct } from '../../connector.ts'
import { nonEmpty } from '../plugin-config.ts'
import { exactNumber, javaClass, narrowed, parseDecimal, parseDouble, wholePart } from '../values/java.ts'
import { fieldValue, typeOf } from '../values/schemas.ts'
import { replaceNullWithDefault, requireMap, requireStruct } from './require.ts'
import { defineTransform } from './transform.ts'

const purpose = 'mask fields'

export const maskField = defineTransform({
  name: 'MaskField',
  sides: true,
  summary: 'masks fields with an empty value (0, false, the empty text) or a replacement',
  keys: {
    fields: list({ required: true, importance: 'high', doc: 'The fields that are masked.' }),
    replacement: string({
      default: null,
      importance: 'low',
      check: nonEmpty,
      doc: 'What stands in their place; only numbers and text can be replaced.',
    }),
    'replace.null.with.default': replaceNullWithDefault,
  },
  open({ fields, replacement, 'replace.null.with.default': withDefault }, { part }) {
    const masked = (value: ConnectValue, schema: Schema | null) =>
      value === null ? null : replacement === null ? emptyOf(value, schema) : replaced(value, schema, replacement)
    return {
      apply(record) {
        const schema = part.schema(record)
        if (schema === null) {
          const after = struct(Object.entries(requireMap(part.value(record), purpose)))
          for (const name of fields) after[name] = masked(after[name] ?? null, null)
          return part.with(record, null, after)
        }
        const before = requireStruct(part.value(record), schema, purpose)
        const after = struct()
        for (const field of schema.fields ?? []) {
          const value = fieldValue(before, field, withDefault)
          after[field.name] = fields.includes(field.name) ? masked(value, field.schema) : value
        }
        return part.with(record, schema, after)
      },
    }
  },
})

function emptyOf(value: NonNullable<ConnectValue>, schema: Schema | null): ConnectValue {
  if (typeof value === 'boolean') return false
  if (typeof value === 'number') return 0
  if (typeof value === 'bigint') return 0n
  if (typeof value === 'string') return ''
  if (value instanceof Decimal) return new Decimal(0n, value.scale)
  if (Array.isArray(value)) return []
  if (value instanceof Map) return new Map()
  if (isStruct(value) && schema?.type !== 'struct') return struct()
  throw new DataError(`Cannot mask value of type: class ${javaClass(value, schema)}`)
}

function replaced(value: NonNullable<ConnectValue>, schema: Schema | null, replacement: string): ConnectValue {
  if (typeof value === 'string') return replacement
  const isNumber = typeof value === 'number' || typeof value === 'bigint' || value instanceof Decimal
  if (!isNumber || (schema !== null && javaClass(value, schema) === 'java.util.Date'))
    throw new DataError(`Cannot mask value of type class ${javaClass(value, schema)} with custom replacement.`)
  const type = schema?.name === logical.decimal || value instanceof Decimal ? 'decimal' : (schema?.type ?? typeOf(value))
  const decimal = parseDecimal(replacement.trim())
  if (type === 'decimal' && decimal !== null) return decimal
  if (type === 'float32' || type === 'float64') {
    const number = parseDouble(replacement)
    if (number !== null) return type === 'float32' ? Math.fround(number) : number
  } else if (decimal !== null) {
    const whole = wholePart(decimal)
    if (type === 'int64') return schema === null && typeof value === 'number' ? exactNumber(narrowed(whole, 64)) : narrowed(whole, 64)
    return Number(narrowed(whole, type === 'int8' ? 8 : type === 'int16' ? 16 : 32))
  }
  throw new DataError(`Unable to convert ${replacement} (class java.lang.String) to a number`)
}
