/**
 * Zstandard as defined in RFC 8878: any number of frames, with skippable ones between them. Node decodes a single frame; this module reads
 * from the headers where frames begin and end, and how much each can contain at most.
 */
import zlib from 'node:zlib'
import type { Output } from './output.ts'
import { TooLarge } from './too-large.ts'
import { ZlibContext } from './zlib-context.ts'

const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a50
const maxBlockBytes = 128 << 10
const blockHeaderBytes = 3
/** The cost of a frame, however short it is, and of a block, whose tables may take longer than its bytes. */
const frameCost = 4 << 10
const blockCost = 2 << 10
const plainBlockCost = 64
/** Types of blocks. */
const raw = 0
const rle = 1
const reserved = 3
/** zlib's own minimum. */
const leastChunk = 64
/** What a frame claims beyond this is decompressed in several steps. */
const likelyRatio = 16
const leastLikely = 4 << 10

const context = new ZlibContext(() => zlib.createZstdDecompress(), zlib.constants.ZSTD_e_end, true)

interface Frame {
  end: number
  /** The most that its blocks can decompress to. */
  atMost: number
}

/** Returns where the last whole frame ends: a skippable frame that is cut off at the end does not count, as in Kafka. */
export function zstdDecompress(data: Buffer, out: Output): number {
  for (let at = 0; at < data.length; ) {
    if (data.length - at < 4) throw new Error('bytes behind the last frame')
    const magic = data.readUInt32LE(at)
    if (magic === frameMagic) at = decompressFrame(data, at, out)
    else if ((magic & 0xfffffff0) >>> 0 === skippableMagic) {
      const end = data.length - at < 8 ? Number.POSITIVE_INFINITY : at + 8 + data.readUInt32LE(at + 4)
      if (end > data.length) return at
      at = end
    } else throw new Error('no zstd frame')
  }
  return data.length
}

function decompressFrame(data: Buffer, start: number, out: Output): number {
  const { end, atMost } = measureFrame(data, start, out)
  const likely = Math.min(atMost, Math.max(leastLikely, (end - start) * likelyRatio))
  if (context.decompress(data, start, end, likely, out) === -1) decompressAnew(data.subarray(start, end), likely, out)
  return end
}

/** By zlib's own call. */
export function decompressAnew(frame: Buffer, likely: number, out: Output): void {
  const room = out.maxBytes - out.length
  // One byte more, so that the decoder sees the end of the frame without another chunk.
  const chunkSize = Math.max(leastChunk, Math.min(likely, room) + 1)
  const bytes = zlib.zstdDecompressSync(frame, { chunkSize, maxOutputLength: Math.max(room, 1) })
  if (bytes.length > room) throw new TooLarge()
  out.adopt(bytes)
}

/** Reads headers only. Throws if the frame is incomplete, declares more than its blocks can contain, or costs `out` too much. */
function measureFrame(data: Buffer, start: number, out: Output): Frame {
  out.spend(frameCost)
  const flags = byteAt(data, start + 4)
  const singleSegment = (flags & 0x20) !== 0
  const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][flags >> 6]!
  const sizeAt = start + 5 + (singleSegment ? 0 : 1) + [0, 1, 2, 4][flags & 3]!
  let at = sizeAt + sizeBytes
  if (at > data.length) throw new Error('a zstd frame is cut off')
  let atMost = 0
  for (let last = false; !last; ) {
    if (data.length - at < blockHeaderBytes) throw new Error('a zstd frame is cut off')
    const header = data.readUIntLE(at, blockHeaderBytes)
    last = (header & 1) !== 0
    const type = (header >> 1) & 3
    const size = header >> 3
    if (type === reserved || size > maxBlockBytes) throw new Error('a zstd block that does not exist')
    out.spend(type === raw || type === rle ? plainBlockCost : blockCost)
    atMost += type === raw || type === rle ? size : maxBlockBytes
    at += blockHeaderBytes + (type === rle ? 1 : size)
  }
  if ((flags & 4) !== 0) at += 4
  if (at > data.length) throw new Error('a zstd frame is cut off')
  if (sizeBytes > 0) {
    const declared = contentSize(data, sizeAt, sizeBytes)
    if (declared > atMost) throw new Error(`the zstd frame declares ${declared} bytes, but can contain at most ${atMost}`)
    atMost = declared
  }
  return { end: at, atMost }
}

function contentSize(data: Buffer, at: number, bytes: number): number {
  if (bytes === 8) return Number(data.readBigUInt64LE(at))
  return data.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0)
}

function byteAt(data: Buffer, at: number): number {
  if (at >= data.length) throw new Error('a zstd frame is cut off')
  return data[at]!
}
