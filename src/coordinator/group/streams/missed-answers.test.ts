import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client, groupsWith, parse, written } from './streams.testing.ts'

test('a member that reports other tasks than its own is told them again: it has missed an answer', async () => {
  const groups = groupsWith()
  groups.topics.set('t', 4)
  const a = new Client(groups, 'a')
  const b = new Client(groups, 'b')
  await a.beat()
  await groups.system.advance(2_000)
  await b.beat()
  // What a has to give back is said in an answer that is lost.
  const before = { activeTasks: parse(a.active) }
  const silent = { activeTasks: null, standbyTasks: null, warmupTasks: null }
  assert.deepEqual((await a.beat(silent)).activeTasks, parse(['0_0', '0_1']))
  assert.equal((await a.beat(silent)).activeTasks, null)
  assert.deepEqual((await a.beat(before)).activeTasks, parse(['0_0', '0_1']))
  await a.beat()
  // So is what b gets, in the epoch that it has already.
  assert.deepEqual((await b.beat(silent)).activeTasks, parse(['0_2', '0_3']))
  assert.equal((await b.beat(silent)).activeTasks, null)
  const seen = { count: groups.log.records().length }
  const again = await b.beat({ activeTasks: [] })
  assert.deepEqual([again.activeTasks, again.standbyTasks, again.warmupTasks], [parse(['0_2', '0_3']), [], []])
  assert.equal((await b.beat()).activeTasks, null)
  assert.deepEqual(written(groups, seen), [])
})
