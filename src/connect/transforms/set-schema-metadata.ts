/** SetSchemaMetadata: name and version of the schema. */
import { int, string } from '../../base.ts'
import { DataError, isStruct, type Schema } from '../../connector.ts'
import { cachedBySchema, fieldsOf } from '../values/schemas.ts'
import { replaceNullWithDefault } from './require.ts'
import { defineTransform } from './transform.ts'

export const setSchemaMetadata = defineTransform({
  name: 'SetSchemaMetadata',
  sides: true,
  summary: "sets the name or the version of the key's or value's schema",
  keys: {
    'schema.name': string({ default: null, importance: 'high', doc: 'The name of the schema.' }),
    'schema.version': int({ default: null, importance: 'high', doc: 'The version of the schema.' }),
    'replace.null.with.default': replaceNullWithDefault,
  },
  open({ 'schema.name': name, 'schema.version': version, 'replace.null.with.default': withDefault }, { part, refuse }) {
    const reason = 'Neither schema name nor version configured'
    if (name === null && version === null) throw refuse('schema.name', null, reason, reason)
    const updated = cachedBySchema(
      (schema: Schema): Schema => ({ ...schema, ...(name === null ? {} : { name }), ...(version === null ? {} : { version }) }),
    )
    return {
      apply(record) {
        const schema = part.schema(record)
        const value = part.value(record)
        if (schema === null && value === null) return record
        if (schema === null) throw new DataError('Schema required for [updating schema metadata]')
        const after = schema.type === 'struct' && isStruct(value) ? fieldsOf(schema, value, withDefault) : value
        return part.with(record, updated(schema), after)
      },
    }
  },
})
