import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MalformedInput } from '../../base.ts'
import { unchanged } from '../change-data/captured-table.ts'
import { decodeMessage, type RowChange } from './pgoutput.ts'
import { recorded } from './recorded.testing.ts'

const bodies = recorded.flatMap(frame => (frame.kind === 'data' ? [frame.body] : []))

test('messages of PostgreSQL are read', () => {
  const messages = bodies.map(decodeMessage)
  const counts = new Map<string, number>()
  for (const { kind } of messages) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  assert.deepEqual(Object.fromEntries(counts), {
    begin: 10,
    type: 4,
    relation: 6,
    insert: 8,
    commit: 10,
    update: 3,
    delete: 2,
    message: 2,
    truncate: 1,
  })
  const [first] = messages.filter((each): each is RowChange => each.kind === 'update')
  assert.deepEqual(first?.after?.slice(0, 2), ['1', 'changed'])
  assert.equal(first?.after?.at(-1), unchanged)
  const outside = messages.filter(each => each.kind === 'message')[1]
  assert.deepEqual([outside?.isTransactional, outside?.prefix, outside?.content.toString()], [false, 'audit', 'outside'])
})

test('a message that is cut off, or too long, is refused', () => {
  for (const body of bodies) {
    for (let length = 0; length < body.length; length += body.length > 500 ? 97 : 1)
      assert.throws(() => decodeMessage(body.subarray(0, length)), MalformedInput, `${body.toString('latin1')} to ${length}`)
    assert.throws(() => decodeMessage(Buffer.concat([body, Buffer.alloc(1)])), MalformedInput)
  }
})

test('sizes and kinds that cannot be are refused', () => {
  const insert = (tuple: readonly number[]) => Buffer.from([0x49, 0, 0, 0, 1, 0x4e, ...tuple])
  for (const tuple of [
    [0x7f, 0xff],
    [0, 1, 0x62],
    [0, 1, 0x74, 0x7f, 0xff, 0xff, 0xff],
    [0, 1, 0x74, 0xff, 0xff, 0xff, 0xff],
    [0, 1, 0x74, 0, 0, 0, 1, 0xff],
  ])
    assert.throws(() => decodeMessage(insert(tuple)), MalformedInput, tuple.join())
  assert.throws(() => decodeMessage(Buffer.from('Z')), /there is no message "Z"/)
  assert.throws(() => decodeMessage(Buffer.from([0x54, 0xff, 0xff, 0xff, 0xff, 0])), MalformedInput)
})
