/** Random messages from the protocol's own definitions: any field of any version, weighted towards values that break programs. */
import { type Int64, maxInt64, minInt64, toInt64 } from '../../src/base.ts'
import type { Fields } from '../../src/protocol.ts'
import type { SeededRandom } from '../world/random.ts'

type Field = Fields[string]
export type RandomMessage = Record<string, unknown>

const two53 = 2n ** 53n
const two60 = 2n ** 60n

/** Where a number stops being exact, where 64 bits end, and what has a meaning of its own in many fields. */
export const int64Edges: readonly Int64[] = [
  ...[0, -1, -2, -3, 2 ** 31, 2 ** 53 - 1, 1 - 2 ** 53],
  ...[two53, two53 + 1n, -two53, -two53 - 1n, two60, two60 + 1n, -two60, maxInt64 - 1n, maxInt64, minInt64, minInt64 + 1n],
]

/** An edge, or something near one. */
export function randomInt64(random: SeededRandom): Int64 {
  return toInt64(BigInt(random.pick(int64Edges)) + BigInt(random.below(7) - 3))
}

export interface GrammarOptions {
  random: SeededRandom
  version: number
  /** Names that exist in the broker under test, so that messages reach deep. */
  names?: readonly string[]
  /** Content for `records` fields. */
  records?: () => Buffer
}

/** A message that a correct client could send in this version. */
export function randomMessage(fields: Fields, options: GrammarOptions, depth = 0): RandomMessage {
  const message: RandomMessage = {}
  for (const [name, field] of Object.entries(fields)) {
    if (!includes(field.options.versions, options.version)) continue
    const mayOmit = field.options.default !== undefined || field.options.tag !== undefined
    if (mayOmit && options.random.chance(0.5)) continue
    message[name] = randomValue(field, options, depth)
  }
  return message
}

export function includes(range: string | undefined, version: number): boolean {
  const match = /^(\d+)(\+|-(\d+))?$/.exec(range ?? '0+')
  if (match === null) throw new Error(`"${range}" is not a range of versions`)
  const from = Number(match[1])
  const to = match[2] === '+' ? Number.POSITIVE_INFINITY : Number(match[3] ?? from)
  return version >= from && version <= to
}

function randomValue(field: Field, options: GrammarOptions, depth: number): unknown {
  const { random } = options
  if (field.options.nullable !== undefined && includes(field.options.nullable, options.version) && random.chance(0.2)) return null
  switch (field.type) {
    case 'bool':
      return random.chance(0.5)
    case 'int8':
      return wholeNumber(random, -(2 ** 7), 2 ** 7 - 1)
    case 'int16':
      return wholeNumber(random, -(2 ** 15), 2 ** 15 - 1)
    case 'uint16':
      return wholeNumber(random, 0, 2 ** 16 - 1)
    case 'int32':
      return wholeNumber(random, -(2 ** 31), 2 ** 31 - 1)
    case 'uint32':
      return wholeNumber(random, 0, 2 ** 32 - 1)
    case 'int64':
      return random.chance(0.2) ? randomInt64(random) : wholeNumber(random, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    case 'float64':
      return (random.fraction() - 0.5) * 2 ** random.below(60)
    case 'string':
      return randomString(options)
    case 'uuid':
      return randomBytes(random, 16).toString('base64url')
    case 'bytes':
      return randomBytes(random, random.pick([0, 1, 10, 300]))
    case 'records':
      return options.records?.() ?? randomBytes(random, random.below(200))
    case 'array':
      return Array.from({ length: depth > 3 ? random.below(2) : random.below(4) }, () => randomValue(field.of!, options, depth + 1))
    case 'struct':
      return randomMessage(field.fields!, options, depth + 1)
  }
}

function wholeNumber(random: SeededRandom, least: number, most: number): number {
  const usual = [0, 0, 1, 1, 2, 3, 5, 100, 500, -1, -2, least, most]
  if (random.chance(0.8)) return Math.min(Math.max(random.pick(usual), least), most)
  return Math.floor(least + random.fraction() * (most - least))
}

function randomString({ random, names }: GrammarOptions): string {
  if (names !== undefined && random.chance(0.7)) return random.pick(names)
  return random.pick([
    '',
    'a',
    'Ünïcödé-✓',
    '..',
    '/etc/passwd',
    '__consumer_offsets',
    'x'.repeat(249),
    'x'.repeat(250),
    'x'.repeat(5000),
    '\0',
  ])
}

export function randomBytes(random: SeededRandom, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  random.fill(bytes)
  return bytes
}
