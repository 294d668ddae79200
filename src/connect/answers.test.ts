import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { answerOf, type Case } from './answers.testing.ts'

interface Answered {
  readonly kafka: string
  /** Where it is another, and why. */
  readonly ours?: string
  readonly why?: string
}

test('converters and transforms answer as Apache Kafka 4.3.1 did, but for what is listed with a reason', async () => {
  const lines = readFileSync(new URL('fixtures/kafka-answers/answers.ndjson', import.meta.url), 'utf8')
    .trim()
    .split('\n')
  const differences: object[] = []
  for (const line of lines) {
    const given = JSON.parse(line) as Case & Answered
    const answer = await answerOf(given)
    if (given.ours === undefined ? !isSame(answer, given.kafka) : answer !== given.ours) differences.push({ ...given, answer })
  }
  assert.deepEqual(differences, [])
  assert.ok(lines.length > 400)
})

/** Java's maps have another order. */
function isSame(ours: string, kafkas: string): boolean {
  if (ours === kafkas) return true
  const parts = (text: string) => text.split(' key ').map(part => part.replace(/^orders /, ''))
  try {
    assert.deepEqual(
      parts(ours).map(part => JSON.parse(part)),
      parts(kafkas).map(part => JSON.parse(part)),
    )
    return true
  } catch {
    return false
  }
}
