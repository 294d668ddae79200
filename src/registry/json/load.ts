/** JSON → nodes, for drafts 4 to 2020-12. */
import { isArray, isObject, type Json, JsonNumber, type JsonObject, printJson } from '../json-tree.ts'
import { type Budget, InvalidSchema } from '../schema.ts'
import { type Documents, idOf, type Place } from './documents.ts'
import type { Common, Criterion, Node } from './model.ts'

const kinds = ['string', 'number', 'integer', 'boolean', 'null', 'object', 'array'] as const
type Kind = (typeof kinds)[number]

/** Which keywords belong to which kind, in the order in which kinds are recognized without a `type`. */
const keywords: readonly (readonly [kind: Kind, names: readonly string[]])[] = [
  [
    'array',
    [
      'items',
      'prefixItems',
      'additionalItems',
      'minItems',
      'maxItems',
      'uniqueItems',
      'contains',
      'minContains',
      'maxContains',
      'unevaluatedItems',
    ],
  ],
  [
    'object',
    [
      'properties',
      'required',
      'minProperties',
      'maxProperties',
      'dependencies',
      'dependentRequired',
      'dependentSchemas',
      'patternProperties',
      'additionalProperties',
      'propertyNames',
      'unevaluatedProperties',
    ],
  ],
  ['number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']],
  ['string', ['minLength', 'maxLength', 'pattern', 'format']],
]
const criteria: readonly Criterion[] = ['allOf', 'anyOf', 'oneOf']

/** Loads also what is only referred to. Throws InvalidSchema. */
export function load(documents: Documents, budget: Budget): Node {
  const loader = new Loader(documents, budget)
  const root = loader.node(documents.root)
  loader.finish()
  return root
}

class Loader {
  readonly #documents: Documents
  readonly #loaded = new Map<JsonObject, Node>()
  readonly #budget: Budget
  readonly #legacy: boolean
  readonly #referred: Place[] = []

  constructor(documents: Documents, budget: Budget) {
    this.#documents = documents
    this.#budget = budget
    const { json } = documents.root
    const draft = isObject(json) ? json.get('$schema') : undefined
    this.#legacy = !(typeof draft === 'string' && /draft\/20(?:19-09|20-12)/.test(draft))
  }

  finish(): void {
    for (let place = this.#referred.pop(); place !== undefined; place = this.#referred.pop()) this.node(place)
  }

  node({ json, address: from }: Place): Node {
    this.#budget.spend()
    if (typeof json === 'boolean') return { kind: json ? 'true' : 'false', ...nothing, key: () => String(json) }
    if (!isObject(json)) throw new InvalidSchema(`A schema is an object or a boolean, not ${printJson(json).slice(0, 100)}`)
    const known = this.#loaded.get(json)
    if (known !== undefined) return known
    const id = idOf(json)
    const address = id === null || id.startsWith('#') ? from : (this.#documents.resolve(id, from)?.address ?? from)
    const parts = this.#parts(json, address)
    const common = commonOf(json)
    const [only] = parts
    const node: Node =
      parts.length === 1
        ? ({ ...only, ...common, key: only!.key } as Node)
        : parts.length === 0
          ? { kind: 'empty', ...common }
          : { kind: 'combined', criterion: 'allOf', parts, ...common }
    this.#loaded.set(json, node)
    return node
  }

  #parts(json: JsonObject, address: string): Node[] {
    const parts: Node[] = []
    const reference = json.get('$ref') ?? json.get('$dynamicRef')
    if (reference !== undefined) {
      if (typeof reference !== 'string') throw new InvalidSchema(`$ref is not a string: ${printJson(reference)}`)
      parts.push(this.#reference(reference, address))
      if (this.#legacy) return parts
    }
    const bare = (kind: string): Common => ({ ...nothing, key: () => `${kind} ${printJson(json)}` })
    const values = json.get('enum')
    if (values !== undefined) {
      if (!isArray(values)) throw new InvalidSchema(`enum is not an array: ${printJson(values)}`)
      parts.push({ kind: 'enum', ...bare('enum'), values })
    }
    for (const criterion of criteria) {
      const listed = json.get(criterion)
      if (listed === undefined) continue
      if (!isArray(listed)) throw new InvalidSchema(`${criterion} is not an array: ${printJson(listed)}`)
      parts.push({ kind: 'combined', criterion, parts: listed.map(each => this.node({ json: each, address })), ...bare(criterion) })
    }
    const not = json.get('not')
    if (not !== undefined) parts.push({ kind: 'not', part: this.node({ json: not, address }), ...bare('not') })
    const value = json.get('const')
    if (value !== undefined) parts.push({ kind: 'const', value, ...bare('const') })
    parts.push(...this.#typed(json, address, bare))
    return parts
  }

  #typed(json: JsonObject, address: string, bare: (kind: string) => Common): Node[] {
    const type = json.get('type')
    const parts: Node[] = []
    const consumed = new Set<Kind>()
    const explicit = (name: Json): Node => {
      const kind = kinds.find(each => each === name)
      if (kind === undefined) throw new InvalidSchema(`unknown type: ${printJson(name)}`)
      consumed.add(kind === 'integer' ? 'number' : kind)
      return this.#ofKind(kind, json, address, bare(kind))
    }
    if (isArray(type)) parts.push({ kind: 'combined', criterion: 'anyOf', parts: type.map(explicit), ...bare('type') })
    else if (type !== undefined) parts.push(explicit(type))
    for (const [kind, names] of keywords)
      if (!consumed.has(kind) && names.some(name => json.has(name))) parts.push(this.#ofKind(kind, json, address, bare(kind)))
    for (const name of ['if', 'then', 'else']) if (json.has(name)) this.node({ json: json.get(name)!, address })
    if (json.has('if')) parts.push({ kind: 'conditional', ...bare('conditional') })
    return parts
  }

  #reference(reference: string, address: string): Node {
    const place = this.#documents.resolve(reference, address)
    if (place === null) return { kind: 'empty', ...nothing, key: () => reference }
    if (!isObject(place.json) && typeof place.json !== 'boolean') throw new InvalidSchema(`$ref '${reference}' does not lead to a schema`)
    this.#referred.push(place)
    return { kind: 'reference', target: () => this.node(place), ...nothing, key: () => `$ref ${reference}` }
  }

  #ofKind(kind: Kind, json: JsonObject, address: string, common: Common): Node {
    const read = new Keywords(json)
    switch (kind) {
      case 'boolean':
      case 'null':
        return { kind, ...common }
      case 'string':
        return { kind, minLength: read.size('minLength'), maxLength: read.size('maxLength'), pattern: read.text('pattern'), ...common }
      case 'integer':
      case 'number':
        return {
          kind: 'number',
          isInteger: kind === 'integer',
          minimum: read.number('minimum'),
          maximum: read.number('maximum'),
          exclusiveMinimum: read.limit('exclusiveMinimum'),
          exclusiveMaximum: read.limit('exclusiveMaximum'),
          multipleOf: read.number('multipleOf'),
          ...common,
        }
      case 'object':
        return this.#object(read, address, common)
      case 'array':
        return this.#array(read, address, common)
    }
  }

  #object(read: Keywords, address: string, common: Common): Node {
    const neededProperties = new Map<string, ReadonlySet<string>>()
    const neededSchemas = new Map<string, Node>()
    for (const keyword of ['dependencies', 'dependentRequired', 'dependentSchemas'])
      for (const [name, needed] of read.entries(keyword))
        if (isArray(needed)) neededProperties.set(name, new Set(needed.map(String)))
        else neededSchemas.set(name, this.node({ json: needed, address }))
    const names = read.json.get('propertyNames')
    if (names !== undefined) this.node({ json: names, address })
    return {
      kind: 'object',
      properties: this.#nodes(read.entries('properties'), address),
      required: new Set(read.texts('required')),
      patterns: this.#nodes(read.entries('patternProperties'), address),
      additional: this.#rest(read.json.get('additionalProperties'), address),
      unevaluated: this.#optional(read.json.get('unevaluatedProperties'), address),
      minProperties: read.size('minProperties'),
      maxProperties: read.size('maxProperties'),
      neededProperties,
      neededSchemas,
      ...common,
    }
  }

  #array(read: Keywords, address: string, common: Common): Node {
    const items = read.json.get('items')
    const prefix = read.json.get('prefixItems')
    const listed = isArray(prefix) ? prefix : isArray(items) ? items : null
    const contains = read.json.get('contains')
    if (contains !== undefined) this.node({ json: contains, address })
    return {
      kind: 'array',
      items: listed === null ? this.#optional(items, address) : null,
      first: (listed ?? []).map(json => this.node({ json, address })),
      additional: this.#rest(isArray(prefix) ? items : read.json.get('additionalItems'), address),
      unevaluated: this.#optional(read.json.get('unevaluatedItems'), address),
      minItems: read.size('minItems'),
      maxItems: read.size('maxItems'),
      minContains: read.size('minContains'),
      maxContains: read.size('maxContains'),
      isUnique: read.json.get('uniqueItems') === true,
      ...common,
    }
  }

  #rest(json: Json | undefined, address: string): boolean | Node {
    if (json === undefined || typeof json === 'boolean') return json ?? true
    return this.node({ json, address })
  }

  #optional(json: Json | undefined, address: string): Node | null {
    return json === undefined ? null : this.node({ json, address })
  }

  #nodes(entries: Iterable<[string, Json]>, address: string): Map<string, Node> {
    return new Map(Array.from(entries, ([name, json]) => [name, this.node({ json, address })]))
  }
}

const nothing = { id: null, title: null, description: null, fallback: undefined, connectType: null }

function commonOf(json: JsonObject): Common {
  const text = (name: string) => {
    const value = json.get(name)
    return typeof value === 'string' ? value : null
  }
  return {
    id: idOf(json),
    title: text('title'),
    description: text('description'),
    fallback: json.get('default'),
    connectType: text('connect.type'),
    key: () => printJson(json),
  }
}

/** Keywords of one schema. What has the wrong type is refused. */
class Keywords {
  readonly json: JsonObject

  constructor(json: JsonObject) {
    this.json = json
  }

  number(name: string): number | null {
    const value = this.json.get(name)
    if (value === undefined) return null
    return value instanceof JsonNumber ? Number(value.text) : this.#fail(name, 'a number')
  }

  /** Of draft 4 a boolean, which says how `minimum` and `maximum` are meant. */
  limit(name: string): number | null {
    return typeof this.json.get(name) === 'boolean' ? null : this.number(name)
  }

  size(name: string): number | null {
    const value = this.number(name)
    return value === null || Number.isInteger(value) ? value : this.#fail(name, 'an integer')
  }

  text(name: string): string | null {
    const value = this.json.get(name)
    if (value === undefined) return null
    return typeof value === 'string' ? value : this.#fail(name, 'a string')
  }

  texts(name: string): readonly string[] {
    const value = this.json.get(name)
    if (value === undefined) return []
    if (!isArray(value) || !value.every(each => typeof each === 'string')) return this.#fail(name, 'an array of strings')
    return value as readonly string[]
  }

  entries(name: string): Iterable<[string, Json]> {
    const value = this.json.get(name)
    if (value === undefined) return []
    return isObject(value) ? value : this.#fail(name, 'an object')
  }

  #fail(name: string, what: string): never {
    throw new InvalidSchema(`${name} is not ${what}: ${printJson(this.json.get(name)!).slice(0, 100)}`)
  }
}
