/** ExtractField: one field becomes the whole key or value. */
import { string } from '../../base.ts'
import { DataError } from '../../connector.ts'
import { FieldPath } from './field-path.ts'
import { fieldSyntaxVersion, replaceNullWithDefault, requireMap, requireStruct } from './require.ts'
import { defineTransform } from './transform.ts'

const purpose = 'field extraction'

export const extractField = defineTransform({
  name: 'ExtractField',
  sides: true,
  summary: 'makes one field the whole key or value',
  keys: {
    field: string({ required: true, mayBeEmpty: true, doc: 'The field.' }),
    'replace.null.with.default': replaceNullWithDefault,
    'field.syntax.version': fieldSyntaxVersion,
  },
  open({ field: name, 'field.syntax.version': version, 'replace.null.with.default': withDefault }, { part, refuse }) {
    const path = openPath(name, version, reason => refuse('field', name, reason, reason))
    return {
      apply(record) {
        const schema = part.schema(record)
        const value = part.value(record)
        if (schema === null) return part.with(record, null, value === null ? null : path.valueInMap(requireMap(value, purpose)))
        if (value !== null) requireStruct(value, schema, purpose)
        const field = path.field(schema)
        if (field === undefined) throw new DataError(`Unknown field: ${name}`)
        return part.with(
          record,
          field.schema,
          value === null ? null : path.valueIn(requireStruct(value, schema, purpose), schema, withDefault),
        )
      },
    }
  },
})

function openPath(name: string, version: 'V1' | 'V2', refused: (reason: string) => Error): FieldPath {
  try {
    return new FieldPath(name, version)
  } catch (error) {
    throw error instanceof SyntaxError ? refused(error.message) : error
  }
}
