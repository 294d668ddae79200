/** JSON with a JSON Schema of the registry. Reading needs no schema but says which one it is; writing validates. The validator is loaded when first used. */
import { later, parseLossless, stringifyLossless } from '../../base.ts'
import type { Validator } from '../json-schema/validate.ts'
import { decodeJson } from '../plain/json.ts'
import type { RegisteredSchema } from '../registry-client.ts'
import { type SerdeDefinition, SerdeError } from '../types.ts'
import { type Codec, memoized, openRegistered } from './codec.ts'

const opened = new WeakMap<RegisteredSchema, Validator>()
const openedOf = memoized(async (schema: RegisteredSchema) => {
  const { openValidator } = await import('../json-schema/validate.ts')
  const parsed = parse(schema.schema)
  const references = new Map(Array.from(schema.texts, ([name, text]) => [name, parse(text)]))
  const validator = await openValidator(parsed, schema.schema, references)
  opened.set(schema, validator)
  return validator
})

function parse(text: string): object | boolean {
  try {
    return JSON.parse(stringifyLossless(parseLossless(text)))
  } catch (error) {
    throw new SerdeError(`the JSON Schema is not valid JSON: ${(error as Error).message}`, error)
  }
}

const jsonSchemaCodec: Codec = {
  type: 'JSON',
  decode: (_schema, { payload }) => ({ value: decodeJson(payload.buffer.subarray(payload.offset)), name: null }),
  encode(schema, value, _choice, output) {
    return later(opened.get(schema) ?? openedOf(schema), validator => {
      validator.check(value)
      output.raw(Buffer.from(stringifyLossless(value)))
    })
  },
}

export const jsonschema: SerdeDefinition = {
  name: 'jsonschema',
  summary: 'JSON with a JSON Schema of the registry',
  open: resources => openRegistered(jsonSchemaCodec, resources),
}
