/** ReplaceField: keeps, drops and renames fields. */
import { list } from '../../base.ts'
import { type Field, type Schema, struct } from '../../connector.ts'
import { basicsOf, cachedBySchema, fieldValue } from '../values/schemas.ts'
import { replaceNullWithDefault, requireMap, requireStruct } from './require.ts'
import { defineTransform } from './transform.ts'

const purpose = 'field replacement'

export const replaceField = defineTransform({
  name: 'ReplaceField',
  sides: true,
  summary: 'keeps, drops and renames fields',
  keys: {
    exclude: list({ default: '', doc: 'Fields that are dropped, also if include names them.' }),
    include: list({ default: '', doc: 'The only fields that are kept; default: all.' }),
    renames: list({ default: '', allowed: 'pairs old:new separated by commas', doc: 'New names of fields.' }),
    'replace.null.with.default': replaceNullWithDefault,
  },
  open({ exclude, include, renames, 'replace.null.with.default': withDefault }, { part, refuse }) {
    const newNames = new Map<string, string>()
    for (const mapping of renames) {
      const [from, to, ...more] = mapping.split(':') as [string, ...string[]]
      if (to === undefined || to === '' || more.length > 0)
        throw refuse('renames', `[${renames.join(', ')}]`, `Invalid rename mapping: ${mapping}`)
      newNames.set(from, to)
    }
    const stays = (name: string) => !exclude.includes(name) && (include.length === 0 || include.includes(name))
    const kept = cachedBySchema((schema: Schema): readonly Field[] => (schema.fields ?? []).filter(({ name }) => stays(name)))
    const updated = cachedBySchema((schema: Schema): Schema => {
      const fields = kept(schema).map(field => ({ name: newNames.get(field.name) ?? field.name, schema: field.schema }))
      return { type: 'struct', ...basicsOf(schema), fields }
    })
    return {
      apply(record) {
        const value = part.value(record)
        if (value === null) return record
        const schema = part.schema(record)
        const after = struct()
        if (schema === null) {
          for (const [name, each] of Object.entries(requireMap(value, purpose))) if (stays(name)) after[newNames.get(name) ?? name] = each
          return part.with(record, null, after)
        }
        const before = requireStruct(value, schema, purpose)
        for (const field of kept(schema)) after[newNames.get(field.name) ?? field.name] = fieldValue(before, field, withDefault)
        return part.with(record, updated(schema), after)
      },
    }
  },
})
