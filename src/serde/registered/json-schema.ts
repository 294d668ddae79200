/** JSON with a JSON Schema of the registry. Reading needs no schema but says which one it is; writing validates. The validator is loaded when first used. */
import { parseLossless, stringifyLossless } from '../../base.ts'
import { decodeJson } from '../plain/json.ts'
import type { RegisteredSchema } from '../registry-client.ts'
import { type SerdeDefinition, SerdeError } from '../types.ts'
import { type Codec, memoized, openRegistered } from './codec.ts'

const validatorOf = memoized(async (schema: RegisteredSchema) => {
  const { openValidator } = await import('../json-schema/validate.ts')
  const parsed = parse(schema.schema)
  return openValidator(parsed, schema.schema, new Map(Array.from(schema.texts, ([name, text]) => [name, parse(text)])))
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
  async encode(schema, value, _choice, output) {
    const validator = await validatorOf(schema)
    validator.check(value)
    output.raw(Buffer.from(stringifyLossless(value)))
  },
}

export const jsonschema: SerdeDefinition = {
  name: 'jsonschema',
  summary: 'JSON with a JSON Schema of the registry',
  open: resources => openRegistered(jsonSchemaCodec, resources),
}
