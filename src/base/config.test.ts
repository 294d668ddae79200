import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  boolean,
  type ConfigKey,
  choice,
  defaultsOf,
  double,
  InvalidConfig,
  int,
  int64Max,
  intBytes,
  list,
  long,
  nearestName,
  parseValue,
  password,
  readValue,
  string,
} from './config.ts'

const doc = 'x'

function refusal(key: Parameters<typeof parseValue>[1], text: string): string {
  try {
    parseValue('k', key, text)
  } catch (error) {
    assert.ok(error instanceof InvalidConfig)
    assert.equal(error.key, 'k')
    return error.message
  }
  assert.fail(`${text} was accepted`)
}

test('numbers: canonical text, bounds and messages are those of Kafka', () => {
  const key = int({ default: 5, min: -1, max: 10, doc })
  assert.deepEqual(parseValue('k', key, ' +007 '), { value: 7, text: '7' })
  assert.equal(refusal(key, '-2'), 'Invalid value -2 for configuration k: Value must be at least -1')
  assert.equal(refusal(key, '011'), 'Invalid value 11 for configuration k: Value must be no more than 10')
  for (const bad of ['', 'abc', '1.5', '1e3', '0x10', '2147483648', '99999999999999999999']) {
    assert.equal(refusal(int({ default: 0, doc }), bad), `Invalid value ${bad} for configuration k: Not a number of type INT`)
  }
  const level = int({ default: -1, min: 1, max: 9, or: -1, doc })
  assert.equal(parseValue('k', level, '-1').value, -1)
  assert.equal(refusal(level, '0'), 'Invalid value 0 for configuration k: Value must be between 1 and 9 or equal to -1')
})

test('Long.MAX_VALUE keeps its text, one more is refused', () => {
  const key = long({ default: int64Max, doc })
  assert.deepEqual(parseValue('k', key, int64Max), { value: 2 ** 63, text: int64Max })
  assert.equal(parseValue('k', key, '-9223372036854775808').text, '-9223372036854775808')
  assert.match(refusal(key, '9223372036854775808'), /Not a number of type LONG/)
})

test('doubles, booleans, choices and lists', () => {
  const ratio = double({ default: 0.5, min: 0, max: 1, doc })
  assert.deepEqual(parseValue('k', ratio, '1'), { value: 1, text: '1.0' })
  assert.equal(refusal(ratio, '2'), 'Invalid value 2.0 for configuration k: Value must be no more than 1')
  assert.deepEqual(parseValue('k', boolean({ default: false, doc }), ' TRUE'), { value: true, text: 'true' })
  assert.match(refusal(boolean({ default: false, doc }), 'yes'), /Expected value to be either true or false/)
  assert.match(refusal(choice(['a', 'b'], { default: 'a', doc }), 'c'), /String must be one of: a, b$/)
  const orNothing = choice(['', 'a'], { default: '', doc })
  assert.equal(orNothing.allowed, 'one of a, or empty')
  assert.match(refusal(orNothing, 'c'), /String must be one of: a, or empty$/)
  const words = list({ default: '', oneOf: ['compact', 'delete'], doc })
  assert.deepEqual(parseValue('k', words, ' compact , delete'), { value: ['compact', 'delete'], text: 'compact,delete' })
  assert.deepEqual(parseValue('k', words, '').value, [])
  assert.match(refusal(words, 'delete,foo'), /Invalid value delete,foo .* String must be one of: compact, delete/)
})

test('defaults have the types of their keys', () => {
  const values = defaultsOf({
    a: intBytes({ default: 1, doc }),
    b: long({ default: null, doc }),
    c: choice(['x', 'y'], { default: 'y', doc }),
  })
  const a: number = values.a
  const b: number | null = values.b
  const c: 'x' | 'y' = values.c
  assert.deepEqual([a, b, c], [1, null, 'y'])
})

test('a password that is refused is not repeated', () => {
  const key = { ...password({ doc }), parse: int({ default: 0, doc }).parse }
  assert.equal(refusal(key, 'secret'), 'Invalid value [hidden] for configuration k: Not a number of type INT')
})

test('the nearest name is a slip away, or there is none', () => {
  const names = ['log.retention.ms', 'log.retention.bytes', 'num.partitions']
  assert.equal(nearestName('log.retenton.ms', names), 'log.retention.ms')
  assert.equal(nearestName('LOG.RETENTION.MS', names), 'log.retention.ms')
  assert.equal(nearestName('zzz', names), null)
  assert.equal(nearestName('maxWait', ['maxWaitMs']), 'maxWaitMs')
  assert.equal(nearestName('ac', ['abcd', 'abc', 'a'], 2), 'abc')
  assert.equal(nearestName('abcdef', ['bcdefa', 'xbcdez'], 2), 'bcdefa')
  assert.equal(nearestName('abcdef', ['uvwxyz'], 2), null)
})

test('a text or a list that must be given is not empty, unless it may be', () => {
  const given = { required: true, doc } as const
  const full: ConfigKey<unknown>[] = [string(given), list(given)]
  for (const declared of full) {
    assert.throws(() => readValue('k', declared, undefined), /Missing required configuration "k" which has no default value/)
    assert.match(refusal(declared, ' '), /must (?:be non-empty|not be empty)/)
  }
  const empty: ConfigKey<unknown>[] = [string({ ...given, mayBeEmpty: true }), list({ ...given, mayBeEmpty: true })]
  for (const declared of empty) {
    assert.throws(() => readValue('k', declared, undefined), /Missing required configuration/)
    assert.deepEqual(parseValue('k', declared, '').text, '')
  }
})
