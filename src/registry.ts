/**
 * registry: a schema registry with Confluent's API, over the compacted topic `_schemas` in Confluent's own record format.
 *
 * Hides the parsers of Avro, JSON Schema and Protobuf, the rules of compatibility, and how several registries on one topic agree on who writes.
 */
export { Judge } from './registry/judge/judge.ts'
export type { Question } from './registry/judge/questions.ts'
export { openRegistry } from './registry/open.ts'
