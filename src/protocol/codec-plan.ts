/** The layout of a message in one version: its definition with all version ranges resolved, as the code generator needs it. */
import { assert } from '../base.ts'
import { type Field, type Fields, type Message, type Primitive, parseVersions, type VersionRange } from './define.ts'

export interface FieldPlan {
  name: string
  type: Type
  /** `tagged`: among the tags at the end of its struct; `absent`: not in this version. */
  place: 'inline' | 'tagged' | 'absent'
  nullable: boolean
  tag: number
  ignorable: boolean
  /** An encoder puts the default where the value is undefined; otherwise that is a mistake. */
  optional: boolean
  /** The definition names a default; undefined: that of the type. */
  default: unknown
}

export type Type = { kind: Primitive } | { kind: 'array'; of: Type } | { kind: 'struct'; struct: StructPlan }

export interface StructPlan {
  /** Where in the message, for names of functions and error texts. */
  path: string
  fields: FieldPlan[]
  flexible: boolean
}

export function planMessage(message: Message, version: number): StructPlan {
  return planStruct(message.name, message.fields, version, version >= message.flexibleFrom)
}

function planStruct(path: string, fields: Fields, version: number, flexible: boolean): StructPlan {
  const plans = Object.entries(fields).map(([name, field]) => planField(path, name, field, version, flexible))
  return { path, fields: plans, flexible }
}

function planField(path: string, name: string, field: Field, version: number, flexible: boolean): FieldPlan {
  const { options } = field
  const present = includes(options.versions, version, true)
  const tagged = options.tag !== undefined
  assert(!(present && tagged) || flexible, `${path}.${name} has a tag in version ${version}, which is not flexible`)
  return {
    name,
    type: planType(`${path}.${name}`, field, version, flexible),
    place: !present ? 'absent' : tagged ? 'tagged' : 'inline',
    nullable: includes(options.nullable, version, false),
    tag: options.tag ?? -1,
    ignorable: options.ignorable === true,
    optional: options.default !== undefined || options.tag !== undefined || options.ignorable === true,
    default: options.default,
  }
}

function planType(path: string, field: Field, version: number, flexible: boolean): Type {
  if (field.type === 'array') return { kind: 'array', of: planType(path, field.of!, version, flexible) }
  if (field.type === 'struct') return { kind: 'struct', struct: planStruct(path, field.fields!, version, flexible) }
  return { kind: field.type }
}

function includes(range: VersionRange | undefined, version: number, otherwise: boolean): boolean {
  if (range === undefined) return otherwise
  const [from, to] = parseVersions(range)
  return version >= from && version <= to
}

export const fixedBytes: Partial<Record<Primitive, number>> = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  float64: 8,
  uuid: 16,
}

/** The fewest bytes that an element of this type takes: the bound on what a declared count can mean. */
export function leastBytes(type: Type, flexible: boolean): number {
  if (type.kind === 'struct') return leastStructBytes(type.struct)
  if (type.kind === 'array') return flexible ? 1 : 4
  return fixedBytes[type.kind] ?? (flexible ? 1 : type.kind === 'string' ? 2 : 4)
}

function leastStructBytes(struct: StructPlan): number {
  let total = struct.flexible ? 1 : 0
  for (const field of struct.fields) {
    if (field.place !== 'inline') continue
    total += field.type.kind === 'struct' && field.nullable ? 1 : leastBytes(field.type, struct.flexible)
  }
  return total
}
