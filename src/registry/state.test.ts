/** The state machine: what records of Confluent's say, and that the state after a restart is the state before. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HttpError } from '../http.ts'
import { Decisions, type SchemaRequest } from './decide.ts'
import { Identities } from './judge/identities.ts'
import type { Answering } from './judge/judge.ts'
import { answer } from './judge/questions.ts'
import { type Change, encodeChange } from './records.ts'
import { Budget } from './schema.ts'
import { DuplicateId, State } from './state.ts'

const answering: Answering = { ask: question => answer(question, () => new Budget(200_000)) as never }

type Log = { key: Buffer; value: Buffer | null }[]

function replay(log: Log): State {
  const state = new State()
  for (const { key, value } of log) state.apply(key, value, 0)
  return state
}

/** As compaction leaves it: the last record of each key, in order. */
function compacted(log: Log): Log {
  const last = new Map(log.map(({ key }, index) => [key.toString(), index]))
  return log.filter(({ key }, index) => last.get(key.toString()) === index)
}

function contents(state: State): unknown {
  return {
    contexts: state.contexts,
    versions: state
      .versionsIn(null, 'with')
      .sort((a, b) => (a.subject === b.subject ? a.version - b.version : a.subject < b.subject ? -1 : 1)),
    ids: state.contexts.map(context => [context, Array.from({ length: 30 }, (_, id) => state.withId(context, id).length)]),
    configs: [null, ...subjects].map(each => state.storedConfig(each)),
    modes: [null, ...subjects].map(each => state.storedMode(each)),
    referrers: subjects.map(each => [1, 2, 3].map(version => state.referrers(each, version, 'with'))),
  }
}

const subjects = ['a-value', 'b-value', ':.other:a-value']
const request = (text: string, more: Partial<SchemaRequest> = {}): SchemaRequest => ({
  version: 0,
  id: -1,
  type: null,
  references: [],
  metadata: null,
  ruleSet: null,
  text,
  ...more,
})
const record = (fields: number) =>
  JSON.stringify({
    type: 'record',
    name: 'R',
    fields: Array.from({ length: fields }, (_, index) => ({ name: `f${index}`, type: 'int', default: 0 })),
  })

test('records as Confluent writes them are understood, old ones without type too', () => {
  const state = new State()
  const put = (key: object, value: object | null) =>
    state.apply(Buffer.from(JSON.stringify(key)), value === null ? null : Buffer.from(JSON.stringify(value)), 5)
  put({ keytype: 'NOOP', magic: 0 }, null)
  put({ keytype: 'CONFIG', magic: 0 }, { compatibilityLevel: 'FULL' })
  put({ keytype: 'SCHEMA', subject: 's', version: 1, magic: 1 }, { subject: 's', version: 1, id: 7, schema: '"string"', deleted: false })
  put(
    { keytype: 'SCHEMA', subject: 's', version: 2, magic: 1 },
    { subject: 's', version: 2, id: 9, md5: 'x', schemaType: 'JSON', schema: '{}', deleted: false, unknown: 1 },
  )
  put({ keytype: 'MODE', subject: 's', magic: 0 }, { subject: 's', mode: 'READONLY' })
  put({ keytype: 'SOMETHING_NEW', magic: 0 }, { a: 1 })
  assert.equal(state.config(null)!.compatibilityLevel, 'FULL')
  assert.deepEqual(
    state.versions('s', 'without').map(({ id, type, timestampMs }) => [id, type, timestampMs]),
    [
      [7, 'AVRO', 5],
      [9, 'JSON', 5],
    ],
  )
  assert.equal(state.mode('s'), 'READONLY')
  assert.equal(state.maxId('.'), 9)
  put({ keytype: 'DELETE_SUBJECT', subject: 's', magic: 0 }, { subject: 's', version: 1 })
  assert.deepEqual(
    state.versions('s', 'only').map(({ version }) => version),
    [1],
  )
  put({ keytype: 'CLEAR_SUBJECT', subject: 's', magic: 0 }, { subject: 's' })
  assert.deepEqual(
    state.versions('s', 'with').map(({ version }) => version),
    [2],
  )
  assert.throws(
    () =>
      put({ keytype: 'SCHEMA', subject: 't', version: 1, magic: 1 }, { subject: 't', version: 1, id: 9, schema: '"int"', deleted: false }),
    DuplicateId,
  )
})

test('keys and values are those of Confluent, byte for byte', () => {
  const change: Change = {
    keytype: 'SCHEMA',
    subject: 's',
    version: 1,
    value: { subject: 's', version: 1, id: 3, type: 'AVRO', references: [], metadata: null, ruleSet: null, text: '"int"', deleted: false },
  }
  const { key, value } = encodeChange(change)
  assert.equal(key.toString(), '{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}')
  assert.equal(value!.toString(), '{"subject":"s","version":1,"id":3,"schemaType":"AVRO","schema":"\\"int\\"","deleted":false}')
  assert.equal(encodeChange({ keytype: 'CONFIG', subject: null, value: null }).key.toString(), '{"keytype":"CONFIG","magic":0}')
})

test('each context counts ids from one; a schema that is there already keeps its id', () => {
  const state = new State()
  const decisions = new Decisions(state, answering, new Identities())
  const register = (subject: string, text: string) => {
    const { changes, answer } = decisions.register(subject, request(text), { normalize: false, force: false })
    for (const change of changes) {
      const { key, value } = encodeChange(change)
      state.apply(key, value, 0)
    }
    return answer.id
  }
  assert.deepEqual(
    [
      register('a', record(1)),
      register('b', record(2)),
      register('c', record(1)),
      register(':.x:a', record(2)),
      register(':.x:b', record(1)),
    ],
    [1, 2, 1, 1, 2],
  )
})

test('metadata alone makes a new version, and a text in other words does not', () => {
  const state = new State()
  const decisions = new Decisions(state, answering, new Identities())
  const register = (more: SchemaRequest) => {
    const { changes, answer } = decisions.register('a', more, { normalize: false, force: false })
    for (const change of changes) {
      const { key, value } = encodeChange(change)
      state.apply(key, value, 0)
    }
    return [answer.version, answer.id]
  }
  assert.deepEqual(register(request('{"type":"string","b":1,"a":2}')), [1, 1])
  assert.deepEqual(register(request('{"a":2,"b":1,"type":"string"}')), [1, 1])
  const metadata = { tags: {}, properties: { owner: 'me' }, sensitive: [] }
  assert.deepEqual(register(request('{"type":"string","b":1,"a":2}', { metadata })), [2, 2])
})

const operations = fc.oneof(
  fc.record({
    kind: fc.constant('register' as const),
    subject: fc.constantFrom(...subjects),
    fields: fc.integer({ min: 0, max: 4 }),
    refers: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('deleteSubject' as const), subject: fc.constantFrom(...subjects), permanent: fc.boolean() }),
  fc.record({
    kind: fc.constant('deleteVersion' as const),
    subject: fc.constantFrom(...subjects),
    version: fc.integer({ min: -1, max: 4 }),
    permanent: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('config' as const),
    subject: fc.constantFrom(null, ...subjects),
    level: fc.constantFrom('NONE', 'BACKWARD', 'FULL', null),
  }),
  fc.record({
    kind: fc.constant('mode' as const),
    subject: fc.constantFrom(null, ...subjects),
    mode: fc.constantFrom('READONLY', 'READWRITE', 'IMPORT', null),
    force: fc.boolean(),
  }),
)

test('whatever is done: replaying the records, and what compaction leaves of them, gives the same state', () => {
  fc.assert(
    fc.property(fc.array(operations, { maxLength: 40 }), list => {
      const log: Log = []
      const state = new State()
      const decisions = new Decisions(state, answering, new Identities())
      for (const each of list) {
        let changes: readonly Change[]
        try {
          changes = decide(decisions, each)
        } catch (error) {
          assert.ok(error instanceof HttpError, String(error))
          continue
        }
        for (const change of changes) {
          const encoded = encodeChange(change)
          log.push(encoded)
          state.apply(encoded.key, encoded.value, 0)
        }
      }
      assert.deepEqual(contents(replay(log)), contents(state))
      // A version that was deleted with its subject has no record that says so, but the one of the subject, which stays.
      assert.deepEqual(contents(replay(compacted(log))), contents(state))
    }),
    { numRuns: 300 },
  )
})

function decide(
  decisions: Decisions,
  each: typeof operations extends fc.Arbitrary<infer Operation> ? Operation : never,
): readonly Change[] {
  switch (each.kind) {
    case 'register': {
      const references = each.refers ? [{ name: 'ref', subject: 'b-value', version: 1 }] : []
      return decisions.register(each.subject, request(record(each.fields), { type: 'JSON', references }), {
        normalize: false,
        force: false,
      }).changes
    }
    case 'deleteSubject':
      return decisions.deleteSubject(each.subject, each.permanent).changes
    case 'deleteVersion':
      return decisions.deleteVersion(each.subject, each.version, each.permanent).changes
    case 'config':
      return each.level === null
        ? decisions.deleteConfig(each.subject).changes
        : decisions.putConfig(each.subject, { compatibility: each.level }).changes
    case 'mode':
      return decisions.setMode(each.subject, each.mode as 'READONLY' | null, each.force).changes
  }
}

test('a schema that is nowhere is parsed once, however many contexts there are', () => {
  const value = { version: 1, id: 1, type: 'AVRO', references: [], metadata: null, ruleSet: null, text: '"int"', deleted: false }
  const subjects = Array.from({ length: 200 }, (_, index) => `:.c${index}:a`)
  const state = replay(subjects.map(subject => encodeChange({ keytype: 'SCHEMA', subject, version: 1, value: { ...value, subject } })))
  let asked = 0
  const counting: Answering = {
    ask(question) {
      asked++
      return answering.ask(question)
    },
  }
  const decisions = new Decisions(state, counting, new Identities())
  const options = { normalize: false, deleted: false }
  assert.equal(decisions.lookUpAnywhere('b', request('"int"'), options), null)
  assert.equal(asked, 1)
  assert.equal(decisions.lookUpAnywhere('a', request('"int"'), options)?.subject, ':.c0:a')
})

test('who writes last is known by what it has written, and a record of nobody changes nothing', () => {
  const log = [encodeChange({ keytype: 'NOOP', value: { leader: 'http://a:8081' } }), encodeChange({ keytype: 'NOOP', value: null })]
  assert.equal(log[0]!.key.toString(), '{"keytype":"NOOP","magic":0}')
  assert.equal(replay(log).leader, 'http://a:8081')
  assert.equal(new State().leader, null)
})
