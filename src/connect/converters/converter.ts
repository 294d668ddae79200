/** What a converter is: bytes of keys, values and headers to Kafka Connect's values, and back. A file of this folder exports one definition; `list.ts` names all. */
import type { Declarations, MaybePromise, System, ValuesOf } from '../../base.ts'
import type { ConnectValue, Schema } from '../../connector.ts'
import type { PluginKeys, Refuse } from '../plugin-config.ts'
import type { Typed } from '../values/values.ts'

export interface RawHeader {
  readonly key: Buffer
  readonly value: Buffer | null
}

/** Methods throw DataError, or another error where the bytes are not the cause, such as a registry that does not answer. */
export interface Converter {
  /** `headers` of the record: newer serializers say there which schema the bytes have. */
  toConnect(topic: string, bytes: Buffer | null, headers?: readonly RawHeader[]): MaybePromise<Typed>
  fromConnect(topic: string, schema: Schema | null, value: ConnectValue): MaybePromise<Buffer | null>
  close?(): void
}

export interface HeaderConverter {
  toConnect(topic: string, name: string, bytes: Buffer | null): MaybePromise<Typed>
  fromConnect(topic: string, name: string, schema: Schema | null, value: ConnectValue): MaybePromise<Buffer | null>
  close?(): void
}

/** The schema registry of those that name none. */
export interface DefaultRegistry {
  readonly url: string
  readonly authorization: string | undefined
  /** It is this process, so that there is nobody to verify. */
  readonly isOwn: boolean
}

export interface ConverterContext {
  readonly isKey: boolean
  readonly system: System
  readonly registry: DefaultRegistry | null
  readonly refuse: Refuse
}

export interface ConverterDefinition<D extends Declarations = Declarations> extends PluginKeys<D> {
  /** Short; what follows are Java's classes. */
  readonly name: string
  readonly classes: readonly [string, ...string[]]
  readonly summary: string
  /** Whether headers can be converted with it. */
  readonly forHeaders: boolean
  /** Throws InvalidConfig. */
  readonly open: (values: ValuesOf<D>, context: ConverterContext) => Converter
}

export function defineConverter<const D extends Declarations>(definition: ConverterDefinition<D>): ConverterDefinition {
  return definition as unknown as ConverterDefinition
}
