/**
 * How much decoding one value may cost, whatever its bytes and its schema claim. A few bytes can declare billions of empty elements, and a byte can
 * stand for a long name: so elements and the text that they will be printed as are counted, in proportion to the size of the input.
 */
import { SerdeError } from './types.ts'

const mostDepth = 200
const freeElements = 100_000
const elementsPerByte = 2
const freeCharacters = 1_000_000
const charactersPerByte = 64

export class Budget {
  #elements: number
  #characters: number
  /** How deep the walk is. */
  level = 0

  constructor(bytes: number) {
    this.#elements = freeElements + elementsPerByte * bytes
    this.#characters = freeCharacters + charactersPerByte * bytes
  }

  /** One element, and so many characters besides. */
  spend(characters = 0): void {
    this.#elements--
    this.#characters -= characters
    if (this.exhausted) throw new SerdeError('the value is far larger than its bytes; it is not decoded')
  }

  get exhausted(): boolean {
    return this.#elements < 0 || this.#characters < 0
  }

  enter(): void {
    if (++this.level > mostDepth) throw new SerdeError(`the value is nested more than ${mostDepth} levels deep`)
  }

  leave(): void {
    this.level--
  }
}

/** An own property, also if it is called `__proto__`. */
export function put<T>(object: Record<string, T>, name: string, value: T): void {
  if (name === '__proto__') Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
  else object[name] = value
}

/** As number if it is exact. */
export function exact(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** JSON has no word for these. */
export function double(value: number): number | string {
  return Number.isFinite(value) ? value : String(value)
}

/** A number of 32 bits with the digits that identify it, as Java prints it, rather than those of the double that is nearest. */
export function float(value: number): number | string {
  for (let digits = 6; digits <= 8; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return double(value)
}
