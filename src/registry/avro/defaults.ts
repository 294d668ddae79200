/** Which JSON values are default values of a type. */
import { isArray, isObject, type Json, JsonNumber } from '../json-tree.ts'
import type { Budget } from '../schema.ts'
import type { AvroType } from './model.ts'

/** A default value may leave out fields, whose own default values count then, and so on. Throws TooComplex. */
export function isValidDefault(type: AvroType, value: Json, budget: Budget): boolean {
  budget.spend()
  switch (type.kind) {
    case 'null':
      return value === null
    case 'boolean':
      return typeof value === 'boolean'
    case 'int':
      return isInteger(value, 31n)
    case 'long':
      return isInteger(value, 63n)
    case 'float':
    case 'double':
      return value instanceof JsonNumber || value === 'NaN' || value === 'Infinity' || value === '-Infinity'
    case 'bytes':
    case 'string':
    case 'fixed':
      return typeof value === 'string'
    case 'enum':
      return typeof value === 'string' && type.symbols.includes(value)
    case 'array':
      return isArray(value) && value.every(each => isValidDefault(type.items, each, budget))
    case 'map':
      return isObject(value) && [...value.values()].every(each => isValidDefault(type.values, each, budget))
    case 'union':
      return type.branches.some(branch => isValidDefault(branch, value, budget))
    case 'record':
      return (
        isObject(value) &&
        type.fields.every(field => {
          const own = value.get(field.name) ?? (value.has(field.name) ? null : field.fallback)
          return own !== undefined && isValidDefault(field.type, own, budget)
        })
      )
  }
}

function isInteger(value: Json, bits: bigint): boolean {
  if (!(value instanceof JsonNumber) || !/^-?\d{1,19}$/.test(value.text)) return false
  const exact = BigInt(value.text)
  return exact >= -(1n << bits) && exact < 1n << bits
}
