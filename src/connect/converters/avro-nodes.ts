/**
 * Avro schemas as they are written: a tree whose named types are defined where they first stand and named from then on, printed with its properties in the
 * order in which Java's Avro prints them, so that a schema that a Java converter has registered is found again.
 */

export type Properties = readonly (readonly [name: string, value: unknown])[]

export type AvroNode =
  | { readonly kind: 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string'; readonly properties: Properties }
  | { readonly kind: 'array'; readonly items: AvroNode; readonly properties: Properties }
  | { readonly kind: 'map'; readonly values: AvroNode; readonly properties: Properties }
  | { readonly kind: 'union'; readonly branches: readonly AvroNode[] }
  | AvroNamed

export interface AvroNamed {
  readonly kind: 'record' | 'enum' | 'fixed'
  readonly name: string
  readonly namespace: string | null
  doc: string | null
  /** Of a record; filled after it is made, because it may contain itself. */
  readonly fields: AvroField[]
  readonly symbols: readonly string[]
  readonly defaultSymbol: string | null
  readonly size: number
  properties: Properties
}

export interface AvroField {
  readonly name: string
  readonly node: AvroNode
  readonly doc: string | null
  /** undefined: none. */
  readonly default: unknown
  readonly properties: Properties
}

export const nullNode: AvroNode = { kind: 'null', properties: [] }

export function fullName({ name, namespace }: AvroNamed): string {
  return namespace === null ? name : `${namespace}.${name}`
}

/** How a value of a union says which branch it has. */
export function branchName(node: AvroNode): string {
  return 'name' in node ? fullName(node) : node.kind
}

/** For JSON.stringify. */
export function printNode(node: AvroNode, defined = new Set<string>(), namespace: string | null = null): unknown {
  if (node.kind === 'union') return node.branches.map(branch => printNode(branch, defined, namespace))
  if ('name' in node) return printNamed(node, defined, namespace)
  const properties = Object.fromEntries(node.properties)
  if (node.kind === 'array') return { type: 'array', items: printNode(node.items, defined, namespace), ...properties }
  if (node.kind === 'map') return { type: 'map', values: printNode(node.values, defined, namespace), ...properties }
  return node.properties.length === 0 ? node.kind : { type: node.kind, ...properties }
}

function printNamed(node: AvroNamed, defined: Set<string>, outer: string | null): unknown {
  const full = fullName(node)
  if (defined.has(full)) return node.namespace === outer ? node.name : full
  defined.add(full)
  const head = {
    type: node.kind,
    name: node.name,
    ...(node.namespace === outer ? {} : { namespace: node.namespace ?? '' }),
    ...(node.doc === null ? {} : { doc: node.doc }),
  }
  const properties = Object.fromEntries(node.properties)
  if (node.kind === 'fixed') return { ...head, size: node.size, ...properties }
  if (node.kind === 'enum')
    return { ...head, symbols: node.symbols, ...(node.defaultSymbol === null ? {} : { default: node.defaultSymbol }), ...properties }
  const fields = node.fields.map(field => ({
    name: field.name,
    type: printNode(field.node, defined, node.namespace),
    ...(field.doc === null ? {} : { doc: field.doc }),
    ...(field.default === undefined ? {} : { default: field.default }),
    ...Object.fromEntries(field.properties),
  }))
  return { ...head, fields, ...properties }
}
