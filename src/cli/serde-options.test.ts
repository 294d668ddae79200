import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serdes } from '../serde.ts'
import { schemaChoice, serdeNames } from './serde-options.ts'

test('the names of the formats are those of the serdes', () => {
  assert.deepEqual(
    serdeNames,
    serdes.map(each => each.name),
  )
})

test('schemas are named by id, subject and version; a message follows #', () => {
  assert.deepEqual(schemaChoice('17'), { id: 17 })
  assert.deepEqual(schemaChoice('orders-value'), { subject: 'orders-value' })
  assert.deepEqual(schemaChoice('a@b@3#p.M'), { subject: 'a@b', version: 3, message: 'p.M' })
  assert.deepEqual(schemaChoice('#M'), { message: 'M' })
})
