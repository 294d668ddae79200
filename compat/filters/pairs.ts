/**
 * Patterns and events of one small vocabulary, so that they often meet: fields, lists in lists, numbers in many spellings, addresses, names that come twice, and
 * now and then something that is no pattern. Made as text, because it counts how a number is written.
 */
import type { SeededRandom } from '../../sim/world/random.ts'

const names = ['a', 'b', 'c', 'a.b', 'd', 'é', 'prefix']
// No character of two UTF-16 units: in event-ruler 2.1.0 no text has such a suffix without regard to case, not even itself.
const texts = ['', 'x', 'X', 'xy', 'xyz', 'yx', 'ß', 'SS', 'ss', 'İ', 'ﬁ', 'é', '漢', '5', 'a"b', '\\', '*', 'true', '10.0.0']
const addresses = ['10.0.0.1', '10.0.0.255', '10.1.2.3', '11.0.0.0', '::1', '2001:db8::1', '::ffff:10.0.0.1', '::ffff:0a00:0001', '1::2::3']
const numbers = [
  '0',
  '-0',
  '1',
  '1.0',
  '10e-1',
  '2',
  '2.5',
  '-3',
  '100',
  '1e2',
  '9007199254740993',
  '0.1',
  '0.10',
  '1e400',
  '1e15',
  '1E+2',
  '5e9',
]
const networks = [
  '10.0.0.0/8',
  '10.0.0.0/24',
  '10.0.0.1/31',
  '::/8',
  '2001:db8::/32',
  '10.0.0.0/33',
  '10.0.0/8',
  'x/8',
  '10.0.0.0',
  '10.0.0.0/-1',
]
const wildcards = ['*', 'x*', '*x', 'x*z', '*y*', 'x**', '\\*', '\\\\', '\\x', '*x*y*', '', 'ß*', '*漢', 'x*x']
const mostDepth = 3

export class Pairs {
  readonly #random: SeededRandom

  constructor(random: SeededRandom) {
    this.#random = random
  }

  pattern(): string {
    return this.#random.chance(0.02) ? this.#value(1) : this.#rule(0)
  }

  event(): string {
    return this.#random.chance(0.02) ? this.#value(1) : this.#object(0)
  }

  #rule(depth: number): string {
    const fields = this.#some(1, 3, () => `${JSON.stringify(this.#random.pick(names))}:${this.#asked(depth)}`)
    if (this.#random.chance(0.1)) fields.push(`"$or":[${this.#some(this.#random.chance(0.1) ? 1 : 2, 3, () => this.#rule(depth + 1))}]`)
    return `{${fields}}`
  }

  #asked(depth: number): string {
    if (depth < mostDepth && this.#random.chance(0.3)) return this.#rule(depth + 1)
    if (this.#random.chance(0.02)) return this.#leaf()
    const matches = this.#some(this.#random.chance(0.02) ? 0 : 1, 3, () => this.#match())
    // Where both stand together, event-ruler 2.1.0 takes texts that are neither: we do not.
    const [wildcard, either] = ['{"wildcard"', '"equals-ignore-case"'].map(kind => matches.some(match => match.includes(kind)))
    return `[${wildcard && either ? matches.slice(0, 1) : matches}]`
  }

  #match(): string {
    const text = () => JSON.stringify(this.#random.pick(texts))
    const textOrOdd = () => (this.#random.chance(0.05) ? this.#leaf() : text())
    const matches: readonly (() => string)[] = [
      () => this.#leaf(),
      () => this.#leaf(),
      () => `{"exists":${this.#random.pick(['true', 'false', 'true', 'false', '1'])}}`,
      () => `{"prefix":${textOrOdd()}}`,
      () => `{"suffix":${textOrOdd()}}`,
      () => `{"${this.#random.pick(['prefix', 'suffix'])}":{"equals-ignore-case":${textOrOdd()}}}`,
      () => `{"equals-ignore-case":${textOrOdd()}}`,
      () => `{"wildcard":${JSON.stringify(this.#random.pick(wildcards))}}`,
      () => `{"cidr":${JSON.stringify(this.#random.pick(networks))}}`,
      () => `{"anything-but":${this.#denied()}}`,
      () => `{"numeric":[${this.#range()}]}`,
      () => `{"exactly":${textOrOdd()}}`,
      () => `{${text()}:${this.#leaf()}}`,
    ]
    return this.#random.pick(matches)()
  }

  #denied(): string {
    const { pick } = this.#random
    const list = (of: readonly string[]) => `[${this.#some(1, 3, () => pick(of))}]`
    const quoted = [...texts, ...addresses].map(each => JSON.stringify(each))
    const kinds: readonly (() => string)[] = [
      () => this.#leaf(),
      () => list(quoted),
      () => list(numbers),
      () => list([...numbers, ...quoted, 'null']),
      () => `{"${pick(['prefix', 'suffix', 'equals-ignore-case'])}":${this.#random.chance(0.5) ? pick(quoted) : list(quoted)}}`,
      () => `{"wildcard":${JSON.stringify(pick(wildcards))}}`,
    ]
    return pick(kinds)()
  }

  #range(): string {
    const { pick } = this.#random
    const one = () => `"${pick(['<', '<=', '>', '>=', '=', '!'])}",${this.#random.chance(0.05) ? this.#leaf() : pick(numbers)}`
    const two = () => `"${pick(['>', '>='])}",${pick(['-3', '0', '1', '2'])},"${pick(['<', '<='])}",${pick(['2', '2.5', '100', '1e2'])}`
    return pick([one, two, two, () => `${one()},${one()}`])()
  }

  #object(depth: number): string {
    return `{${this.#some(0, 4, () => `${JSON.stringify(this.#random.pick(names))}:${this.#value(depth + 1)}`)}}`
  }

  #value(depth: number): string {
    if (depth < mostDepth + 1 && this.#random.chance(0.3)) return this.#object(depth)
    if (depth < mostDepth + 1 && this.#random.chance(0.25)) return `[${this.#some(0, 3, () => this.#value(depth + 1))}]`
    return this.#leaf()
  }

  #leaf(): string {
    const { pick } = this.#random
    return pick([
      () => pick(numbers),
      () => JSON.stringify(pick(texts)),
      () => JSON.stringify(pick(addresses)),
      () => pick(['true', 'false', 'null']),
    ])()
  }

  #some(least: number, most: number, make: () => string): string[] {
    return Array.from({ length: least + this.#random.below(most - least + 1) }, make)
  }
}
