/** The newest lines of one trigger, and those that come after. */
import type { System } from '../../base.ts'
import type { Client } from '../../client.ts'
import { type LogLine, logTopic } from '../logs.ts'

export interface LogQuery {
  readonly limit: number
  /** null: the newest ones. */
  readonly after: bigint | null
  /** For a first line. */
  readonly waitMs: number
  readonly system: Pick<System, 'timers'>
}

/** Of all triggers, how far back the newest lines of one are looked for. */
const mostLookedAt = 50_000n

export async function readLogs(
  client: Client,
  trigger: string,
  { limit, after, waitMs, system }: LogQuery,
): Promise<{ lines: LogLine[]; next: string }> {
  const [first, end] = await Promise.all([
    client.offsets(logTopic, [0], 'earliest').then(found => found.get(0)!),
    client.offsets(logTopic, [0], 'latest').then(found => found.get(0)!),
  ])
  const earliest = after ?? end - mostLookedAt
  const from = earliest < first ? first : earliest
  const lines: LogLine[] = []
  let next = from
  const stop = new AbortController()
  const isWaiting = after !== null && waitMs > 0
  const timer = isWaiting ? system.timers.after(waitMs, () => stop.abort()) : null
  const until = isWaiting && end <= from ? null : new Map([[0, end]])
  try {
    if (until === null || from < end)
      for await (const records of client.read({ topic: logTopic, from: new Map([[0, from]]), until, signal: stop.signal })) {
        for (const { key, value, offset } of records) {
          next = offset + 1n
          if (value !== null && key?.toString() === trigger) lines.push(JSON.parse(value.toString()) as LogLine)
        }
        if (until === null && lines.length > 0) break
        if (after === null && lines.length > 2 * limit) lines.splice(0, lines.length - limit)
      }
  } finally {
    timer?.cancel()
  }
  return { lines: after === null ? lines.slice(-limit) : lines, next: String(next > end ? next : end) }
}
