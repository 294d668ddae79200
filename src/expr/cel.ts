/** CEL over a record. */
import { isUtf8 } from 'node:buffer'
import type { Clock } from '../base.ts'
import { defaultLimits, type Limits, Steps } from './budget.ts'
import { compileCelTree, type Scope } from './cel/compile.ts'
import { Failure, fromRecord, List, Mapping, type Result, Timestamp, Uint, type Value } from './cel/values.ts'
import { ExprError } from './errors.ts'

/** What an expression sees of a record. Keys and values as a serde shows them; in headers, of several of one name the last. */
export interface RecordInput {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly timestampMs: bigint
  readonly key: unknown
  readonly value: unknown
  readonly headers: Readonly<Record<string, unknown>>
}

/** Headers as an expression sees them: text, or bytes that are none. */
export function celHeaders(headers: readonly { readonly key: Buffer; readonly value: Buffer | null }[]): RecordInput['headers'] {
  return Object.fromEntries(
    headers.map(({ key, value }) => [key.toString('utf8'), value === null || !isUtf8(value) ? value : value.toString('utf8')]),
  )
}

export interface CelProgram {
  /** Throws ExprError: something is missing or of another type, the result is no bool, or it takes too long. */
  matches(record: RecordInput): boolean
  /** The result as JSON can hold it. Throws ExprError. */
  evaluate(record: RecordInput): unknown
}

const celVariables = ['key', 'value', 'headers', 'topic', 'partition', 'offset', 'timestamp'] as const
type Variable = (typeof celVariables)[number]

/** Throws ExprError that names the position. */
export async function compileCel(text: string, { clock, limits = defaultLimits }: { clock: Clock; limits?: Limits }): Promise<CelProgram> {
  const run = await compileCelTree(text, celVariables)
  const scope = new RecordScope(new Steps(clock, limits))
  const evaluate = (record: RecordInput): Value => {
    scope.begin(record)
    const result = run(scope)
    if (result instanceof Failure) throw new ExprError(`${result.message} (at character ${result.position + 1})`, result.position)
    return result
  }
  return {
    matches(record) {
      const result = evaluate(record)
      if (typeof result !== 'boolean') throw new ExprError('the expression must be a condition: its result is no bool', 0)
      return result
    },
    evaluate: record => plain(evaluate(record)),
  }
}

class RecordScope implements Scope {
  readonly steps: Steps
  #record: RecordInput | null = null

  constructor(steps: Steps) {
    this.steps = steps
  }

  begin(record: RecordInput): void {
    this.#record = record
    this.steps.restart()
  }

  lookup(name: string): Result | undefined {
    const { timestampMs, partition, ...record } = this.#record!
    switch (name as Variable) {
      case 'timestamp':
        return new Timestamp(timestampMs * 1_000_000n)
      case 'partition':
        return BigInt(partition)
      default:
        return fromRecord(record[name as Exclude<Variable, 'timestamp' | 'partition'>])
    }
  }
}

function plain(value: Value): unknown {
  if (value instanceof List) return Array.from(value, plain)
  if (value instanceof Mapping)
    return Object.fromEntries(value.keys().map(key => [String(key instanceof Uint ? key.value : key), plain(value.get(key)!)]))
  if (value instanceof Uint) return value.value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return typeof value === 'object' && value !== null ? ('name' in value ? value.name : String(value.nanos)) : value
}
