/**
 * Whether an event holds what a pattern asks for.
 *
 * Lists are left out of paths: what is in an element is a field of the list's path. But all fields of a rule that are within elements of one list must be in
 * the same element.
 */
import { ExprError } from '../errors.ts'
import { fieldsOf, Numeral } from './json.ts'
import { type Leaf, leafOf, see, type Wanted } from './leaf.ts'
import type { Rule } from './pattern.ts'

/** An element of a list, and the elements that this list is in. null: it is in no list. */
interface Place {
  readonly list: number
  readonly index: number
  readonly outer: Place | null
}

interface Found {
  readonly leaf: Leaf
  readonly place: Place | null
}

interface Field {
  readonly path: string
  readonly wanted: readonly Wanted[]
  /** What fields of this path look for, of all rules that are the same until here: as in a machine that they share. */
  readonly sees: ReadonlySet<Wanted['sees']>
}

/** Of one event. */
const mostSteps = 200_000

export class Matcher {
  readonly #rules: readonly (readonly Field[])[]
  /** Paths, and those of the objects that they are in. */
  readonly #used = new Set<string>()

  constructor(rules: readonly Rule[]) {
    const machines = new Map<string, Set<Wanted['sees']>>()
    this.#rules = rules.map(rule => {
      let before = ''
      return Array.from([...rule.keys()].sort(), path => {
        const wanted = rule.get(path)!
        const machine = `${before}\n${path}`
        const sees = machines.get(machine) ?? new Set()
        machines.set(machine, sees)
        for (const each of wanted) sees.add(each.sees)
        before = `${machine}\n${wanted.map(({ id }) => id).join(',')}`
        this.#use(path)
        return { path, wanted, sees }
      })
    })
  }

  #use(path: string): void {
    for (let at = path.indexOf('.'); at !== -1; at = path.indexOf('.', at + 1)) this.#used.add(path.slice(0, at))
    this.#used.add(path)
  }

  /** `event`: as `parseTokens` or `parseRecord` returns it. `isRelevant`: of a rule, by its number. Throws ExprError. */
  matches(event: object, isRelevant: (rule: number) => boolean = () => true): boolean {
    const search = new Search(this.#used)
    search.take(event)
    return this.#rules.some((fields, rule) => isRelevant(rule) && search.holds(fields))
  }
}

class Search {
  readonly #used: ReadonlySet<string>
  readonly #found = new Map<string, Found[]>()
  #lists = 0
  #steps = mostSteps

  constructor(used: ReadonlySet<string>) {
    this.#used = used
  }

  take(event: object): void {
    for (const [name, value] of fieldsOf(event)!) this.#value(name, value, null)
  }

  #value(path: string, value: unknown, place: Place | null): void {
    if (!this.#used.has(path)) return
    if (Array.isArray(value)) this.#list(path, value, place)
    else if (typeof value !== 'object' || value === null || value instanceof Numeral) {
      this.#step()
      const found = { leaf: leafOf(value), place }
      const known = this.#found.get(path)
      if (known === undefined) this.#found.set(path, [found])
      else known.push(found)
    } else for (const [name, each] of fieldsOf(value)!) this.#value(`${path}.${name}`, each, place)
  }

  #list(path: string, list: readonly unknown[], place: Place | null): void {
    const number = this.#lists++
    for (const [index, each] of list.entries()) {
      const isLeaf = typeof each !== 'object' || each === null || each instanceof Numeral
      this.#value(path, each, isLeaf ? place : { list: number, index, outer: place })
    }
  }

  holds(fields: readonly Field[]): boolean {
    const places = fields.map(field => this.#placesOf(field))
    // Most events have not even a value for each of them.
    if (places.some(({ right, mayBeAbsent }) => right.size === 0 && !mayBeAbsent)) return false
    return this.#holdsFrom(places, 0, new Map())
  }

  /** Where the right values of a field are, and where any value of it is. */
  #placesOf({ path, wanted, sees }: Field): Places {
    const found = this.#found.get(path) ?? []
    const right = new Set<Place | null>()
    for (const { leaf, place } of found) {
      if (right.has(place)) continue
      this.#step()
      const seen = see(leaf, sees)
      if (wanted.some(({ test }) => test?.(seen) === true)) right.add(place)
    }
    const all = new Set(found.map(({ place }) => place))
    return { right, all, mayBeAbsent: wanted.some(({ test }) => test === null) }
  }

  /** `chosen`: the elements, by list, in which the fields before are. */
  #holdsFrom(places: readonly Places[], next: number, chosen: Chosen): boolean {
    const here = places[next]
    if (here === undefined) return true
    this.#step()
    if (here.mayBeAbsent && ![...here.all].some(place => agreed(chosen, place) !== null) && this.#holdsFrom(places, next + 1, chosen))
      return true
    for (const place of here.right) {
      this.#step()
      const both = agreed(chosen, place)
      if (both !== null && this.#holdsFrom(places, next + 1, both)) return true
    }
    return false
  }

  #step(): void {
    if (--this.#steps < 0) throw new ExprError(`the filter takes more than ${mostSteps} steps for one event`)
  }
}

interface Places {
  readonly right: ReadonlySet<Place | null>
  readonly all: ReadonlySet<Place | null>
  readonly mayBeAbsent: boolean
}

/** By list, the index of the element. */
type Chosen = ReadonlyMap<number, number>

/** null: a list would have to be in two elements at once. */
function agreed(chosen: Chosen, place: Place | null): Chosen | null {
  let added: Map<number, number> | null = null
  for (let each = place; each !== null; each = each.outer) {
    const index = chosen.get(each.list)
    if (index === undefined) (added ??= new Map(chosen)).set(each.list, each.index)
    else if (index !== each.index) return null
  }
  return added ?? chosen
}
