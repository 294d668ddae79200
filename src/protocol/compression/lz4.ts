/**
 * LZ4 frames by the native library, and around it what that library leaves open: a bound on the output, the missing end mark, and the
 * header checksum of message format v0, which old clients computed from the magic on instead of from the descriptor (KAFKA-3160).
 *
 * The library writes independent blocks without checksums or content size, which is what every Kafka client reads. It knows one level.
 */
import lz4 from 'lz4-napi'
import { TooLarge } from './too-large.ts'
import { xxhash32 } from './xxhash32.ts'

const frameMagic = 0x184d2204
const storedBit = 0x8000_0000

interface Descriptor {
  /** Where the header checksum lies; blocks begin after it. */
  checksumAt: number
  blockChecksums: boolean
  contentChecksum: boolean
  maxBlockBytes: number
}

export function lz4Compress(data: Buffer, brokenChecksum: boolean): Buffer {
  const frame = lz4.compressFrameSync(data)
  if (brokenChecksum) {
    const { checksumAt } = readDescriptor(frame, Number.MAX_SAFE_INTEGER)
    frame[checksumAt] = headerChecksum(frame, 0, checksumAt)
  }
  return frame
}

export function lz4Decompress(data: Buffer, maxBytes: number, allowBrokenChecksum: boolean): Buffer {
  const descriptor = readDescriptor(data, maxBytes)
  const { end, atMost } = scanBlocks(data, descriptor, decodedAtMost)
  // The cheap bound counts every block as full. Only when that is too much are the blocks' tokens read.
  if (atMost > maxBytes && scanBlocks(data, descriptor, decodedExactly).atMost > maxBytes) throw new TooLarge()
  const frame = data.subarray(0, end)
  return lz4.decompressFrameSync(allowBrokenChecksum ? withRightChecksum(frame, descriptor.checksumAt) : frame)
}

function readDescriptor(data: Buffer, maxBytes: number): Descriptor {
  if (data.length < 7 || data.readUInt32LE(0) !== frameMagic) throw new Error('no LZ4 frame')
  const flags = data[4]!
  const blockSizeId = (data[5]! >> 4) & 7
  if (flags >> 6 !== 1 || (flags & 3) !== 0) throw new Error('a kind of LZ4 frame that Kafka does not use')
  if (blockSizeId < 4) throw new Error('an LZ4 block size that does not exist')
  const hasContentSize = (flags & 8) !== 0
  const checksumAt = hasContentSize ? 14 : 6
  if (data.length <= checksumAt) throw new Error('the LZ4 header is cut off')
  if (hasContentSize && Number(data.readBigUInt64LE(6)) > maxBytes) throw new TooLarge()
  return {
    checksumAt,
    blockChecksums: (flags & 16) !== 0,
    contentChecksum: (flags & 4) !== 0,
    maxBlockBytes: 2 ** (8 + 2 * blockSizeId),
  }
}

type BlockMeasure = (data: Buffer, start: number, end: number, maxBlockBytes: number) => number

/** Where the frame ends, and the sum of `measure` over its blocks. */
function scanBlocks(data: Buffer, descriptor: Descriptor, measure: BlockMeasure): { end: number; atMost: number } {
  let atMost = 0
  for (let at = descriptor.checksumAt + 1; ; ) {
    if (data.length - at < 4) throw new Error('an LZ4 frame without its end')
    const word = data.readUInt32LE(at)
    at += 4
    if (word === 0) return { end: Math.min(data.length, at + (descriptor.contentChecksum ? 4 : 0)), atMost }
    const length = word % storedBit
    if (length > data.length - at || length > descriptor.maxBlockBytes)
      throw new Error(`an LZ4 block of ${length} bytes, ${data.length - at} left`)
    atMost += word >= storedBit ? length : measure(data, at, at + length, descriptor.maxBlockBytes)
    at += length + (descriptor.blockChecksums ? 4 : 0)
  }
}

const decodedAtMost: BlockMeasure = (_data, _start, _end, maxBlockBytes) => maxBlockBytes

/** Sums the literals and matches that the block's tokens announce. */
const decodedExactly: BlockMeasure = (data, start, end) => {
  let decoded = 0
  for (let at = start; at < end; ) {
    const token = data[at++]!
    let literals = token >> 4
    if (literals === 15)
      for (let more = 255; more === 255; literals += more) {
        if (at >= end) throw new Error('an LZ4 length is cut off')
        more = data[at++]!
      }
    decoded += literals
    at += literals
    // The last sequence of a block has no match.
    if (at >= end) break
    at += 2
    let match = token & 15
    if (match === 15)
      for (let more = 255; more === 255; match += more) {
        if (at >= end) throw new Error('an LZ4 length is cut off')
        more = data[at++]!
      }
    decoded += match + 4
  }
  return decoded
}

/** The frame, or a copy with the checksum that the library expects when it carries the old one. */
function withRightChecksum(frame: Buffer, checksumAt: number): Buffer {
  if (frame[checksumAt] !== headerChecksum(frame, 0, checksumAt)) return frame
  const copy = Buffer.from(frame)
  copy[checksumAt] = headerChecksum(frame, 4, checksumAt)
  return copy
}

function headerChecksum(frame: Buffer, start: number, end: number): number {
  return (xxhash32(frame, start, end) >>> 8) & 0xff
}
