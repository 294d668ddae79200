/** InsertHeader: a header with a fixed value, whose type is the one it looks like. */
import { string } from '../../base.ts'
import { parseValueText } from '../values/values.ts'
import { defineTransform } from './transform.ts'

export const insertHeader = defineTransform({
  name: 'InsertHeader',
  sides: false,
  summary: 'adds a header to each record',
  keys: {
    header: string({ required: true, mayBeEmpty: true, importance: 'high', doc: 'The name of the header.' }),
    'value.literal': string({ required: true, mayBeEmpty: true, importance: 'high', doc: 'Its value.' }),
  },
  open({ header: name, 'value.literal': text }) {
    const { schema, value } = parseValueText(text)
    return { apply: record => ({ ...record, headers: [...record.headers, { name, schema, value }] }) }
  },
})
