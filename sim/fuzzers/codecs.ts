/**
 * The message codecs: encoded messages decode to the same values, for every API and version; and mutated bytes are decoded or rejected with
 * MalformedInput, quickly, whatever sizes they declare.
 */
import { inspect, isDeepStrictEqual } from 'node:util'
import { MalformedInput } from '../../src/base.ts'
import { type Api, apis, decodeMessage, encodeMessage, type Fields, KafkaError, type Message } from '../../src/protocol.ts'
import type { SeededRandom } from '../world/random.ts'
import { type Fuzzer, FuzzFinding, judge } from './fuzzer.ts'
import { includes, type RandomMessage, randomMessage } from './grammar.ts'
import { mutate } from './mutate.ts'

const all = Object.values(apis) as Api[]

export function codecFuzzer(): Fuzzer {
  return { name: 'codecs', once: tryOne, close: async () => {} }
}

function tryOne(random: SeededRandom): void {
  const api = random.pick(all)
  const version = api.minVersion + random.below(api.maxVersion - api.minVersion + 1)
  const message = random.chance(0.5) ? api.messages.request : api.messages.response
  const what = `${message.name} v${version}`
  const value = randomMessage(message.fields, { random, version })
  const bytes = encode(what, message, version, value)
  const decoded = decodeMessage(message, version, bytes) as RandomMessage
  if (!sameFields(message.fields, version, value, decoded)) throw new FuzzFinding(`${what} comes back changed`, bytes)
  for (let round = 0; round < 8; round++) {
    const mutant = mutate(bytes, random)
    judge(what, mutant, isRefusal, () => void decodeMessage(message, version, mutant))
  }
}

function encode(what: string, message: Message, version: number, value: RandomMessage): Buffer {
  try {
    return encodeMessage(message, version, value as never)
  } catch (error) {
    throw new FuzzFinding(`${what} cannot be encoded: ${String(error)}\n${inspect(value, { depth: null })}`, Buffer.alloc(0))
  }
}

export function isRefusal(error: unknown): boolean {
  return error instanceof MalformedInput || error instanceof KafkaError
}

/** Every field that was given came back. */
function sameFields(fields: Fields, version: number, given: RandomMessage, back: RandomMessage): boolean {
  return Object.entries(fields).every(([name, field]) => {
    if (!(name in given) || !includes(field.options.versions, version)) return true
    return sameValue(field, version, given[name], back[name])
  })
}

function sameValue(field: Fields[string], version: number, given: unknown, back: unknown): boolean {
  if (given === null || back === null) return given === back
  if (field.type === 'struct') return sameFields(field.fields!, version, given as RandomMessage, back as RandomMessage)
  if (field.type === 'array') {
    const [left, right] = [given as unknown[], back as unknown[]]
    return left.length === right.length && left.every((item, index) => sameValue(field.of!, version, item, right[index]))
  }
  return isDeepStrictEqual(given, back)
}
