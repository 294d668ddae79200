/**
 * Schemas of strangers: Avro, JSON Schema and Protobuf, valid ones, broken ones, and those that mean far more than they say. Each is parsed, or compared with
 * another one. There is an answer or the reason why the schema is invalid; meanwhile the event loop goes on, and what is common to all objects stays as it is.
 */
import { realSystem } from '../../src/base.ts'
import { Judge, type Question } from '../../src/registry.ts'
import { longestTurnDuring } from '../../test/support/processor-time.ts'
import type { SeededRandom } from '../world/random.ts'
import { common } from './common.ts'
import { type Fuzzer, FuzzFinding } from './fuzzer.ts'
import { mutate } from './mutate.ts'

/** Of this thread's own time. What a test of the whole broker allows for one step. */
const longestTurnMs = 20

type Text = (random: SeededRandom) => string

const words = ['a', 'b', 'type', 'name', '__proto__', 'constructor', 'toString', 'R0', 'R1', 'é', '', 'null', 'x'.repeat(300)]
const word: Text = random => random.pick(words)
const some = (random: SeededRandom, most: number, item: (at: number) => string, between = ','): string =>
  Array.from({ length: random.below(most) }, (_, at) => item(at)).join(between)
/** Most are small, a few are as large as the thread gets them. */
const count = (random: SeededRandom): number => random.pick([1, 2, 3, 10, 40, 300, 3_000])

const avroTypes: readonly Text[] = [
  random => random.pick(['"int"', '"string"', '"null"', '"R0"', '"R1"', '"n.R2"', '{"type":"bytes","logicalType":"decimal"}', '5', '[]']),
  random => `{"type":"array","items":${avroType(random)}}`,
  random => `{"type":"map","values":${avroType(random)},${quoted(word(random))}:${anything(random, 2)}}`,
  random => `[${some(random, 5, () => avroType(random))}]`,
  random => `{"type":"enum","name":"E${random.below(5)}","symbols":[${some(random, count(random), at => `"S${at}"`)}],"default":"S0"}`,
  random => `{"type":"fixed","name":"F${random.below(5)}","size":${random.pick(['1', '-1', '1e3', '2147483648', '"1"'])}}`,
  random =>
    `{"type":"record","name":"R${random.below(5)}","namespace":"n","aliases":["x",${quoted(word(random))}],"fields":[${some(random, 6, at => `{"name":"f${at}","type":${avroType(random)},"default":${anything(random, 3)}}`)}]}`,
]

function avroType(random: SeededRandom): string {
  return random.chance(0.5) ? avroTypes[0]!(random) : random.pick(avroTypes)(random)
}

function anything(random: SeededRandom, depth: number): string {
  if (depth === 0 || random.chance(0.4)) return random.pick(['0', '-1.5e308', '12345678901234567890', 'null', 'true', '"x"', '{}', '[]'])
  if (random.chance(0.5)) return `[${some(random, 4, () => anything(random, depth - 1))}]`
  return `{${some(random, 4, () => `${quoted(word(random))}:${anything(random, depth - 1)}`)}}`
}

const avroTexts: readonly Text[] = [
  avroType,
  // Each default value fills in two of the next.
  random =>
    `[${some(random, 80, at => `{"type":"record","name":"R${at}","fields":[${at === 0 ? '' : ['a', 'b'].map(name => `{"name":"${name}","type":"R${at - 1}","default":{}}`).join(',')}]}`)}]`,
  random => nested(random, '{"type":"array","items":', '"int"', '}'),
  random => `{"type":"enum","name":"E","symbols":[${some(random, count(random), at => `"S${at % 2_000}"`)}]}`,
]

const patterns = ['(a+)+$', '^(a|a)*$', '(?=a)*b', '(a*)*\\\\1', '[', '\\\\p{L}', '(((a{90}){90}){90})', '.*.*.*x']

const jsonSchemas: readonly Text[] = [
  random =>
    random.pick(['true', 'false', '{}', '{"type":"string"}', '{"type":"integer","minimum":3}', '{"type":5}', '{"$ref":"#"}', 'null']),
  random =>
    `{"type":"object","properties":{${some(random, 6, () => `${quoted(word(random))}:${jsonSchema(random)}`)}},"required":["a"],"additionalProperties":${jsonSchema(random)}}`,
  random => `{"${random.pick(['allOf', 'anyOf', 'oneOf'])}":[${some(random, 6, () => jsonSchema(random))}]}`,
  random =>
    `{"${random.pick(['not', 'if', 'items', 'contains', 'propertyNames', 'unevaluatedProperties', 'default'])}":${jsonSchema(random)}}`,
  random => `{"patternProperties":{"${random.pick(patterns)}":${jsonSchema(random)}},"additionalProperties":false}`,
  random => `{"enum":[${some(random, count(random), () => anything(random, 2))}],"const":${anything(random, 3)}}`,
  random => `{"$ref":"#/definitions/${random.below(6)}","$id":"${random.pick(['a/', 'http://x/y', '#z', '../..', ':'])}"}`,
]

function jsonSchema(random: SeededRandom): string {
  return random.chance(0.4) ? jsonSchemas[0]!(random) : random.pick(jsonSchemas)(random)
}

const jsonTexts: readonly Text[] = [
  jsonSchema,
  random => `{"definitions":{${some(random, 8, at => `"${at}":${jsonSchema(random)}`)}},"properties":{"a":${jsonSchema(random)}}}`,
  // Everything refers to everything.
  random => {
    const names = Array.from({ length: random.below(60) }, (_, at) => at)
    const all = `{"${random.pick(['oneOf', 'anyOf', 'allOf'])}":[${names.map(name => `{"$ref":"#/definitions/${name}"}`).join(',')}]}`
    return `{"definitions":{${names.map(name => `"${name}":{"properties":{"p${name}":${all},"c":${all}}}`).join(',')}},"properties":{"r":${all}}}`
  },
  random => nested(random, '{"not":', '{}', '}'),
  random => nested(random, '{"$id":"a/","items":', '{"$ref":"b"}', '}'),
]

const protoMembers: readonly Text[] = [
  random => `${protoType(random)} f${random.below(30)} = ${1 + random.below(30)};`,
  random =>
    `repeated ${protoType(random)} r = ${random.pick(['1', '0', '19000', '536870912', '-1'])} [packed = true, (x).y = { a: [1, 2] }];`,
  random => `oneof o${random.below(3)} { ${some(random, 4, at => `${protoType(random)} o${at} = ${40 + at};`, ' ')} }`,
  random => `map<${random.pick(['string', 'int32', 'bytes'])}, ${protoType(random)}> m${random.below(3)} = ${50 + random.below(9)};`,
  random => `reserved ${random.pick(['5 to max', '2, 3', '"x"', '9 to 7'])}; extensions 100 to 200;`,
  random => `enum E${random.below(3)} { ${some(random, count(random), at => `C${at} = ${at};`, ' ')} }`,
  random => `message N${random.below(3)} { ${protoBody(random)} }`,
  random => `option (a.b) = "${'\\\\'.repeat(random.below(9))}"; /* * / */ // ${word(random)}\n`,
]

function protoType(random: SeededRandom): string {
  return random.pick(['int32', 'string', 'bytes', 'M', 'M.N0', '.p.M', 'E1', 'google.protobuf.Timestamp', 'group', 'Unknown'])
}

function protoBody(random: SeededRandom): string {
  return some(random, 6, () => random.pick(protoMembers)(random), ' ')
}

const protoTexts: readonly Text[] = [
  random =>
    `syntax = "${random.pick(['proto2', 'proto3'])}"; package p; import "google/protobuf/timestamp.proto"; message M { ${protoBody(random)} } ${some(random, 3, () => random.pick(protoMembers)(random), ' ')}`,
  // Everything contains everything.
  random => {
    const names = Array.from({ length: random.below(60) }, (_, at) => `M${at}`)
    return names.map(name => `message ${name} { ${names.map((other, at) => `${other} f${at} = ${at + 1};`).join('')} }`).join('')
  },
  random => nested(random, 'message M { ', 'int32 a = 1;', ' }'),
  random => `package ${'a.'.repeat(count(random))}b; message M { ${some(random, 200, at => `M f${at} = ${at + 1};`)} }`,
  random =>
    `syntax = "proto3"; ${random.pick(['/*', '"', "option a = '", '//'])}${random.pick(['*', 'a*', '\\', ' ']).repeat(count(random))}`,
  random =>
    Buffer.from(Array.from({ length: random.below(400) }, () => random.pick([0x0a, 0x12, 0x1a, 0x22, 2, 4, 8, 0x41]))).toString('base64'),
]

function nested(random: SeededRandom, open: string, inner: string, close: string): string {
  const depth = count(random)
  return open.repeat(depth) + inner + close.repeat(depth)
}

function quoted(text: string): string {
  return JSON.stringify(text)
}

const texts = { AVRO: avroTexts, JSON: jsonTexts, PROTOBUF: protoTexts } as const
const types = Object.keys(texts) as (keyof typeof texts)[]

export function schemasFuzzer(): Fuzzer {
  const judge = new Judge({ timers: realSystem().timers })
  const before = common()
  return {
    name: 'schemas',
    async once(random) {
      const type = random.pick(types)
      const schema = () => {
        const text = random.pick(texts[type])(random)
        return { type, text: random.chance(0.2) ? mutate(Buffer.from(text), random).toString() : text, resolved: [] }
      }
      const first = schema()
      const question: Question = random.chance(0.4)
        ? { kind: 'forms', schema: first, strict: true }
        : {
            kind: 'incompatibilities',
            level: 'FULL',
            policy: random.pick(['STRICT', 'LENIENT']),
            candidate: first,
            earlier: [{ ...(random.chance(0.3) ? first : schema()), version: 1 }],
          }
      const input = Buffer.from(JSON.stringify(question))
      const answer = await answered(judge, question, input)
      if (common() !== before) throw new FuzzFinding('a schema has changed what all objects have in common', input)
      if (question.kind !== 'forms' || answer === null) return
      const { canonical, identity } = answer as { canonical: string; identity: string }
      const again = await answered(judge, { ...question, schema: { ...first, text: canonical } }, input)
      if (again === null) throw new FuzzFinding(`the canonical form is refused: ${canonical.slice(0, 1_000)}`, input)
      if ((again as { identity: string }).identity !== identity) throw new FuzzFinding('the canonical form means something else', input)
    },
    close: () => judge.close(),
  }
}

/** null: the schema is invalid. What the input costs it costs each time; a collection of garbage that falls into one turn does not come again. */
async function answered(judge: Judge, question: Question, input: Buffer): Promise<unknown> {
  let shortestMs = Number.POSITIVE_INFINITY
  for (let attempt = 0; attempt < 3; attempt++) {
    const { outcome, longestMs } = await longestTurnDuring(() => ask(judge, question, input))
    if (longestMs <= longestTurnMs) return outcome
    shortestMs = Math.min(shortestMs, longestMs)
  }
  throw new FuzzFinding(`the event loop was held up for ${shortestMs} ms`, input)
}

async function ask(judge: Judge, question: Question, input: Buffer): Promise<unknown> {
  try {
    return await judge.settle(answering => answering.ask(question))
  } catch (error) {
    if (error instanceof Error && ['InvalidSchema', 'TooComplex'].includes(error.name)) return null
    throw new FuzzFinding(error instanceof Error ? error.stack! : String(error), input)
  }
}
