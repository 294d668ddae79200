/** Where a `$ref` leads: within the schema, or to one of the schemas that are registered as its references. Nothing is ever fetched. */
import { isArray, isObject, type Json, type JsonObject, parseJson } from '../json-tree.ts'
import { InvalidSchema, type Resolved } from '../schema.ts'

const base = 'mem://input/'
const metaSchema = /^https?:\/\/json-schema\.org\/(?:draft-0[3467]|draft\/20(?:19-09|20-12))\/(?:hyper-)?schema$/

/** A part of a document, and the address to which references within it are relative. */
export interface Place {
  readonly json: Json
  readonly address: string
}

export class Documents {
  readonly root: Place
  /** By address without fragment, or with one that is a name. */
  readonly #places = new Map<string, Place>()

  constructor(root: Json, references: readonly Resolved[]) {
    for (const { name, text } of references) {
      const json = parseJson(text)
      const address = addressOf(name, base)
      this.#places.set(name, { json, address })
      this.#index(json, address)
    }
    this.#index(root, base)
    const id = isObject(root) ? idOf(root) : null
    this.root = { json: root, address: id === null ? base : addressOf(id, base) }
    this.#places.set(base, this.root)
  }

  /** null: a schema of JSON Schema itself. Throws InvalidSchema. */
  resolve(reference: string, from: string): Place | null {
    const [document = '', fragment = ''] = splitAt(reference)
    const address = document === '' ? from : addressOf(document, from)
    const place = this.#places.get(address) ?? this.#places.get(document)
    if (place === undefined) {
      if (metaSchema.test(document)) return null
      throw new InvalidSchema(`Unresolved $ref '${reference}'`)
    }
    if (fragment === '') return place
    if (!fragment.startsWith('/')) return this.#places.get(`${place.address}#${fragment}`) ?? fail(`Unresolved $ref '${reference}'`)
    return this.#follow(place, fragment) ?? fail(`Unresolved $ref '${reference}'`)
  }

  #follow(place: Place, pointer: string): Place | null {
    let { json, address } = place
    for (const part of pointer.slice(1).split('/')) {
      const name = decode(part).replaceAll('~1', '/').replaceAll('~0', '~')
      const next: Json | undefined = isArray(json)
        ? /^\d{1,9}$/.test(name)
          ? json[Number(name)]
          : undefined
        : isObject(json)
          ? json.get(name)
          : undefined
      if (next === undefined) return null
      json = next
      const id: string | null = isObject(json) ? idOf(json) : null
      if (id !== null) address = addressOf(id, address)
    }
    return { json, address }
  }

  #index(json: Json, from: string): void {
    if (isArray(json)) for (const each of json) this.#index(each, from)
    if (!isObject(json)) return
    const id = idOf(json)
    const address = id === null ? from : addressOf(id, from)
    if (id !== null || from === base) if (!this.#places.has(address)) this.#places.set(address, { json, address })
    for (const name of ['$anchor', '$dynamicAnchor']) {
      const anchor = json.get(name)
      if (typeof anchor === 'string') this.#places.set(`${splitAt(address)[0]}#${anchor}`, { json, address })
    }
    if (id?.startsWith('#')) this.#places.set(`${from}${id}`, { json, address: from })
    for (const [name, each] of json)
      if (name !== 'enum' && name !== 'const' && name !== 'default' && name !== 'examples') this.#index(each, address)
  }
}

/** `id` is a keyword of draft 4 only; later it is often a property's name, whose value is no string. */
export function idOf(json: JsonObject): string | null {
  const id = json.get('$id') ?? json.get('id')
  return typeof id === 'string' ? id : null
}

function addressOf(reference: string, from: string): string {
  if (reference.startsWith('#')) return from
  try {
    return splitAt(new URL(reference, from).href)[0]
  } catch {
    return splitAt(reference)[0]
  }
}

function splitAt(reference: string): [string, string] {
  const at = reference.indexOf('#')
  return at === -1 ? [reference, ''] : [reference.slice(0, at), reference.slice(at + 1)]
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function fail(message: string): never {
  throw new InvalidSchema(message)
}
