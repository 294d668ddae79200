/** What a filter says of records that whoever asks has read, and the event that a function would get. */
import type { Clock, Turns } from '../../base.ts'
import type { ReceivedRecord } from '../../client.ts'
import { ExprError } from '../../expr.ts'
import type { Definition } from '../definition.ts'
import { envelopeOf } from '../envelope.ts'
import { compileFilter, type RecordFilter } from '../filter.ts'
import type { WorkerContext } from '../worker/worker.ts'

export type Verdict = { readonly matches: boolean } | { readonly error: string }

/** Of one request. A record more may begin just before it is over, and has a limit of its own. */
const mostMs = 250

/** Of each, with turns between them. Throws ExprError if the filter itself is not right. */
export async function verdicts(
  filter: Definition['filter'],
  records: readonly ReceivedRecord[],
  { clock, turns }: { clock: Clock; turns: Turns },
): Promise<Verdict[]> {
  const holds = await compileFilter(filter, clock)
  const found: Verdict[] = []
  let spentMs = 0
  for (const record of records) {
    if (turns.over) await turns.next()
    const beganMs = clock.monotonic()
    found.push(spentMs < mostMs ? verdict(holds, record) : { error: `the records before it took more than ${mostMs} ms: try fewer` })
    spentMs += clock.monotonic() - beganMs
  }
  return found
}

function verdict(holds: RecordFilter | null, record: ReceivedRecord): Verdict {
  try {
    return { matches: holds?.(record) ?? true }
  } catch (error) {
    if (!(error instanceof ExprError)) throw error
    return { error: error.message }
  }
}

/** A record that is made up. */
export function madeUp(topic: string, clock: Clock): ReceivedRecord {
  return {
    ...{ topic, partition: 0, offset: 0n, timestampMs: BigInt(clock.now()) },
    ...{ key: Buffer.from('key'), value: Buffer.from('{"hello":"world"}'), headers: [] },
  }
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
