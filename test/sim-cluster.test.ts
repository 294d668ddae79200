/** The simulation of a cluster in small; `npm run sim -- cluster` is the whole of it, with all planted bugs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cluster } from '../sim/scenarios/cluster.ts'
import { clusterPlants } from '../sim/scenarios/cluster-plants.ts'
import {
  addNumbers,
  clusterScenario,
  clusterShareGroupScenario,
  laggingStandbyScenario,
  numbersOf,
  type Scenario,
  seedThatFinds,
  tellsOneStory,
} from '../sim/scenarios.ts'

async function play<P>(scenario: Scenario<P>, seeds: number): Promise<Record<string, number>> {
  const total: Record<string, number> = {}
  for (let seed = 1; seed <= seeds; seed++) {
    const result = seed > 1 ? await scenario.run({ seed }) : await tellsOneStory(seed, each => scenario.run({ seed: each }))
    addNumbers(numbersOf(scenario, result), total)
  }
  return total
}

test('every promise is kept while brokers and stores fail, and a seed tells the same story twice', async () => {
  const { starts, sessions, committed, segments } = await play(clusterScenario, 3)
  assert.ok(starts! > 15 && sessions! > 15 && committed! > 30 && segments! > 80, JSON.stringify({ starts, sessions, committed, segments }))
})

test('so are those to share groups', async () => {
  const { deliveries, acknowledged } = await play(clusterShareGroupScenario, 2)
  assert.ok(deliveries! > 80 && acknowledged! > 60, JSON.stringify({ deliveries, acknowledged }))
})

test('what a standby that lags has lost is reported', async () => {
  const { acknowledged, reports } = await play(laggingStandbyScenario, 3)
  assert.ok(acknowledged! > 500 && reports! > 5, JSON.stringify({ acknowledged, reports }))
})

for (const bug of [
  'acknowledged before the commit',
  'objects of living sessions are swept',
  'the journal is trimmed before the flush is committed',
]) {
  test(`planted: ${bug}`, async () => {
    const plant = clusterPlants[bug]!
    await seedThatFinds(bug, 1, seed => cluster({ seed, plant }))
  })
}
