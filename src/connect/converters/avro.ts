/** Confluent's AvroConverter. */
import { boolean, int, later, stringifyLossless } from '../../base.ts'
import { DataError, type Schema } from '../../connector.ts'
import type { RegisteredSchema } from '../../serde.ts'
import type { AvroRules } from './avro-names.ts'
import { type AvroNode, fullName, printNode } from './avro-nodes.ts'
import { type AvroReader, avroReader } from './avro-read.ts'
import { avroNodeOf, valueToAvro } from './avro-write.ts'
import { type Converter, type ConverterContext, defineConverter } from './converter.ts'
import { Registry, type RegistryValues, registryKeys } from './registered.ts'

export const avro = defineConverter({
  name: 'avro',
  classes: ['io.confluent.connect.avro.AvroConverter'],
  summary: 'Avro with a schema registry',
  forHeaders: false,
  keys: {
    ...registryKeys,
    'schemas.cache.config': int({ default: 1000, importance: 'low', doc: 'Understood; schemas are kept as long as they are used.' }),
    'enhanced.avro.schema.support': boolean({
      default: false,
      doc: 'Whether enums stay enums, and names of types in unions have their namespaces.',
    }),
    'connect.meta.data': boolean({
      default: true,
      importance: 'low',
      doc: "Whether names, versions and parameters of Kafka Connect's schemas are kept in the schema of Avro.",
    }),
    'generalized.sum.type.support': boolean({ default: false, doc: 'Whether unions and enums are named alike in all formats.' }),
    'ignore.default.for.nullables': boolean({ default: false, doc: 'Whether a null is written although its field has a default.' }),
    'scrub.invalid.names': boolean({ default: false, doc: 'Whether characters that Avro does not allow in names are replaced.' }),
    'discard.type.doc.default': boolean({
      default: false,
      importance: 'low',
      doc: 'Whether only the documentation and defaults of fields are kept.',
    }),
    'allow.optional.map.keys': boolean({
      default: false,
      importance: 'low',
      doc: "Whether maps whose keys are optional text are Avro's maps.",
    }),
    'flatten.singleton.unions': boolean({ default: true, importance: 'low', doc: 'Whether a union of one type is this type.' }),
  },
  open(values, context) {
    const rules: AvroRules = {
      enhanced: values['enhanced.avro.schema.support'],
      metadata: values['connect.meta.data'],
      generalSums: values['generalized.sum.type.support'],
      ignoreDefaults: values['ignore.default.for.nullables'],
      scrub: values['scrub.invalid.names'],
      discardDocs: values['discard.type.doc.default'],
      optionalMapKeys: values['allow.optional.map.keys'],
      flattenUnions: values['flatten.singleton.unions'],
    }
    return new AvroConverter(rules, values, context)
  },
})

interface Written {
  readonly node: AvroNode
  readonly text: string
  readonly name: string | null
}

class AvroConverter implements Converter {
  readonly #rules: AvroRules
  readonly #registry: Registry
  /** By the registry's schema; the version is that of the topic's subject. */
  readonly #readers = new WeakMap<RegisteredSchema, Map<number | null, AvroReader>>()
  readonly #written = new WeakMap<Schema, Written>()
  #schemaless: Written | null = null

  constructor(rules: AvroRules, values: RegistryValues, context: ConverterContext) {
    this.#rules = rules
    this.#registry = new Registry(values, context)
  }

  toConnect: Converter['toConnect'] = (topic, bytes, headers) => {
    if (bytes === null) return { schema: null, value: null }
    return later(this.#registry.decode('avro', topic, bytes, headers), ({ value, schema, version }) => {
      const reader = this.#reader(schema, version)
      return { schema: reader.schema, value: reader.read(value) }
    })
  }

  fromConnect: Converter['fromConnect'] = (topic, schema, value) => {
    if (schema === null && value === null) return null
    const { node, text, name } = this.#writtenOf(schema)
    if (value === null && schema?.optional === true) return null
    const json = valueToAvro(schema, node, value, this.#rules)
    const subject = this.#registry.subjectOf(topic, name)
    return later(this.#registry.idOf(subject, 'AVRO', text), id => this.#registry.encode('avro', topic, json, id))
  }

  close(): void {
    this.#registry.close()
  }

  #reader(schema: RegisteredSchema, version: number | null): AvroReader {
    let readers = this.#readers.get(schema)
    if (readers === undefined) this.#readers.set(schema, (readers = new Map()))
    let reader = readers.get(version)
    if (reader === undefined) readers.set(version, (reader = avroReader(schema, version, this.#rules)))
    return reader
  }

  #writtenOf(schema: Schema | null): Written {
    const known = schema === null ? this.#schemaless : this.#written.get(schema)
    if (known !== null && known !== undefined) return known
    const node = avroNodeOf(schema, this.#rules)
    const text = stringifyLossless(printNode(node))
    if (text.length > 2 ** 20) throw new DataError('the Avro schema has more than a megabyte')
    const inner = node.kind === 'union' ? node.branches.find(branch => 'name' in branch) : node
    const written = { node, text, name: inner !== undefined && 'name' in inner ? fullName(inner) : null }
    if (schema === null) this.#schemaless = written
    else this.#written.set(schema, written)
    return written
  }
}
