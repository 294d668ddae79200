/** What a filter says of records that whoever asks has read, and the event that a function would get. */
import type { ReceivedRecord } from '../../client.ts'
import { ExprError } from '../../expr.ts'
import type { Definition } from '../definition.ts'
import { envelopeOf } from '../envelope.ts'
import { compileFilter } from '../filter.ts'
import type { WorkerContext } from '../worker/worker.ts'

export type Verdict = { readonly matches: boolean } | { readonly error: string }

/** Of each. Throws ExprError if the filter itself is not right. */
export async function verdicts(
  filter: Definition['filter'],
  records: readonly ReceivedRecord[],
  { system }: Pick<WorkerContext, 'system'>,
): Promise<Verdict[]> {
  const holds = await compileFilter(filter, system.clock)
  return records.map(record => {
    try {
      return { matches: holds?.(record) ?? true }
    } catch (error) {
      if (!(error instanceof ExprError)) throw error
      return { error: error.message }
    }
  })
}

/** Of records of one partition, as JSON. */
export function eventWith(definition: Definition, records: readonly ReceivedRecord[], { bootstrap, clusterId }: WorkerContext): string {
  const { topic, partition } = records[0]!
  const envelope = envelopeOf(definition, { bootstrap, clusterId, extended: definition.extended })
  return envelope.event(
    records.map(each => envelope.item(each)),
    topic,
    partition,
  )
}
