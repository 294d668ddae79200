/** What Redis answers about streams, checked before it is believed. */

/** `1796000000123-0`: greater for later entries. */
export type Id = string

export type Reply = null | number | string | Buffer | Reply[]

export interface Entry {
  readonly id: Id
  readonly fields: readonly (readonly [name: Buffer, value: Buffer])[]
}

/** null: it is none. */
export function idOf(value: unknown): Id | null {
  return typeof value === 'string' && /^\d{1,20}-\d{1,20}$/.test(value) ? value : null
}

export function compareIds(one: Id, other: Id): number {
  const [oneMs, oneNumber] = one.split('-').map(BigInt) as [bigint, bigint]
  const [otherMs, otherNumber] = other.split('-').map(BigInt) as [bigint, bigint]
  const [left, right] = oneMs === otherMs ? [oneNumber, otherNumber] : [oneMs, otherMs]
  return left < right ? -1 : left > right ? 1 : 0
}

/** Of XREAD; null: there is nothing new. */
export function entriesOf(reply: Reply): { stream: string; entries: Entry[] }[] {
  if (reply === null) return []
  return listOf(reply).map(each => {
    const [stream, entries] = listOf(each)
    return { stream: String(bytesOf(stream)), entries: listOf(entries).map(entryOf) }
  })
}

function entryOf(reply: Reply): Entry {
  const [name, list] = listOf(reply)
  const id = idOf(String(bytesOf(name)))
  // An entry that was deleted within the answer has no fields.
  const parts = list === null ? [] : listOf(list)
  if (id === null || parts.length % 2 !== 0) throw new Error('Redis gives something that is not an entry of a stream')
  return { id, fields: Array.from({ length: parts.length / 2 }, (_, at) => [bytesOf(parts[2 * at]), bytesOf(parts[2 * at + 1])] as const) }
}

function listOf(reply: Reply | undefined): Reply[] {
  if (!Array.isArray(reply)) throw new Error('Redis gives no list of entries')
  return reply
}

function bytesOf(reply: Reply | undefined): Buffer {
  if (Buffer.isBuffer(reply)) return reply
  if (typeof reply === 'string') return Buffer.from(reply)
  throw new Error('Redis gives no text where one should be')
}
