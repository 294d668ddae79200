/** What transforms require of keys and values, in Kafka's words, and keys that several have. */
import { boolean, choice } from '../../base.ts'
import { type ConnectValue, DataError, isStruct, type Schema, type Struct, struct } from '../../connector.ts'
import { javaClass } from '../values/java.ts'
import { entriesOf } from '../values/schemas.ts'

/** Of a part without a schema. */
export function requireMap(value: ConnectValue, purpose: string): Struct {
  if (isStruct(value)) return value
  const entries = entriesOf(value)
  if (entries !== null) return struct(entries)
  throw new DataError(`Only Map objects supported in absence of schema for [${purpose}], found: ${javaClass(value)}`)
}

/** Of a part with a schema. */
export function requireStruct(value: ConnectValue, schema: Schema, purpose: string): Struct {
  if (schema.type === 'struct' && isStruct(value)) return value
  throw new DataError(`Only Struct objects supported for [${purpose}], found: ${javaClass(value, schema)}`)
}

export const replaceNullWithDefault = boolean({
  default: true,
  doc: 'Whether a field that is null gets the default of its schema.',
})

export const fieldSyntaxVersion = choice(['V1', 'V2'], {
  default: 'V1',
  ignoreCase: true,
  importance: 'high',
  doc: 'How fields are named: V1: by their names at the top. V2: by dotted paths; a name that has dots itself stands between backticks.',
})
