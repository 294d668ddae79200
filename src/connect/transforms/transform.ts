/** What a transform is, and what a predicate is. A file of this folder exports one definition; `list.ts` names them all. */
import type { Declarations, System, ValuesOf } from '../../base.ts'
import type { ConnectRecord, ConnectValue, Schema } from '../../connector.ts'
import type { PluginKeys, Refuse } from '../plugin-config.ts'

/** Key or value: what a transform works on. */
export interface Part {
  readonly name: 'key' | 'value'
  schema(record: ConnectRecord): Schema | null
  value(record: ConnectRecord): ConnectValue
  with(record: ConnectRecord, schema: Schema | null, value: ConnectValue): ConnectRecord
}

export const keyPart: Part = {
  name: 'key',
  schema: record => record.keySchema,
  value: record => record.key,
  with: (record, keySchema, key) => ({ ...record, keySchema, key }),
}

export const valuePart: Part = {
  name: 'value',
  schema: record => record.valueSchema,
  value: record => record.value,
  with: (record, valueSchema, value) => ({ ...record, valueSchema, value }),
}

export interface Transform {
  /** null: the record is dropped. Throws DataError; of other errors the record is not the cause. */
  apply(record: ConnectRecord): ConnectRecord | null
  close?(): void
}

export interface Predicate {
  test(record: ConnectRecord): boolean
}

export interface OpenContext {
  /** Of a transform of `$Key` or `$Value`; otherwise the value. */
  readonly part: Part
  readonly system: System
  readonly refuse: Refuse
}

interface Basics<D extends Declarations> extends PluginKeys<D> {
  /** Java's simple name, without `$Key` and `$Value`. */
  readonly name: string
  /** What stands before it, with a point at its end. Default: Kafka's package. */
  readonly package?: string
  readonly summary: string
  /** Whether to open it takes long, or as long as its author likes. */
  readonly isCode?: true
}

export interface TransformDefinition<D extends Declarations = Declarations> extends Basics<D> {
  /** Whether it has the two forms `$Key` and `$Value`. */
  readonly sides: boolean
  /** Throws InvalidConfig. */
  readonly open: (values: ValuesOf<D>, context: OpenContext) => Transform | Promise<Transform>
}

export interface PredicateDefinition<D extends Declarations = Declarations> extends Basics<D> {
  /** Throws InvalidConfig. */
  readonly open: (values: ValuesOf<D>, context: OpenContext) => Predicate | Promise<Predicate>
}

export function defineTransform<const D extends Declarations>(definition: TransformDefinition<D>): TransformDefinition {
  return definition as unknown as TransformDefinition
}

export function definePredicate<const D extends Declarations>(definition: PredicateDefinition<D>): PredicateDefinition {
  return definition as unknown as PredicateDefinition
}
