/** The records of Kafka Connect's topics, as its workers write them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { struct } from '../../connector.ts'
import { ConfigState, entries } from './config-state.ts'
import { OffsetTable } from './offset-store.ts'
import { StatusTable } from './status-store.ts'

function stateOf(records: readonly (readonly [key: string, value: string | null])[]): ConfigState {
  const state = new ConfigState()
  for (const [at, [key, value]] of records.entries()) state.apply(key, value === null ? null : Buffer.from(value), BigInt(at))
  return state
}

test('configurations of tasks count when all of them are there', () => {
  const records = [
    ['connector-a-b', '{"properties":{"name":"a-b","x":null}}'],
    ['task-a-b-0', '{"properties":{"t":"0"}}'],
    ['task-a-b-1', '{"properties":{"t":"1"}}'],
    ['commit-a-b', '{"tasks":2}'],
  ] as const
  const state = stateOf(records)
  assert.equal(state.offset, 4n)
  assert.deepEqual({ ...state.config('a-b') }, { name: 'a-b', x: null })
  assert.equal(state.taskConfig({ connector: 'a-b', task: 1 })!['t'], '1')
  assert.deepEqual(state.counts(), new Map([['a-b', 2]]))
  const cut = stateOf(records.toSpliced(1, 1))
  assert.equal(cut.isInconsistent('a-b'), true)
  assert.deepEqual(cut.counts(), new Map([['a-b', 0]]))
  assert.equal(stateOf(records.slice(1)).has('a-b'), false)
})

test('target states, old and new, and deletion', () => {
  const connector = ['connector-c', '{"properties":{}}'] as const
  assert.equal(stateOf([connector]).target('c'), 'STARTED')
  assert.equal(stateOf([connector, ['target-state-c', '{"state":"PAUSED"}']]).target('c'), 'PAUSED')
  assert.equal(stateOf([connector, ['target-state-c', '{"state":"PAUSED","state.v2":"STOPPED"}']]).target('c'), 'STOPPED')
  const gone = stateOf([connector, ['target-state-c', '{"state":"PAUSED"}'], ['connector-c', null], ['target-state-c', null], connector])
  assert.equal(gone.target('c'), 'STARTED')
  assert.deepEqual(entries.target('c', 'STOPPED'), [{ key: 'target-state-c', value: { state: 'PAUSED', 'state.v2': 'STOPPED' } }])
})

test('fencing: what was written since, and how many tasks there were before', () => {
  const records: [string, string][] = [
    ['connector-c', '{"properties":{}}'],
    ['task-c-0', '{"properties":{}}'],
    ['commit-c', '{"tasks":1}'],
  ]
  assert.equal(stateOf(records).toFence('c'), 0)
  records.push(['tasks-fencing-c', '{"task-count":1}'])
  assert.equal(stateOf(records).toFence('c'), null)
  records.push(['task-c-0', '{"properties":{}}'], ['commit-c', '{"tasks":1}'])
  assert.equal(stateOf(records).toFence('c'), 1)
})

test('other keys', () => {
  const state = new ConfigState()
  const apply = (key: string, value: string) => state.apply(key, Buffer.from(value), 0n)
  assert.deepEqual(apply('restart-connector-c', '{"include-tasks":true,"only-failed":false}'), {
    kind: 'restart',
    request: { connector: 'c', includeTasks: true, onlyFailed: false },
  })
  apply('session-key', '{"key":"AQI=","algorithm":"HmacSHA256","creation-timestamp":1700000000000}')
  assert.deepEqual(state.sessionKey, { key: Buffer.from([1, 2]), algorithm: 'HmacSHA256', createdMs: 1_700_000_000_000 })
  assert.deepEqual(apply('logger-cluster-a.b', '{"level":"DEBUG"}'), { kind: 'level', logger: 'a.b', level: 'DEBUG' })
  for (const [key, value] of [
    ['whatever', '{}'],
    ['connector-c', '{"properties":1}'],
    ['commit-c', '{'],
  ] as const)
    assert.throws(() => apply(key, value), /./, key)
})

test('offsets of one partition are one, in whatever order its fields were written', () => {
  const table = new OffsetTable()
  const key = Buffer.from('["c",{"b":1,"a":"x"}]')
  table.apply(key, Buffer.from('{"at":12345678901234567890}'))
  const partition = struct([
    ['a', 'x'],
    ['b', 1],
  ])
  assert.deepEqual(table.find('c', [partition])[0], { at: 12_345_678_901_234_567_890n })
  assert.equal(table.keyOf('c', partition).toString(), key.toString())
  assert.equal(table.keyOf('c', struct([['z', 1n]])).toString(), '["c",{"z":1}]')
  table.apply(key, null)
  assert.deepEqual(table.offsets('c'), [])
  for (const bad of ['x', '["c"]', '[1,{}]', '{}']) assert.throws(() => table.apply(Buffer.from(bad), Buffer.from('{}')))
})

test('statuses have the form of Java, and an older worker does not hide a newer one', () => {
  const written = new Map<string, string>()
  const table: StatusTable = new StatusTable(async (key, value) => {
    written.set(key, JSON.stringify(value))
    table.apply(key, value === null ? null : Buffer.from(JSON.stringify(value)))
  })
  const status = { state: 'RUNNING', trace: null, workerId: 'w:8083', generation: 2, version: null, history: [] } as const
  void table.putTask({ connector: 'a-b', task: 3 }, status)
  assert.equal(written.get('status-task-a-b-3'), '{"state":"RUNNING","trace":null,"worker_id":"w:8083","generation":2}')
  void table.putTask({ connector: 'a-b', task: 3 }, { ...status, state: 'UNASSIGNED', generation: 1 })
  assert.equal(table.task({ connector: 'a-b', task: 3 })!.state, 'RUNNING')
  void table.putTopic('c', { topic: 't:1', task: 0, discoveredMs: 5 })
  assert.equal(written.get('status-topic-t:1:connector-c'), '{"topic":{"name":"t:1","connector":"c","task":0,"discoverTimestamp":5}}')
  assert.deepEqual(table.topics('c'), [{ topic: 't:1', task: 0, discoveredMs: 5 }])
})
