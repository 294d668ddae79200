/** The filter of a trigger: Lambda's FilterCriteria, or a condition in CEL, over the records as they are stored. */
import { isUtf8 } from 'node:buffer'
import { type Clock, parseLossless } from '../base.ts'
import type { ReceivedRecord } from '../client.ts'
import { celHeaders, compileCel, compileFilterCriteria } from '../expr.ts'
import type { Definition } from './definition.ts'

/** Throws ExprError where it cannot be said. */
export type RecordFilter = (record: ReceivedRecord) => boolean

/** null: there is none. Throws ExprError. */
export async function compileFilter(filter: Definition['filter'], clock: Clock): Promise<RecordFilter | null> {
  if (filter === null) return null
  if ('Filters' in filter) {
    const criteria = compileFilterCriteria(filter)
    return record => criteria.matches(record)
  }
  const program = await compileCel(filter.cel, { clock })
  return record => program.matches({ ...record, key: shown(record.key), value: shown(record.value), headers: celHeaders(record.headers) })
}

/** JSON as what it holds, other text as it is, other bytes as bytes. */
function shown(bytes: Buffer | null): unknown {
  if (bytes === null || !isUtf8(bytes)) return bytes
  const text = bytes.toString()
  try {
    return parseLossless(text)
  } catch {
    return text
  }
}
