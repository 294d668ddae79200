import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { longestTurnDuring } from '../../test/support/processor-time.ts'
import { JsonReader } from './json/reader.ts'
import { ofStrangers, parseInTurns, parseLossless, readDocument, stringifyLossless } from './json.ts'
import { realSystem } from './system.ts'
import { Turns } from './turns.ts'

const turns = new Turns(realSystem())
const read = async (text: string, depth = 0) => (await readDocument(text, turns, depth)).value

test('every integer survives, whatever its size', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), integer => {
      assert.equal(stringifyLossless(parseLossless(`{"a":[${integer}]}`)), `{"a":[${integer}]}`)
    }),
  )
})

test('a long number is found wherever it stands', () => {
  const large = '12345678901234567'
  for (let before = 0; before < 40; before++)
    for (const middle of ['', '12,', '1.5,', '123456789012345,', '"12.5",', '1234567,12.34567,']) {
      const text = `["${'x'.repeat(before)}",${middle}${large}]`
      assert.equal((parseLossless(text) as unknown[]).at(-1), BigInt(large), text)
      assert.deepEqual(parseLossless(text.replace(large, '12345')), JSON.parse(text.replace(large, '12345')))
    }
})

test('documents read as JSON.parse reads them, with and without long numbers, at once and in turns', async () => {
  await fc.assert(
    fc.asyncProperty(fc.json({ maxDepth: 6 }), fc.constantFrom('', ' ', '\n\t'), async (text, space) => {
      const spaced = space === '' ? text : JSON.stringify(JSON.parse(text), null, space)
      fc.pre(!/\d{16}/.test(spaced))
      assert.deepEqual(parseLossless(spaced), JSON.parse(spaced))
      assert.deepEqual(parseLossless(`[${spaced},"0123456789012345"]`), [JSON.parse(spaced), '0123456789012345'])
      assert.deepEqual(await read(spaced, 3), JSON.parse(spaced))
    }),
  )
})

test('the reader refuses what JSON.parse refuses, and takes what it takes', async () => {
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"',
    '\\',
    '\\u0041',
    '\\ud83d',
    '\\x',
    '\u0000',
    '1',
    '-',
    '01',
    '.5',
    'e',
    '1e5',
    '-0',
    'true',
    'nul',
    ' ',
    '\u00a0',
  ]
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...pieces), { maxLength: 8 }), async parts => {
      const text = parts.join('')
      let expected: { value: unknown } | null = null
      try {
        expected = { value: JSON.parse(text) }
      } catch {}
      if (expected === null) await assert.rejects(read(text), SyntaxError, text)
      else assert.deepEqual(await read(text), expected.value, text)
    }),
    { numRuns: 500 },
  )
})

test('__proto__ is a property like any other', async () => {
  for (const text of ['{"__proto__":{"a":1}}', '{"__proto__":{"a":9007199254740993}}', '{"constructor":{"prototype":{"a":1}}}']) {
    for (const parsed of [parseLossless(text) as object, (await read(text)) as object]) {
      assert.equal(Object.keys(parsed).length, 1)
      assert.equal(Object.getPrototypeOf(parsed), Object.prototype)
      assert.equal(stringifyLossless(parsed), text)
    }
  }
  assert.equal(({} as { a?: unknown }).a, undefined)
})

test('a document that is nested too deeply is refused', async () => {
  const deep = '['.repeat(300) + ']'.repeat(300)
  assert.throws(() => parseLossless(deep), SyntaxError)
  assert.throws(() => parseLossless(`${deep.slice(0, 300)}12345678901234567890${deep.slice(300)}`), SyntaxError)
  await assert.rejects(async () => parseInTurns(deep + ' '.repeat(20_000), turns), SyntaxError)
  await assert.rejects(read('{"a":'.repeat(1_100)), /more than 1000 levels/)
})

test('places are those of the values in the text, of later properties of one name, and only as deep as asked', async () => {
  const text = '{ "a" : [ 1 , {"b":"x\\"]"} ] ,"c":{},"a":[ true ,{"e":[null]}], "d" : 12345678901234567890 }'
  const { value, placesIn } = await readDocument(text, turns, 3)
  const root = value as { a: [boolean, unknown[]]; c: object }
  const shown = (object: unknown) => Array.from(placesIn(object), ([name, { start, end }]) => [name, text.slice(start, end)])
  assert.deepEqual(shown(root), [
    ['a', '[ true ,{"e":[null]}]'],
    ['c', '{}'],
    ['d', '12345678901234567890'],
  ])
  assert.deepEqual(shown(root.a[1]), [['e', '[null]']])
  assert.deepEqual(shown(root.c), [])
  const shallow = await readDocument(text, turns, 2)
  assert.equal(shallow.placesIn((shallow.value as typeof root).a[1]).size, 0)
})

const size = 2 ** 19
const fill = (piece: string) => piece.repeat(Math.floor(size / piece.length))
/** Of half a megabyte each. */
const taken: Readonly<Record<string, string>> = {
  'empty arrays': `[${fill('[],').slice(0, -1)}]`,
  'empty objects': `[${fill('{},').slice(0, -1)}]`,
  'nested arrays': `[${fill(`${'[ '.repeat(200)}${']'.repeat(200)},`).slice(0, -1)}]`,
  digits: `[${fill('1.5,').slice(0, -1)}]`,
  'long numbers': `[${fill('-12345678901234567890,').slice(0, -1)}]`,
  'a thousand digits each': `[${fill(`${'9'.repeat(999)},`).slice(0, -1)}]`,
  'numbers as names': `[${fill(`{${Array.from({ length: 900 }, (_, at) => `"${at * 4_294_967}":0`).join()}},`).slice(0, -1)}]`,
  'one name again and again': `[${fill(`{${'"a":0,'.repeat(9_999)}"a":1},`).slice(0, -1)}]`,
  'names like __proto__': `[${fill('{"__proto__":{"a":1}},').slice(0, -1)}]`,
  escapes: `"${fill('\\u0041')}"`,
  'quotation marks': `"${fill('\\"')}"`,
  surrogates: `"${fill('\\ud83d\\ude00')}"`,
  'one string': `"${fill('a')}"`,
}
const refused: Readonly<Record<string, string>> = {
  'too many values': `[${'0,'.repeat(1_000_000)}0]`,
  'one long number': fill('9'),
  'many names': `{${Array.from({ length: 110_000 }, (_, at) => `"${at.toString(36)}":0`).join()}}`,
  'white space': `[1${fill(' ')}]`,
  'an open string': `"${fill('\\\\')}`,
  'open brackets': fill('['),
}

/** In as many steps as it takes. Each has at most 200 values and some 65,536 characters. */
function readAll(text: string): { value: unknown; steps: number } {
  const reader = new JsonReader(text, ofStrangers, 0)
  let steps = 1
  while (!reader.advance()) steps++
  return { value: reader.document.value, steps }
}

test('hostile documents are read in small steps, and to the same result, or refused', () => {
  for (const [name, text] of Object.entries(taken)) {
    const { value, steps } = readAll(text)
    assert.ok(steps >= size / 2 ** 17, `${name}: ${steps} steps`)
    const expected = /\d{16}/.test(text) ? text : JSON.stringify(JSON.parse(text))
    assert.ok(stringifyLossless(value) === expected, name)
  }
  for (const [name, text] of Object.entries(refused)) assert.throws(() => readAll(text), SyntaxError, name)
})

test('no turn takes long while they are read', async () => {
  for (const [name, text] of Object.entries({ ...taken, ...refused })) {
    const { longestMs } = await longestTurnDuring(async () => {
      const reading = readDocument(text, turns, 0)
      await reading.catch((error: unknown) => assert.ok(error instanceof SyntaxError, name))
    })
    // A few ms on a quiet machine; on a busy one nobody helps with collecting garbage. JSON.parse with a reviver took hundreds.
    assert.ok(longestMs < 60, `${name}: ${longestMs} ms of processor time`)
  }
})

test('what others wait for goes on while a large document is read', async () => {
  let now = 0
  const slow = new Turns({ ...realSystem(), clock: { ...realSystem().clock, monotonic: () => now++ } })
  let turnsOfOthers = 0
  let isRead = false
  const other = () => {
    turnsOfOthers++
    if (!isRead) setImmediate(other)
  }
  setImmediate(other)
  const reading = parseInTurns(taken['long numbers']!, slow)
  assert.ok(reading instanceof Promise)
  assert.equal(((await reading) as unknown[]).length, 23_831)
  isRead = true
  assert.ok(turnsOfOthers > 20, `${turnsOfOthers} turns`)
  assert.equal(parseInTurns('[1]', slow) instanceof Promise, false, 'a small one is read at once')
})

test('what is written without loss is the same with and without long numbers in it', () => {
  const document = { list: [1, 'a', null, { __proto__: 1 }], date: new Date(0) }
  assert.equal(stringifyLossless(document), JSON.stringify(document))
  assert.equal(
    stringifyLossless({ ...document, long: 2n ** 63n }),
    JSON.stringify({ ...document, long: 0 }).replace(':0}', ':9223372036854775808}'),
  )
  assert.equal(stringifyLossless([2n ** 53n], 2), '[\n  9007199254740992\n]')
  const circular: unknown[] = [1n]
  circular.push(circular)
  assert.throws(() => stringifyLossless(circular), /circular/)
})
