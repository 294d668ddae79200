/**
 * connector: what a connector is written against: records with their schemas, definitions of sinks and sources, and their errors.
 *
 * Is the public interface of `millrace/connect`: connectors of this package and of others are written in the same way, as one file that exports one
 * definition. Knows nothing of workers, groups and topics; those belong to `connect`.
 */
export {
  boolean,
  bytes,
  type ConfigKey,
  choice,
  type Declarations,
  double,
  int,
  intBytes,
  intMs,
  list,
  long,
  ms,
  password,
  string,
  type ValuesOf,
} from './base.ts'
export {
  type ConnectorBasics,
  type ConnectorDefinition,
  defineSink,
  defineSource,
  type Refusal,
  type SinkDefinition,
  type SourceDefinition,
} from './connector/definition.ts'
export { DataError, RetriableError } from './connector/errors.ts'
export { type ConnectRecord, type Header, type SinkRecord, type SourceRecord, sourceRecord } from './connector/record.ts'
export { decimal, type Field, fieldOf, logical, type Schema, type SchemaType } from './connector/schema.ts'
export type {
  Offsets,
  OpenedPartition,
  SinkContext,
  SinkTask,
  SourceContext,
  SourceOffset,
  SourceTask,
  SourceTransaction,
  TaskContext,
  TopicPartition,
} from './connector/task.ts'
export { type ConnectValue, Decimal, isStruct, type Struct, struct } from './connector/value.ts'
