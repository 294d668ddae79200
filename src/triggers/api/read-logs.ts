/** The newest lines of one trigger, and those that come after. */
import type { System } from '../../base.ts'
import type { Client } from '../../client.ts'
import { isLineOf, type LogLine, logTopic } from '../logs.ts'
import type { Trigger } from '../store.ts'

export interface LogQuery {
  /** Of lines. Fewer are given where they are long: `next` leads to the others. */
  readonly limit: number
  /** null: the newest ones. Lines that are too far back are left out. */
  readonly after: bigint | null
  /** For a first line. */
  readonly waitMs: number
  /** Whether lines of this version of the trigger may be seen. */
  mayRead(version: number): boolean
  readonly system: Pick<System, 'timers'>
}

/** Of all triggers, how far back the lines of one are looked for. */
const mostLookedAt = 50_000n
/** Of one answer. */
const mostCharacters = 2_097_152

export async function readLogs(
  client: Pick<Client, 'offsets' | 'read'>,
  trigger: Pick<Trigger, 'name' | 'origin'>,
  { limit, after, waitMs, mayRead, system }: LogQuery,
): Promise<{ lines: LogLine[]; next: string }> {
  const [first, end] = await Promise.all([
    client.offsets(logTopic, [0], 'earliest').then(found => found.get(0)!),
    client.offsets(logTopic, [0], 'latest').then(found => found.get(0)!),
  ])
  const from = startOf(first, end, after)
  const texts: string[] = []
  let characters = 0
  let next = from
  let isFull = false
  const isMore = () => texts.length > limit || characters > mostCharacters
  /** Whether there is room for more. */
  const take = (text: string): boolean => {
    texts.push(text)
    characters += text.length
    // Of the newest the older ones go.
    while (after === null && texts.length > 1 && isMore()) characters -= texts.shift()!.length
    return after === null || (texts.length < limit && characters < mostCharacters)
  }
  const stop = new AbortController()
  const isWaiting = after !== null && waitMs > 0
  const timer = isWaiting ? system.timers.after(waitMs, () => stop.abort()) : null
  const until = isWaiting && end <= from ? null : new Map([[0, end]])
  try {
    if (until === null || from < end)
      for await (const records of client.read({ topic: logTopic, from: new Map([[0, from]]), until, signal: stop.signal })) {
        for (const record of records) {
          next = record.offset + 1n
          const text = record.value !== null && isLineOf(trigger, record) ? record.value.toString() : null
          if (text !== null && mayRead((JSON.parse(text) as LogLine).version)) isFull = !take(text)
          if (isFull) break
        }
        if (isFull || (until === null && texts.length > 0)) break
      }
  } finally {
    timer?.cancel()
  }
  // All has been looked at until the end, also if the last offsets have no records.
  if (!isFull && !stop.signal.aborted && next < end) next = end
  return { lines: texts.map(text => JSON.parse(text) as LogLine), next: String(next) }
}

function startOf(first: bigint, end: bigint, after: bigint | null): bigint {
  const earliest = end - mostLookedAt > first ? end - mostLookedAt : first
  if (after === null || after < earliest) return earliest
  return after > end ? end : after
}
