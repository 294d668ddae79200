/**
 * A cache of short strings: the names of topics, groups and members recur, and looking one up is several times cheaper than creating
 * the string again. Map look-ups also become cheaper, because equal names are the same string.
 *
 * Hides a table of fixed size, in which newer strings replace older ones, so that it does not grow, whatever clients send.
 */
const slots = 4096
const texts: (string | undefined)[] = new Array(slots).fill(undefined)
const uuids: (string | undefined)[] = new Array(slots).fill(undefined)
const uuidWords = new Int32Array(slots * 4)

/** The text of ASCII bytes; `hash` is one of theirs. */
export function seenText(buffer: Buffer, from: number, to: number, hash: number): string {
  const slot = (hash ^ (hash >>> 15)) & (slots - 1)
  const known = texts[slot]
  if (known !== undefined && known.length === to - from) {
    let index = 0
    while (from + index < to && known.charCodeAt(index) === buffer[from + index]) index++
    if (from + index === to) return known
  }
  return (texts[slot] = buffer.toString('latin1', from, to))
}

/** 16 bytes as base64url. */
export function seenUuid(buffer: Buffer, at: number): string {
  const a = buffer.readInt32BE(at)
  const b = buffer.readInt32BE(at + 4)
  const c = buffer.readInt32BE(at + 8)
  const d = buffer.readInt32BE(at + 12)
  const mixed = Math.imul(a ^ Math.imul(b, 31) ^ Math.imul(c, 961) ^ Math.imul(d, 29_791), 0x9e3779b1)
  const slot = (mixed ^ (mixed >>> 15)) & (slots - 1)
  const words = slot * 4
  const known = uuids[slot]
  const same = uuidWords[words] === a && uuidWords[words + 1] === b && uuidWords[words + 2] === c && uuidWords[words + 3] === d
  if (known !== undefined && same) return known
  uuidWords[words] = a
  uuidWords[words + 1] = b
  uuidWords[words + 2] = c
  uuidWords[words + 3] = d
  return (uuids[slot] = buffer.toString('base64url', at, at + 16))
}
