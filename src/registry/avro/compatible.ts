/** Avro's schema resolution, as a list of what cannot be resolved, in the words of Confluent's registry. */
import type { Budget, Reason } from '../schema.ts'
import { type AvroType, type EnumType, type Field, fullName, type NamedType, type RecordType } from './model.ts'

type Incompatibility =
  | 'NAME_MISMATCH'
  | 'FIXED_SIZE_MISMATCH'
  | 'MISSING_ENUM_SYMBOLS'
  | 'READER_FIELD_MISSING_DEFAULT_VALUE'
  | 'TYPE_MISMATCH'
  | 'MISSING_UNION_BRANCH'

interface Found {
  readonly kind: Incompatibility
  readonly path: Path
  readonly message: string
}

/** A place in the reader's schema, from the innermost name outwards: a schema may be deep. */
type Path = { readonly name: string; readonly outer: Path } | null

/** What a type can be read as, besides itself. */
const promotions: Readonly<Record<string, readonly string[]>> = {
  long: ['int'],
  float: ['int', 'long'],
  double: ['int', 'long', 'float'],
  bytes: ['string'],
  string: ['bytes'],
}

/** Throws InvalidSchema if the schemas are too complex to be compared. */
export function avroDifferences(reader: AvroType, writer: AvroType, budget: Budget): Reason[] {
  return new Checker(budget).compare(reader, writer, null).map(toReason)
}

class Checker {
  readonly #budget: Budget
  /** null: being compared. What contains itself is compatible unless something else proves the contrary. */
  readonly #known = new Map<AvroType, Map<AvroType, Found[] | null>>()

  constructor(budget: Budget) {
    this.#budget = budget
  }

  compare(reader: AvroType, writer: AvroType, path: Path): Found[] {
    this.#budget.spend()
    const ofReader = this.#known.get(reader) ?? new Map<AvroType, Found[] | null>()
    this.#known.set(reader, ofReader)
    const known = ofReader.get(writer)
    if (known !== undefined) {
      this.#budget.spend(known?.length ?? 0)
      return known ?? []
    }
    this.#budget.spend(sizeOf(reader) + sizeOf(writer))
    ofReader.set(writer, null)
    const found = reader.kind === writer.kind ? this.#sameKind(reader, writer, path) : this.#otherKind(reader, writer, path)
    this.#budget.spend(found.length)
    ofReader.set(writer, found)
    return found
  }

  #sameKind(reader: AvroType, writer: AvroType, path: Path): Found[] {
    if (reader.kind === 'array' && writer.kind === 'array') return this.compare(reader.items, writer.items, { name: 'items', outer: path })
    if (reader.kind === 'map' && writer.kind === 'map') return this.compare(reader.values, writer.values, { name: 'values', outer: path })
    if (reader.kind === 'fixed' && writer.kind === 'fixed') {
      const found = names(reader, writer, path)
      if (reader.size !== writer.size)
        found.push({
          kind: 'FIXED_SIZE_MISMATCH',
          path: { name: 'size', outer: path },
          message: `expected: ${writer.size}, found: ${reader.size}`,
        })
      return found
    }
    if (reader.kind === 'enum' && writer.kind === 'enum') return [...names(reader, writer, path), ...symbols(reader, writer, path)]
    if (reader.kind === 'record' && writer.kind === 'record')
      return [...names(reader, writer, path), ...this.#fields(reader, writer, { name: 'fields', outer: path })]
    if (reader.kind === 'union' && writer.kind === 'union')
      return writer.branches.flatMap((branch, index) =>
        this.compare(reader, branch, null).length === 0 ? [] : [missingBranch(branch, { name: String(index), outer: path })],
      )
    return []
  }

  #otherKind(reader: AvroType, writer: AvroType, path: Path): Found[] {
    if (writer.kind === 'union') return writer.branches.flatMap(branch => this.compare(reader, branch, null))
    if (reader.kind === 'union')
      return reader.branches.some(branch => this.compare(branch, writer, null).length === 0) ? [] : [missingBranch(writer, path)]
    if (promotions[reader.kind]?.includes(writer.kind)) return []
    const message = `reader type: ${reader.kind.toUpperCase()} not compatible with writer type: ${writer.kind.toUpperCase()}`
    return [{ kind: 'TYPE_MISMATCH', path, message }]
  }

  #fields(reader: RecordType, writer: RecordType, path: Path): Found[] {
    const byName = new Map(writer.fields.map(field => [field.name, field]))
    return reader.fields.flatMap((field, index) => {
      const at = { name: String(index), outer: path }
      const written = [field.name, ...field.aliases].map(name => byName.get(name)).find(each => each !== undefined)
      if (written !== undefined) return this.compare(field.type, written.type, { name: 'type', outer: at })
      if (hasDefault(field)) return []
      return [{ kind: 'READER_FIELD_MISSING_DEFAULT_VALUE' as const, path: at, message: field.name }]
    })
  }
}

/** What is looked at besides the types within. */
function sizeOf(type: AvroType): number {
  if (type.kind === 'enum') return type.symbols.length / 8
  return type.kind === 'record' ? type.fields.length / 4 : 0
}

function hasDefault({ type, fallback }: Field): boolean {
  return fallback !== undefined || (type.kind === 'enum' && type.fallback !== null)
}

function names(reader: NamedType, writer: NamedType, path: Path): Found[] {
  const written = fullName(writer.name)
  if (reader.name.name === writer.name.name || reader.aliases.some(alias => fullName(alias) === written)) return []
  return [{ kind: 'NAME_MISMATCH', path: { name: 'name', outer: path }, message: `expected: ${written}` }]
}

function symbols(reader: EnumType, writer: EnumType, path: Path): Found[] {
  const read = new Set(reader.symbols)
  const missing = writer.symbols.filter(symbol => !read.has(symbol)).sort()
  if (missing.length === 0 || reader.fallback !== null) return []
  return [{ kind: 'MISSING_ENUM_SYMBOLS', path: { name: 'symbols', outer: path }, message: `[${missing.join(', ')}]` }]
}

function missingBranch(writer: AvroType, path: Path): Found {
  return { kind: 'MISSING_UNION_BRANCH', path, message: `reader union lacking writer type: ${writer.kind.toUpperCase()}` }
}

function toReason({ kind, path, message }: Found): Reason {
  const names: string[] = []
  for (let each = path; each !== null; each = each.outer) names.push(each.name)
  const at = `/${names.reverse().join('/')}`
  return (reader, writer) =>
    `{errorType:'${kind}', description:'${describe(kind, at, message, reader, writer)}', additionalInfo:'${message}'}`
}

function describe(kind: Incompatibility, at: string, message: string, reader: string, writer: string): string {
  switch (kind) {
    case 'FIXED_SIZE_MISMATCH':
      return `The size of FIXED type field at path '${at}' in the ${reader} schema does not match with the ${writer} schema`
    case 'TYPE_MISMATCH':
      return `The type (path '${at}') of a field in the ${reader} schema does not match with the ${writer} schema`
    case 'NAME_MISMATCH':
      return `The name of the schema has changed (path '${at}')`
    case 'MISSING_ENUM_SYMBOLS':
      return `The ${reader} schema is missing enum symbols '${message}' at path '${at}' in the ${writer} schema`
    case 'MISSING_UNION_BRANCH':
      return `The ${reader} schema is missing a type inside a union field at path '${at}' in the ${writer} schema`
    case 'READER_FIELD_MISSING_DEFAULT_VALUE':
      return `The field '${message}' at path '${at}' in the ${reader} schema has no default value and is missing in the ${writer} schema`
  }
}
