/** `consume --filter`: a condition in CEL on each record. A record for which it has no answer, because a field is missing, say, does not pass; how many, is told at the end. */
import type { System } from '../base.ts'
import { celHeaders, compileCel, ExprError } from '../expr.ts'
import type { Serdes } from '../serde.ts'
import { plural, UsageError } from './output.ts'
import { type Decoded, showPart } from './record-printer.ts'

export interface RecordFilter {
  passes(decoded: Decoded): Promise<boolean>
  tellProblems(): void
}

/** Keys and values that are not decoded yet are decoded by what they look like. Throws UsageError. */
export async function openFilter(text: string, serdes: Serdes, { clock }: System): Promise<RecordFilter> {
  const program = await compileCel(text, { clock }).catch((error: unknown) => {
    throw error instanceof ExprError ? new UsageError(`--filter: ${error.message}`) : error
  })
  let problems = 0
  let first = ''
  const shownOf = async ({ record, ...decoded }: Decoded, part: 'key' | 'value') =>
    (decoded[part] ?? (await showPart(record, part, 'auto', serdes))).value
  return {
    async passes(decoded) {
      const { record } = decoded
      const { topic, partition, offset, timestampMs, headers } = record
      const [key, value] = await Promise.all([shownOf(decoded, 'key'), shownOf(decoded, 'value')])
      try {
        return program.matches({ topic, partition, offset, timestampMs, key, value, headers: celHeaders(headers) })
      } catch (error) {
        if (!(error instanceof ExprError)) throw error
        if (problems++ === 0) first = `${topic}-${partition} at offset ${offset}: ${error.message}`
        return false
      }
    },
    tellProblems() {
      if (problems > 0) process.stderr.write(`--filter had no answer for ${plural(problems, 'record')}; the first: ${first}\n`)
    },
  }
}
