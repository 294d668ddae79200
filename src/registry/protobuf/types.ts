/** Which types a file and what it imports define, and how a name within the file is resolved to one of them. */
import { InvalidSchema } from '../schema.ts'
import { type Enum, type Field, type Message, mapOf, type ProtoFile, scalars } from './model.ts'
import { wellKnown } from './well-known.ts'

export interface TypeInfo {
  /** Without a dot before it. */
  readonly fullName: string
  readonly package: string
  /** The import that it comes from; null: the file itself. */
  readonly from: string | null
  readonly kind: 'message' | 'enum'
  /** null: of a well-known type, which never changes. */
  readonly message: Message | null
}

export interface Imported {
  readonly name: string
  readonly file: ProtoFile
}

/** Names are looked up from each scope outwards, so both their number and their length are limited. */
const longestName = 1_000
const mostParts = 200

/** The package, then the messages around a declaration. */
export type Scope = readonly string[]

/** Of the declarations outside of all messages. */
export function scopeOf(file: ProtoFile): Scope {
  return file.package === null ? [] : file.package.split('.')
}

export class Types {
  readonly #byName = new Map<string, TypeInfo>()

  /** Throws InvalidSchema if an import is missing. */
  constructor(file: ProtoFile, imported: readonly Imported[]) {
    const known = new Map(imported.map(each => [each.name, each.file]))
    for (const [name, other] of known) this.#add(other, name)
    for (const each of [file, ...known.values()])
      for (const path of [...each.imports, ...each.publicImports]) if (!known.has(path)) this.#addWellKnown(path)
    this.#add(file, null)
  }

  /** By the rules of Protobuf: from the innermost scope outwards. */
  find(name: string, scope: Scope): TypeInfo | null {
    if (name.startsWith('.')) return this.#byName.get(name.slice(1)) ?? null
    for (let length = scope.length; length >= 0; length--) {
      const found = this.#byName.get([...scope.slice(0, length), name].join('.'))
      if (found !== undefined) return found
    }
    return null
  }

  #add(file: ProtoFile, from: string | null): void {
    const own = file.package ?? ''
    if (own.length > longestName || own.split('.').length > mostParts) throw new InvalidSchema('The package has too long a name')
    const enums = (list: readonly Enum[], prefix: string) => {
      for (const { name } of list) this.#define({ fullName: `${prefix}${name}`, package: own, from, kind: 'enum', message: null })
    }
    const messages = (list: readonly Message[], prefix: string) => {
      for (const message of list) {
        const fullName = `${prefix}${message.name}`
        this.#define({ fullName, package: own, from, kind: 'message', message })
        for (const { name } of [...message.groups, ...message.oneOfs.flatMap(each => each.groups)])
          this.#define({ fullName: `${fullName}.${name}`, package: own, from, kind: 'message', message: null })
        messages(message.messages, `${fullName}.`)
        enums(message.enums, `${fullName}.`)
      }
    }
    const prefix = own === '' ? '' : `${own}.`
    messages(file.messages, prefix)
    enums(file.enums, prefix)
  }

  #addWellKnown(path: string): void {
    const found = wellKnown(path)
    if (found === null) throw new InvalidSchema(`Unresolved import '${path}': it is neither a well-known type nor the name of a reference`)
    for (const [kind, names] of [
      ['message', found.messages],
      ['enum', found.enums],
    ] as const)
      for (const name of names)
        this.#byName.set(`${found.package}.${name}`, {
          fullName: `${found.package}.${name}`,
          package: found.package,
          from: path,
          kind,
          message: null,
        })
  }

  #define(type: TypeInfo): void {
    if (type.fullName.length > longestName) throw new InvalidSchema(`A type has a name of more than ${longestName} characters`)
    if (type.from === null && this.#byName.get(type.fullName)?.from === null)
      throw new InvalidSchema(`"${type.fullName}" is already defined`)
    this.#byName.set(type.fullName, type)
  }
}

const keyTypes: ReadonlySet<string> = new Set([...scalars].filter(name => !['double', 'float', 'bytes'].includes(name)))

/** What the syntax alone does not say. Throws InvalidSchema. */
export function validate(file: ProtoFile, types: Types): void {
  const isProto3 = file.syntax === 'proto3'
  const scope = scopeOf(file)
  for (const message of file.messages) validateMessage(message, types, [...scope, message.name], isProto3)
  for (const each of file.enums) validateEnum(each, isProto3)
  for (const { fields } of file.extends) for (const field of fields) validateField(field, types, scope, false)
  for (const { rpcs } of file.services)
    for (const rpc of rpcs) for (const type of [rpc.request, rpc.response]) if (types.find(type, scope) === null) unresolved(type)
}

function validateMessage(message: Message, types: Types, scope: Scope, isProto3: boolean): void {
  const groups = [...message.groups, ...message.oneOfs.flatMap(each => each.groups)]
  const fields = [...message.fields, ...message.oneOfs.flatMap(each => each.fields)]
  const [names, tags] = [new Set<string>(), new Set<number>()]
  for (const { name, tag } of [...fields, ...groups]) {
    if (tags.has(tag)) throw new InvalidSchema(`Field number ${tag} is used twice in "${scope.join('.')}"`)
    if (names.has(name)) throw new InvalidSchema(`"${name}" is already defined in "${scope.join('.')}"`)
    tags.add(tag)
    names.add(name)
  }
  for (const field of [...fields, ...groups.flatMap(each => each.fields)]) validateField(field, types, scope, isProto3)
  for (const { fields: extending } of message.extends) for (const field of extending) validateField(field, types, scope, false)
  for (const each of message.enums) validateEnum(each, isProto3)
  for (const each of message.messages) validateMessage(each, types, [...scope, each.name], isProto3)
}

function validateField({ type, name, label }: Field, types: Types, scope: Scope, isProto3: boolean): void {
  if (isProto3 && label === 'required') throw new InvalidSchema(`Required fields are not allowed in proto3: "${name}"`)
  const map = mapOf(type)
  if (map !== null && !keyTypes.has(map[0])) throw new InvalidSchema(`"${map[0]}" cannot be the key of a map`)
  const named = map === null ? type : map[1]
  if (!scalars.has(named) && types.find(named, scope) === null) unresolved(named)
}

function validateEnum({ name, constants }: Enum, isProto3: boolean): void {
  if (constants.length === 0) throw new InvalidSchema(`The enum "${name}" has no constants`)
  if (isProto3 && constants[0]!.tag !== 0) throw new InvalidSchema(`The first constant of the enum "${name}" must be zero in proto3`)
}

function unresolved(type: string): never {
  throw new InvalidSchema(`Could not resolve type: ${type}`)
}
