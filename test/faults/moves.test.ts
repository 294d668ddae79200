/** Partitions that move between two logs of a simulated machine (see sim/scenarios/moves.ts). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { movePlants, moves } from '../../sim/scenarios/moves.ts'
import { seedThatFinds } from '../../sim/scenarios.ts'

test('crashes while partitions move between two logs lose nothing, and no partition is in both', async () => {
  for (const seed of [1, 2, 3]) {
    const result = await moves({ seed, states: 120 })
    assert.equal(result.states, 120)
    assert.ok(result.moves > 0)
  }
})

for (const plant of movePlants)
  test(`a planted bug is found: ${plant}`, async () => {
    await seedThatFinds(plant, 1, seed => moves({ seed, states: 150, plant }))
  })

test('two runs of a seed are equal', async () => {
  const [first, second] = [await moves({ seed: 4, states: 60 }), await moves({ seed: 4, states: 60 })]
  assert.ok(first.history.length > 50)
  assert.deepEqual(first.history, second.history)
})
