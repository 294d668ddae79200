/**
 * The largest requests of an API, derived from its definition: for each list, one with as many elements as are allowed; for lists of
 * lists both variants (many short ones, one long one); with names that do not exist, and with the name of a topic with many partitions.
 */
import type { Api, Fields, InputOf, Uuid } from '../../src/protocol.ts'
import { includes } from '../fuzzers/grammar.ts'

type Field = Fields[string]

/** What there is in the broker. */
export interface Stock {
  topic: string
  topicId: Uuid
  /** Of the topic. */
  partitions: number
  group: string
}

export interface Shape {
  /** The list that is long, and what it names. */
  readonly name: string
  readonly request: object
}

type Path = readonly string[]

const largest: Record<string, number> = { int16: 2 ** 15 - 1, int32: 2 ** 31 - 1 }

export function shapesOf(api: Api, version: number, elements: number, stock: Stock): Shape[] {
  const shapes: Shape[] = []
  for (const path of listPaths(api.request, version, [])) {
    for (const names of ['unknown', 'known'] as const) {
      const builder = new Builder(version, path, elements, names === 'known', stock)
      shapes.push({ name: `${elements} ${path.join('.')}, ${names}`, request: builder.struct(api.request, [], 0) })
    }
  }
  return shapes
}

/** A request without long lists, for APIs that have none. */
export function plainRequest<A extends Api>(api: A, version: number, stock: Stock): InputOf<A['request']> {
  return new Builder(version, [], 0, true, stock).struct(api.request, [], 0) as InputOf<A['request']>
}

function listPaths(fields: Fields, version: number, before: Path): Path[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    if (!includes(field.options.versions, version)) return []
    const path = [...before, name]
    if (field.type === 'struct') return listPaths(field.fields!, version, path)
    if (field.type !== 'array') return []
    return [path, ...(field.of!.type === 'struct' ? listPaths(field.of!.fields!, version, path) : [])]
  })
}

class Builder {
  readonly #version: number
  readonly #long: string
  readonly #elements: number
  readonly #known: boolean
  readonly #stock: Stock

  constructor(version: number, long: Path, elements: number, known: boolean, stock: Stock) {
    this.#version = version
    this.#long = long.join('.')
    this.#elements = elements
    this.#known = known
    this.#stock = stock
  }

  struct(fields: Fields, before: Path, index: number): object {
    const message: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(fields)) {
      if (includes(field.options.versions, this.#version)) message[name] = this.#value(field, [...before, name], index)
    }
    return message
  }

  #value(field: Field, path: Path, index: number): unknown {
    const name = path.at(-1)!
    switch (field.type) {
      case 'bool':
        return true
      case 'string':
        return this.#text(name, index)
      case 'uuid':
        return this.#known ? this.#stock.topicId : `${index}`.padStart(21, 'B').concat('A')
      case 'bytes':
        return Buffer.alloc(0)
      case 'records':
        return null
      case 'array':
        return this.#list(field, path, index)
      case 'struct':
        return this.struct(field.fields!, path, index)
      case 'float64':
        return 1
      default:
        return this.#number(name, field, index)
    }
  }

  #list(field: Field, path: Path, index: number): unknown[] {
    const here = path.join('.')
    // The lists that lead to the long one have one element each, the others none.
    const count = here === this.#long ? this.#elements : this.#long.startsWith(`${here}.`) ? 1 : this.#long === '' ? 1 : this.#inner(here)
    return Array.from({ length: count }, (_, each) => {
      const at = count === 1 ? index : each
      return field.of!.type === 'struct' ? this.struct(field.of!.fields!, path, at) : this.#value(field.of!, path, at)
    })
  }

  /** Lists inside of the long one are not empty: then each of its elements asks for something. */
  #inner(here: string): number {
    return here.startsWith(`${this.#long}.`) ? 1 : 0
  }

  #text(name: string, index: number): string {
    if (/group/i.test(name) && !/instance|groups$/i.test(name)) return this.#known ? this.#stock.group : `group-${index}`
    if (this.#known && /topic|^name$/i.test(name)) return this.#stock.topic
    return `${name}-${index}`
  }

  #number(name: string, field: Field, index: number): number {
    if (/partition/i.test(name)) return index % (this.#known && field.type === 'int32' ? this.#stock.partitions : largest[field.type]! + 1)
    if (name === 'resourceType') return 2
    if (/Ms$/.test(name)) return 1_000
    if (field.type === 'int8') return 1
    return /epoch|generation/i.test(name) ? -1 : 1
  }
}
