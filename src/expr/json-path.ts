/**
 * JSON path (RFC 9535) without its filter expressions, for which there is CEL: names, indexes, slices, wildcards, descendants.
 *
 *     $.order.items[*].price     $..id     $['a b'][0,2]     $.list[-1]     $.list[1:5:2]
 */
import type { Clock } from '../base.ts'
import { defaultLimits, type Limits, Steps } from './budget.ts'
import { ExprError, longestExpression } from './errors.ts'

export interface JsonPath {
  /** All values that it leads to, in document order. Throws ExprError if that takes too long. */
  find(value: unknown): unknown[]
}

type Selector = { name: string } | { index: number } | { slice: [from: number | null, to: number | null, step: number] } | 'all'

interface Segment {
  readonly descendants: boolean
  readonly selectors: readonly Selector[]
}

const mostSegments = 100
const mostDepth = 300

/** Throws ExprError that names the position. */
export function compileJsonPath(text: string, { clock, limits = defaultLimits }: { clock: Clock; limits?: Limits }): JsonPath {
  const segments = new Parser(text).parse()
  const steps = new Steps(clock, limits)
  return {
    find(value) {
      steps.restart()
      let found: unknown[] = [value]
      for (const { descendants, selectors } of segments) {
        const next: unknown[] = []
        for (const each of found) {
          const nodes = descendants ? below(each, steps) : [each]
          for (const node of nodes) for (const selector of selectors) select(node, selector, next, steps)
        }
        found = next
      }
      return found
    },
  }
}

/** The value and all that is within it. */
function below(value: unknown, steps: Steps): unknown[] {
  const all: unknown[] = []
  const visit = (each: unknown, depth: number) => {
    steps.spend(1)
    all.push(each)
    if (typeof each !== 'object' || each === null) return
    if (depth > mostDepth) throw new ExprError(`the value is nested more than ${mostDepth} levels deep`)
    for (const child of Object.values(each)) visit(child, depth + 1)
  }
  visit(value, 0)
  return all
}

function select(node: unknown, selector: Selector, found: unknown[], steps: Steps): void {
  steps.spend(1)
  if (typeof node !== 'object' || node === null) return
  if (selector === 'all') {
    const all = Object.values(node)
    steps.spend(all.length)
    for (const each of all) found.push(each)
  } else if ('name' in selector) {
    if (!Array.isArray(node) && Object.hasOwn(node, selector.name)) found.push((node as Record<string, unknown>)[selector.name])
  } else if (Array.isArray(node)) {
    if ('index' in selector) {
      const at = selector.index < 0 ? node.length + selector.index : selector.index
      if (at >= 0 && at < node.length) found.push(node[at])
    } else slice(node, selector.slice, found, steps)
  }
}

function slice(list: readonly unknown[], [from, to, step]: [number | null, number | null, number], found: unknown[], steps: Steps): void {
  const { length } = list
  const absolute = (at: number) => (at < 0 ? length + at : at)
  const clamp = (at: number, least: number, most: number) => Math.min(Math.max(at, least), most)
  if (step === 0) return
  const start = step > 0 ? clamp(absolute(from ?? 0), 0, length) : clamp(absolute(from ?? length - 1), -1, length - 1)
  const end = step > 0 ? clamp(absolute(to ?? length), 0, length) : to === null ? -1 : clamp(absolute(to), -1, length - 1)
  for (let at = start; step > 0 ? at < end : at > end; at += step) {
    steps.spend(1)
    found.push(list[at])
  }
}

class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    if (text.length > longestExpression) throw new ExprError(`the path has more than ${longestExpression} characters`)
    this.#text = text
  }

  parse(): Segment[] {
    const segments: Segment[] = []
    if (this.#text[0] !== '$') throw new ExprError('a path begins with $', 0)
    this.#at = 1
    while (this.#at < this.#text.length) {
      segments.push(this.#segment())
      if (segments.length > mostSegments) throw new ExprError(`the path has more than ${mostSegments} steps`, this.#at)
    }
    return segments
  }

  #segment(): Segment {
    const descendants = this.#skip('..')
    if (this.#skip('[')) return { descendants, selectors: this.#brackets() }
    if (!descendants && !this.#skip('.')) this.#refuse('. or [ expected')
    if (this.#skip('*')) return { descendants, selectors: ['all'] }
    const name = this.#match(/[\p{L}_\u0080-\u{10ffff}][\p{L}\p{N}_\u0080-\u{10ffff}]*/uy) ?? this.#refuse('a name or * expected')
    return { descendants, selectors: [{ name }] }
  }

  #brackets(): Selector[] {
    const selectors: Selector[] = []
    do {
      this.#match(/\s*/y)
      selectors.push(this.#selector())
      this.#match(/\s*/y)
    } while (this.#skip(','))
    if (!this.#skip(']')) this.#refuse(this.#text[this.#at] === '?' ? 'filters are written in CEL' : '] expected')
    return selectors
  }

  #selector(): Selector {
    if (this.#skip('*')) return 'all'
    const quoted = this.#match(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/suy)
    if (quoted !== null) return { name: this.#unquoted(quoted) }
    const range = this.#match(/(?:-?\d{1,15})?\s*:\s*(?:-?\d{1,15})?(?:\s*:\s*(?:-?\d{1,15})?)?/y)
    if (range !== null) {
      const [from, to, step] = range.split(':').map(part => (part.trim() === '' ? null : Number(part)))
      return { slice: [from ?? null, to ?? null, step ?? 1] }
    }
    const index = this.#match(/-?\d{1,15}/y)
    return index === null ? this.#refuse('a name in quotes, an index or * expected') : { index: Number(index) }
  }

  #unquoted(quoted: string): string {
    const inner = quoted.slice(1, -1)
    const asJson = quoted[0] === '"' ? inner : inner.replace(/\\'/g, "'").replace(/(?<!\\)"/g, '\\"')
    try {
      return JSON.parse(`"${asJson}"`) as string
    } catch {
      return this.#refuse('this is no string')
    }
  }

  #skip(text: string): boolean {
    const found = this.#text.startsWith(text, this.#at)
    if (found) this.#at += text.length
    return found
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) return null
    this.#at = pattern.lastIndex
    return found[0]
  }

  #refuse(reason: string): never {
    throw new ExprError(`${reason} at character ${this.#at + 1} of the path`, this.#at)
  }
}
