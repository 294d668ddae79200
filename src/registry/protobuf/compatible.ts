/** What has changed between two `.proto` files such that data of one cannot be read with the other, by the rules of Confluent's registry. */
import { type Budget, InvalidSchema, type Reason } from '../schema.ts'
import { type Enum, type Field, type Message, mapOf, type ProtoFile, scalars } from './model.ts'
import { type Scope, scopeOf, type TypeInfo, type Types } from './types.ts'

export interface Typed {
  readonly file: ProtoFile
  readonly types: Types
}

interface Difference {
  readonly kind: keyof typeof texts
  readonly path: string
}

const mostDepth = 100

/** Throws InvalidSchema if the files are too complex to be compared. */
export function protobufDifferences(reader: Typed, writer: Typed, budget: Budget): Reason[] {
  const found = new Comparison(writer.types, reader.types, budget).files(writer.file, reader.file)
  return found.map(
    ({ kind, path }) =>
      (newer, older) =>
        `{errorType:"${kind}", description:"${texts[kind].replace(/%[12p]/g, part => (part === '%1' ? newer : part === '%2' ? older : `#/${path}`))}"}`,
  )
}

/** Only those that are incompatible. `%1` reads, `%2` wrote, `%p` is the path. */
const texts = {
  PACKAGE_CHANGED: "The package at '%p' in the %1 schema does not match the package in the %2 schema",
  MESSAGE_REMOVED: "The %1 schema is missing a MESSAGE type at path '%p' in the %2 schema",
  FIELD_KIND_CHANGED: "The type of a field at path '%p' in the %1 schema does not match the %2 schema",
  FIELD_SCALAR_KIND_CHANGED: "The kind of a SCALAR field at path '%p' in the %1 schema does not match its kind in the %2 schema",
  FIELD_NAMED_TYPE_CHANGED: "The type of a MESSAGE field at path '%p' in the %1 schema does not match its type in the %2 schema",
  FIELD_NUMERIC_LABEL_CHANGED: "The label for a NUMERIC field at path '%p' in the %1 schema does not match its label in the %2 schema",
  REQUIRED_FIELD_ADDED: "A required field  at path '%p' in the %1 schema is missing in the %2 schema",
  REQUIRED_FIELD_REMOVED: "The %1 schema is missing a required field at path: '%p' in the %2 schema",
  ONEOF_FIELD_REMOVED: "The %1 schema is missing a oneof field at path '%p' in the %2 schema",
  MULTIPLE_FIELDS_MOVED_TO_ONEOF: "Multiple fields in the oneof at path '%p' in the %1 schema are outside a oneof in the %2 schema",
  FIELD_MOVED_TO_EXISTING_ONEOF: "A field in the oneof at path '%p' in the %1 schema is outside an existing oneof in the %2 schema",
} as const

/** Where a field is compared: the scopes of its names in both files, and its path. */
interface Place {
  readonly before: Scope
  readonly after: Scope
  readonly path: readonly string[]
}

class Comparison {
  readonly #before: Types
  readonly #after: Types
  readonly #running = new Set<Message>()
  readonly #budget: Budget

  constructor(before: Types, after: Types, budget: Budget) {
    this.#before = before
    this.#after = after
    this.#budget = budget
  }

  files(before: ProtoFile, after: ProtoFile): Difference[] {
    const place = { before: scopeOf(before), after: scopeOf(after), path: [] }
    const found: Difference[] = before.package === after.package ? [] : [{ kind: 'PACKAGE_CHANGED', path: '' }]
    return [...found, ...this.#messages(before.messages, after.messages, place)]
  }

  #messages(before: readonly Message[], after: readonly Message[], place: Place): Difference[] {
    const now = new Map(after.map(each => [each.name, each]))
    return before.flatMap(message => {
      const next = now.get(message.name)
      const inner = within(place, message.name)
      if (next !== undefined) return this.#message(message, next, inner)
      return isMapEntry(message) ? [] : [at('MESSAGE_REMOVED', inner.path)]
    })
  }

  #message(before: Message, after: Message, place: Place): Difference[] {
    this.#budget.spend()
    if (place.path.length > mostDepth) throw new InvalidSchema('The schema is too complex')
    const nested = () => this.#messages(before.messages, after.messages, place)
    if (this.#running.has(before)) return nested()
    this.#running.add(before)
    const [old, now] = [new Members(before), new Members(after)]
    this.#budget.spend((old.fields.size + now.fields.size) / 4)
    const found = [...exclusive(old, after, place.path), ...this.#fields(old, now, place)]
    this.#budget.spend(found.length)
    this.#running.delete(before)
    return [...found, ...nested()]
  }

  #fields(old: Members, now: Members, place: Place): Difference[] {
    const tags = [...new Set([...old.fields.keys(), ...now.fields.keys()])].sort((a, b) => a - b)
    return tags.flatMap(tag => {
      const [before, after] = [old.fields.get(tag), now.fields.get(tag)]
      if (after === undefined) return removed(old, now, before!, place.path)
      const oneOf = now.oneOfOf.get(tag)
      const path = [...place.path, ...(oneOf === undefined ? [] : [oneOf]), String(tag)]
      if (before !== undefined) return this.#types(before, after, { ...place, path })
      return oneOf === undefined && after.label === 'required' ? [at('REQUIRED_FIELD_ADDED', path)] : []
    })
  }

  #types(before: Pick<Field, 'type' | 'label'>, after: Pick<Field, 'type' | 'label'>, place: Place): Difference[] {
    this.#budget.spend()
    const old = kindOf(before.type, this.#before, place.before)
    const now = kindOf(after.type, this.#after, place.after)
    if (old.kind !== now.kind) return [at('FIELD_KIND_CHANGED', place.path)]
    if (old.kind === 'map' && now.kind === 'map')
      return [0, 1].flatMap(index => this.#types(unlabelled(old.types[index]!), unlabelled(now.types[index]!), place))
    if (old.kind === 'scalar' && now.kind === 'scalar') return scalarsDiffer(old.group, now.group, before.label, after.label, place.path)
    return this.#named(before.type, after.type, old.kind === 'message' ? old.type : null, now.kind === 'message' ? now.type : null, place)
  }

  #named(before: string, after: string, old: TypeInfo | null, now: TypeInfo | null, place: Place): Difference[] {
    if (old === null || now === null) return before === after ? [] : [at('FIELD_NAMED_TYPE_CHANGED', place.path)]
    if (localName(old) !== localName(now)) return [at('FIELD_NAMED_TYPE_CHANGED', place.path)]
    if (old.message === null || now.message === null || (old.from === null && now.from === null)) return []
    const path = localName(old).split('.')
    const found = this.#message(old.message, now.message, {
      before: [...packageScope(old), ...path],
      after: [...packageScope(now), ...path],
      path,
    })
    return found.length === 0 ? [] : [...found, at('FIELD_NAMED_TYPE_CHANGED', place.path)]
  }
}

/** All fields of a message, whether in a oneof or not. */
class Members {
  readonly fields = new Map<number, Field>()
  /** The oneof of a field, by its number. */
  readonly oneOfOf = new Map<number, string>()
  readonly message: Message

  constructor(message: Message) {
    this.message = message
    for (const field of message.fields) this.fields.set(field.tag, field)
    for (const { name, fields } of message.oneOfs)
      for (const field of fields) {
        this.fields.set(field.tag, field)
        this.oneOfOf.set(field.tag, name)
      }
  }
}

/** Fields that could be set together, and exclude each other now. */
function exclusive(old: Members, after: Message, path: readonly string[]): Difference[] {
  return after.oneOfs.flatMap(({ name, fields }) => {
    const known = fields.filter(({ tag }) => old.fields.has(tag))
    const origins = new Set(known.map(({ tag }) => old.oneOfOf.get(tag) ?? tag))
    if (origins.size <= 1) return []
    const loose = known.filter(({ tag }) => !old.oneOfOf.has(tag)).length
    return [at(loose > 1 ? 'MULTIPLE_FIELDS_MOVED_TO_ONEOF' : 'FIELD_MOVED_TO_EXISTING_ONEOF', [...path, name])]
  })
}

function removed(old: Members, now: Members, { tag, label }: Field, path: readonly string[]): Difference[] {
  const oneOf = old.oneOfOf.get(tag)
  if (oneOf === undefined) return label === 'required' ? [at('REQUIRED_FIELD_REMOVED', [...path, String(tag)])] : []
  const members = old.message.oneOfs.find(({ name }) => name === oneOf)!.fields
  const isGone = !now.message.oneOfs.some(({ name }) => name === oneOf) && !members.some(each => now.fields.has(each.tag))
  return isGone ? [] : [at('ONEOF_FIELD_REMOVED', [...path, oneOf, String(tag)])]
}

type Kind =
  | { readonly kind: 'scalar'; readonly group: string }
  | { readonly kind: 'map'; readonly types: readonly [string, string] }
  | { readonly kind: 'message'; readonly type: TypeInfo | null }

/** Scalars of one group have the same form on the wire. */
const groups: Readonly<Record<string, string>> = {
  int32: 'number',
  int64: 'number',
  uint32: 'number',
  uint64: 'number',
  bool: 'number',
  sint32: 'signed',
  sint64: 'signed',
  string: 'string or bytes',
  bytes: 'string or bytes',
  fixed32: 'fixed32',
  sfixed32: 'fixed32',
  fixed64: 'fixed64',
  sfixed64: 'fixed64',
  float: 'float',
  double: 'double',
}

function kindOf(type: string, types: Types, scope: Scope): Kind {
  if (scalars.has(type)) return { kind: 'scalar', group: groups[type]! }
  const map = mapOf(type)
  if (map !== null) return { kind: 'map', types: map }
  const found = types.find(type, scope)
  if (found?.kind === 'enum') return { kind: 'scalar', group: 'number' }
  return { kind: 'message', type: found }
}

function scalarsDiffer(old: string, now: string, before: Field['label'], after: Field['label'], path: readonly string[]): Difference[] {
  if (old !== now) return [at('FIELD_SCALAR_KIND_CHANGED', path)]
  const hasChanged = before !== null && after !== null && before !== after
  return hasChanged && old !== 'string or bytes' ? [at('FIELD_NUMERIC_LABEL_CHANGED', path)] : []
}

function unlabelled(type: string): Pick<Field, 'type' | 'label'> {
  return { type, label: null }
}

function isMapEntry({ options }: Message | Enum): boolean {
  return options.some(({ name, value }) => name === 'map_entry' && value.kind === 'word' && value.text === 'true')
}

function within(place: Place, name: string): Place {
  return { before: [...place.before, name], after: [...place.after, name], path: [...place.path, name] }
}

function packageScope(type: TypeInfo): Scope {
  return type.package === '' ? [] : type.package.split('.')
}

function localName(type: TypeInfo): string {
  return type.package === '' ? type.fullName : type.fullName.slice(type.package.length + 1)
}

function at(kind: Difference['kind'], path: readonly string[]): Difference {
  return { kind, path: path.join('/') }
}
