/** A small version of the tests that every scenario of the simulation must pass. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addNumbers, findPlants, numbersOf, type Scenario, tellsOneStory } from '../../sim/scenarios.ts'

/** `least`: what the worlds must come to in all, so that their peace means something. */
export function testScenario(scenario: Scenario, seeds: number, least: Readonly<Record<string, number>>): void {
  const { name, run } = scenario

  test(`${name}: every promise is kept through crashes, power cuts and pauses, and a seed tells the same story twice`, async () => {
    const total: Record<string, number> = {}
    for (let seed = 1; seed <= seeds; seed++) {
      const result = seed > 2 ? await run({ seed }) : await tellsOneStory(seed, each => run({ seed: each }))
      addNumbers(numbersOf(scenario, result), total)
    }
    for (const [key, count] of Object.entries(least)) assert.ok(total[key]! > count, `${total[key]} ${key}`)
  })

  test(`${name}: every planted bug is found`, async () => {
    await findPlants(scenario, 1)
  })
}
