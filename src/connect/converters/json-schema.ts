/** Confluent's JsonSchemaConverter. */
import { boolean, choice, int, later, parseLossless, stringifyLossless } from '../../base.ts'
import { DataError, type Schema } from '../../connector.ts'
import type { RegisteredSchema } from '../../serde.ts'
import { parseDecimal } from '../values/java.ts'
import { cachedBySchema } from '../values/schemas.ts'
import { type Converter, type ConverterContext, defineConverter } from './converter.ts'
import { readValue, schemaOfJsonSchema } from './json-schema-read.ts'
import { type JsonSchemaRules, jsonSchemaOf, valueToJson } from './json-schema-write.ts'
import { Registry, type RegistryValues, registryKeys } from './registered.ts'

export const jsonSchema = defineConverter({
  name: 'jsonschema',
  classes: ['io.confluent.connect.json.JsonSchemaConverter'],
  summary: 'JSON with a JSON Schema of a schema registry',
  forHeaders: false,
  keys: {
    ...registryKeys,
    'schemas.cache.size': int({ default: 1000, importance: 'low', doc: 'Understood; schemas are kept as long as they are used.' }),
    'object.additional.properties': boolean({ default: true, doc: 'Whether objects may have properties that the schema does not name.' }),
    'use.optional.for.nonrequired': boolean({ default: false, doc: 'Whether properties that are not required are optional.' }),
    'decimal.format': choice(['BASE64', 'NUMERIC'], {
      default: 'BASE64',
      ignoreCase: true,
      importance: 'low',
      doc: 'How decimals are written. Both are read.',
    }),
    'generalized.sum.type.support': boolean({ default: false, doc: 'Whether unions and enums are named alike in all formats.' }),
    'ignore.default.for.nullables': boolean({ default: false, doc: 'Whether a null is written although its field has a default.' }),
    'json.fail.invalid.schema': boolean({
      default: false,
      doc: 'Whether what is written is checked against its schema, which takes longer.',
    }),
    'flatten.singleton.unions': boolean({ default: true, importance: 'low', doc: 'Whether a union of one type is this type.' }),
  },
  open(values, context) {
    const rules: JsonSchemaRules = {
      generalSums: values['generalized.sum.type.support'],
      ignoreDefaults: values['ignore.default.for.nullables'],
      numericDecimals: values['decimal.format'] === 'NUMERIC',
      additionalProperties: values['object.additional.properties'],
      optionalIfNotRequired: values['use.optional.for.nonrequired'],
      flattenUnions: values['flatten.singleton.unions'],
      exactDecimals: !values['json.fail.invalid.schema'],
    }
    return new JsonSchemaConverter(rules, values['json.fail.invalid.schema'], values, context)
  },
})

const prefixBytes = 5

/** As Confluent's serializers write it: 0 and the id of the schema stand in front. */
function framed(id: number, text: string): Buffer {
  const bytes = Buffer.alloc(prefixBytes + Buffer.byteLength(text))
  bytes.writeInt32BE(id, 1)
  bytes.write(text, prefixBytes)
  return bytes
}

class JsonSchemaConverter implements Converter {
  readonly #rules: JsonSchemaRules
  readonly #validates: boolean
  readonly #registry: Registry
  readonly #schemas = new WeakMap<RegisteredSchema, Map<number | null, Schema>>()
  readonly #textOf = cachedBySchema(schema => stringifyLossless(jsonSchemaOf(schema, this.#rules)))

  constructor(rules: JsonSchemaRules, validates: boolean, values: RegistryValues, context: ConverterContext) {
    this.#rules = rules
    this.#validates = validates
    this.#registry = new Registry(values, context)
  }

  toConnect: Converter['toConnect'] = (topic, bytes, headers) => {
    if (bytes === null) return { schema: null, value: null }
    return later(this.#registry.decode('jsonschema', topic, bytes, headers), ({ schema: registered, version }) => {
      const schema = this.#schemaOf(registered, version)
      // Once more, with all digits of decimals. No JSON begins with 0.
      const text = (bytes[0] === 0 ? bytes.subarray(prefixBytes) : bytes).toString('utf8')
      const json = parseLossless(text, source => parseDecimal(source) ?? Number(source))
      return { schema, value: readValue(schema, json, this.#rules) }
    })
  }

  fromConnect: Converter['fromConnect'] = (topic, schema, value) => {
    if (value === null) return null
    if (schema === null) throw new DataError('JsonSchemaConverter needs values with a schema')
    const json = valueToJson(schema, value, this.#rules)
    const subject = this.#registry.subjectOf(topic, schema.name ?? null)
    return later(this.#registry.idOf(subject, 'JSON', this.#textOf(schema)), id =>
      this.#validates ? this.#registry.encode('jsonschema', topic, json, id) : framed(id, stringifyLossless(json)),
    )
  }

  close(): void {
    this.#registry.close()
  }

  #schemaOf(registered: RegisteredSchema, version: number | null): Schema {
    let schemas = this.#schemas.get(registered)
    if (schemas === undefined) this.#schemas.set(registered, (schemas = new Map()))
    let schema = schemas.get(version)
    if (schema === undefined) schemas.set(version, (schema = schemaOfJsonSchema(registered, version, this.#rules)))
    return schema
  }
}
