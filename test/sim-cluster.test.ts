/** The simulation of a cluster in small; `npm run sim -- cluster` is the whole of it, with all planted bugs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cluster } from '../sim/scenarios/cluster.ts'
import { clusterPlants } from '../sim/scenarios/cluster-plants.ts'
import { seedThatFinds, tellsOneStory } from '../sim/scenarios.ts'

test('every promise is kept while brokers and stores fail, and a seed tells the same story twice', async () => {
  const total = { starts: 0, sessions: 0, committed: 0, segments: 0 }
  for (let seed = 1; seed <= 6; seed++) {
    const result = seed > 1 ? await cluster({ seed }) : await tellsOneStory(seed, each => cluster({ seed: each }))
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += result[key]
  }
  assert.ok(total.starts > 20 && total.sessions > 20 && total.committed > 60 && total.segments > 200, JSON.stringify(total))
})

test('a planted bug is found', async () => {
  const plant = clusterPlants['acknowledged before the commit']!
  await seedThatFinds('acknowledged before the commit', 1, seed => cluster({ seed, plant }))
})
