/** Patterns: what event-ruler answers, by its sources and tests; and criteria over records, by Lambda's documentation. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ExprError } from './errors.ts'
import { compileEventPattern, compileFilterCriteria, parseTokens, type StoredRecord } from './filter-criteria.ts'

/** By their texts, so that numbers are as written. */
function judge(pattern: string, event: string): boolean {
  return compileEventPattern(pattern).matches(parseTokens(event))
}

function check(pattern: unknown, accepted: readonly unknown[], refused: readonly unknown[] = []): void {
  const text = JSON.stringify(pattern)
  for (const event of accepted) assert.equal(judge(text, JSON.stringify(event)), true, `${text} ${JSON.stringify(event)}`)
  for (const event of refused) assert.equal(judge(text, JSON.stringify(event)), false, `${text} ${JSON.stringify(event)}`)
}

const a = (value: unknown) => ({ a: value })

test('literals are equal by type; an element of a list is enough', () => {
  check(
    { a: ['x', 5, true, null] },
    [a('x'), a(5), a(5.0), a(true), a(null), a(['y', 'x']), a([[5]])],
    [a('5'), a('true'), a('X'), {}, a([]), a({})],
  )
  check({ a: { b: ['x'] } }, [{ a: { b: 'x' } }, { 'a.b': 'x' }, { a: [{ b: 'y' }, { b: 'x' }] }], [{ a: 'x' }, { b: 'x' }])
  check({ 'a.b': ['x'] }, [{ a: { b: 'x' } }, { 'a.b': 'x' }])
  check({ toString: [{ exists: true }] }, [], [{}])
})

test('texts: prefix, suffix, equals-ignore-case, wildcard, exactly', () => {
  check({ a: [{ prefix: 'AB' }] }, [a('AB'), a('ABc')], [a('aB'), a(5), a(null)])
  check({ a: [{ prefix: '' }] }, [a(''), a('x')], [a(5), a(null), a(true)])
  check({ a: [{ suffix: '.png' }] }, [a('.png'), a('x.png')], [a('x.PNG'), a('png')])
  check({ a: [{ prefix: { 'equals-ignore-case': 'ab' } }] }, [a('ABc'), a('aB')], [a('bab')])
  check({ a: [{ suffix: { 'equals-ignore-case': '.Png' } }] }, [a('x.pnG')], [a('x.pn')])
  check({ a: [{ 'equals-ignore-case': 'Straße' }] }, [a('STRASSE'), a('straße')], [a('strasse'), a('straß')])
  check({ a: [{ exactly: 'x' }] }, [a('x')], [a('xx')])
  check({ a: [{ wildcard: 'a*b*c' }] }, [a('abc'), a('axxbyyc'), a('abbc')], [a('abcd'), a('ac'), a('xabc')])
  check({ a: [{ wildcard: '*' }] }, [a(''), a('x')], [a(5)])
  check({ a: [{ wildcard: 'ab*ba' }] }, [a('abba')], [a('aba')])
  check({ a: [{ wildcard: '\\*\\\\*' }] }, [a('*\\'), a('*\\x')], [a('x\\'), a('*x')])
})

test('anything-but needs a value', () => {
  check({ a: [{ 'anything-but': 'x' }] }, [a('y'), a(5), a(null), a(['x', 'y'])], [a('x'), a(['x']), {}, a({ b: 1 }), a([])])
  check({ a: [{ 'anything-but': ['x', 'y'] }] }, [a('z')], [a('x'), a('y')])
  check({ a: [{ 'anything-but': 5 }] }, [a(6), a('5'), a(true)], [a(5)])
  check({ a: [{ 'anything-but': [1, 2.5] }] }, [a(2)], [a(1), a(2.5)])
  check({ a: [{ 'anything-but': { prefix: 'x' } }] }, [a('y'), a(5)], [a('xy'), {}])
  check({ a: [{ 'anything-but': { suffix: ['x', 'y'] } }] }, [a('z')], [a('ax'), a('ay')])
  check({ a: [{ 'anything-but': { 'equals-ignore-case': ['x', 'y'] } }] }, [a('z')], [a('X'), a('y')])
  check({ a: [{ 'anything-but': { wildcard: '*/x/*' } }] }, [a('a/y/b')], [a('a/x/b')])
})

test('numbers are never strings, and equal as they are written if a double does not hold them', () => {
  check({ a: [{ numeric: ['>', 0, '<=', 5] }] }, [a(5), a(0.1)], [a(0), a(6), a('3'), a(null), a([])])
  check({ a: [{ numeric: ['=', 3.018e2] }] }, [a(301.8)], [a(301)])
  check({ a: [{ numeric: ['<', -1] }] }, [a(-1.5), a(-1e300)], [a(-1)])
  assert.equal(judge('{"a":[1.0]}', '{"a":1e0}'), true)
  assert.equal(judge('{"a":[0]}', '{"a":-0.0}'), true)
  assert.equal(judge('{"a":[9007199254740993]}', '{"a":9007199254740993}'), true)
  assert.equal(judge('{"a":[9007199254740993]}', '{"a":9007199254740992}'), false)
  assert.equal(judge('{"a":[{"numeric":[">",1]}]}', '{"a":9007199254740993}'), false)
  assert.equal(judge('{"a":[1e400]}', '{"a":1e400}'), true)
  assert.equal(judge('{"a":[1e400]}', '{"a":10e399}'), false)
  assert.equal(judge('{"a":[{"anything-but":1}]}', '{"a":0.10000000000000000001}'), true)
})

test('exists is for leaves', () => {
  check({ a: [{ exists: true }] }, [a(1), a(null), a(''), a([1])], [{}, a({ b: 1 }), a([]), a({})])
  check({ a: [{ exists: false }] }, [{}, a({ b: 1 }), a([]), a({}), { b: 1 }], [a(null), a(1)])
  check({ a: { b: [{ exists: false }] } }, [{}, a(1), a({ c: 1 })], [a({ b: 1 })])
  check({ a: [{ exists: false }, 'x'] }, [{}, a('x')], [a('y')])
})

test('addresses', () => {
  check(
    { a: [{ cidr: '10.1.2.3/8' }] },
    [a('10.0.0.0'), a('10.255.255.255'), a('::ffff:0a01:0203')],
    [a('11.0.0.0'), a('10.0.0'), a('x'), a('10.0.0.256')],
  )
  check({ a: [{ cidr: '10.0.0.0/31' }] }, [a('10.0.0.1')], [a('10.0.0.2')])
  check({ a: [{ cidr: '2001:db8::/32' }] }, [a('2001:db8::1'), a('2001:DB8:1:2:3:4:5:6')], [a('2001:db9::'), a('::1'), a('2001:db8:::1')])
  check({ a: ['10.0.0.1', { prefix: '10.' }] }, [a('10.0.0.1'), a('010.0.0.1'), a('10.x'), a('10.0.0.2')], [a('11.0.0.2')])
  // As since event-ruler 2: before, an address was no text for other matchers, and with a number in the same field, addresses were texts.
  check({ a: [{ cidr: '10.0.0.0/8' }, 5] }, [a(5), a('10.0.0.1')], [a('11.0.0.1')])
})

test('fields within a list are of one element', () => {
  const people = {
    p: [
      { first: 'Anna', last: 'Smith' },
      { first: 'Peter', last: 'Jones' },
    ],
  }
  check({ p: { first: ['Anna'], last: ['Smith'] } }, [people])
  check({ p: { first: ['Anna'], last: ['Jones'] } }, [], [people])
  check({ p: { first: ['Anna', 'Peter'], last: ['Jones'] } }, [people])
  check({ p: { first: ['Anna'], middle: [{ exists: false }] } }, [people])
  const some = { p: [{ a: 1, b: 1 }, { a: 2 }] }
  check({ p: { a: [1], b: [{ exists: false }] } }, [], [some])
  check({ p: { a: [2], b: [{ exists: false }] } }, [some])
  // What is looked at first decides in which element: b comes before c.
  check({ p: { b: [{ exists: false }], c: [1] } }, [], [{ p: [{ b: 1 }, { c: 1 }] }])
  const nested = { r: [{ p: [{ x: 1 }, { y: 1 }] }, { p: [{ x: 2, y: 2 }] }], s: [{ z: 1 }] }
  check({ r: { p: { x: [1], y: [1] } } }, [], [nested])
  check({ r: { p: { x: [2], y: [2] } }, s: { z: [1] } }, [nested])
  check({ tags: ['a'], more: ['x'] }, [{ tags: ['b', 'a'], more: ['x', 'y'] }])
})

test('a name that comes twice is two fields', () => {
  const intensities =
    '{"lines":[{"intensities":[[0.5]],"points":[[[{"pp":"index0"},483.3474497412421,287.48116291799363],[{"pp":"index1"},489.9999497412421,299.99996291799363]]]}]}'
  assert.equal(judge('{"lines":{"points":[287.48116291799363],"points":{"pp":["index0"]}}}', intensities), true)
  assert.equal(judge('{"lines":{"points":[287.48116291799363],"points":{"pp":["index1"]}}}', intensities), false)
  assert.equal(judge('{"a":[1],"a":[2]}', '{"a":1}'), false, 'the last one counts')
  assert.equal(judge('{"a":[1]}', '{"a":1,"a":2}'), true)
  assert.equal(judge('{"a":[2]}', '{"a":1,"a":2}'), true)
})

test('JSON is read strictly', () => {
  for (const bad of [
    '',
    '{',
    '{"a":}',
    '{"a":1,}',
    '[1,]',
    '{a:1}',
    "{'a':1}",
    '01',
    '+1',
    '1.',
    '.5',
    '1e',
    'tru',
    '"\\x"',
    '"a\nb"',
    '{} {}',
    'NaN',
    '{"a" 1}',
    '"\\u12"',
    // As long as it is, there is only one way to read it.
    `{"a":"${'x'.repeat(5_000)}`,
    `"${'\\\\x'.repeat(5_000)}`,
  ])
    assert.throws(() => parseTokens(bad), SyntaxError, bad)
  for (const good of ['{"a":[1,{"b":null}],"":[]}', ' [ true , false ] ', '"\\u00e9\\n"', '-0.5e+10', '{"__proto__":1}'])
    assert.deepEqual(JSON.parse(JSON.stringify(parseTokens(good))), JSON.parse(good), good)
  assert.throws(() => parseTokens('['.repeat(300)), /levels deep/)
  fc.assert(
    fc.property(fc.json(), text =>
      assert.equal(JSON.stringify(JSON.parse(JSON.stringify(parseTokens(text)))), JSON.stringify(JSON.parse(text))),
    ),
  )
})

test('$or: alternatives, and a field that is asked for twice', () => {
  check(
    { s: ['x'], $or: [{ a: [1] }, { b: [1], c: [1] }] },
    [
      { s: 'x', a: 1 },
      { s: 'x', b: 1, c: 1 },
    ],
    [{ s: 'x', b: 1 }, { a: 1 }],
  )
  check({ d: { $or: [{ a: [1] }, { b: [{ exists: false }] }] } }, [{ d: { a: 1, b: 1 } }, {}], [{ d: { b: 1 } }])
  check({ $or: [{ a: [1] }, { b: [1] }], d: { $or: [{ a: [2] }, { b: [2] }] } }, [{ a: 1, d: { b: 2 } }], [{ a: 1 }])
  // The last one counts.
  check({ a: [1], $or: [{ a: [2] }, { b: [3] }] }, [a(2), { a: 1, b: 3 }], [a(1)])
  check({ $or: [{ a: [2] }, { b: [3] }], a: [1] }, [a(1)], [a(2)])
  // What is no list of alternatives is a field.
  check({ $or: { a: [1] } }, [{ $or: { a: 1 } }], [a(1)])
  check({ $or: [1, 2] }, [{ $or: 2 }], [{ $or: 3 }])
  check({ $or: [{ prefix: 'x' }, { suffix: 'y' }] }, [{ $or: 'xa' }], [{ $or: 'ax' }])
})

test('errors are in the words of event-ruler', () => {
  for (const [pattern, message] of [
    ['[]', 'Filter is not an object'],
    ['5', 'Filter is not an object'],
    ['{}', 'Empty objects are not allowed'],
    ['{"a":{}}', 'Empty objects are not allowed'],
    ['{"a":[]}', 'Empty arrays are not allowed'],
    ['{"a":1}', '"a" must be an object or an array'],
    ['{"a":"x"}', '"a" must be an object or an array'],
    ['{"a":[[1]]}', 'Match value must be String, number, true, false, or null'],
    ['{"a":[{}]}', 'Match expression name not found'],
    ['{"a":[{"like":1}]}', 'Unrecognized match type like'],
    ['{"a":[{"toString":1}]}', 'Unrecognized match type toString'],
    ['{"a":[{"prefix":1}]}', 'prefix match pattern must be a string'],
    ['{"a":[{"prefix":{"like":"x"}}]}', 'Unsupported prefix pattern: like'],
    ['{"a":[{"suffix":{}}]}', 'Suffix expression name not found'],
    ['{"a":[{"prefix":"a","suffix":"b"}]}', 'Only one key allowed in match expression'],
    ['{"a":[{"exists":"yes"}]}', 'exists match pattern must be either true or false.'],
    ['{"a":[{"wildcard":"a**b"}]}', 'Consecutive wildcard characters at pos 2'],
    ['{"a":[{"wildcard":"ä**b"}]}', 'Consecutive wildcard characters at pos 3'],
    ['{"a":[{"wildcard":"a\\\\b"}]}', 'Invalid escape character at pos 2'],
    ['{"a":[{"wildcard":"a\\\\"}]}', 'Invalid escape character at pos 2'],
    ['{"a":[{"anything-but":[]}]}', 'Inside anything but list, either all values are number or string, mixed type is not supported'],
    ['{"a":[{"anything-but":[1,"x"]}]}', 'Inside anything but list, either all values are number or string, mixed type is not supported'],
    ['{"a":[{"anything-but":[null]}]}', 'Inside anything but list, start|null|boolean is not supported.'],
    ['{"a":[{"anything-but":true}]}', 'Value of anything-but must be an array or single string/number value.'],
    ['{"a":[{"anything-but":{"numeric":["=",1]}}]}', 'Unsupported anything-but pattern: numeric'],
    ['{"a":[{"anything-but":{"prefix":""}}]}', 'Null prefix/suffix not allowed'],
    ['{"a":[{"anything-but":{"prefix":5}}]}', 'prefix/suffix match pattern must be a string'],
    ['{"a":[{"numeric":5}]}', 'Value of numeric must be an array.'],
    ['{"a":[{"numeric":[]}]}', 'Invalid member in numeric match: ]'],
    ['{"a":[{"numeric":["~",1]}]}', 'Unrecognized numeric range operator: ~'],
    ['{"a":[{"numeric":[">"]}]}', 'Value of > must be numeric'],
    ['{"a":[{"numeric":["=","1"]}]}', 'Value of equals must be numeric'],
    ['{"a":[{"numeric":["=",1,2]}]}', 'Too many elements in numeric expression'],
    ['{"a":[{"numeric":[">",1,2]}]}', 'Bad value in numeric range: 2'],
    ['{"a":[{"numeric":[">",1,">",2]}]}', 'Bad numeric range operator: >'],
    ['{"a":[{"numeric":[">",1,"<"]}]}', 'Value of < must be numeric'],
    ['{"a":[{"numeric":[">",1,"<",2,3]}]}', 'Too many terms in numeric range expression'],
    ['{"a":[{"numeric":[">",2,"<",2]}]}', 'Bottom must be less than top'],
    ['{"a":[{"numeric":["=",1e400]}]}', 'Cannot compare number : 1e400'],
    ['{"a":[{"cidr":5}]}', 'prefix match pattern must be a string'],
    ['{"a":[{"cidr":"10.0.0.0"}]}', "Malformed CIDR, one '/' required"],
    ['{"a":[{"cidr":"10.0.0.0/x"}]}', 'Malformed CIDR, mask bits must be an integer'],
    ['{"a":[{"cidr":"10.0.0.0/-1"}]}', 'Malformed CIDR, mask bits must not be negative'],
    ['{"a":[{"cidr":"10.0.0.0/32"}]}', 'IPv4 mask bits must be < 32'],
    ['{"a":[{"cidr":"host/8"}]}', 'Nonstandard IP address: host'],
    ['{"a":[{"cidr":"10.0.0.256/8"}]}', 'Invalid IP address: 10.0.0.256'],
    ['{"$or":[{"a":[1]}]}', 'Unrecognized match type a'],
    ['{"$or":5}', '"$or" must be an object or an array'],
  ] as const)
    assert.throws(() => compileEventPattern(pattern), { name: 'ExprError', message }, pattern)
  assert.throws(() => judge('{"a":[1]}', '[]'), { message: 'Event must be a JSON object' })
  assert.throws(() => judge('{"a":[1]}', '1e400'), { message: 'Event must be a JSON object' })
})

test('size and steps are bounded', () => {
  const alternatives = Array.from({ length: 11 }, (_, at) => ({ [`k${at}`]: [1] }))
  const nested = { a: { $or: alternatives }, b: { $or: alternatives }, c: { $or: alternatives } }
  assert.throws(() => compileEventPattern(nested), /more than 1000 rule combinations/)
  let deep: unknown = [1]
  for (let depth = 0; depth < 150; depth++) deep = { a: deep }
  assert.throws(() => compileEventPattern(deep), /levels deep/)
  const wide = Object.fromEntries(Array.from({ length: 257 }, (_, at) => [`k${at}`, [1]]))
  assert.throws(() => compileEventPattern(wide), /exceeds max value of 256/)
  // Five lists that have nothing to do with each other, and two fields of a sixth that are never in the same element.
  const list = (name: string) => Array.from({ length: 50 }, () => ({ [name]: 1 }))
  const event = Object.fromEntries('abcde'.split('').map(name => [name, list(name)]))
  const pattern = Object.fromEntries('abcde'.split('').map(name => [name, { [name]: [1] }]))
  const never = { ...event, z: [{ x: 1 }, { y: 1 }] }
  assert.throws(() => compileEventPattern({ ...pattern, z: { x: [1], y: [1] } }).matches(never), /steps/)
})

test('any JSON is a pattern or an error', () => {
  const part = fc.constantFrom(
    'prefix',
    'suffix',
    'anything-but',
    'numeric',
    'exists',
    'cidr',
    'wildcard',
    '$or',
    'a',
    '=',
    '<',
    '10.0.0.0/8',
  )
  const tree = fc.letrec(tie => ({
    any: fc.oneof(
      part,
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(part, tie('any'), { maxKeys: 3 }),
    ),
  })).any
  fc.assert(
    fc.property(fc.dictionary(part, tree, { maxKeys: 3 }), fc.dictionary(part, tree), (pattern, event) => {
      try {
        compileEventPattern(pattern).matches(event)
      } catch (error) {
        assert.ok(error instanceof ExprError, String(error))
      }
    }),
    { numRuns: 1_000 },
  )
})

function record(value: Buffer | string | null, more: Partial<StoredRecord> = {}): StoredRecord {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  return { topic: 'orders', partition: 3, offset: 7n, timestampMs: 5n, key: Buffer.from('k-1'), value: bytes, headers: [], ...more }
}

function passes(pattern: unknown, given: StoredRecord): boolean {
  return compileFilterCriteria({ Filters: [{ Pattern: JSON.stringify(pattern) }] }).matches(given)
}

test('criteria: JSON and plain text are not mixed', () => {
  const json = { value: { id: [5] } }
  assert.equal(passes(json, record('{"id":5}')), true)
  assert.equal(passes(json, record('[{"id":4},{"id":5}]')), true)
  assert.equal(passes(json, record('plain')), false)
  assert.equal(passes({ value: { id: [{ exists: false }] } }, record('plain')), false, 'dropped')
  assert.equal(passes({ value: { id: [{ exists: false }] } }, record('{}')), true)
  assert.equal(passes({ value: ['plain'] }, record('plain')), true)
  assert.equal(passes({ value: [{ 'anything-but': 'x' }] }, record('plain')), true)
  assert.equal(passes({ value: [{ 'anything-but': 'x' }] }, record('{"id":5}')), false, 'dropped')
  assert.equal(passes({ value: ['x'] }, record('["x"]')), false)
  assert.equal(passes({ $or: [{ value: ['plain'] }, json] }, record('plain')), true)
  assert.equal(passes({ topic: ['orders'] }, record(Buffer.from([0xff]))), false, 'no text')
  assert.equal(passes({ value: [{ exists: false }] }, record(null)), true)
})

test('criteria: all parts of a record; any filter is enough', () => {
  const header = (key: string, value: string | null) => ({ key: Buffer.from(key), value: value === null ? null : Buffer.from(value) })
  const given = record('{"id":9007199254740993}', { headers: [header('h', 'x'), header('h', 'y'), header('n', null)] })
  assert.equal(passes({ topic: [{ prefix: 'or' }], partition: [3], offset: [{ numeric: ['>', 6] }], timestamp: [5] }, given), true)
  assert.equal(passes({ key: [{ prefix: 'k-' }], headers: { h: ['y'], n: [null], o: [{ exists: false }] } }, given), true)
  const exact = compileFilterCriteria('{"Filters":[{"Pattern":"{\\"value\\":{\\"id\\":[9007199254740993]}}"}]}')
  assert.deepEqual([exact.matches(given), exact.matches(record('{"id":9007199254740992}'))], [true, false])
  const two = compileFilterCriteria({ Filters: [{ Pattern: '{"key":["other"]}' }, { Pattern: '{"topic":["orders"]}' }] })
  assert.equal(two.matches(given), true)
  assert.equal(compileFilterCriteria({ Filters: [] }).matches(given), true)
})

test('criteria: errors name the filter', () => {
  const refused = (pattern: string) => () => compileFilterCriteria({ Filters: [{ Pattern: '{"key":["x"]}' }, { Pattern: pattern }] })
  assert.throws(refused('{"value":{"a":[{"like":1}]}}'), { message: 'Filters[1].Pattern: Unrecognized match type like' })
  assert.throws(refused('{"vaule":{"a":[1]}}'), /Filters\[1\]\.Pattern: there is no "vaule"; records have topic, /)
  assert.throws(refused('{'), /Filters\[1\]\.Pattern is not valid JSON/)
  assert.throws(refused(`{"key":["${'x'.repeat(5_000)}"]}`), /more than 4096 characters/)
  assert.throws(() => compileFilterCriteria({ Filters: 5 }), /a list "Filters"/)
  assert.throws(() => compileFilterCriteria({ Filters: new Array(11).fill({ Pattern: '{"key":["x"]}' }) }), /at most 10/)
})
