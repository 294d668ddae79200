/** Schemas as Avro has them, mapped as Confluent's AvroData maps them. */
import { DataError, logical, type Schema } from '../../connector.ts'
import { below, isDecimal, precisionOf, requireFinite, scaleOf } from './checked.ts'

type AvroJson = string | { [property: string]: unknown } | AvroJson[]

const simple: Readonly<Record<string, string>> = {
  int32: 'int',
  int64: 'long',
  float32: 'float',
  float64: 'double',
  boolean: 'boolean',
  string: 'string',
  bytes: 'bytes',
}
const logicalTypes: Readonly<Record<string, string>> = {
  [logical.date]: 'date',
  [logical.time]: 'time-millis',
  [logical.timestamp]: 'timestamp-millis',
}
const word = /^[A-Za-z_]\w*$/

/** Throws DataError when Avro cannot have it: names have letters, digits and `_` only. */
export function avroSchemaOf(schema: Schema): AvroJson {
  return new Names().of(schema, '', [])
}

class Names {
  readonly #taken = new Map<string, Schema>()

  of(schema: Schema, at: string, above: readonly Schema[]): AvroJson {
    requireFinite(schema, at, above)
    const type = this.#plain(schema, at, [...above, schema])
    return schema.optional === true ? ['null', type] : type
  }

  #plain(schema: Schema, at: string, within: readonly Schema[]): AvroJson {
    if (isDecimal(schema)) return { type: 'bytes', logicalType: 'decimal', precision: precisionOf(schema), scale: scaleOf(schema) }
    switch (schema.type) {
      case 'int8':
      case 'int16':
        return { type: 'int', 'connect.type': schema.type }
      case 'array':
        return { type: 'array', items: this.of(schema.items!, below(at, '[]'), within) }
      case 'map':
        if (schema.keys!.type === 'string' && schema.keys!.optional !== true)
          return { type: 'map', values: this.of(schema.values!, below(at, '{}'), within) }
        return { type: 'array', items: this.#entry(schema, at, within) }
      case 'struct':
        return this.#record(schema, at, within)
      default: {
        const meaning = schema.name === undefined ? undefined : logicalTypes[schema.name]
        const type = simple[schema.type]!
        return meaning === undefined ? type : { type, logicalType: meaning }
      }
    }
  }

  #entry(schema: Schema, at: string, within: readonly Schema[]): AvroJson {
    return {
      type: 'record',
      name: this.#free('MapEntry', schema),
      namespace: 'io.confluent.connect.avro',
      fields: [
        { name: 'key', type: this.of(schema.keys!, below(at, 'key'), within) },
        { name: 'value', type: this.of(schema.values!, below(at, 'value'), within) },
      ],
    }
  }

  #record(schema: Schema, at: string, within: readonly Schema[]): AvroJson {
    const full = schema.name ?? 'ConnectDefault'
    if (this.#taken.get(full) === schema) return full
    const name = this.#free(full, schema)
    if (!name.split('.').every(part => word.test(part)))
      throw new DataError(`the schema's name ${name} cannot be written: names in Avro have letters, digits and _ only`)
    return {
      type: 'record',
      name,
      ...(schema.doc === undefined ? {} : { doc: schema.doc }),
      fields: (schema.fields ?? []).map(field => {
        if (!word.test(field.name))
          throw new DataError(`field ${below(at, field.name)} cannot be written: names in Avro have letters, digits and _ only`)
        const type = this.of(field.schema, below(at, field.name), within)
        return { name: field.name, type, ...(Array.isArray(type) ? { default: null } : {}) }
      }),
    }
  }

  /** Different structs may have the same name, or none; Avro wants each named once. */
  #free(wanted: string, schema: Schema): string {
    let name = wanted
    for (let number = 2; this.#taken.has(name); number++) name = `${wanted}${number}`
    this.#taken.set(name, schema)
    return name
  }
}
