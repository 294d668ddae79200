import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf, refusal, sinkRecord, testSystem, transformed } from '../records.testing.ts'
import { openTransforms, TransformError, transformClasses, transformKeys, transformProblems } from '../transforms.ts'

test('a record stays a record of its connector: what transforms do not know is kept, also where it was read', async () => {
  const record = await transformed('RegexRouter', { regex: '.*', replacement: 'new' }, sinkRecord())
  assert.deepEqual([record!.topic, record!.original.topic, record!.offset], ['new', 'orders', 42n])
})

test('predicates decide which records are transformed', async () => {
  const apply = async (more: Record<string, string>, record = sinkRecord()) => {
    const config = new Map([...configOf('Filter', { predicate: 'p' }), ['predicates', 'p'], ...Object.entries(more)])
    const transforms = await openTransforms(config, { system: testSystem })
    return transforms.apply(record) === null
  }
  const header = { name: 'h', schema: null, value: null }
  assert.equal(await apply({ 'predicates.p.type': 'RecordIsTombstone' }), true)
  assert.equal(await apply({ 'predicates.p.type': 'RecordIsTombstone' }, sinkRecord({ value: 1 })), false)
  assert.equal(await apply({ 'predicates.p.type': 'RecordIsTombstone', 'transforms.t.negate': 'true' }, sinkRecord({ value: 1 })), true)
  assert.equal(await apply({ 'predicates.p.type': 'TopicNameMatches', 'predicates.p.pattern': 'ord.*' }), true)
  assert.equal(await apply({ 'predicates.p.type': 'TopicNameMatches', 'predicates.p.pattern': 'ord' }), false)
  const named = { 'predicates.p.type': 'org.apache.kafka.connect.transforms.predicates.HasHeaderKey', 'predicates.p.name': 'h' }
  assert.equal(await apply(named), false)
  assert.equal(await apply(named, sinkRecord({ headers: [header] })), true)
  assert.equal(await apply({ 'predicates.p.type': 'CelMatches', 'predicates.p.expression': 'topic == "orders"' }), true)
})

test('problems name their keys; all are reported at once', async () => {
  const config = new Map([
    ['transforms', 'a,b,c,d,a'],
    ['transforms.b.type', 'com.example.Nothing'],
    ['transforms.c.type', 'org.apache.kafka.connect.transforms.Cast$Key'],
    ['transforms.c.negate', 'true'],
    ['transforms.d.type', 'TimestampConverter$Value'],
    ['transforms.d.target.type', 'never'],
    ['predicates', 'p'],
    ['predicates.p.type', 'TopicNameMatches'],
    ['predicates.p.pattern', '('],
  ])
  const problems = await transformProblems(config, { system: testSystem })
  const first = (key: string) => problems.get(key)?.[0]
  assert.equal(first('transforms'), 'Invalid value [a, b, c, d, a] for configuration transforms: Duplicate alias provided.')
  assert.equal(first('transforms.a.type'), 'Missing required configuration "transforms.a.type" which has no default value.')
  assert.equal(
    first('transforms.b.type'),
    'Invalid value com.example.Nothing for configuration transforms.b.type: Class com.example.Nothing could not be found.',
  )
  assert.equal(first('transforms.c.spec'), 'Missing required configuration "transforms.c.spec" which has no default value.')
  assert.match(first('transforms.c.type')!, /defining a predicate to be negated/)
  assert.match(first('transforms.d.target.type')!, /String must be one of: string, unix, Date, Time, Timestamp/)
  assert.match(first('predicates.p.pattern')!, /Invalid regex/)
  const keys = [...transformKeys(config).keys()]
  assert.deepEqual(
    keys.filter(key => key.startsWith('transforms.c.')),
    ['type', 'spec', 'replace.null.with.default', 'negate', 'predicate'].map(key => `transforms.c.${key}`),
  )
  assert.deepEqual(
    keys.filter(key => key.startsWith('transforms.b.')),
    ['type', 'negate', 'predicate'].map(key => `transforms.b.${key}`),
  )
  assert.match(
    (await refusal(() => openTransforms(configOf('Cast', { spec: 'int8' }), { system: testSystem })))!,
    /say Cast\$Key or Cast\$Value/,
  )
})

test('errors tell the alias and the class; every class has a name', async () => {
  const transforms = await openTransforms(configOf('Cast$Value', { spec: 'int8' }), { system: testSystem })
  assert.throws(
    () => transforms.apply(sinkRecord({ value: 'x' })),
    (error: unknown) =>
      error instanceof TransformError && error.alias === 't' && error.className === 'org.apache.kafka.connect.transforms.Cast$Value',
  )
  const names = [...transformClasses('transforms'), ...transformClasses('predicates')].map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  for (const name of [
    'org.apache.kafka.connect.transforms.RegexRouter',
    'org.apache.kafka.connect.transforms.ValueToKey',
    'millrace.transforms.CelMap$Key',
    'millrace.predicates.CelMatches',
  ])
    assert.ok(names.includes(name), name)
})
