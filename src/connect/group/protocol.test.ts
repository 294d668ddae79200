import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeAssignment, decodeWorkerState, encodeAssignment, encodeWorkerState } from './protocol.ts'

/** As IncrementalCooperativeConnectProtocol writes it: version, error, leader, its URL, offset, assigned, revoked, delay. */
const assignment = [
  '0002 0000 0001 6c 0008 687474703a2f2f6c 0000000000000007',
  '00000001 0001 63 00000002 ffffffff 00000000',
  '00000001 0001 64 00000001 00000001',
  '000003e8',
]
  .join('')
  .replaceAll(' ', '')

test('assignments have the bytes of Java', () => {
  const value = {
    error: 0,
    leader: 'l',
    leaderUrl: 'http://l',
    offset: 7n,
    assigned: { connectors: ['c'], tasks: [{ connector: 'c', task: 0 }] },
    revoked: { connectors: [], tasks: [{ connector: 'd', task: 1 }] },
    delayMs: 1_000,
  }
  assert.equal(encodeAssignment(value, 'sessioned').toString('hex'), assignment)
  assert.deepEqual(decodeAssignment(Buffer.from(assignment, 'hex')), value)
})

test('the state of a worker, with and without what it runs', () => {
  const state = { url: 'http://w', offset: 3n, work: { connectors: ['c'], tasks: [{ connector: 'c', task: 2 }] } }
  const bytes = encodeWorkerState(state, { leader: 'l', leaderUrl: 'http://l' }, 'compatible')
  assert.deepEqual(decodeWorkerState(bytes), state)
  const nothing = Buffer.from('000200086874 74703a2f2f770000000000000003ffffffff'.replaceAll(' ', ''), 'hex')
  assert.deepEqual(decodeWorkerState(nothing), { ...state, work: { connectors: [], tasks: [] } })
  const nullArrays = Buffer.from('0002000000016c0001750000000000000001ffffffffffffffff00000000', 'hex')
  assert.deepEqual(decodeAssignment(nullArrays).assigned, { connectors: [], tasks: [] })
})

test('what is cut short or too old is refused', () => {
  const bytes = Buffer.from(assignment, 'hex')
  for (const length of [0, 1, 5, 20, 30]) assert.throws(() => decodeAssignment(bytes.subarray(0, length)))
  assert.throws(() => decodeWorkerState(Buffer.from('0000', 'hex')), RangeError)
})
