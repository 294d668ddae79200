/**
 * A cache of short strings: the names of topics, groups and members recur, and looking one up is several times cheaper than creating
 * the string again. Map look-ups also become cheaper, because equal names are the same string.
 *
 * Hides a table of fixed size, in which newer strings replace older ones, so that it does not grow, whatever clients send.
 */
const slots = 4096
const texts: (string | undefined)[] = new Array(slots).fill(undefined)
/** Compared first: names are often alike but for their end, and to look at a text that is not in the processor's cache takes long. */
const hashes = new Int32Array(slots)
const uuids: (string | undefined)[] = new Array(slots).fill(undefined)
const uuidWords = new Int32Array(slots * 4)
const written: (string | undefined)[] = new Array(slots).fill(undefined)
const writtenWords = new Int32Array(slots * 4)

/** The text of ASCII bytes; `hash` is one of theirs. */
export function seenText(buffer: Buffer, from: number, to: number, hash: number): string {
  const slot = (hash ^ (hash >>> 15)) & (slots - 1)
  const known = hashes[slot] === hash ? texts[slot] : undefined
  if (known !== undefined && known.length === to - from) {
    let index = 0
    while (from + index < to && known.charCodeAt(index) === buffer[from + index]) index++
    if (from + index === to) return known
  }
  hashes[slot] = hash
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

/** Writes base64url of 22 characters as 16 bytes; false if it is not base64url. */
export function writeSeenUuid(value: string, buffer: Buffer, at: number): boolean {
  // The first nine characters stand for 54 bits, of which 48 are random (RFC 9562).
  let hash = 0
  for (let index = 0; index < 9; index++) hash = Math.imul(hash, 31) + value.charCodeAt(index)
  const slot = (hash ^ (hash >>> 15)) & (slots - 1)
  const words = slot * 4
  if (written[slot] !== value) {
    if (buffer.write(value, at, 16, 'base64url') !== 16) return false
    for (let word = 0; word < 4; word++) writtenWords[words + word] = buffer.readInt32BE(at + word * 4)
    written[slot] = value
    return true
  }
  buffer.writeInt32BE(writtenWords[words]!, at)
  buffer.writeInt32BE(writtenWords[words + 1]!, at + 4)
  buffer.writeInt32BE(writtenWords[words + 2]!, at + 8)
  buffer.writeInt32BE(writtenWords[words + 3]!, at + 12)
  return true
}
