/** Turns valid bytes into invalid ones: flipped, truncated, extended, repeated, with wrong sizes. */
import type { SeededRandom } from '../world/random.ts'
import { randomBytes } from './grammar.ts'

const lyingSizes = [-1, -2, 0, 1, 2 ** 31 - 1, -(2 ** 31), 104_857_601, 2 ** 20, 65_536, 32_768]

type Mutation = (bytes: Buffer, random: SeededRandom) => Buffer

const mutations: readonly Mutation[] = [
  (bytes, random) => change(bytes, at => bytes.writeUInt8(bytes[at]! ^ (1 << random.below(8)), at), random, 1),
  (bytes, random) => change(bytes, at => bytes.writeUInt8(random.pick([0, 1, 0x7f, 0x80, 0xfe, 0xff]), at), random, 1),
  (bytes, random) => change(bytes, at => bytes.writeInt32BE(random.pick(lyingSizes), at), random, 4),
  (bytes, random) => change(bytes, at => bytes.writeInt16BE(random.pick([-1, -2, 0, 32_767, -32_768]), at), random, 2),
  // A varint that never ends, or claims very much.
  (bytes, random) => change(bytes, at => bytes.fill(0xff, at, Math.min(at + 5 + random.below(8), bytes.length)), random, 1),
  (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  (bytes, random) => splice(bytes, random.below(bytes.length + 1), 0, randomBytes(random, 1 + random.below(8))),
  (bytes, random) => splice(bytes, random.below(bytes.length + 1), 1 + random.below(8), Buffer.alloc(0)),
  (bytes, random) => {
    const from = random.below(bytes.length + 1)
    return splice(bytes, random.below(bytes.length + 1), 0, bytes.subarray(from, from + random.below(64)))
  },
]

/** A changed copy, by one to four mutations. */
export function mutate(bytes: Buffer, random: SeededRandom): Buffer {
  let result = Buffer.from(bytes)
  for (let count = 1 + random.below(4); count > 0; count--) result = Buffer.from(random.pick(mutations)(result, random))
  return result
}

function change(bytes: Buffer, apply: (at: number) => void, random: SeededRandom, width: number): Buffer {
  if (bytes.length >= width) apply(random.below(bytes.length - width + 1))
  return bytes
}

function splice(bytes: Buffer, at: number, remove: number, insert: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)])
}
