/** A field of a record's value, by its path. */
import { type ConnectValue, isStruct, type Schema } from '../../connector.ts'

export interface Found {
  readonly value: ConnectValue
  readonly schema: Schema | null
}

/** null where something on the way is missing. A field whose name has dots is found as well, when it is at the top. */
export function fieldAt(value: ConnectValue, schema: Schema | null, path: string): Found | null {
  const whole = stepTo(value, schema, path)
  if (whole !== null) return whole
  let found: Found | null = { value, schema }
  for (const name of path.split('.')) {
    found = stepTo(found.value, found.schema, name)
    if (found === null) return null
  }
  return found
}

function stepTo(value: ConnectValue, schema: Schema | null, name: string): Found | null {
  if (value instanceof Map) return value.has(name) ? { value: value.get(name) ?? null, schema: schema?.values ?? null } : null
  if (!isStruct(value)) return null
  const within = schema?.fields?.find(field => field.name === name)?.schema ?? null
  if (within === null && !Object.hasOwn(value, name)) return null
  return { value: value[name] ?? within?.default ?? null, schema: within }
}
