/** Filter: drops records; a predicate says which. */
import { defineTransform } from './transform.ts'

export const filter = defineTransform({
  name: 'Filter',
  sides: false,
  summary: 'drops all records, or with a predicate those for which it holds',
  keys: {},
  open: () => ({ apply: () => null }),
})
