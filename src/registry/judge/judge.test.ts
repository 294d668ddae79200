/** Whatever is asked: the event loop goes on, whoever asks has an answer, and others have theirs. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { longestTurnDuring } from '../../../test/support/processor-time.ts'
import { realSystem } from '../../base.ts'
import { HttpError } from '../../http.ts'
import { InvalidSchema } from '../schema.ts'
import { Judge } from './judge.ts'
import type { EarlierText, Question, SchemaText } from './questions.ts'

const { timers } = realSystem()
const judge = new Judge({ timers })
after(() => judge.close())

const avro = (schema: unknown): SchemaText => ({ type: 'AVRO', text: JSON.stringify(schema), resolved: [] })
const json = (schema: unknown): SchemaText => ({ type: 'JSON', text: JSON.stringify(schema), resolved: [] })
const protobuf = (text: string): SchemaText => ({ type: 'PROTOBUF', text: `syntax = "proto3";${text}`, resolved: [] })
const forms = (schema: SchemaText): Question => ({ kind: 'forms', schema, strict: true })
const compare = (candidate: SchemaText, ...earlier: SchemaText[]): Question => ({
  kind: 'incompatibilities',
  level: 'FULL_TRANSITIVE',
  policy: 'STRICT',
  candidate,
  earlier: earlier.map((each, index): EarlierText => ({ ...each, version: index + 1 })),
})
const ask = (question: Question, of = judge) => of.settle(answering => answering.ask(question))

// The first question loads the parsers, which is a step of its own.
before(() => ask({ kind: 'identities', schemas: [] }))

const chain = (length: number, fields: number) =>
  Array.from({ length }, (_, index) => ({
    type: 'record',
    name: `R${index}`,
    fields: index === 0 ? [] : Array.from({ length: fields }, (_, field) => ({ name: `f${field}`, type: `R${index - 1}`, default: {} })),
  }))

const hostile: readonly (readonly [what: string, question: Question])[] = [
  ['default values that fill in each other', forms(avro(chain(30, 2)))],
  ['names that stand for more and more', compare(avro(chain(24, 2)), avro(chain(24, 2).map(each => ({ ...each, type: 'record' }))))],
  ['a deep schema', forms({ type: 'AVRO', text: `${'{"type":"array","items":'.repeat(5_000)}"int"${'}'.repeat(5_000)}`, resolved: [] })],
  [
    'parts that refer to each other',
    compare(
      json({ oneOf: Array.from({ length: 40 }, (_, at) => ({ $ref: `#/definitions/${at}` })), definitions: definitions(40) }),
      json({ oneOf: Array.from({ length: 41 }, (_, at) => ({ $ref: `#/definitions/${at}` })), definitions: definitions(41) }),
    ),
  ],
  [
    'a pattern that searches for years',
    compare(
      json({ patternProperties: { '(a+)+\\1$': {} }, additionalProperties: false }),
      json({ properties: { [`${'a'.repeat(50)}!`]: {} }, patternProperties: { '(a+)+\\1$': {} }, additionalProperties: false }),
    ),
  ],
  ['a long list of symbols', forms(avro({ type: 'enum', name: 'E', symbols: Array.from({ length: 100_000 }, (_, at) => `S${at}`) }))],
  ['messages within messages', forms(protobuf(`${'message M {'.repeat(2_000)}${'}'.repeat(2_000)}`))],
  [
    'messages that contain each other',
    compare(protobuf(messages(40, 'int32')), protobuf(messages(40, 'int64')), protobuf(messages(40, 'string'))),
  ],
  ['a package of many parts', forms(protobuf(`package ${'a.'.repeat(2_000)}a; message M { M m = 1; }`))],
]

function definitions(length: number): object {
  const all = { oneOf: Array.from({ length }, (_, at) => ({ $ref: `#/definitions/${at}` })) }
  return Object.fromEntries(Array.from({ length }, (_, at) => [at, { type: 'object', properties: { [`p${at}`]: all, child: all } }]))
}

function messages(length: number, last: string): string {
  const names = Array.from({ length }, (_, at) => `M${at}`)
  return names
    .map(
      (name, at) =>
        `message ${name} { ${names.map((other, tag) => `${other} f${tag} = ${tag + 1};`).join('')} ${last} v = ${at + 1_000}; }`,
    )
    .join('')
}

/** Of this thread's own time, because the machine may be busy. */
const mostTurnMs = 20

for (const [what, question] of hostile)
  test(`${what}: there is an answer, or it is too complex, and the event loop goes on`, async () => {
    const { outcome, longestMs } = await longestTurnDuring(() => ask(question).catch((error: unknown) => error))
    assert.ok(!(outcome instanceof Error) || outcome instanceof InvalidSchema, String((outcome as Error).stack))
    assert.ok(longestMs < mostTurnMs, `a turn took ${longestMs} ms`)
  })

test('what takes too long or too much memory is cut off, and the next one is answered', async () => {
  const hasty = new Judge({ timers, timeoutMs: 1 })
  const large = forms(json({ properties: Object.fromEntries(Array.from({ length: 30_000 }, (_, at) => [`p${at}`, { type: 'string' }])) }))
  await assert.rejects(ask(large, hasty), /^InvalidSchema: The schema is too complex: it took more than 0.001 s$/)
  await hasty.close()
  const small = new Judge({ timers, heapMegabytes: 16 })
  await assert.rejects(
    ask(forms(json({ enum: Array.from({ length: 400_000 }, (_, at) => [at]) })), small),
    /^InvalidSchema: The schema is too complex: it took more than 16 MiB$/,
  )
  const next = await ask(forms(json({ enum: Array.from({ length: 1_000 }, (_, at) => at) })), small)
  assert.ok('canonical' in (next as object))
  await small.close()
})

test('small schemas are judged while the thread is busy, and not all may wait', async () => {
  const busy = new Judge({ timers })
  const large = compare(
    json({ oneOf: [{ $ref: '#/definitions/1' }], definitions: definitions(41) }),
    json({ definitions: definitions(40) }),
  )
  const waiting = Array.from({ length: 256 }, () => ask(large, busy))
  await assert.rejects(ask(large, busy), (error: unknown) => error instanceof HttpError && error.code === 50_002)
  let isSmallDone = false
  const small = ask(forms(avro('int')), busy).then(() => {
    isSmallDone = true
  })
  await Promise.race([small, ...waiting.map(each => each.catch(() => {}))])
  assert.ok(isSmallDone)
  const closed = Promise.allSettled(waiting)
  await busy.close()
  assert.ok((await closed).every(({ status }) => status === 'rejected'))
})

test('a decision runs again until all that it asks has been answered', async () => {
  let runs = 0
  const words = ['a', 'b'].map(name => json({ title: name, description: 'x'.repeat(5_000) }))
  const found = await judge.settle(answering => {
    runs++
    return words.map(schema => answering.ask({ kind: 'forms', schema, strict: true }).identity)
  })
  assert.equal(runs, 3)
  assert.equal(new Set(found).size, 2)
})
