import assert from 'node:assert/strict'
import { test } from 'node:test'
import { consumerSettings } from './consumer-settings.ts'
import type { TaskRun } from './run.ts'

const runOf = (worker: Record<string, string>, config: Record<string, string>) =>
  ({ order: { connector: 'c', worker: { properties: worker } }, config }) as unknown as TaskRun

test('a connector is given as many records together as it says, unless a configuration says otherwise', () => {
  const most = (worker: object, config: object, atOnce?: number) =>
    consumerSettings(runOf(worker as Record<string, string>, config as Record<string, string>), atOnce).mostRecords
  assert.equal(most({}, {}), 2_000)
  assert.equal(most({}, {}, 500), 500)
  assert.equal(most({ 'consumer.max.poll.records': '100' }, {}, 500), 100)
  assert.equal(most({ 'consumer.max.poll.records': '100' }, { 'consumer.override.max.poll.records': '900' }, 500), 900)
})
