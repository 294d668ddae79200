/** All responses about groups of every type are those of Apache Kafka 4.4.0, recorded in `group-types.json`. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { connect } from '../support/client.ts'
import { type Folded, folded, type Matrix, matrixOf } from './group-types.ts'

const kafka = JSON.parse(readFileSync(new URL('group-types.json', import.meta.url), 'utf8')) as Folded

const inWords = { fields: ['errorMessage'], because: 'Kafka says nothing in words here' }
/** What is answered differently on purpose: these fields are not compared. */
const onPurpose: Record<string, { fields: string[]; because: string }> = {
  'DeleteGroups v3': inWords,
  'ShareFetch v1, without a session': inWords,
  'ShareAcknowledge v1, without a session': inWords,
  'ShareGroupHeartbeat v1, joins': {
    fields: ['assignment'],
    because: "Kafka's first answer comes before the state of the partitions is there",
  },
}

let broker: Millrace
let matrix: Matrix

before(async () => {
  broker = await startBroker({ memory: true, config: { 'offsets.topic.num.partitions': '5' } })
  const client = await connect(broker.port)
  matrix = await matrixOf(client)
  client.close()
})
after(() => broker.close())

describe('groups of every type', () => {
  for (const [row, answers] of Object.entries(kafka)) {
    it(row, () => {
      const expected = Object.fromEntries(answers.flatMap(({ groups, answer }) => groups.map(group => [group, answer])))
      const omitted = onPurpose[row]?.fields ?? []
      const compared = (cells: Matrix[string]) => folded({ [row]: without(cells, omitted) as Matrix[string] })[row]
      const inOrder = Object.fromEntries(Object.keys(matrix[row]!).map(group => [group, expected[group]]))
      assert.deepEqual(compared(matrix[row]!), compared(inOrder))
    })
  }

  it('every row is recorded', () => {
    assert.deepEqual(Object.keys(matrix), Object.keys(kafka))
  })
})

function without(value: unknown, fields: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map(each => without(each, fields))
  if (value === null || typeof value !== 'object') return value
  const kept = Object.entries(value).filter(([name]) => !fields.includes(name))
  return Object.fromEntries(kept.map(([name, inner]) => [name, without(inner, fields)]))
}
