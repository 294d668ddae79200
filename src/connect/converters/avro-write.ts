/** Kafka Connect's schemas and values to Avro, as Confluent's AvroData maps them. Values become Avro's JSON encoding, which the codec writes. */
import { type ConnectValue, DataError, Decimal, isStruct, logical, type Schema } from '../../connector.ts'
import { bytesOfInteger, javaClass, mismatch, rescaled, scaleOf } from '../values/java.ts'
import { typeOf } from '../values/schemas.ts'
import * as avro from './avro-names.ts'
import { type AvroField, type AvroNamed, type AvroNode, branchName, nullNode, type Properties } from './avro-nodes.ts'
import { generalEnum, generalUnion } from './sum-types.ts'

const optionalField = (name: string, node: AvroNode): AvroField => ({
  name,
  node: { kind: 'union', branches: [nullNode, node] },
  doc: null,
  default: null,
  properties: [],
})

const primitive = (kind: 'boolean' | 'bytes' | 'double' | 'float' | 'int' | 'long' | 'string'): AvroNode => ({ kind, properties: [] })

function named(kind: AvroNamed['kind'], name: string, space: string | null, rest: Partial<AvroNamed> = {}): AvroNamed {
  return { kind, name, namespace: space, doc: null, fields: [], symbols: [], defaultSymbol: null, size: 0, properties: [], ...rest }
}

/** Of values without a schema. */
const anythingNode: AvroNamed = named('record', 'Anything', avro.namespace)
const anyEntry = named('record', avro.mapEntry, avro.namespace, {
  fields: ['key', 'value'].map(name => ({ name, node: anythingNode, doc: null, default: undefined, properties: [] })),
})
for (const kind of ['boolean', 'bytes', 'double', 'float', 'int', 'long', 'string'] as const)
  anythingNode.fields.push(optionalField(kind, primitive(kind)))
anythingNode.fields.push(
  optionalField('array', { kind: 'array', items: anythingNode, properties: [] }),
  optionalField('map', { kind: 'array', items: anyEntry, properties: [] }),
)

function isUnion(schema: Schema): boolean {
  return schema.name === avro.unionName || schema.parameters?.[generalUnion] !== undefined
}

function hasTextKeys({ keys }: Schema, rules: avro.AvroRules): boolean {
  return keys?.type === 'string' && (keys.optional !== true || rules.optionalMapKeys)
}

const kinds = {
  int8: 'int',
  int16: 'int',
  int32: 'int',
  int64: 'long',
  float32: 'float',
  float64: 'double',
  boolean: 'boolean',
} as const

/** One whole schema. Throws DataError. */
export function avroNodeOf(schema: Schema | null, rules: avro.AvroRules): AvroNode {
  return schema === null ? anythingNode : new Builder(rules).node(schema)
}

class Builder {
  readonly #rules: avro.AvroRules
  /** Equal schemas are one type; those that contain themselves are found by their names. */
  readonly #made = new Map<string, AvroNode>()
  readonly #open = new Map<string, AvroNode>()
  readonly #seen = new Set<string>()
  #unnamed = 0

  constructor(rules: avro.AvroRules) {
    this.#rules = rules
  }

  /** `bare`: a branch of a union, which is not made optional itself. */
  node(schema: Schema, bare = false): AvroNode {
    const open = schema.type === 'struct' && schema.name !== undefined ? this.#open.get(schema.name) : undefined
    if (open !== undefined) return bare || schema.optional !== true ? open : { kind: 'union', branches: [nullNode, open] }
    if (schema.type === 'struct' && isUnion(schema)) return this.#union(schema)
    const required: Schema = { ...schema, optional: false }
    const key = this.#key(required)
    let node = this.#made.get(key)
    if (node === undefined) {
      node = this.#base(required, key)
      this.#made.set(key, node)
    }
    if (bare || schema.optional !== true) return node
    const hasDefault = schema.default !== undefined && schema.default !== null && schema.type !== 'struct'
    return { kind: 'union', branches: hasDefault ? [node, nullNode] : [nullNode, node] }
  }

  #key(schema: Schema): string {
    const seen = new Set<unknown>()
    // A record that contains itself has the same list of fields again.
    return JSON.stringify(schema, (name, each: unknown) => {
      if (typeof each === 'bigint') return String(each)
      if (name !== 'fields' || !Array.isArray(each)) return each
      if (seen.has(each)) return '…'
      seen.add(each)
      return each
    })
  }

  #name(name: string | undefined): { namespace: string | null; name: string } {
    if (name !== undefined) return avro.splitName(name, this.#rules.scrub)
    const index = ++this.#unnamed
    return { namespace: avro.namespace, name: `${avro.defaultName}${index > 1 ? index : ''}` }
  }

  #union(schema: Schema): AvroNode {
    const branches = (schema.fields ?? []).map(field => this.node({ ...field.schema, optional: false }, true))
    return { kind: 'union', branches: schema.optional === true ? [nullNode, ...branches] : branches }
  }

  #base(schema: Schema, key: string): AvroNode {
    if (schema.type === 'struct') return this.#record(schema, key)
    if (schema.type === 'string') return this.#string(schema)
    if (schema.type === 'bytes') return this.#bytes(schema)
    if (schema.type === 'array') return { kind: 'array', items: this.node(schema.items!), properties: this.#properties(schema) }
    if (schema.type === 'map') return this.#map(schema)
    return { kind: kinds[schema.type], properties: this.#properties(schema) }
  }

  #string(schema: Schema): AvroNode {
    const { enhanced, generalSums, discardDocs } = this.#rules
    const parameter = generalSums ? generalEnum : avro.enumName
    const full = schema.parameters?.[parameter]
    if (!(enhanced || generalSums) || full === undefined) return { kind: 'string', properties: this.#properties(schema) }
    const symbols = Object.keys(schema.parameters ?? {})
      .filter(each => each.startsWith(`${parameter}.`))
      .map(each => each.slice(parameter.length + 1))
    const { name } = this.#name(schema.name)
    const { namespace: space, name: simple } = avro.splitName(full, false)
    return named('enum', simple, space, {
      symbols,
      doc: schema.parameters?.[discardDocs ? 'connect.enum.doc' : avro.enumDoc + name] ?? null,
      defaultSymbol: discardDocs ? null : (schema.parameters?.[avro.enumDefault + name] ?? null),
      properties: this.#properties(schema),
    })
  }

  #bytes(schema: Schema): AvroNode {
    const isDecimal = schema.name === logical.decimal
    const before: Properties = isDecimal
      ? [
          ['scale', scaleOf(schema)],
          ['precision', Number(schema.parameters?.[avro.precision] ?? avro.defaultPrecision)],
        ]
      : []
    const properties = [...before, ...this.#properties(schema)]
    const size = schema.parameters?.[avro.fixedSize]
    if (size === undefined || schema.name === undefined) return { kind: 'bytes', properties }
    const { namespace: space, name } = this.#name(schema.name)
    return named('fixed', name, space, { size: Number(size), properties })
  }

  #map(schema: Schema): AvroNode {
    const properties = this.#properties(schema)
    if (hasTextKeys(schema, this.#rules)) return { kind: 'map', values: this.node(schema.values!), properties }
    const entry =
      schema.name === undefined
        ? named('record', avro.mapEntry, avro.namespace)
        : named('record', this.#name(schema.name).name, this.#name(schema.name).namespace, {
            properties: [['connect.internal.type', avro.mapEntry]],
          })
    entry.fields.push(this.#field('key', schema.keys!, null), this.#field('value', schema.values!, null))
    return { kind: 'array', items: entry, properties }
  }

  #record(schema: Schema, key: string): AvroNode {
    const { namespace: space, name } = this.#name(schema.name)
    const { discardDocs, scrub } = this.#rules
    const record = named('record', name, space, {
      doc: schema.parameters?.[discardDocs ? 'connect.record.doc' : avro.recordDoc] ?? null,
    })
    this.#made.set(key, record)
    if (schema.name !== undefined) this.#open.set(schema.name, record)
    for (const field of schema.fields ?? []) {
      const doc = discardDocs ? null : (schema.parameters?.[avro.fieldDoc + field.name] ?? null)
      record.fields.push(this.#field(scrub ? avro.scrubbed(field.name) : field.name, field.schema, doc))
    }
    if (schema.name !== undefined) this.#open.delete(schema.name)
    record.properties = this.#properties(schema)
    return record
  }

  #field(name: string, schema: Schema, doc: string | null): AvroField {
    const hasDefault = schema.default !== undefined && schema.default !== null
    // Of an optional struct, null is the first branch, so that no other default is valid.
    const isNullFirst = schema.type === 'struct' && schema.optional === true
    const fallback =
      hasDefault && !isNullFirst
        ? defaultToAvro(schema, schema.default!, this.#rules)
        : schema.optional === true && !hasDefault
          ? null
          : undefined
    const seen = schema.name !== undefined && this.#seen.has(schema.name)
    if (schema.name !== undefined) this.#seen.add(schema.name)
    const node = this.node(schema)
    const inner = node.kind === 'union' ? node.branches : [node]
    const parameters = this.#parameters(schema)
    const own: Properties =
      this.#rules.metadata && seen && parameters !== null && inner.some(each => 'name' in each) ? [['connect.parameters', parameters]] : []
    return { name, node, doc: this.#rules.discardDocs ? (schema.doc ?? null) : doc, default: fallback, properties: own }
  }

  #parameters({ parameters }: Schema): Record<string, string> | null {
    const kept = Object.entries(parameters ?? {}).filter(([name]) => this.#rules.discardDocs || name !== avro.fieldDefault)
    return kept.length === 0 ? null : Object.fromEntries(kept)
  }

  #properties(schema: Schema): Properties {
    const properties: [string, unknown][] = []
    const { name, version, doc } = schema
    if (this.#rules.metadata) {
      if (doc !== undefined) properties.push(['connect.doc', doc])
      if (version !== undefined) properties.push(['connect.version', version])
      const parameters = this.#parameters(schema)
      if (parameters !== null) properties.push(['connect.parameters', parameters])
      const hasDefault = schema.default !== undefined && schema.default !== null
      if (hasDefault && (this.#rules.discardDocs || schema.parameters?.[avro.fieldDefault] === undefined))
        properties.push(['connect.default', defaultToAvro(schema, schema.default!, this.#rules)])
      if (name !== undefined) properties.push(['connect.name', name])
      if (schema.type === 'int8' || schema.type === 'int16') properties.push(['connect.type', schema.type])
    }
    const logicalType = logicalTypes.get(name ?? '')
    if (logicalType !== undefined) properties.push(['logicalType', logicalType])
    for (const [parameter, value] of Object.entries(schema.parameters ?? {}))
      if (parameter.startsWith('avro')) properties.push([parameter, value])
    return properties
  }
}

const logicalTypes = new Map<string, string>([
  [logical.decimal, 'decimal'],
  [logical.date, 'date'],
  [logical.time, 'time-millis'],
  [logical.timestamp, 'timestamp-millis'],
])

/** Defaults of unions are those of their first branch, without its name. */
function defaultToAvro(schema: Schema, value: ConnectValue, rules: avro.AvroRules): unknown {
  if (value === null) return null
  if (schema.type === 'array') return (value as ConnectValue[]).map(each => defaultToAvro(schema.items!, each, rules))
  if (schema.type === 'map') {
    const entries = Array.from(value as Map<ConnectValue, ConnectValue>, ([key, each]) => [
      defaultToAvro(schema.keys!, key, rules),
      defaultToAvro(schema.values!, each, rules),
    ])
    return hasTextKeys(schema, rules) ? Object.fromEntries(entries) : entries
  }
  if (schema.type !== 'struct' || !isStruct(value)) return scalarToAvro(schema, value)
  const fields = (schema.fields ?? []).map(
    field =>
      [
        rules.scrub ? avro.scrubbed(field.name) : field.name,
        defaultToAvro(field.schema, value[field.name] ?? field.schema.default ?? null, rules),
      ] as const,
  )
  return isUnion(schema) ? fields[0]?.[1] : Object.fromEntries(fields)
}

/** Bytes are text of Latin 1. */
function scalarToAvro(schema: Schema, value: NonNullable<ConnectValue>): unknown {
  if (schema.name === logical.decimal) {
    if (!(value instanceof Decimal)) throw new DataError(`Invalid type for Decimal, expected BigDecimal but was class ${javaClass(value)}`)
    const scaled = rescaled(value, scaleOf(schema))
    if (scaled === null) throw new DataError(mismatch(value, schema))
    return padded(bytesOfInteger(scaled.unscaled), schema.parameters?.[avro.fixedSize]).toString('latin1')
  }
  const fits =
    schema.type === 'bytes'
      ? Buffer.isBuffer(value)
      : schema.type === 'string'
        ? typeof value === 'string'
        : schema.type === 'boolean'
          ? typeof value === 'boolean'
          : schema.type === 'float32' || schema.type === 'float64'
            ? typeof value === 'number'
            : typeof value === 'bigint' || Number.isInteger(value)
  if (!fits) throw new DataError(`Invalid type for ${schema.type.toUpperCase()}: class ${javaClass(value)}`)
  if (Buffer.isBuffer(value)) return value.toString('latin1')
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

function padded(bytes: Buffer, size: string | undefined): Buffer {
  if (size === undefined || bytes.length === Number(size)) return bytes
  if (bytes.length > Number(size))
    throw new DataError(`Unscaled value byte array length ${bytes.length} is greater than fixed size ${size}`)
  return Buffer.concat([Buffer.alloc(Number(size) - bytes.length, bytes[0]! >= 0x80 ? 0xff : 0), bytes])
}

/** In Avro's JSON encoding, with the branches of unions named. Throws DataError. */
export function valueToAvro(schema: Schema | null, node: AvroNode, value: ConnectValue, rules: avro.AvroRules): unknown {
  if (schema === null) return anythingOf(value)
  if (value === null) {
    if (schema.optional !== true) throw new DataError('Found null value for non-optional schema')
    return null
  }
  if (schema.type === 'struct' && isUnion(schema)) return unionToAvro(schema, node, value, rules)
  if (node.kind !== 'union') return plainToAvro(schema, node, value, rules)
  const branch = node.branches.find(each => each.kind !== 'null')!
  return { [branchName(branch)]: plainToAvro(schema, branch, value, rules) }
}

function unionToAvro(schema: Schema, node: AvroNode, value: NonNullable<ConnectValue>, rules: avro.AvroRules): unknown {
  if (node.kind !== 'union' || !isStruct(value)) throw new DataError(`Invalid type for STRUCT: class ${javaClass(value, schema)}`)
  const branches = node.branches.filter(each => each.kind !== 'null')
  for (const [index, field] of (schema.fields ?? []).entries()) {
    const each = value[field.name] ?? null
    if (each !== null) return { [branchName(branches[index]!)]: plainToAvro(field.schema, branches[index]!, each, rules) }
  }
  if (schema.optional === true) return null
  throw new DataError('Found null value for non-optional schema')
}

function plainToAvro(schema: Schema, node: AvroNode, value: NonNullable<ConnectValue>, rules: avro.AvroRules): unknown {
  const refuse = () => new DataError(`Invalid type for ${schema.type.toUpperCase()}: class ${javaClass(value, schema)}`)
  if (schema.type === 'array') {
    if (!Array.isArray(value) || node.kind !== 'array') throw refuse()
    return value.map(each => valueToAvro(schema.items!, node.items, each, rules))
  }
  if (schema.type === 'map')
    return mapToAvro(schema, node, value instanceof Map ? value : isStruct(value) ? new Map(Object.entries(value)) : null, rules)
  if (schema.type !== 'struct') return scalarToAvro(schema, value)
  if (!isStruct(value) || node.kind !== 'record') throw refuse()
  const record: Record<string, unknown> = Object.create(null)
  for (const [index, field] of (schema.fields ?? []).entries()) {
    const own = value[field.name] ?? null
    const each = own === null && !rules.ignoreDefaults ? (field.schema.default ?? null) : own
    const target = node.fields[index]!
    record[target.name] = valueToAvro(field.schema, target.node, each, rules)
  }
  return record
}

function mapToAvro(schema: Schema, node: AvroNode, map: ReadonlyMap<ConnectValue, ConnectValue> | null, rules: avro.AvroRules): unknown {
  if (map === null) throw new DataError('Invalid type for MAP')
  if (node.kind === 'map') {
    const made: Record<string, unknown> = Object.create(null)
    for (const [key, each] of map) made[String(key)] = valueToAvro(schema.values!, node.values, each, rules)
    return made
  }
  const entry = node.kind === 'array' && node.items.kind === 'record' ? node.items : null
  if (entry === null) throw new DataError('Invalid type for MAP')
  return Array.from(map, ([key, each]) => ({
    key: valueToAvro(schema.keys!, entry.fields[0]!.node, key, rules),
    value: valueToAvro(schema.values!, entry.fields[1]!.node, each, rules),
  }))
}

/** A value without a schema, as Confluent's record of all types. */
function anythingOf(value: ConnectValue): Record<string, unknown> {
  const made: Record<string, unknown> = {
    boolean: null,
    bytes: null,
    double: null,
    float: null,
    int: null,
    long: null,
    string: null,
    array: null,
    map: null,
  }
  if (value === null) return made
  const type = typeOf(value)
  if (type === null) throw new DataError(`Unknown Java type for schemaless data: class ${javaClass(value)}`)
  if (Array.isArray(value)) made.array = { array: value.map(anythingOf) }
  else if (value instanceof Map || isStruct(value)) {
    const entries: Iterable<readonly [ConnectValue, ConnectValue]> = value instanceof Map ? value : Object.entries(value)
    made.map = { array: Array.from(entries, ([key, each]) => ({ key: anythingOf(key), value: anythingOf(each) })) }
  } else {
    const kind = ({ int64: 'long', float64: 'double', boolean: 'boolean', string: 'string', bytes: 'bytes' } as Record<string, string>)[
      type
    ]!
    made[kind] = { [kind]: Buffer.isBuffer(value) ? value.toString('latin1') : value }
  }
  return made
}
