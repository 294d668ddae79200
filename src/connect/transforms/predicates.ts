/** Kafka's predicates. */
import { string } from '../../base.ts'
import { javaPattern } from '../values/java-reg-exp.ts'
import { definePredicate } from './transform.ts'

const hasHeaderKey = definePredicate({
  name: 'HasHeaderKey',
  summary: 'holds for records that have a header of this name',
  keys: {
    name: string({
      required: true,
      doc: 'The name of the header.',
    }),
  },
  open: ({ name }) => ({ test: record => record.headers.some(header => header.name === name) }),
})

const recordIsTombstone = definePredicate({
  name: 'RecordIsTombstone',
  summary: 'holds for records whose value is null',
  keys: {},
  open: () => ({ test: record => record.value === null }),
})

const topicNameMatches = definePredicate({
  name: 'TopicNameMatches',
  summary: 'holds for records whose topic matches a regular expression',
  keys: {
    pattern: string({
      required: true,
      doc: 'A Java regular expression that matches whole topics, with the limits of RegexRouter.',
    }),
  },
  open({ pattern }, { refuse }) {
    try {
      const compiled = javaPattern(pattern)
      return { test: record => compiled.match(record.topic) !== null }
    } catch (error) {
      throw error instanceof SyntaxError ? refuse('pattern', pattern, `Invalid regex: ${error.message}`) : error
    }
  },
})

export const kafkaPredicates = [hasHeaderKey, recordIsTombstone, topicNameMatches]
