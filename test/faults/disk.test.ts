/** Disks that break, on a simulated machine (see sim/scenarios/disk-faults.ts), and a short run of the power-cut simulation. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scenarios } from '../../sim/scenarios/disk-faults.ts'
import { Finding } from '../../sim/scenarios/finding.ts'
import { powerCuts } from '../../sim/scenarios/power-cuts.ts'

for (const [name, scenario] of Object.entries(scenarios)) test(name, () => scenario(1))

test('power cuts lose nothing that was promised', async () => {
  for (const seed of [1, 2, 3]) assert.equal((await powerCuts({ seed, states: 100 })).states, 100)
})

test('what is appended to a log that was recovered from a power cut survives the next crash', async () => {
  for (const seed of [122, 212]) assert.equal((await powerCuts({ seed, states: 200 })).states, 200)
})

test('power cuts lose nothing that was promised, though the disk also refuses things', async () => {
  for (const seed of [503, 562, 1082, 1139]) assert.equal((await powerCuts({ seed, states: 60, refusals: true })).states, 60)
})

test('a disk that ignores syncs is detected', async () => {
  await assert.rejects(powerCuts({ seed: 1, states: 200, lieAboutSyncs: true }), Finding)
})

test('two runs of a seed are equal', async () => {
  const [first, second] = [await powerCuts({ seed: 7, states: 120 }), await powerCuts({ seed: 7, states: 120 })]
  assert.ok(first.history.length > 50)
  assert.deepEqual(first.history, second.history)
})
