/** Positions in a topic as users write them (`beginning`, `42`, `-10`, `2h`, `2026-01-31T12:00`), and the offsets that they resolve to. */
import type { Client } from '../client.ts'
import { UsageError } from './output.ts'

export type Position = 'earliest' | 'latest' | { offset: bigint } | { beforeEnd: bigint } | { timestampMs: bigint }

const positionHelp = 'beginning, end, an offset, -N (the last N), a time (2026-01-31T12:00), or an age (30s, 15m, 2h, 7d)'

const unitsMs: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const isoTime = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/

export function parsePosition(text: string, nowMs: number): Position {
  if (text === 'beginning' || text === 'earliest') return 'earliest'
  if (text === 'end' || text === 'latest') return 'latest'
  if (/^\d{1,19}$/.test(text)) return { offset: BigInt(text) }
  if (/^-\d{1,19}$/.test(text)) return { beforeEnd: BigInt(text.slice(1)) }
  const ago = /^(\d{1,9})([smhd])$/.exec(text)
  if (ago !== null) return { timestampMs: BigInt(Math.max(0, Math.floor(nowMs) - Number(ago[1]) * unitsMs[ago[2]!]!)) }
  const at = isoTime.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) throw new UsageError(`"${text}" is not a valid position; allowed: ${positionHelp}`)
  return { timestampMs: BigInt(at) }
}

/** By partition; within the offsets that the partition has. */
export async function resolvePosition(
  client: Client,
  topic: string,
  partitions: readonly number[],
  position: Position,
): Promise<Map<number, bigint>> {
  if (typeof position === 'string') return client.offsets(topic, partitions, position)
  if ('timestampMs' in position) return client.offsets(topic, partitions, position)
  const [first, end] = await Promise.all([client.offsets(topic, partitions, 'earliest'), client.offsets(topic, partitions, 'latest')])
  return new Map(
    partitions.map(partition => {
      const wanted = 'offset' in position ? position.offset : end.get(partition)! - position.beforeEnd
      return [partition, clamp(wanted, first.get(partition)!, end.get(partition)!)]
    }),
  )
}

function clamp(value: bigint, least: bigint, most: bigint): bigint {
  return value < least ? least : value > most ? most : value
}
