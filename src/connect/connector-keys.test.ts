import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sinkProblems } from './connector-keys.ts'

test('an expression for topics is tried on the dead-letter topic in linear time', () => {
  const letters = `${'a'.repeat(40)}!`
  assert.equal(sinkProblems({ 'topics.regex': '(a+)+', 'errors.deadletterqueue.topic.name': letters }).size, 0)
  const matched = sinkProblems({ 'topics.regex': '(a+)+', 'errors.deadletterqueue.topic.name': 'aaa' })
  assert.match(matched.get('topics.regex')![0]!, /may not be matched/)
})
