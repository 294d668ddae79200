/** What functions return. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BadResult, firstFailure, recordsOf } from './results.ts'

const shown = (result: unknown) =>
  recordsOf(result).map(({ key, value, headers = [], ...rest }) => ({
    key: key?.toString() ?? null,
    value: value?.toString() ?? null,
    ...(headers.length === 0 ? {} : { headers: headers.map(each => [each.key.toString(), each.value?.toString() ?? null]) }),
    ...rest,
  }))

test('records of an output', () => {
  assert.deepEqual(shown(null), [])
  assert.deepEqual(shown('text'), [{ key: null, value: 'text' }])
  assert.deepEqual(shown({ a: 1 }), [{ key: null, value: '{"a":1}' }])
  assert.deepEqual(shown(['x', null, { key: 'k', value: { b: 9007199254740993n } }]), [
    { key: null, value: 'x' },
    { key: 'k', value: '{"b":9007199254740993}' },
  ])
  assert.deepEqual(shown({ key: 'k', value: null }), [{ key: 'k', value: null }], 'a tombstone')
  assert.deepEqual(shown({ value: 'v', headers: { h: ['1', '2'] }, timestamp: 5, partition: 1 }), [
    {
      key: null,
      value: 'v',
      headers: [
        ['h', '1'],
        ['h', '2'],
      ],
      timestampMs: 5n,
      partition: 1,
    },
  ])
  assert.deepEqual(shown({ keyBase64: 'aw==', valueBase64: 'dg==' }), [{ key: 'k', value: 'v' }])
  assert.deepEqual(shown({ value: 1, other: 2 }), [{ key: null, value: '{"value":1,"other":2}' }], 'an object with other fields is a value')
  for (const bad of [{ value: 1, partition: -1 }, { value: 1, timestamp: 1.5 }, { value: 1, headers: [1] }, { valueBase64: 5 }])
    assert.throws(() => recordsOf(bad), BadResult)
})

test('partial results', () => {
  const failed = (result: unknown) => firstFailure(result, 't', 0, new Set([5n, 6n]))
  const item = (partition: unknown, offset: unknown) => ({ itemIdentifier: { partition, offset } })
  for (const none of [null, 'x', {}, { batchItemFailures: [] }, { batchItemFailures: null }]) assert.equal(failed(none), null)
  assert.equal(failed({ batchItemFailures: [item('t-0', 6), item('t-0', 5)] }), 5n)
  for (const bad of [
    { batchItemFailures: 5 },
    { batchItemFailures: [null] },
    { batchItemFailures: [item('t-1', 5)] },
    { batchItemFailures: [item('t-0', 7)] },
    { batchItemFailures: [item('t-0', '5')] },
  ])
    assert.throws(() => failed(bad), BadResult)
  const long = { batchItemFailures: [{ itemIdentifier: 'x'.repeat(5_000_000) }] }
  assert.throws(
    () => failed(long),
    ({ message }: BadResult) => message.length === 1_000,
  )
})
