/**
 * Snappy as Kafka's clients write it: raw blocks in xerial's framing (snappy-java's SnappyOutputStream), which is a header of 16 bytes
 * and then, per block, an int32 of its compressed length. Bare blocks are read too, as snappy-java does.
 */
import snappy from 'snappy'
import { TooLarge } from './too-large.ts'

const magic = Buffer.from('82534e4150505900', 'hex')
/** Magic, version 1, least compatible version 1. */
const frameHeader = Buffer.concat([magic, Buffer.from('0000000100000001', 'hex')])
/** snappy-java's default; a reader's buffers are often of this size. */
const blockBytes = 32 * 1024
/** No element of the format yields more than 64 bytes out of 2, so what declares more is a lie. */
const maxRatio = 32

export function snappyCompress(data: Buffer): Buffer {
  const parts: Buffer[] = [frameHeader]
  let size = frameHeader.length
  for (let at = 0; at < data.length; at += blockBytes) {
    const block = snappy.compressSync(data.subarray(at, at + blockBytes))
    const length = Buffer.allocUnsafe(4)
    length.writeInt32BE(block.length)
    parts.push(length, block)
    size += 4 + block.length
  }
  return Buffer.concat(parts, size)
}

export function snappyDecompress(data: Buffer, maxBytes: number): Buffer {
  if (data.length < frameHeader.length || data.compare(magic, 0, magic.length, 0, magic.length) !== 0) {
    declaredSize(data, maxBytes)
    return decompressBlock(data)
  }
  const blocks: Buffer[] = []
  let total = 0
  for (let at = frameHeader.length; at < data.length; ) {
    // Streams that were joined: their headers lie between the blocks.
    if (data.length - at >= frameHeader.length && data.compare(magic, 0, magic.length, at, at + magic.length) === 0) {
      at += frameHeader.length
      continue
    }
    if (data.length - at < 4) throw new Error('the length of a block is cut off')
    const length = data.readInt32BE(at)
    at += 4
    if (length <= 0 || length > data.length - at) throw new Error(`a block of ${length} bytes, ${data.length - at} left`)
    const block = data.subarray(at, at + length)
    total += declaredSize(block, maxBytes - total)
    blocks.push(block)
    at += length
  }
  return decompressBlocks(blocks, total)
}

function decompressBlocks(blocks: Buffer[], total: number): Buffer {
  if (blocks.length === 1) return decompressBlock(blocks[0]!)
  const out = Buffer.allocUnsafeSlow(total)
  let at = 0
  for (const block of blocks) at += decompressBlock(block).copy(out, at)
  if (at !== total) throw new Error(`${total} bytes declared, ${at} found`)
  return out
}

function decompressBlock(block: Buffer): Buffer {
  return snappy.uncompressSync(block, { asBuffer: true }) as Buffer
}

/** What the block says it decompresses to, believed only within `maxBytes` and what its own length allows. */
function declaredSize(block: Buffer, maxBytes: number): number {
  let size = 0
  let scale = 1
  for (let at = 0; ; at++) {
    if (at >= 5 || at >= block.length) throw new Error('the size of a block is cut off')
    const byte = block[at]!
    size += (byte & 0x7f) * scale
    scale *= 128
    if (byte < 0x80) break
  }
  if (size > block.length * maxRatio) throw new Error(`a block of ${block.length} bytes declares ${size} bytes`)
  if (size > maxBytes) throw new TooLarge()
  return size
}
