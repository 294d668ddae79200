/** Flatten: fields of structs within structs become fields of the outermost one. */
import { string } from '../../base.ts'
import { type ConnectValue, DataError, type Field, isStruct, type Schema, type Struct, struct } from '../../connector.ts'
import { javaClass } from '../values/java.ts'
import { basicsOf, cachedBySchema, defaultIf, entriesOf, fieldValue, optionalIf, typeOf } from '../values/schemas.ts'
import { requireMap, requireStruct } from './require.ts'
import { defineTransform, type Part, type Transform } from './transform.ts'

const purpose = 'flattening'

export const flatten = defineTransform({
  name: 'Flatten',
  sides: true,
  summary: 'flattens nested structs and maps; arrays stay as they are',
  keys: { delimiter: string({ default: '.', doc: 'What stands between the names of the outer and of the inner field.' }) },
  open: ({ delimiter }, { part }) => new Flatten(delimiter, part),
})

class Flatten implements Transform {
  readonly #delimiter: string
  readonly #part: Part
  readonly #schemaOf = cachedBySchema(schema => this.#updated(schema))

  constructor(delimiter: string, part: Part) {
    this.#delimiter = delimiter
    this.#part = part
  }

  apply: Transform['apply'] = record => {
    const value = this.#part.value(record)
    if (value === null) return record
    const schema = this.#part.schema(record)
    const flat = struct()
    if (schema === null) {
      this.#flattenMap(requireMap(value, purpose), '', flat)
      return this.#part.with(record, null, flat)
    }
    const before = requireStruct(value, schema, purpose)
    const updated = this.#schemaOf(schema)
    this.#flatten(before, schema, '', flat)
    return this.#part.with(record, updated, flat)
  }

  #name(prefix: string, name: string): string {
    return prefix === '' ? name : prefix + this.#delimiter + name
  }

  #flattenMap(value: Struct, prefix: string, flat: Struct): void {
    for (const [name, each] of Object.entries(value)) {
      const full = this.#name(prefix, name)
      if (each !== null && typeOf(each) === null)
        throw new DataError(
          `Flatten transformation was passed a value of type class ${javaClass(each)} which is not supported by Connect's data API`,
        )
      const inner = each === null || typeof each !== 'object' ? null : entriesOf(each)
      if (inner === null) flat[full] = each
      else this.#flattenMap(struct(inner), full, flat)
    }
  }

  #flatten(value: Struct | null, schema: Schema, prefix: string, flat: Struct): void {
    for (const field of schema.fields ?? []) {
      const full = this.#name(prefix, field.name)
      const each = value === null ? null : fieldValue(value, field, true)
      if (field.schema.type === 'struct') this.#flatten(isStruct(each) ? each : null, field.schema, full, flat)
      else flat[full] = each
    }
  }

  #updated(schema: Schema): Schema {
    const fields: Field[] = []
    this.#addFields(schema, '', schema.optional === true, schema.default ?? null, fields)
    return { type: 'struct', ...basicsOf(schema), fields }
  }

  /** A field is optional where something around it is, and its default may stand in that of something around it. */
  #addFields(schema: Schema, prefix: string, optional: boolean, outerDefault: ConnectValue, fields: Field[]): void {
    for (const field of schema.fields ?? []) {
      const name = this.#name(prefix, field.name)
      const isOptional = optional || field.schema.optional === true
      const ownDefault = field.schema.default ?? null
      const fallback = ownDefault !== null || !isStruct(outerDefault) ? ownDefault : fieldValue(outerDefault, field, true)
      if (field.schema.type === 'struct') this.#addFields(field.schema, name, isOptional, fallback, fields)
      else if (field.schema.type === 'map')
        throw new DataError(`Flatten transformation does not support MAP for record with schemas (for field ${name}).`)
      else {
        const { optional: _, default: __, ...rest } = field.schema
        fields.push({ name, schema: { ...rest, ...optionalIf(isOptional), ...defaultIf(fallback) } })
      }
    }
  }
}
