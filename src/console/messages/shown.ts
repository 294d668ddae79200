/** Bytes of records as the application shows them. */
import { isUtf8 } from 'node:buffer'
import { type Static, Type } from 'typebox'
import type { ReceivedRecord } from '../../client.ts'

/** `text`: of UTF-8; else `base64`. The application tells JSON from other text, because it has to parse it anyway. */
const Shown = Type.Object({
  form: Type.Union([Type.Literal('text'), Type.Literal('base64')]),
  text: Type.String(),
  /** Of all of it, also if it is cut. */
  bytes: Type.Integer(),
  cut: Type.Boolean(),
})
const MaybeShown = Type.Union([Shown, Type.Null()])

export const ShownRecord = Type.Object({
  partition: Type.Integer(),
  offset: Type.String(),
  /** Milliseconds since the epoch; -1: none. */
  timestamp: Type.String(),
  key: MaybeShown,
  value: MaybeShown,
  headers: Type.Array(Type.Object({ key: Type.String(), value: MaybeShown })),
})
export type ShownRecord = Static<typeof ShownRecord>

/** Cut for lists, whose rows are many; whole for a record that somebody looks at. */
export function shownRecord({ partition, offset, timestampMs, key, value, headers }: ReceivedRecord, most: number): ShownRecord {
  return {
    partition,
    offset: String(offset),
    timestamp: String(timestampMs),
    key: shown(key, most),
    value: shown(value, most),
    headers: headers.map(each => ({ key: each.key.toString('utf8'), value: shown(each.value, most) })),
  }
}

function shown(bytes: Buffer | null, most: number): Static<typeof MaybeShown> {
  if (bytes === null) return null
  const cut = bytes.length > most
  const part = cut ? bytes.subarray(0, wholeCharacters(bytes, most)) : bytes
  const isText = isUtf8(part)
  return { form: isText ? 'text' : 'base64', text: part.toString(isText ? 'utf8' : 'base64'), bytes: bytes.length, cut }
}

/** Not within a character of UTF-8. */
function wholeCharacters(bytes: Buffer, most: number): number {
  let end = most
  while (end > 0 && end > most - 4 && (bytes[end]! & 0xc0) === 0x80) end--
  return end
}
