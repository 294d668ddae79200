/**
 * samples: records as one service sends them to another, to be tried and not to be stored: what a configuration makes of them, what a filter says, what a
 * function is called with. Whoever sends them has read them, with rights of its own.
 */
import { type Static, Type } from 'typebox'
import type { ReceivedRecord } from './client.ts'

const Bytes = Type.Union([Type.String(), Type.Null()])
const Digits = Type.String({ pattern: '^-?\\d{1,19}$' })

/** Bytes are in base64, 64-bit numbers digits. */
const Sample = Type.Object({
  topic: Type.String(),
  partition: Type.Integer({ minimum: 0 }),
  offset: Digits,
  /** Milliseconds since the epoch. */
  timestamp: Digits,
  key: Bytes,
  value: Bytes,
  headers: Type.Array(Type.Object({ key: Type.String(), value: Bytes }), { maxItems: 1_000 }),
})
export type Sample = Static<typeof Sample>
export const Samples = Type.Array(Sample, { maxItems: 100 })

export function toSample({ topic, partition, offset, timestampMs, key, value, headers }: ReceivedRecord): Sample {
  const text = (bytes: Buffer | null) => bytes?.toString('base64') ?? null
  return {
    ...{ topic, partition, offset: String(offset), timestamp: String(timestampMs), key: text(key), value: text(value) },
    headers: headers.map(each => ({ key: each.key.toString('utf8'), value: text(each.value) })),
  }
}

export function fromSample({ topic, partition, offset, timestamp, key, value, headers }: Sample): ReceivedRecord {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text, 'base64'))
  return {
    ...{ topic, partition, offset: BigInt(offset), timestampMs: BigInt(timestamp), key: bytes(key), value: bytes(value) },
    headers: headers.map(each => ({ key: Buffer.from(each.key), value: bytes(each.value) })),
  }
}
