/** Conditions on records. One that has no answer for a record, because a field is missing, say, does not hold; how many, is told. */
import { type Clock, type MaybePromise, parseLossless, stringifyLossless } from '../../base.ts'
import { celHeaders, compileCel, compileJsonPath, ExprError } from '../../expr.ts'
import type { Filters } from './job.ts'
import type { Opened } from './rows.ts'

type Condition = (opened: Opened) => MaybePromise<boolean>

export interface Filter {
  readonly matches: Condition
  failed: number
  /** Why, for the first of them. */
  problem: string | null
}

/** Throws ExprError if an expression is none. */
export async function compileFilter(filters: Filters, clock: Clock): Promise<Filter> {
  const { contains, header, headerHas, path, pathIs, cel } = filters
  const conditions: Condition[] = []
  if (contains !== undefined) conditions.push(containing(contains))
  if (header !== undefined) conditions.push(withHeader(header, headerHas))
  if (path !== undefined) conditions.push(atPath(path, pathIs, clock))
  if (cel !== undefined) conditions.push(await inCel(cel, clock))
  const filter: Filter = {
    failed: 0,
    problem: null,
    matches(opened) {
      for (let at = 0; at < conditions.length; at++) {
        const holds = guarded(conditions[at]!, opened)
        if (holds instanceof Promise) return holds.then(first => first && rest(at + 1, opened))
        if (!holds) return false
      }
      return true
    },
  }
  const rest = async (from: number, opened: Opened): Promise<boolean> => {
    for (const condition of conditions.slice(from)) if (!(await guarded(condition, opened))) return false
    return true
  }
  const failed = (error: unknown, { record }: Opened): false => {
    if (!(error instanceof ExprError)) throw error
    filter.failed++
    filter.problem ??= `partition ${record.partition}, offset ${record.offset}: ${error.message}`
    return false
  }
  const guarded = (condition: Condition, opened: Opened): MaybePromise<boolean> => {
    try {
      const holds = condition(opened)
      return holds instanceof Promise ? holds.catch((error: unknown) => failed(error, opened)) : holds
    } catch (error) {
      return failed(error, opened)
    }
  }
  return filter
}

/** In the bytes, which is exact for UTF-8 and needs no text of what does not match; where they are no text, also in what they are decoded to. */
function containing(text: string): Condition {
  const wanted = Buffer.from(text, 'utf8')
  const has = (bytes: Buffer | null) => bytes?.includes(wanted) === true
  return opened => {
    const { key, value, headers } = opened.record
    if (has(value) || has(key) || headers.some(each => has(each.key) || has(each.value))) return true
    const binary = (['key', 'value'] as const).filter(part => opened.record[part] !== null && !opened.isText(part))
    if (binary.length === 0) return false
    return Promise.all(binary.map(part => opened.decoded(part))).then(all => all.some(each => stringifyLossless(each.value).includes(text)))
  }
}

function withHeader(name: string, text: string | undefined): Condition {
  const [key, wanted] = [Buffer.from(name, 'utf8'), text === undefined ? null : Buffer.from(text, 'utf8')]
  return ({ record }) => record.headers.some(each => each.key.equals(key) && (wanted === null || each.value?.includes(wanted) === true))
}

function atPath(text: string, wanted: string | undefined, clock: Clock): Condition {
  const path = compileJsonPath(text, { clock })
  const holds = (value: unknown) => {
    const found = path.find(value)
    if (wanted === undefined) return found.length > 0
    return found.some(each => (typeof each === 'string' ? each : stringifyLossless(each)) === wanted)
  }
  return opened => {
    const value = displayOf(opened, 'value')
    return value instanceof Promise ? value.then(holds) : holds(value)
  }
}

async function inCel(text: string, clock: Clock): Promise<Condition> {
  const program = await compileCel(text, { clock })
  return opened => {
    const { topic, partition, offset, timestampMs, headers } = opened.record
    const holds = (key: unknown, value: unknown) =>
      program.matches({ topic, partition, offset, timestampMs, key, value, headers: celHeaders(headers) })
    const [key, value] = [displayOf(opened, 'key'), displayOf(opened, 'value')]
    return key instanceof Promise || value instanceof Promise ? Promise.all([key, value]).then(both => holds(...both)) : holds(key, value)
  }
}

/** As a serde shows it. Text is parsed here, because most of it is JSON, and guessing costs more than parsing. */
function displayOf(opened: Opened, part: 'key' | 'value'): unknown {
  const bytes = opened.record[part]
  if (bytes === null) return null
  if (opened.isText(part) && (bytes[0] === 0x7b || bytes[0] === 0x5b)) {
    const text = bytes.toString('utf8')
    try {
      return parseLossless(text)
    } catch {
      return text
    }
  }
  const decoded = opened.decoded(part)
  return decoded instanceof Promise ? decoded.then(each => each.value) : decoded.value
}
