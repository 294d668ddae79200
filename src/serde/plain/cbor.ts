/**
 * CBOR (RFC 8949). Bytes inside are shown in base64, keys of maps as text; tags are not shown, but for large integers, which they make. Reading is ours,
 * because it must not believe what the bytes declare, and shows every key. The library is loaded when something is first written.
 */
import { later, loadedOnce } from '../../base.ts'
import { Budget, double, exact, float, put } from '../budget.ts'
import { Input } from '../input.ts'
import { type Display, type SerdeDefinition, SerdeError } from '../types.ts'
import { keyOf } from './msgpack.ts'

const library = loadedOnce(() => import('cborg'))

export const cbor: SerdeDefinition = {
  name: 'cbor',
  summary: 'CBOR',
  open: () => ({
    decode(bytes) {
      const reader = new Reader(bytes)
      const value = reader.read()
      reader.input.finish()
      return { value, schema: null }
    },
    encode(value) {
      return later(library(), ({ encode }) => {
        try {
          return Buffer.from(encode(value))
        } catch (error) {
          throw new SerdeError(`the value cannot be written as CBOR: ${(error as Error).message}`, error)
        }
      })
    },
  }),
}

const positiveBignum = 2
const negativeBignum = 3
const indefinite = 31
const stop = 0xff
/** Of a large integer; printing takes time with the square of its length. */
const mostBignumBytes = 1_024

class Reader {
  readonly input: Input
  readonly #budget: Budget

  constructor(bytes: Buffer) {
    this.input = new Input(bytes)
    this.#budget = new Budget(bytes.length)
  }

  read(): Display {
    this.#budget.spend()
    const first = this.input.byte()
    const major = first >> 5
    const info = first & 0x1f
    switch (major) {
      case 0:
        return this.#argument(info)
      case 1:
        return exact(-1n - BigInt(this.#argument(info)))
      case 2:
        return this.#bytes(info).toString('base64')
      case 3:
        return this.#text(info)
      case 4:
        return this.#list(info)
      case 5:
        return this.#map(info)
      case 6:
        return this.#tagged(this.#argument(info))
      default:
        return this.#simple(info)
    }
  }

  #argument(info: number): number | bigint {
    const { input } = this
    if (info < 24) return info
    if (info === 24) return input.byte()
    if (info === 25) return input.buffer.readUInt16BE(input.take(2))
    if (info === 26) return input.buffer.readUInt32BE(input.take(4))
    if (info === 27) return exact(input.buffer.readBigUInt64BE(input.take(8)))
    throw new SerdeError(`the length at byte ${input.offset - 1} is not CBOR`)
  }

  /** Before each element; false: there is no more. */
  *#counted(info: number): Generator<void, void> {
    if (info === indefinite) {
      while (!this.#stops()) yield
      return
    }
    const count = this.#argument(info)
    for (let left = Number(count); left > 0; left--) yield
  }

  #stops(): boolean {
    if (this.input.remaining === 0) throw new SerdeError('the bytes end within a value')
    if (this.input.buffer[this.input.offset] !== stop) return false
    this.input.offset++
    return true
  }

  #bytes(info: number): Buffer {
    const { input } = this
    if (info !== indefinite) return input.slice(input.size(this.#argument(info)))
    const pieces: Buffer[] = []
    while (!this.#stops()) pieces.push(this.#piece(2))
    return Buffer.concat(pieces)
  }

  #text(info: number): string {
    const { input } = this
    if (info !== indefinite) return input.text(input.size(this.#argument(info)))
    let text = ''
    while (!this.#stops()) text += this.#pieceText()
    return text
  }

  #piece(major: number): Buffer {
    const first = this.input.byte()
    if (first >> 5 !== major || (first & 0x1f) === indefinite)
      throw new SerdeError(`a piece of another type at byte ${this.input.offset - 1}`)
    return this.input.slice(this.input.size(this.#argument(first & 0x1f)))
  }

  #pieceText(): string {
    const piece = this.#piece(3)
    return new Input(piece).text(piece.length)
  }

  #list(info: number): Display[] {
    this.#budget.enter()
    const list: Display[] = []
    for (const _ of this.#counted(info)) list.push(this.read())
    this.#budget.leave()
    return list
  }

  #map(info: number): Display {
    this.#budget.enter()
    const map: Record<string, Display> = {}
    for (const _ of this.#counted(info)) {
      const key = keyOf(this.read())
      put(map, key, this.read())
    }
    this.#budget.leave()
    return map
  }

  #tagged(tag: number | bigint): Display {
    const next = this.input.buffer[this.input.offset]
    if ((tag === positiveBignum || tag === negativeBignum) && next !== undefined && next >> 5 === 2) {
      const bytes = this.#bytes(this.input.byte() & 0x1f)
      if (bytes.length > mostBignumBytes) throw new SerdeError(`an integer of ${bytes.length} bytes`)
      const size = BigInt(bytes.length === 0 ? 0 : `0x${bytes.toString('hex')}`)
      return exact(tag === positiveBignum ? size : -1n - size)
    }
    this.#budget.enter()
    const value = this.read()
    this.#budget.leave()
    return value
  }

  #simple(info: number): Display {
    const { input } = this
    if (info === 20 || info === 21) return info === 21
    if (info === 22 || info === 23) return null
    if (info === 25) return double(half(input.buffer.readUInt16BE(input.take(2))))
    if (info === 26) return float(input.buffer.readFloatBE(input.take(4)))
    if (info === 27) return double(input.buffer.readDoubleBE(input.take(8)))
    if (info < 20) return info
    if (info === 24) return input.byte()
    throw new SerdeError(`the value at byte ${input.offset - 1} is not CBOR`)
  }
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
