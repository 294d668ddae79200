/**
 * LZ4 frames as Kafka reads them: independent blocks, and a checksum over the header, which in message format v0 may be anything, because old
 * clients computed it from the magic on instead of from the descriptor (KAFKA-3160). What follows the frame is ignored, and so are size and
 * checksum of the content.
 *
 * Frames are written by the native library, but decoded here: into reused memory, which is an order of magnitude cheaper than the memory
 * that the library allocates for each frame.
 */
import { lz4Frame } from './native.ts'
import { copyEights, type Output, viewOf } from './output.ts'
import { TooLarge } from './too-large.ts'
import { xxhash32 } from './xxhash32.ts'

const frameMagic = 0x184d2204
const storedBit = 0x8000_0000

const reservedBits = 0x03
const contentChecksumBit = 0x04
const contentSizeBit = 0x08
const blockChecksumBit = 0x10
const independentBit = 0x20

/** No byte of a block yields more than 255. */
const maxRatio = 255
/** The cost of a block, however short it is. */
const blockCost = 1 << 10
/**
 * A block ends in literals. So decoders reject a match if fewer bytes than these are left of the block, counted from the match or from
 * behind it. The lower bounds are Kafka's; between the bounds, some decoders read on.
 */
const inputForMatch = 8
const leastForMatch = 3
const inputBehindMatch = 5
const leastBehindMatch = 4
/** The same for the room that the largest block has. */
const roomForMatch = 12
const roomBehindMatch = 5
/** Literals from here on are copied by one call. */
const longCopy = 32

export function lz4Compress(data: Buffer, brokenChecksum: boolean): Buffer {
  const frame = lz4Frame(data)
  if (brokenChecksum) {
    const checksumAt = (frame[4]! & contentSizeBit) === 0 ? 6 : 14
    frame[checksumAt] = headerChecksum(frame, 0, checksumAt)
  }
  return frame
}

/** Returns where the frame ends. */
export function lz4Decompress(data: Buffer, ignoreChecksum: boolean, out: Output): number {
  if (data.length < 7 || data.readUInt32LE(0) !== frameMagic) throw new Error('no LZ4 frame')
  const flags = data[4]!
  const blockSizeId = data[5]! >> 4
  if (flags >> 6 !== 1 || (flags & reservedBits) !== 0 || (data[5]! & 0x8f) !== 0) throw new Error('an LZ4 frame that Kafka does not use')
  if ((flags & independentBit) === 0) throw new Error('LZ4 blocks that depend on each other')
  if (blockSizeId < 4) throw new Error('an LZ4 block size that does not exist')
  const checksumAt = (flags & contentSizeBit) === 0 ? 6 : 14
  if (data.length <= checksumAt) throw new Error('the LZ4 header is cut off')
  if (!ignoreChecksum && data[checksumAt] !== headerChecksum(data, 4, checksumAt))
    throw new Error('the checksum of the LZ4 header is wrong')
  const end = decodeBlocks(data, checksumAt + 1, 2 ** (8 + 2 * blockSizeId), (flags & blockChecksumBit) !== 0, out)
  if (checksumAt === 14 && data.readBigUInt64LE(6) !== BigInt(out.length)) out.oddlyFramed = true
  if ((flags & contentChecksumBit) === 0) return end
  if (data.length - end < 4) throw new Error('the LZ4 checksum is cut off')
  if (data.readUInt32LE(end) !== xxhash32(out.bytes, 0, out.length)) out.oddlyFramed = true
  return end + 4
}

/** Returns the position after the end mark. For Kafka, an uncompressed block without bytes is one, too. */
function decodeBlocks(data: Buffer, start: number, maxBlockBytes: number, checksums: boolean, out: Output): number {
  for (let at = start; ; ) {
    out.spend(blockCost)
    if (data.length - at < 4) throw new Error('an LZ4 frame without its end')
    const word = data.readUInt32LE(at)
    at += 4
    const length = word % storedBit
    if (length === 0) {
      if (word !== 0) out.oddlyFramed = true
      return at
    }
    const end = at + length
    if (length > maxBlockBytes || end + (checksums ? 4 : 0) > data.length)
      throw new Error(`an LZ4 block of ${length} bytes, ${data.length - at} left`)
    const before = out.length
    if (word >= storedBit) out.append(data, at, end)
    else decodeBlock(data, at, end, maxBlockBytes, out)
    if (out.length === before) out.oddlyFramed = true
    if (checksums && data.readUInt32LE(end) !== xxhash32(data, at, end)) throw new Error('the checksum of an LZ4 block is wrong')
    at = checksums ? end + 4 : end
  }
}

/**
 * One block into memory that is reserved for the most that it may yield. Short literals and matches, which are most, are copied as 16 and 24
 * bytes whatever their length, where so many are there.
 */
function decodeBlock(data: Buffer, start: number, end: number, maxBytes: number, out: Output): void {
  const first = out.length
  out.reserveAtMost(Math.min(maxBytes, (end - start) * maxRatio))
  const { bytes } = out
  const source = viewOf(data)
  const view = viewOf(bytes)
  const last = Math.min(first + maxBytes, out.room)
  const fastUntil = Math.min(end, data.length - 14) - 18
  const fastTo = Math.min(last, bytes.length - 8) - 32
  const matchesFrom = first + maxBytes - roomForMatch
  const matchesTo = first + maxBytes - roomBehindMatch
  let to = first
  for (let at = start; at < end; ) {
    const token = data[at++]!
    let length = token >> 4
    if (length < 15 && at < fastUntil && to < fastTo) {
      view.setBigUint64(to, source.getBigUint64(at, true), true)
      if (length > 8) view.setBigUint64(to + 8, source.getBigUint64(at + 8, true), true)
    } else {
      if (length === 15) {
        const more = extension(data, at, end)
        length += more
        at += extensionBytes(more)
      }
      if (length > end - at) throw new Error('LZ4 literals are cut off')
      if (length > last - to) throw tooMuch(out, last)
      if (length >= longCopy) bytes.set(data.subarray(at, at + length), to)
      else for (let i = 0; i < length; i++) bytes[to + i] = data[at + i]!
    }
    at += length
    to += length
    // The last sequence of a block has no match.
    if (at >= end) break
    if (end - at < inputForMatch || to > matchesFrom) {
      if (end - at < leastForMatch || to > matchesFrom) throw new Error('the last LZ4 match is too close to the end of its block')
      out.oddlyFramed = true
    }
    const distance = data[at]! | (data[at + 1]! << 8)
    at += 2
    if (distance === 0 || distance > to - first) throw new Error('an LZ4 match before its block')
    length = token & 15
    if (length === 15) {
      const more = extension(data, at, end)
      length += more
      at += extensionBytes(more)
      if (end - at < leastBehindMatch) throw new Error('the LZ4 block ends in a match')
      if (end - at < inputBehindMatch) out.oddlyFramed = true
    }
    length += 4
    const from = to - distance
    if (length <= 18 && distance >= 8 && to < fastTo) {
      view.setBigUint64(to, view.getBigUint64(from, true), true)
      if (length > 8) view.setBigUint64(to + 8, view.getBigUint64(from + 8, true), true)
      if (length > 16) view.setBigUint64(to + 16, view.getBigUint64(from + 16, true), true)
    } else {
      if (length > last - to) throw tooMuch(out, last)
      if (length > matchesTo - to) throw new Error('the LZ4 block ends in a match')
      if (distance >= 8 && bytes.length - to >= length + 8) copyEights(view, from, to, length)
      else for (let i = 0; i < length; i++) bytes[to + i] = bytes[from + i]!
    }
    to += length
  }
  out.length = to
}

/** What a length beyond 15 adds: the sum of the bytes at `start`, of which the first below 255 is the last. */
function extension(data: Buffer, start: number, end: number): number {
  let sum = 0
  for (let at = start; at < end; at++) {
    const more = data[at]!
    sum += more
    if (more < 255) return sum
  }
  throw new Error('an LZ4 length is cut off')
}

const extensionBytes = (extension: number): number => Math.floor(extension / 255) + 1

function tooMuch(out: Output, last: number): Error {
  return last === out.maxBytes ? new TooLarge() : new Error('an LZ4 block that yields more than the frame says')
}

function headerChecksum(frame: Buffer, start: number, end: number): number {
  return (xxhash32(frame, start, end) >>> 8) & 0xff
}
