/** A `.proto` file as it is written: names are not resolved. */

export type Label = 'required' | 'optional' | 'repeated'

export type OptionValue =
  | { readonly kind: 'string'; readonly text: string }
  /** A number, a boolean, or the name of a constant. */
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'message'; readonly entries: readonly (readonly [name: string, value: OptionValue])[] }
  | { readonly kind: 'list'; readonly values: readonly OptionValue[] }

export interface Option {
  /** As written, with the parentheses of extensions. */
  readonly name: string
  readonly value: OptionValue
}

export interface Field {
  readonly label: Label | null
  /** Of maps `map<key, value>`. */
  readonly type: string
  readonly name: string
  readonly tag: number
  readonly options: readonly Option[]
}

export interface OneOf {
  readonly name: string
  readonly fields: readonly Field[]
  readonly groups: readonly Group[]
  readonly options: readonly Option[]
}

export interface Group {
  readonly label: Label | null
  readonly name: string
  readonly tag: number
  readonly fields: readonly Field[]
}

/** `[first, last]`, a number, or a name. */
export type Reserved = readonly [number, number] | number | string

export interface Extensions {
  readonly ranges: readonly Reserved[]
  readonly options: readonly Option[]
}

export interface Extend {
  readonly name: string
  readonly fields: readonly Field[]
}

export interface Enum {
  readonly name: string
  readonly constants: readonly { readonly name: string; readonly tag: number; readonly options: readonly Option[] }[]
  readonly options: readonly Option[]
  readonly reserved: readonly (readonly Reserved[])[]
}

export interface Message {
  readonly name: string
  readonly fields: readonly Field[]
  readonly oneOfs: readonly OneOf[]
  readonly groups: readonly Group[]
  readonly messages: readonly Message[]
  readonly enums: readonly Enum[]
  readonly extends: readonly Extend[]
  readonly extensions: readonly Extensions[]
  readonly reserved: readonly (readonly Reserved[])[]
  readonly options: readonly Option[]
}

export interface Rpc {
  readonly name: string
  readonly request: string
  readonly response: string
  readonly streamsRequest: boolean
  readonly streamsResponse: boolean
  readonly options: readonly Option[]
}

export interface Service {
  readonly name: string
  readonly rpcs: readonly Rpc[]
  readonly options: readonly Option[]
}

export interface ProtoFile {
  /** `proto2`, `proto3`; null: not said, which means proto2. */
  readonly syntax: string | null
  readonly edition: string | null
  readonly package: string | null
  readonly imports: readonly string[]
  readonly publicImports: readonly string[]
  readonly options: readonly Option[]
  readonly messages: readonly Message[]
  readonly enums: readonly Enum[]
  readonly extends: readonly Extend[]
  readonly services: readonly Service[]
}

/** Of messages within each other. */
export const mostDepth = 100

export const maxTag = 536_870_911

export const scalars: ReadonlySet<string> = new Set([
  'double',
  'float',
  'int32',
  'int64',
  'uint32',
  'uint64',
  'sint32',
  'sint64',
  'fixed32',
  'fixed64',
  'sfixed32',
  'sfixed64',
  'bool',
  'string',
  'bytes',
])

/** Key and value of `map<key, value>`; null: no map. */
export function mapOf(type: string): [key: string, value: string] | null {
  const found = /^map<\s*([\w.]+)\s*,\s*([\w.]+)\s*>$/.exec(type)
  return found === null ? null : [found[1]!, found[2]!]
}
