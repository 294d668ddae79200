/** Upkeep of real partitions, under faults at each step: nothing is lost, nobody misses what was named, and at rest nothing is left over. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Plant, Story } from './story.testing.ts'

const rounds = 16

test('whatever fails, nothing is lost, and at rest the objects are those that rows name', async () => {
  const total: Record<string, number> = {}
  for (let seed = 1; seed <= 8; seed++) {
    const story = new Story(seed, null)
    const finding = await story.tell(rounds)
    if (finding !== null) throw new Error(`seed ${seed}: ${finding.message}`, { cause: finding })
    for (const [name, count] of Object.entries(story.counts)) total[name] = (total[name] ?? 0) + count
  }
  const often = { lost: 5, troubles: 5, moves: 5, deletedTopics: 3, reads: 100 }
  const least = { ...often, flushes: 50, removedPieces: 20, cleanedPieces: 20, mergedPieces: 5, carriedForward: 2 }
  for (const [name, count] of Object.entries(least)) assert.ok(total[name]! >= count, `${name}: ${JSON.stringify(total)}`)
})

const plants: readonly Plant[] = ['trim-before-flush', 'rows-before-objects', 'sweep-of-the-living', 'sweep-of-the-named', 'no-grace']
for (const plant of plants) {
  test(`a planted bug is found: ${plant}`, async () => {
    for (let seed = 1; seed <= 12; seed++) if ((await new Story(seed, plant).tell(rounds)) !== null) return
    assert.fail('it was not found')
  })
}
