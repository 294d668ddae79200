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
