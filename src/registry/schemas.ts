/** All types of schemas. */
import { avro } from './avro.ts'
import { json } from './json.ts'
import { protobuf } from './protobuf.ts'
import { type Budget, InvalidSchema, type ParsedSchema, type Policy, type Reason, type SchemaSource, type SchemaType } from './schema.ts'

const types: readonly SchemaType[] = [json, protobuf, avro]

export const typeNames: readonly string[] = types.map(({ name }) => name)
export const defaultType = avro.name

/** Throws InvalidSchema. */
export function parseSchema(type: string, source: SchemaSource): ParsedSchema {
  const found = types.find(({ name }) => name === type)
  if (found === undefined) throw new InvalidSchema(`Invalid schema type ${type}`)
  return withoutOverflow(() => {
    const parsed = found.parse(source)
    // A schema that is too deep to be written is refused while it can be.
    void parsed.normalized
    return parsed
  })
}

/** As ParsedSchema.differences. Throws InvalidSchema. */
export function differencesOf(reader: ParsedSchema, writer: ParsedSchema, policy: Policy, budget: Budget): Reason[] {
  return withoutOverflow(() => reader.differences(writer, policy, budget))
}

/** Walks of a schema are recursive: names may make it deeper than its text is. */
function withoutOverflow<Value>(work: () => Value): Value {
  try {
    return work()
  } catch (error) {
    throw error instanceof RangeError ? new InvalidSchema('The schema is nested too deep') : error
  }
}
