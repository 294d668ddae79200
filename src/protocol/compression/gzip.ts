/**
 * Gzip as Java reads it: consecutive members, each with a checksum and a size that must be correct; bytes after the last member that
 * are not another header are ignored, and so are undefined flags. Node rejects such input, so this module splits the members, and zlib
 * inflates them. librdkafka reads only the first member.
 */
import zlib from 'node:zlib'
import type { Output } from './output.ts'
import { TooLarge } from './too-large.ts'
import { ZlibContext } from './zlib-context.ts'

const headerBytes = 10
const trailerBytes = 8
/** What the trailer claims beyond this is inflated in several steps. */
const likelyRatio = 16

const headerCrcBit = 0x02
const extraBit = 0x04
const nameBit = 0x08
const commentBit = 0x10
const undefinedBits = 0xe0
/** The cost of a member, however short it is. */
const memberCost = 4 << 10

const context = new ZlibContext(() => zlib.createInflateRaw(), zlib.constants.Z_FINISH, false)

/** What zlib answers to `info`, which its types do not know. */
interface Inflated {
  buffer: Buffer
  /** Of the input. */
  engine: { bytesWritten: number }
}

/** Returns where the last member ends. */
export function gzipDecompress(data: Buffer, out: Output): number {
  let at = 0
  for (;;) {
    const begin = afterHeader(data, at)
    if (begin === -1) {
      if (at === 0) throw new Error('no gzip header')
      return at
    }
    if (at > 0 || (data[at + 3]! & undefinedBits) !== 0) out.oddlyFramed = true
    out.spend(memberCost)
    at = inflateMember(data, begin, out)
  }
}

function inflateMember(data: Buffer, start: number, out: Output): number {
  const before = out.length
  // What the trailer says, if this is the last member; only a guess.
  const guess = data.length - start < trailerBytes ? 0 : data.readUInt32LE(data.length - 4)
  const likely = Math.min(guess, (data.length - start) * likelyRatio)
  const used = context.decompress(data, start, data.length, likely, out)
  const trailer = used === -1 ? start + inflateAnew(data.subarray(start), likely, out) : used
  if (data.length - trailer < trailerBytes) throw new Error('a gzip member is cut off')
  if (data.readUInt32LE(trailer) !== zlib.crc32(out.bytes.subarray(before, out.length))) throw new Error('a gzip checksum is wrong')
  if (data.readUInt32LE(trailer + 4) !== out.length - before) throw new Error('a gzip size is wrong')
  return trailer + trailerBytes
}

/** By zlib's own call. Returns how many bytes it took. */
export function inflateAnew(data: Buffer, likely: number, out: Output): number {
  const room = out.maxBytes - out.length
  const options = { chunkSize: Math.max(64, Math.min(likely, room) + 1), maxOutputLength: Math.max(room, 1), info: true }
  const { buffer, engine } = zlib.inflateRawSync(data, options) as unknown as Inflated
  if (buffer.length > room) throw new TooLarge()
  out.adopt(buffer)
  return engine.bytesWritten
}

/** Where the member's deflated bytes begin; -1 when there is no whole header. */
function afterHeader(data: Buffer, start: number): number {
  if (data.length - start < headerBytes || data[start] !== 0x1f || data[start + 1] !== 0x8b || data[start + 2] !== 8) return -1
  const flags = data[start + 3]!
  let at = start + headerBytes
  if ((flags & extraBit) !== 0) {
    if (data.length - at < 2) return -1
    at += 2 + data.readUInt16LE(at)
  }
  for (const bit of [nameBit, commentBit]) {
    if ((flags & bit) === 0) continue
    const zero = data.indexOf(0, at)
    if (zero === -1) return -1
    at = zero + 1
  }
  if ((flags & headerCrcBit) !== 0) {
    if (data.length - at < 2 || (zlib.crc32(data.subarray(start, at)) & 0xffff) !== data.readUInt16LE(at)) return -1
    at += 2
  }
  return at > data.length ? -1 : at
}
