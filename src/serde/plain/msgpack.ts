/**
 * MessagePack. Bytes inside are shown in base64, keys of maps as text. Reading is ours, because the library refuses keys that JavaScript finds special. It is
 * loaded when something is first written.
 */
import { later, loadedOnce } from '../../base.ts'
import { Budget, double, exact, float, put } from '../budget.ts'
import { Input } from '../input.ts'
import { type Display, type SerdeDefinition, SerdeError } from '../types.ts'

const library = loadedOnce(() => import('@msgpack/msgpack'))

export const msgpack: SerdeDefinition = {
  name: 'msgpack',
  summary: 'MessagePack',
  open: () => ({
    decode(bytes) {
      const reader = new Reader(bytes)
      const value = reader.read()
      reader.input.finish()
      return { value, schema: null }
    },
    encode(value) {
      requireInt64(value)
      return later(library(), ({ encode }) => {
        try {
          return Buffer.from(encode(value, { useBigInt64: true }))
        } catch (error) {
          throw new SerdeError(`the value cannot be written as MessagePack: ${(error as Error).message}`, error)
        }
      })
    },
  }),
}

/** The library would cut larger integers. */
function requireInt64(value: unknown): void {
  if (typeof value === 'bigint' && (value < -(2n ** 63n) || value >= 2n ** 64n)) throw new SerdeError(`${value} has more than 64 bits`)
  if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) requireInt64(each)
}

const timestampExtension = -1

class Reader {
  readonly input: Input
  readonly #budget: Budget

  constructor(bytes: Buffer) {
    this.input = new Input(bytes)
    this.#budget = new Budget(bytes.length)
  }

  read(): Display {
    this.#budget.spend()
    const type = this.input.byte()
    if (type < 0x80) return type
    if (type >= 0xe0) return type - 0x100
    if (type < 0x90) return this.#map(type & 0x0f)
    if (type < 0xa0) return this.#list(type & 0x0f)
    if (type < 0xc0) return this.input.text(type & 0x1f)
    return this.#long(type)
  }

  #long(type: number): Display {
    const { input } = this
    const { buffer } = input
    if (type >= 0xd4 && type <= 0xd8) return this.#extension(2 ** (type - 0xd4))
    switch (type) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return input.slice(this.#unsigned(2 ** (type - 0xc4))).toString('base64')
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#unsigned(2 ** (type - 0xc7)))
      case 0xca:
        return float(buffer.readFloatBE(input.take(4)))
      case 0xcb:
        return double(buffer.readDoubleBE(input.take(8)))
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(2 ** (type - 0xcc))
      case 0xcf:
        return exact(buffer.readBigUInt64BE(input.take(8)))
      case 0xd0:
      case 0xd1:
      case 0xd2:
        return buffer.readIntBE(input.take(2 ** (type - 0xd0)), 2 ** (type - 0xd0))
      case 0xd3:
        return exact(buffer.readBigInt64BE(input.take(8)))
      case 0xd9:
      case 0xda:
      case 0xdb:
        return input.text(this.#unsigned(2 ** (type - 0xd9)))
      case 0xdc:
      case 0xdd:
        return this.#list(this.#unsigned(2 * (type - 0xdb)))
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 * (type - 0xdd)))
      default:
        throw new SerdeError(`0x${type.toString(16)} at byte ${input.offset - 1} is not MessagePack`)
    }
  }

  #unsigned(bytes: number): number {
    return this.input.buffer.readUIntBE(this.input.take(bytes), bytes)
  }

  #list(count: number): Display[] {
    this.#budget.enter()
    const list: Display[] = []
    for (let left = count; left > 0; left--) list.push(this.read())
    this.#budget.leave()
    return list
  }

  #map(count: number): Display {
    this.#budget.enter()
    const map: Record<string, Display> = {}
    for (let left = count; left > 0; left--) {
      const key = keyOf(this.read())
      put(map, key, this.read())
    }
    this.#budget.leave()
    return map
  }

  #extension(bytes: number): Display {
    const type = this.input.buffer.readInt8(this.input.take(1))
    const data = this.input.slice(bytes)
    return (type === timestampExtension ? timestamp(data) : null) ?? { type, data: data.toString('base64') }
  }
}

function timestamp(data: Buffer): string | null {
  if (data.length !== 4 && data.length !== 8 && data.length !== 12) return null
  const seconds =
    data.length === 4 ? BigInt(data.readUInt32BE()) : data.length === 8 ? data.readBigUInt64BE() & 0x3_ffff_ffffn : data.readBigInt64BE(4)
  const nanos = data.length === 4 ? 0 : data.length === 8 ? Number(data.readBigUInt64BE() >> 34n) : data.readUInt32BE()
  const ms = Number(seconds) * 1000
  if (Math.abs(ms) > 8.64e15) return null
  return nanos === 0 ? new Date(ms).toISOString() : new Date(ms).toISOString().replace(/\.000Z$/, `.${String(nanos).padStart(9, '0')}Z`)
}

export function keyOf(key: Display): string {
  return typeof key === 'object' && key !== null
    ? JSON.stringify(key, (_, each) => (typeof each === 'bigint' ? String(each) : each))
    : String(key)
}
