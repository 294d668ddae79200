/**
 * All types of schemas. Loaded when the first schema is judged.
 *
 * `serde` has parsers of its own, because it needs something else of a schema. These here keep everything as it was written (documentation, order, digits,
 * options), to print Confluent's forms of it and to name what has changed; they refuse what Confluent's registry refuses, and know nothing of bytes. Those of
 * `serde` keep what a walk over bytes needs (resolved features, defaults as values, validators compiled by a library) and believe that a registry
 * has checked the rest. A model for both would be the sum of two, and each would carry the other's limits. `test/registry/serdes.test.ts` holds them together.
 */
import { avro } from './avro.ts'
import { json } from './json.ts'
import { protobuf } from './protobuf.ts'
import {
  type Budget,
  InvalidSchema,
  type ParsedSchema,
  type Policy,
  type Reason,
  type SchemaSource,
  type SchemaType,
  type TypeName,
} from './schema.ts'

const types: Readonly<Record<TypeName, SchemaType>> = { JSON: json, PROTOBUF: protobuf, AVRO: avro }

/** Throws InvalidSchema. */
export function parseSchema(type: string, source: SchemaSource): ParsedSchema {
  const found = Object.hasOwn(types, type) ? types[type as TypeName] : undefined
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
