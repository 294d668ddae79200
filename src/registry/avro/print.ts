/** Avro's types → JSON, in the order of Avro's own `Schema.toString`. */
import { type Json, JsonNumber, printJson, sortedJson } from '../json-tree.ts'
import { type AvroType, type Field, fullName, type Name, type NamedType, type Props, primitives } from './model.ts'

/** Types that are in `known` are written as their names. */
export function printAvro(type: AvroType, known: ReadonlySet<string>): string {
  return printJson(new Printer(new Set(known), false).type(type, null))
}

/** With aliases and unknown properties in one order, and without empty docs. */
export function printNormalized(type: AvroType, known: ReadonlySet<string>): string {
  return printJson(new Printer(new Set(known), true).type(type, null))
}

type Entries = [string, Json][]

const logicalTypes: ReadonlySet<Json> = new Set([
  'big-decimal',
  'date',
  'decimal',
  'duration',
  'local-timestamp-micros',
  'local-timestamp-millis',
  'local-timestamp-nanos',
  'time-micros',
  'time-millis',
  'timestamp-micros',
  'timestamp-millis',
  'timestamp-nanos',
  'uuid',
])

class Printer {
  readonly #known: Set<string>
  readonly #normal: boolean

  constructor(known: Set<string>, normal: boolean) {
    this.#known = known
    this.#normal = normal
  }

  type(type: AvroType, space: string | null): Json {
    switch (type.kind) {
      case 'union':
        return type.branches.map(branch => this.type(branch, space))
      case 'array':
        return new Map<string, Json>([['type', 'array'], ['items', this.type(type.items, space)], ...this.#props(type.props)])
      case 'map':
        return new Map<string, Json>([['type', 'map'], ['values', this.type(type.values, space)], ...this.#props(type.props)])
      case 'record':
      case 'enum':
      case 'fixed':
        return this.#named(type, space)
      default:
        return type.props.size === 0 ? type.kind : new Map<string, Json>([['type', type.kind], ...this.#props(type.props)])
    }
  }

  #named(type: NamedType, space: string | null): Json {
    const name = fullName(type.name)
    if (this.#known.has(name)) return nameWithin(type.name, space)
    this.#known.add(name)
    const kind = type.kind === 'record' && type.isError ? 'error' : type.kind
    const entries: Entries = [
      ['type', kind],
      ['name', type.name.name],
    ]
    if (type.name.space !== space) entries.push(['namespace', type.name.space ?? ''])
    if (type.doc !== null && !(this.#normal && type.doc === '')) entries.push(['doc', type.doc])
    if (type.kind === 'record') entries.push(['fields', type.fields.map(field => this.#field(field, type.name.space))])
    else if (type.kind === 'enum') {
      entries.push(['symbols', type.symbols])
      if (type.fallback !== null) entries.push(['default', type.fallback])
    } else entries.push(['size', new JsonNumber(String(type.size))])
    entries.push(...this.#props(type.props))
    if (type.aliases.length > 0) entries.push(['aliases', this.#inOrder(type.aliases.map(alias => nameWithin(alias, type.name.space)))])
    return new Map(entries)
  }

  #field({ name, type, doc, fallback, order, aliases, props }: Field, space: string | null): Json {
    const entries: Entries = [
      ['name', name],
      ['type', this.type(type, space)],
    ]
    if (doc !== null) entries.push(['doc', doc])
    if (fallback !== undefined) entries.push(['default', this.#normal ? sortedJson(fallback) : fallback])
    if (order !== 'ascending') entries.push(['order', order])
    if (aliases.length > 0) entries.push(['aliases', this.#inOrder(aliases)])
    return new Map([...entries, ...this.#props(props)])
  }

  #props(props: Props): Entries {
    const entries = [...props]
    if (!this.#normal) return entries
    const rank = (name: string) =>
      logicalTypes.has(props.get('logicalType') ?? null) ? ['logicalType', 'precision', 'scale'].indexOf(name) : -1
    return entries
      .map(([name, value]): [string, Json] => [name, sortedJson(value)])
      .sort(([a], [b]) => {
        const [first, second] = [rank(a), rank(b)]
        if (first !== second) return first === -1 ? 1 : second === -1 ? -1 : first - second
        return a < b ? -1 : 1
      })
  }

  #inOrder(names: readonly string[]): string[] {
    const distinct = [...new Set(names)]
    return this.#normal ? distinct.sort() : distinct
  }
}

function nameWithin(name: Name, space: string | null): string {
  if (name.space !== space) return fullName(name)
  return (primitives as readonly string[]).includes(name.name) ? fullName(name) : name.name
}
