import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileRegex } from './regex.ts'

const cases: [pattern: string, matching: string[], not: string[]][] = [
  ['orders', ['orders'], ['orders2', 'my-orders', '']],
  ['t-.*', ['t-', 't-1'], ['t', 'at-1']],
  ['(a|bc)+d?', ['a', 'abc', 'bcad'], ['d', 'b', 'abd d']],
  ['a{2,3}', ['aa', 'aaa'], ['a', 'aaaa']],
  ['(ab){2}', ['abab'], ['ab', 'ababab']],
  ['[^a-c_]\\d\\W', ['x1.'], ['a1.', 'x1_']],
  ['(?i)Topic-[A-C]', ['topic-a', 'TOPIC-B'], ['topic-d']],
  ['(?i:a)b', ['Ab', 'ab'], ['AB']],
  ['\\Qa.b*\\E+', ['a.b*', 'a.b***'], ['axb']],
  ['^logs\\.(?P<level>info|warn)$', ['logs.info', 'logs.warn'], ['logs.error', 'logsxinfo']],
  ['[[:alpha:]][[:^digit:]]', ['ab', 'a-'], ['a1', '1a']],
  ['\\x41\\x{42}\\pL\\p{Greek}', ['ABcα'], ['AB1α', 'ABcd']],
  ['a{,2}|x{y', ['a{,2}', 'x{y'], ['a', 'aa']],
  ['\\bfoo\\b-\\Bx?', ['foo-'], ['foo-x']],
  ['(a*)*b|', ['', 'aab', 'b'], ['a']],
]

test('matches whole names with the syntax of RE2', () => {
  for (const [pattern, matching, not] of cases) {
    assert.deepEqual(select(pattern, [...matching, ...not]).names, matching, pattern)
  }
})

test('refuses what RE2 refuses', () => {
  for (const pattern of [
    '(a',
    'a)',
    '[a',
    '*a',
    'a**',
    '(?=a)',
    '(?!a)',
    '(?<=a)b',
    '(a)\\1',
    'a{1001}',
    'a{3,2}',
    '[b-a]',
    '\\p{Nonsense}',
    'a\\',
  ]) {
    assert.throws(() => compileRegex(pattern), Error, pattern)
  }
})

test('takes time in proportion to the names, whatever the pattern', () => {
  const name = 'a'.repeat(249)
  const evil = select('(a+)+(a|aa)*(a?){50}c', Array<string>(100).fill(name))
  assert.deepEqual(evil.names, [])
  assert.ok(evil.pauses < 2_000, `${evil.pauses} pauses`)
  assert.throws(() => compileRegex('((a{100}){100}){100}'), /too large/)
})

test('pauses often, also within one name, and stops after a limit of steps', () => {
  const slow = '((a?){100}){90}'
  const { pauses } = select(slow, ['a'.repeat(249)])
  assert.ok(pauses > 50, `${pauses} pauses`)
  assert.throws(() => select(slow, Array<string>(10_000).fill('a'.repeat(249))), /too long/)
})

test('a class costs what its size costs', () => {
  const parts = Array.from({ length: 5_000 }, (_, n) => String.fromCodePoint(0x4e00 + 2 * n)).join('')
  const names = Array.from({ length: 1_000 }, () => 'z'.repeat(200))
  // A binary search, not five thousand comparisons for each character.
  assert.ok(select(`[${parts}z]+`, names).pauses < 2_000)
  const named = Array.from({ length: 3_000 }, () => '\\p{Greek}').join('')
  assert.ok(select(`[${named}z]+`, names).pauses < 4_000)
  const many = ['L', 'Lu', 'Ll', 'N', 'Nd', 'P', 'S', 'Z', 'Greek', 'Latin', 'Cyrillic', 'Han'].map(property => `\\p{${property}}`).join('')
  assert.throws(() => select(`([${many}]{1,50}){300}!`, names), /too large|too long/)
})

test('classes: merged ranges, case, negation', () => {
  assert.deepEqual(select('[a-cb-fxf-g]+', ['abcdefgx', 'h', '']).names, ['abcdefgx'])
  assert.deepEqual(select('(?i)[^A-Z\\d]+', ['a', '_-', '1', 'É']).names, ['_-', 'É'])
  assert.deepEqual(select('[^[:^digit:]]+', ['12', 'a1']).names, ['12'])
  assert.throws(() => compileRegex('[[:constructor:]]'), /invalid character class range/)
})

function select(pattern: string, names: readonly string[]): { names: string[]; pauses: number } {
  const steps = compileRegex(pattern).select(names, 10_000_000)
  for (let pauses = 0; ; pauses++) {
    const step = steps.next()
    if (step.done) return { names: step.value, pauses }
  }
}
