/** HeaderFrom: moves or copies fields into headers. */
import { choice, list } from '../../base.ts'
import { DataError, fieldOf, type Header, type Schema, struct } from '../../connector.ts'
import { basicsOf, cachedBySchema, fieldsOf, fieldValue } from '../values/schemas.ts'
import { replaceNullWithDefault, requireMap, requireStruct } from './require.ts'
import { defineTransform } from './transform.ts'

export const headerFrom = defineTransform({
  name: 'HeaderFrom',
  sides: true,
  summary: 'moves or copies fields into headers',
  keys: {
    fields: list({ required: true, importance: 'high', doc: 'The fields.' }),
    headers: list({ required: true, importance: 'high', doc: 'Names of the headers, in the order of the fields.' }),
    operation: choice(['move', 'copy'], { required: true, importance: 'high', doc: 'move: the fields are removed. copy: they stay.' }),
    'replace.null.with.default': replaceNullWithDefault,
  },
  open({ fields, headers, operation, 'replace.null.with.default': withDefault }, { part, refuse }) {
    if (fields.length !== headers.length) {
      const reason = "'fields' config must have the same number of elements as 'headers' config."
      throw refuse('headers', headers.join(','), reason, reason)
    }
    const moves = operation === 'move'
    const withoutFields = cachedBySchema(
      (schema: Schema): Schema => ({
        type: 'struct',
        ...basicsOf(schema),
        fields: (schema.fields ?? []).filter(({ name }) => !fields.includes(name)),
      }),
    )
    return {
      apply(record) {
        const schema = part.schema(record)
        const value = part.value(record)
        const added: Header[] = []
        if (schema === null) {
          const before = requireMap(value, `header ${operation}`)
          const after = struct(Object.entries(before))
          for (const [index, name] of fields.entries()) {
            added.push({ name: headers[index]!, schema: null, value: before[name] ?? null })
            if (moves) delete after[name]
          }
          return { ...part.with(record, null, after), headers: [...record.headers, ...added] }
        }
        const before = requireStruct(value, schema, `header ${operation}`)
        for (const [index, name] of fields.entries()) {
          const field = fieldOf(schema, name)
          if (field === undefined) throw new DataError(`Unknown field: ${name}`)
          added.push({ name: headers[index]!, schema: field.schema, value: fieldValue(before, field, withDefault) })
        }
        const updated = moves ? withoutFields(schema) : schema
        const after = moves ? fieldsOf(updated, before, withDefault) : before
        return { ...part.with(record, updated, after), headers: [...record.headers, ...added] }
      },
    }
  },
})
