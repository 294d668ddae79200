/**
 * Expressions of strangers over records of strangers: CEL, paths into JSON, and AWS's FilterCriteria. There is a result or the reason why there is none, in
 * time, and what is common to all objects stays as it is.
 */
import { realSystem, stringifyLossless } from '../../src/base.ts'
import { compileCel, compileFilterCriteria, compileJsonPath, ExprError } from '../../src/expr.ts'
import type { SeededRandom } from '../world/random.ts'
import { common } from './common.ts'
import { type Fuzzer, FuzzFinding, judge } from './fuzzer.ts'
import { mutate } from './mutate.ts'

type Text = (random: SeededRandom) => string

const names = ['key', 'value', 'headers', 'topic', 'offset', 'partition', 'timestamp', 'a', 'b', '__proto__', 'constructor', 'toString']
const literals = [
  ...['0', '-1', '1u', '9223372036854775807', '-9223372036854775808', '1e308', '1e-320', '0x7f', 'true', 'null', '""', "'é'", 'b"\\xff"'],
  ...[
    'r"(a+)+$"',
    '"\\u{110000}"',
    '[]',
    '{}',
    '[1, 2u, 3.0]',
    '{"a": 1, 2: "b"}',
    '1.0 / 0.0',
    'duration("1h")',
    'timestamp("2026-01-01T00:00:00Z")',
  ],
]
const operators = ['+', '-', '*', '/', '%', '==', '!=', '<', '>=', '&&', '||', 'in', '?', ':', '.']
const functions = ['size', 'int', 'uint', 'double', 'string', 'bytes', 'bool', 'timestamp', 'duration', 'type', 'dyn', 'has', 'getFullYear']
const methods = ['contains', 'startsWith', 'endsWith', 'matches', 'size', 'getHours', 'lowerAscii', 'split', 'replace', 'join']
const macros = ['all', 'exists', 'exists_one', 'map', 'filter']

function cel(random: SeededRandom, depth = 5): string {
  const inner = () => cel(random, depth - 1)
  if (depth === 0 || random.chance(0.2)) return random.chance(0.5) ? random.pick(names) : random.pick(literals)
  return random.pick<() => string>([
    () => `${inner()} ${random.pick(operators)} ${inner()}`,
    () => `(${inner()})`,
    () => `!${inner()}`,
    () => `-${inner()}`,
    () => `${inner()} ? ${inner()} : ${inner()}`,
    () => `${inner()}.${random.pick(names)}`,
    () => `${inner()}[${inner()}]`,
    () => `[${inner()}, ${inner()}]`,
    () => `{${inner()}: ${inner()}}`,
    () => `${random.pick(functions)}(${inner()})`,
    () => `${inner()}.${random.pick(methods)}(${random.chance(0.7) ? inner() : ''})`,
    () => `${inner()}.${random.pick(macros)}(${random.pick(['x', 'value', '__proto__'])}, ${inner()})`,
    () => `has(${inner()}.${random.pick(names)})`,
  ])()
}

const deep = (random: SeededRandom, open: string, inner: string, close: string): string => {
  const depth = random.pick([1, 10, 100, 1_000, 4_000])
  return open.repeat(depth) + inner + close.repeat(depth)
}

const celTexts: readonly Text[] = [
  random => cel(random),
  random => deep(random, '(', '1', ')'),
  random => deep(random, '[', 'value', ']'),
  random => deep(random, 'value.map(x, ', 'x', ')'),
  random => deep(random, '-', '1', ''),
  random => deep(random, 'value + ', 'value', ''),
  random => `value.a.matches("${random.pick(['(a+)+$', '^(a|a)*$', '(((a{90}){90}){90})', '(?=a)b', '['])}")`,
]

const path: Text = random =>
  `$${Array.from({ length: random.pick([0, 1, 2, 5, 60]) }, () =>
    random.pick([
      '.a',
      '..a',
      '..*',
      '[*]',
      '[0]',
      '[-1]',
      '[::2]',
      '[::-1]',
      '[9:0:-3]',
      "['__proto__']",
      '["a",0]',
      '[0:0:0]',
      '..',
      '[',
      '.é',
    ]),
  ).join('')}`

const test: Text = random =>
  random.pick([
    ...[
      '"a"',
      'null',
      '1',
      '12345678901234567890',
      'true',
      '{"prefix":"a"}',
      '{"suffix":""}',
      '{"exists":true}',
      '{"equals-ignore-case":"A"}',
    ],
    ...[
      '{"anything-but":["a"]}',
      '{"anything-but":{"prefix":"a"}}',
      '{"numeric":["<",1e400]}',
      '{"numeric":[">",0,"<=",5]}',
      '{"__proto__":1}',
      '[]',
    ],
  ])

function pattern(random: SeededRandom, depth = 4): string {
  if (depth === 0 || random.chance(0.4)) return `[${Array.from({ length: random.below(4) }, () => test(random)).join(',')}]`
  if (random.chance(0.2)) return `[${pattern(random, depth - 1)}]`
  const members = Array.from(
    { length: random.below(4) },
    () => `${JSON.stringify(random.pick([...names, '$or']))}:${pattern(random, depth - 1)}`,
  )
  return `{${members.join(',')}}`
}

const criteria: Text = random =>
  `{"Filters":[${Array.from({ length: random.below(12) }, () => `{"Pattern":${JSON.stringify(pattern(random))}}`).join(',')}]}`

function anything(random: SeededRandom, depth: number): unknown {
  if (depth === 0 || random.chance(0.3))
    return random.pick([0, -1.5, 2n ** 63n, Number.MAX_SAFE_INTEGER, null, true, '', 'a'.repeat(500), Buffer.from([255]), {}, []])
  const inner = () => anything(random, depth - 1)
  if (random.chance(0.5)) return Array.from({ length: random.pick([0, 1, 3, depth === 1 ? 30 : 4]) }, inner)
  const entries = Array.from({ length: random.below(5) }, () => [random.pick(names), inner()] as const)
  return random.chance(0.5) ? Object.fromEntries(entries) : Object.assign(Object.create(null), Object.fromEntries(entries))
}

export function expressionsFuzzer(): Fuzzer {
  const { clock } = realSystem()
  const before = common()
  return {
    name: 'expressions',
    async once(random) {
      const kind = random.pick(['cel', 'path', 'criteria'] as const)
      const plain = { cel: random.pick(celTexts), path, criteria }[kind](random)
      const text = random.chance(0.2) ? mutate(Buffer.from(plain), random).toString() : plain
      const input = Buffer.from(text)
      const value = anything(random, 4)
      const stored = {
        ...{ topic: 't', partition: 0, offset: 2n ** 53n + 1n, timestampMs: -1n, key: bytesOf(anything(random, 1)), value: bytesOf(value) },
        headers: [{ key: Buffer.from(random.pick(names)), value: random.chance(0.5) ? null : Buffer.from('b') }],
      }
      const record = {
        topic: 't',
        partition: 0,
        offset: 2n ** 53n + 1n,
        timestampMs: -1n,
        key: anything(random, 2),
        value,
        headers: { a: 'b' },
      }
      const run = await compiled(input, async () => {
        if (kind === 'path') {
          const found = compileJsonPath(text, { clock })
          return () => found.find(value)
        }
        if (kind === 'criteria') {
          const filter = compileFilterCriteria(text)
          return () => filter.matches(stored)
        }
        const program = await compileCel(text, { clock })
        return () => program.evaluate(record)
      })
      if (run !== null) judge(`${kind} over a record`, input, isAnswer, run)
      if (common() !== before) throw new FuzzFinding('an expression has changed what all objects have in common', input)
    },
    async close() {},
  }
}

type Run = () => void

function bytesOf(value: unknown): Buffer | null {
  if (value === null || Buffer.isBuffer(value)) return value
  return Buffer.from(typeof value === 'string' ? value : stringifyLossless(value))
}

const isAnswer = (error: unknown): boolean => error instanceof ExprError
/** No expression may take longer to compile, of this thread's own time. */
const longestMs = 1_000

/** null: it is refused. */
async function compiled(input: Buffer, compile: () => Promise<Run>): Promise<Run | null> {
  const before = process.threadCpuUsage()
  const run = await compile().catch((error: unknown) => {
    if (isAnswer(error)) return null
    throw new FuzzFinding(error instanceof Error ? error.stack! : String(error), input)
  })
  const tookMs = process.threadCpuUsage(before).user / 1_000
  if (tookMs > longestMs) throw new FuzzFinding(`an expression took ${Math.round(tookMs)} ms to compile`, input)
  return run
}
