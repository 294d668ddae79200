import assert from 'node:assert/strict'
import { test } from 'node:test'
import { javaPattern, javaReplacement } from './java-reg-exp.ts'

test("Java's expressions match whole texts", () => {
  const cases: [pattern: string, text: string, matches: boolean][] = [
    ['foo', 'foo', true],
    ['foo', 'foobar', false],
    ['a|b', 'b', true],
    ['\\Qa.b\\E.*', 'a.bc', true],
    ['\\Qa.b\\E.*', 'axbc', false],
    ['(?i)ORDERS-[a-c]\\Qx.\\E(?<n>Z)', 'orders-BX.z', true],
    ['(?i)a.c', 'AxC', true],
    ['(?<=a)b|ab', 'ab', true],
    ['\\p{Alpha}+\\p{Digit}', 'abc1', true],
    ['[\\p{Upper}-]+', 'A-B', true],
    ['\\P{Digit}+', 'ab', true],
    ['\\Aab\\z', 'ab', true],
    ['[]a]+', ']a', true],
    ['[\\[]x', '[x', true],
    ['a\\hb', 'a b', true],
  ]
  for (const [pattern, text, matches] of cases) assert.equal(javaPattern(pattern).match(text) !== null, matches, `${pattern} ${text}`)
})

test('what takes exponential time, or means something else here, is refused', () => {
  for (const pattern of ['(a)\\1', '(?=a)b', 'a*+b', '(?>a)', '[a&&b]', '[a[b]]', '\\p{IsGreek}', 'a(?i)b', '(?x)a', '('])
    assert.throws(() => javaPattern(pattern), SyntaxError, pattern)
  assert.equal(javaPattern('(a+)+b').match(`${'a'.repeat(200)}c`), null)
})

test('replacements name groups', () => {
  const cases: [pattern: string, replacement: string, text: string, result: string][] = [
    ['(.*)-(.*)', '$2.$1', 'a-b', 'b.a'],
    ['(?<left>.*)-.*', `x_\${left}`, 'a-b', 'x_a'],
    ['(a)', '$12', 'a', 'a2'],
    ['a', '\\$1\\\\', 'a', '$1\\'],
    ['(a)|(b)', '[$1$2]', 'b', '[b]'],
    ['a', '$0$0', 'a', 'aa'],
  ]
  for (const [pattern, replacement, text, result] of cases) {
    const compiled = javaPattern(pattern)
    assert.equal(javaReplacement(replacement, compiled)(compiled.match(text)!), result, pattern)
  }
  for (const replacement of ['$1', '$x', `\${none}`, 'a\\'])
    assert.throws(() => javaReplacement(replacement, javaPattern('a')), SyntaxError, replacement)
})
