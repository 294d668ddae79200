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
    const matches = compileRegex(pattern)
    for (const text of matching) assert.ok(matches(text), `${pattern} matches ${text}`)
    for (const text of not) assert.ok(!matches(text), `${pattern} does not match ${text}`)
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

test('takes time in proportion to the name, whatever the pattern', () => {
  const evil = compileRegex('(a+)+(a|aa)*(a?){50}c')
  const started = performance.now()
  for (let count = 0; count < 100; count++) assert.equal(evil('a'.repeat(249)), false)
  assert.ok(performance.now() - started < 2_000)
  assert.throws(() => compileRegex('((a{100}){100}){100}'), /too large/)
  const slow = compileRegex('((a?){100}){90}')
  assert.throws(() => {
    for (let count = 0; count < 10_000; count++) slow('a'.repeat(249))
  }, /too long/)
})
