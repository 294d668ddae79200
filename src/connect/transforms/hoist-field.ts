/** HoistField: the whole key or value becomes the only field of a struct. */
import { string } from '../../base.ts'
import { type Schema, struct } from '../../connector.ts'
import { cachedBySchema } from '../values/schemas.ts'
import { defineTransform } from './transform.ts'

export const hoistField = defineTransform({
  name: 'HoistField',
  sides: true,
  summary: 'puts the whole key or value into a field',
  keys: { field: string({ required: true, mayBeEmpty: true, doc: 'The only field of the struct or map that results.' }) },
  open({ field }, { part }) {
    const around = cachedBySchema((schema: Schema): Schema => ({ type: 'struct', fields: [{ name: field, schema }] }))
    return {
      apply(record) {
        const schema = part.schema(record)
        return part.with(record, schema === null ? null : around(schema), struct([[field, part.value(record)]]))
      },
    }
  },
})
