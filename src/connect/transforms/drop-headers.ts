/** DropHeaders: removes headers by name. */
import { list } from '../../base.ts'
import { defineTransform } from './transform.ts'

export const dropHeaders = defineTransform({
  name: 'DropHeaders',
  sides: false,
  summary: 'removes headers',
  keys: { headers: list({ required: true, importance: 'high', doc: 'Names of the headers that are removed.' }) },
  open({ headers }) {
    const dropped = new Set(headers)
    return { apply: record => ({ ...record, headers: record.headers.filter(({ name }) => !dropped.has(name)) }) }
  },
})
