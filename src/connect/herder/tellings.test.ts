import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../../base.ts'
import type { Config } from '../stores/config-state.ts'
import type { ConfigStore } from '../stores/config-store.ts'
import type { WorkerConfig } from '../worker-config.ts'
import { Tellings } from './tellings.ts'

test('what a connector said earlier is not written after what it says now', async () => {
  const written: (readonly Config[])[] = []
  let isReady = false
  let tried = () => {}
  const hasTried = new Promise<void>(resolve => (tried = resolve))
  const state = { has: () => true, target: () => 'STARTED', isInconsistent: () => false, tasks: () => written.at(-1) ?? [] }
  const leading = {
    ...{ isLeader: true, leaderUrl: null, isClosed: false },
    async putTasks(_: string, tasks: readonly Config[]) {
      tried()
      if (!isReady) throw new Error('a rebalance is under way')
      written.push(tasks)
    },
    async fence() {},
  }
  const configs = { state } as unknown as ConfigStore
  const tellings = new Tellings({ worker: {} as WorkerConfig, configs, system: realSystem() }, leading)
  let isEarlierWanted = true
  const [one, other] = [[{ n: '1' }], [{ n: '1' }, { n: '2' }]]
  const earlier = tellings.tasksMade('c', one, () => isEarlierWanted)
  await hasTried
  // It is deleted, and made again with more tasks, while the earlier telling waits to try again.
  isEarlierWanted = false
  isReady = true
  await tellings.tasksMade('c', other, () => true)
  await earlier
  assert.deepEqual(written, [other])
})

test('a task that begins waits until somebody leads and fences, but not when something else is asked of it', async () => {
  const worker = { values: { 'exactly.once.source.support': 'enabled', 'group.id': 'g' } } as unknown as WorkerConfig
  let toFence: number | null = 2
  const leading = {
    ...{ isLeader: false, leaderUrl: null, isClosed: false },
    async putTasks() {},
    async fence() {
      toFence = null
    },
  }
  const configs = { state: { toFence: () => toFence } } as unknown as ConfigStore
  const { transactional } = new Tellings({ worker, configs, system: realSystem() }, leading)
  const overtaken = new AbortController()
  const id = { connector: 'c', task: 0 }
  const [waits, ends] = [transactional(id, new AbortController().signal), transactional(id, overtaken.signal)]
  overtaken.abort()
  await assert.rejects(ends, { name: 'AbortError' })
  assert.equal(toFence, 2)
  leading.isLeader = true
  assert.equal(await waits, 'g-c-0')
  assert.equal(toFence, null)
})
