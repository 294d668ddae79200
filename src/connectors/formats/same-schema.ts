/** Whether two schemas say the same. Converters hand out the same object for the same schema, so that this is nearly always one comparison. */
import { type ConnectValue, Decimal, type Schema } from '../../connector.ts'

export function sameSchema(one: Schema | null, other: Schema | null): boolean {
  if (one === other) return true
  if (one === null || other === null) return false
  return (
    one.type === other.type &&
    (one.optional ?? false) === (other.optional ?? false) &&
    one.name === other.name &&
    one.version === other.version &&
    sameDefault(one.default, other.default) &&
    sameParameters(one.parameters, other.parameters) &&
    sameSchema(one.items ?? null, other.items ?? null) &&
    sameSchema(one.keys ?? null, other.keys ?? null) &&
    sameSchema(one.values ?? null, other.values ?? null) &&
    sameFields(one, other)
  )
}

function sameFields(one: Schema, other: Schema): boolean {
  const fields = one.fields ?? []
  const others = other.fields ?? []
  return (
    fields.length === others.length &&
    fields.every((field, index) => field.name === others[index]!.name && sameSchema(field.schema, others[index]!.schema))
  )
}

function sameParameters(one: Schema['parameters'] = {}, other: Schema['parameters'] = {}): boolean {
  const names = Object.keys(one)
  return names.length === Object.keys(other).length && names.every(name => one[name] === other[name])
}

function sameDefault(one: ConnectValue | undefined, other: ConnectValue | undefined): boolean {
  return one === other || text(one) === text(other)
}

function text(value: ConnectValue | undefined): string {
  return JSON.stringify(value ?? null, (_, each: unknown) =>
    typeof each === 'bigint' || each instanceof Decimal ? String(each) : each instanceof Map ? [...each] : each,
  )
}
