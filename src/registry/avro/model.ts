/** An Avro schema as a graph: names are resolved, so a record may contain itself. */
import type { Json } from '../json-tree.ts'

export const primitives = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const
export type PrimitiveKind = (typeof primitives)[number]

/** Properties that Avro does not know, in their order. */
export type Props = ReadonlyMap<string, Json>

export interface PrimitiveType {
  readonly kind: PrimitiveKind
  readonly props: Props
}

export interface ArrayType {
  readonly kind: 'array'
  readonly items: AvroType
  readonly props: Props
}

export interface MapType {
  readonly kind: 'map'
  readonly values: AvroType
  readonly props: Props
}

export interface UnionType {
  readonly kind: 'union'
  readonly branches: readonly AvroType[]
}

export interface Name {
  readonly name: string
  /** null: none. */
  readonly space: string | null
}

interface Named {
  readonly name: Name
  readonly doc: string | null
  readonly aliases: readonly Name[]
  readonly props: Props
}

export interface Field {
  readonly name: string
  readonly type: AvroType
  readonly doc: string | null
  /** undefined: none. */
  readonly fallback: Json | undefined
  readonly order: 'ascending' | 'descending' | 'ignore'
  readonly aliases: readonly string[]
  readonly props: Props
}

export interface RecordType extends Named {
  readonly kind: 'record'
  readonly isError: boolean
  /** Filled while it is parsed. */
  readonly fields: Field[]
}

export interface EnumType extends Named {
  readonly kind: 'enum'
  readonly symbols: readonly string[]
  readonly fallback: string | null
}

export interface FixedType extends Named {
  readonly kind: 'fixed'
  readonly size: number
}

export type NamedType = RecordType | EnumType | FixedType
export type AvroType = PrimitiveType | ArrayType | MapType | UnionType | NamedType

export function fullName({ name, space }: Name): string {
  return space === null ? name : `${space}.${name}`
}
