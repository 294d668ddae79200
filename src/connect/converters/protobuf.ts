/** Confluent's ProtobufConverter. */
import { boolean, int, later } from '../../base.ts'
import { DataError } from '../../connector.ts'
import { parseProtobuf, type RegisteredSchema } from '../../serde.ts'
import { cachedBySchema } from '../values/schemas.ts'
import { type Converter, type ConverterContext, defineConverter } from './converter.ts'
import type { ProtobufRules } from './protobuf-names.ts'
import { type ProtobufReader, protobufReader } from './protobuf-read.ts'
import { protobufTextOf, valueToProtobuf } from './protobuf-write.ts'
import { Registry, type RegistryValues, registryKeys } from './registered.ts'

export const protobuf = defineConverter({
  name: 'protobuf',
  classes: ['io.confluent.connect.protobuf.ProtobufConverter'],
  summary: 'Protobuf with a schema registry',
  forHeaders: false,
  keys: {
    ...registryKeys,
    'schemas.cache.config': int({ default: 1000, importance: 'low', doc: 'Understood; schemas are kept as long as they are used.' }),
    'enhanced.protobuf.schema.support': boolean({ default: false, doc: 'Whether names of schemas have their packages.' }),
    'generalized.sum.type.support': boolean({ default: false, doc: 'Whether unions and enums are named alike in all formats.' }),
    'ignore.default.for.nullables': boolean({ default: false, doc: 'Whether a null is written although its field has a default.' }),
    'scrub.invalid.names': boolean({ default: false, doc: 'Whether characters that Protobuf does not allow in names are replaced.' }),
    'int.for.enums': boolean({ default: false, doc: 'Whether enums are numbers.' }),
    'optional.for.nullables': boolean({ default: false, doc: 'Whether only fields that say `optional` are optional.' }),
    'wrapper.for.nullables': boolean({ default: false, doc: 'Whether what is optional is one of the wrappers of google.protobuf.' }),
    'wrapper.for.raw.primitives': boolean({ default: true, doc: 'Whether a value that is such a wrapper is a scalar.' }),
    'generate.index.for.unions': boolean({
      default: true,
      importance: 'low',
      doc: 'Whether the field of a oneof has its place in its name.',
    }),
    'flatten.unions': boolean({ default: false, importance: 'low', doc: 'Whether the members of a oneof are fields of the message.' }),
  },
  open(values, context) {
    const rules: ProtobufRules = {
      enhanced: values['enhanced.protobuf.schema.support'],
      generalSums: values['generalized.sum.type.support'],
      ignoreDefaults: values['ignore.default.for.nullables'],
      scrub: values['scrub.invalid.names'],
      intForEnums: values['int.for.enums'],
      optionalForNullables: values['optional.for.nullables'],
      wrapperForNullables: values['wrapper.for.nullables'],
      wrapperForPrimitives: values['wrapper.for.raw.primitives'],
      indexForUnions: values['generate.index.for.unions'],
      flattenUnions: values['flatten.unions'],
    }
    return new ProtobufConverter(rules, values, context)
  },
})

class ProtobufConverter implements Converter {
  readonly #rules: ProtobufRules
  readonly #registry: Registry
  /** By the name of the message and the version. */
  readonly #readers = new WeakMap<RegisteredSchema, Map<string, ProtobufReader>>()
  readonly #textOf = cachedBySchema(schema => protobufTextOf(schema, this.#rules))

  constructor(rules: ProtobufRules, values: RegistryValues, context: ConverterContext) {
    this.#rules = rules
    this.#registry = new Registry(values, context)
  }

  toConnect: Converter['toConnect'] = (topic, bytes, headers) => {
    if (bytes === null) return { schema: null, value: null }
    return later(this.#registry.decode('protobuf', topic, bytes, headers), ({ value, schema, name, version }) => {
      const reader = this.#reader(schema, name!, version)
      return { schema: reader.schema, value: reader.read(value) }
    })
  }

  fromConnect: Converter['fromConnect'] = (topic, schema, value) => {
    if (value === null) return null
    if (schema === null) throw new DataError('ProtobufConverter needs values with a schema')
    const { text, message } = this.#textOf(schema)
    const json = valueToProtobuf(schema, value, this.#rules)
    const subject = this.#registry.subjectOf(topic, message)
    return later(this.#registry.idOf(subject, 'PROTOBUF', text), id => this.#registry.encode('protobuf', topic, json, id, message))
  }

  close(): void {
    this.#registry.close()
  }

  #reader(schema: RegisteredSchema, name: string, version: number | null): ProtobufReader {
    let readers = this.#readers.get(schema)
    if (readers === undefined) this.#readers.set(schema, (readers = new Map()))
    const key = `${name} ${version}`
    let reader = readers.get(key)
    if (reader === undefined) {
      const message = parseProtobuf(schema.schema, schema.texts).lookup(name)
      if (message === null) throw new DataError(`the schema has no message ${name}`)
      readers.set(key, (reader = protobufReader(message, version, this.#rules)))
    }
    return reader
  }
}
