/** ValueToKey: some fields of the value become the key. */
import { list } from '../../base.ts'
import { DataError, fieldOf, type Schema, struct } from '../../connector.ts'
import { cachedBySchema, fieldsOf } from '../values/schemas.ts'
import { replaceNullWithDefault, requireMap, requireStruct } from './require.ts'
import { defineTransform } from './transform.ts'

const purpose = 'copying fields from value to key'

export const valueToKey = defineTransform({
  name: 'ValueToKey',
  sides: false,
  summary: 'makes some fields of the value the key',
  keys: {
    fields: list({ required: true, importance: 'high', doc: 'The fields of the value that make up the key.' }),
    'replace.null.with.default': replaceNullWithDefault,
  },
  open({ fields: names, 'replace.null.with.default': withDefault }) {
    const keySchemaOf = cachedBySchema((schema: Schema): Schema => {
      const fields = names.map(name => {
        const field = fieldOf(schema, name)
        if (field === undefined) throw new DataError(`Field does not exist: ${name}`)
        return field
      })
      return { type: 'struct', fields }
    })
    return {
      apply(record) {
        if (record.valueSchema === null) {
          const value = requireMap(record.value, purpose)
          return { ...record, keySchema: null, key: struct(names.map(name => [name, value[name] ?? null] as const)) }
        }
        const value = requireStruct(record.value, record.valueSchema, purpose)
        const keySchema = keySchemaOf(record.valueSchema)
        return { ...record, keySchema, key: fieldsOf(keySchema, value, withDefault) }
      },
    }
  },
})
