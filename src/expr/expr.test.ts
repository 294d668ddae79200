import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { realSystem } from '../base.ts'
import { compileCel, type RecordInput } from './cel.ts'
import { ExprError } from './errors.ts'
import { compileJsonPath } from './json-path.ts'

/** Stands still, so that only steps are counted. */
const clock = { ...realSystem().clock, monotonic: () => 1 }
const record: RecordInput = {
  topic: 'orders',
  partition: 3,
  offset: 9007199254740993n,
  timestampMs: 1_764_450_000_000n,
  key: 'user-1',
  value: JSON.parse(
    '{"id":1,"price":9.5,"name":"Ann","tags":["a","b"],"nested":{"list":[1,2,3]},"none":null,"__proto__":"p","constructor":1}',
  ),
  headers: { trace: 'abc' },
}
const big = { ...record, value: { id: 9007199254740993n } }

async function evaluate(text: string, on: RecordInput = record): Promise<unknown> {
  return (await compileCel(text, { clock })).evaluate(on)
}

test('CEL: conditions on all parts of a record', async () => {
  for (const text of [
    'key == "user-1" && value.price > 9 && topic == "orders" && partition == 3',
    'offset == 9007199254740993 && offset != 9007199254740992',
    'timestamp > timestamp("2025-01-01T00:00:00Z") && timestamp - duration("1h") < timestamp',
    'headers.trace.startsWith("ab") && headers["trace"].endsWith("c") && !("x" in headers)',
    'value.tags.exists(t, t == "b") && value.tags.all(t, t.size() == 1) && !value.tags.exists_one(t, t != "")',
    'value.nested.list.filter(n, n > 1).map(n, n * 2) == [4, 6]',
    'has(value.id) && !has(value.nope) && value.none == null',
    'value.price * 2 == 19.0 && value.id + 1 == 2 && value.id / 2 == 0 && 7 % 4 == 3',
    'value.nope == 1 || value.id == 1',
    'value.name.matches("^[A-Z]n+$") && value.name.lowerAscii() == "ann" && value.name.contains("nn")',
    'value["__proto__"] == "p" && value.constructor == 1 && !has(value.toString)',
    'type(value.id) == int && type(value.price) == double && type([]) == list && type(null) == null_type',
    'int("7") == 7 && string(7) == "7" && double("1.5") == 1.5 && uint(7) == 7u && bool("true") && bytes("a") == b"a"',
    '1 == 1.0 && 1u < 2 && {"a": 1}.a == 1 && {1: "x"}[1u] == "x" && 2 in [1, 2]',
    'timestamp("2026-01-31T12:30:00Z").getHours("+02:00") == 14 && duration("90s").getMinutes() == 1',
    'size("añb😀") == 4 && "hello".substring(1, 3) == "el" && "a,b".split(",") == ["a", "b"] && "abc".indexOf("c") == 2 && "abc".indexOf("x") == -1',
    'string(timestamp("2026-01-31T12:30:00.5Z")) == "2026-01-31T12:30:00.5Z" && string(duration("-1.5s")) == "-1.5s"',
  ]) {
    assert.equal(await evaluate(text), true, text)
  }
})

test('CEL: whole numbers are exact, and do not wrap', async () => {
  assert.equal(await evaluate('value.id', big), 9007199254740993n)
  assert.equal(await evaluate('value.id == 9007199254740992.0', big), false)
  assert.equal(await evaluate('value.id + 1', big), 9007199254740994n)
  await assert.rejects(evaluate('9223372036854775807 + 1'), /more than 64 bits/)
  await assert.rejects(evaluate('9223372036854775808'), /more than 64 bits/)
  assert.equal(await evaluate('-9223372036854775808'), -(2n ** 63n))
})

test('CEL: errors name the position', async () => {
  const position = async (text: string) => {
    try {
      await evaluate(text)
    } catch (error) {
      assert.ok(error instanceof ExprError, String(error))
      return [error.position, error.message]
    }
    return null
  }
  assert.deepEqual(await position('value.nope > 1'), [5, 'there is no key "nope" (at character 6)'])
  assert.equal((await position('key == '))![0], 4)
  assert.match(String((await position('valeu.a'))![1]), /^there is no valeu at character 1; there are key, value/)
  assert.match(String((await position('value.f(1)'))![1]), /^there is no function f at character/)
  assert.match(String((await position('value.name + 1'))![1]), /no such operation: string \+ int/)
  assert.match(String((await position('value.name.matches("(?=a)")'))![1]), /linear time/)
  const program = await compileCel('value.name', { clock })
  assert.throws(() => program.matches(record), /must be a condition/)
})

test('CEL: steps and time are bounded', async () => {
  const list = Array.from({ length: 1_000 }, (_, index) => index)
  const on = { ...record, value: { list, text: 'a'.repeat(100_000) } }
  await assert.rejects(evaluate('value.list.all(a, value.list.all(b, value.list.all(c, a + b + c >= 0)))', on), /more than 100000 steps/)
  await assert.rejects(evaluate(`value.list.map(a, ${'value.text + '.repeat(50)} "x")`, on), /more than 100000 steps/)
  assert.equal(await evaluate('value.text.matches("^(a+)+$") && !value.text.matches("^(a+)+b$")', on), true)
  await assert.rejects(evaluate(`${'('.repeat(5_000)}1${')'.repeat(5_000)}`), /nested too deeply|more than/)
  let now = 0
  const slow = { ...clock, monotonic: () => (now += 100) }
  const program = await compileCel('value.list.all(a, value.list.all(b, a + b >= 0))', {
    clock: slow,
    limits: { steps: 10_000_000, ms: 50 },
  })
  assert.throws(() => program.matches(on), /more than 50 ms/)
})

test('CEL: any text is an expression or an ExprError', async () => {
  const part = fc.constantFrom(
    'value',
    '.a',
    '[0]',
    '(',
    ')',
    ' + ',
    ' && ',
    '"x"',
    '1',
    '1u',
    '-',
    '!',
    '? ',
    ': ',
    '{',
    '}',
    ',',
    'has(',
    '.map(x, x)',
    '.all(x, x > 1)',
    'b"a"',
    '.size()',
    'timestamp(',
    ' in ',
    'type(',
    '.__proto__',
    '.constructor',
    'duration("1s")',
    '.matches("a*")',
    '%',
    '/ 0',
  )
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.array(part, { maxLength: 15 }).map(each => each.join('')),
        fc.string(),
      ),
      fc.anything({ withBigInt: true }),
      async (text, value) => {
        try {
          await evaluate(text, { ...record, value })
        } catch (error) {
          assert.ok(error instanceof ExprError, String(error))
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('JSON path', () => {
  const find = (path: string, value: unknown = record.value) => compileJsonPath(path, { clock }).find(value)
  assert.deepEqual(find('$.nested.list[*]'), [1, 2, 3])
  assert.deepEqual(find('$.nested.list[-1]'), [3])
  assert.deepEqual(find('$.nested.list[0:2]'), [1, 2])
  assert.deepEqual(find('$.nested.list[::-1]'), [3, 2, 1])
  assert.deepEqual(find("$['name','id']"), ['Ann', 1])
  assert.deepEqual(find('$..list[1]'), [2])
  assert.deepEqual(find('$.__proto__'), ['p'])
  assert.deepEqual(find('$.toString'), [])
  assert.deepEqual(find("$['it\\'s \"x\"']", { 'it\'s "x"': 1 }), [1])
  assert.deepEqual(find('$.*', [1, 2]), [1, 2])
  for (const [path, position] of [
    ['a', 0],
    ['$.', 2],
    ['$[?(@.a)]', 2],
    ['$[1', 3],
    ['$ a', 1],
  ] as const) {
    assert.throws(
      () => compileJsonPath(path, { clock }),
      error => error instanceof ExprError && error.position === position,
      path,
    )
  }
  let deep: unknown = 1
  for (let depth = 0; depth < 1_000; depth++) deep = [deep]
  assert.throws(() => find('$..a', deep), /levels deep/)
  const wide = Array.from({ length: 300 }, () => Array.from({ length: 300 }, () => 1))
  assert.throws(() => find('$..*', [wide, wide]), /steps/)
})

test('JSON path: any text is a path or an ExprError', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('$', '.', '..', '[', ']', '*', 'a', "'b'", '0', '-1', ':', ',', ' ', '"', '\\', '?'), { maxLength: 12 }),
      fc.jsonValue(),
      (parts, value) => {
        try {
          compileJsonPath(`$${parts.join('')}`, { clock }).find(value)
        } catch (error) {
          assert.ok(error instanceof ExprError, String(error))
        }
      },
    ),
  )
})
