/** Transforms and a predicate in CEL, which see `topic`, `partition`, `offset`, `timestamp`, `key`, `value` and `headers`. */
import { string } from '../../base.ts'
import { type ConnectRecord, DataError, type SinkRecord } from '../../connector.ts'
import { type CelProgram, compileCel, ExprError, type RecordInput } from '../../expr.ts'
import { fromPlain, toPlain } from '../values/plain.ts'
import { definePredicate, defineTransform, type OpenContext } from './transform.ts'

export const celFilter = defineTransform({
  name: 'CelFilter',
  package: 'millrace.transforms.',
  isCode: true,
  sides: false,
  summary: 'keeps the records for which a condition in CEL holds',
  keys: {
    expression: string({
      required: true,
      mayBeEmpty: true,
      importance: 'high',
      doc: 'The condition, such as value.total > 9 && headers.region == "eu".',
    }),
  },
  async open({ expression }, context) {
    const program = await compile(expression, context)
    return { apply: record => (holds(program, record) ? record : null) }
  },
})

export const celMap = defineTransform({
  name: 'CelMap',
  package: 'millrace.transforms.',
  isCode: true,
  sides: true,
  summary: 'replaces the key or the value by the result of an expression in CEL',
  keys: {
    expression: string({
      required: true,
      mayBeEmpty: true,
      importance: 'high',
      doc: 'The new key or value, such as {"id": value.id, "total": value.price * value.count}. It keeps its schema as far as the result fits, field by field; other fields get one by their looks.',
    }),
  },
  async open({ expression }, context) {
    const { part } = context
    const program = await compile(expression, context)
    return {
      apply(record) {
        const result = fromPlain(
          guarded(() => program.evaluate(inputOf(record))),
          part.schema(record),
        )
        return part.with(record, result.schema, result.value)
      },
    }
  },
})

export const celMatches = definePredicate({
  name: 'CelMatches',
  package: 'millrace.predicates.',
  summary: 'holds for records for which a condition in CEL holds',
  keys: { expression: string({ required: true, mayBeEmpty: true, importance: 'high', doc: 'The condition.' }) },
  async open({ expression }, context) {
    const program = await compile(expression, context)
    return { test: record => holds(program, record) }
  },
})

async function compile(expression: string, { system, refuse }: OpenContext): Promise<CelProgram> {
  try {
    return await compileCel(expression, { clock: system.clock })
  } catch (error) {
    throw error instanceof ExprError ? refuse('expression', expression, error.message) : error
  }
}

function holds(program: CelProgram, record: ConnectRecord): boolean {
  return guarded(() => program.matches(inputOf(record)))
}

function guarded<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof ExprError ? new DataError(error.message, error) : error
  }
}

/** Of what a record of a source does not have yet, partition and offset, -1. */
function inputOf(record: ConnectRecord): RecordInput {
  const headers: Record<string, unknown> = Object.create(null)
  for (const { name, value } of record.headers) headers[name] = toPlain(value)
  return {
    topic: record.topic,
    partition: record.partition ?? -1,
    offset: (record as Partial<SinkRecord>).offset ?? -1n,
    timestampMs: record.timestampMs ?? 0n,
    key: toPlain(record.key),
    value: toPlain(record.value),
    headers,
  }
}
