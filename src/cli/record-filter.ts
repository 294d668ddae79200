/** `consume --filter`: a condition in CEL on each record. A record for which it has no answer, because a field is missing, say, does not pass; how many, is told at the end. */
import { isUtf8 } from 'node:buffer'
import type { System } from '../base.ts'
import type { ReceivedRecord } from '../client.ts'
import { compileCel, ExprError } from '../expr.ts'
import type { Serdes } from '../serde.ts'
import { plural, UsageError } from './output.ts'
import { showPart } from './record-printer.ts'
import type { SerdeFlags } from './serde-options.ts'

export interface RecordFilter {
  passes(record: ReceivedRecord): Promise<boolean>
  tellProblems(): void
}

/** Keys and values are decoded as `serde` says, otherwise by what they look like. Throws UsageError. */
export async function openFilter(text: string, serdes: Serdes, serde: SerdeFlags['serde'], { clock }: System): Promise<RecordFilter> {
  const program = await compileCel(text, { clock }).catch((error: unknown) => {
    throw error instanceof ExprError ? new UsageError(`--filter: ${error.message}`) : error
  })
  let problems = 0
  let first = ''
  const shown = async (record: ReceivedRecord, part: 'key' | 'value') =>
    (await showPart(record, part, serde?.[part] ?? 'auto', serdes)).value
  return {
    async passes(record) {
      const { topic, partition, offset, timestampMs } = record
      const [key, value] = await Promise.all([shown(record, 'key'), shown(record, 'value')])
      try {
        return program.matches({ topic, partition, offset, timestampMs, key, value, headers: headersOf(record) })
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

function headersOf({ headers }: ReceivedRecord): Record<string, unknown> {
  return Object.fromEntries(
    headers.map(({ key, value }) => [key.toString('utf8'), value === null || !isUtf8(value) ? value : value.toString('utf8')]),
  )
}
