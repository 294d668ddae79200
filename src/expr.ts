/**
 * expr: conditions on records: CEL, paths into JSON, and AWS's FilterCriteria.
 *
 * Hides the languages. An expression is compiled once; its errors name the position. What one record may cost is bounded, in steps and in time, and whole
 * numbers of 64 bits are exact.
 */
export { type CelProgram, celHeaders, compileCel, type RecordInput } from './expr/cel.ts'
export { ExprError } from './expr/errors.ts'
export {
  compileEventPattern,
  compileFilterCriteria,
  type EventPattern,
  type FilterCriteria,
  longestPattern,
  parseTokens,
  type StoredRecord,
} from './expr/filter-criteria.ts'
export { compileJsonPath, type JsonPath } from './expr/json-path.ts'
