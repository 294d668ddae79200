/**
 * Snappy as Kafka's clients write it: raw blocks in xerial's framing (snappy-java's SnappyOutputStream), which is a header of 16 bytes
 * and then, per block, an int32 of its compressed length. Like snappy-java, it also reads bare blocks, and ignores fewer than four bytes
 * after the last block. It also reads concatenated streams, which only the Java library supports.
 *
 * Blocks are written by the native library, but decoded here: into reused memory, which is far cheaper than the memory that the library
 * allocates for each block.
 */
import { snappyBlock } from './native.ts'
import { copyEights, type Output, viewOf } from './output.ts'
import { TooLarge } from './too-large.ts'

const magic = Buffer.from('82534e4150505900', 'hex')
/** Magic, version 1, least compatible version 1. */
const frameHeader = Buffer.concat([magic, Buffer.from('0000000100000001', 'hex')])
/** snappy-java's default; a reader's buffers are often of this size. */
const blockBytes = 32 * 1024
/** No element of the format yields more than 64 bytes out of 2, so what declares more is a lie. */
const maxRatio = 32
/** Literals from here on are copied by one call. */
const longCopy = 32
/** The cost of a block, however short it is. */
const blockCost = 1 << 10

export function snappyCompress(data: Buffer): Buffer {
  const parts: Buffer[] = [frameHeader]
  let size = frameHeader.length
  for (let at = 0; at < data.length; at += blockBytes) {
    const block = snappyBlock(data.subarray(at, at + blockBytes))
    const length = Buffer.allocUnsafe(4)
    length.writeInt32BE(block.length)
    parts.push(length, block)
    size += 4 + block.length
  }
  return Buffer.concat(parts, size)
}

/** Returns where the last block ends. */
export function snappyDecompress(data: Buffer, out: Output): number {
  if (!isHeader(data, 0)) {
    decodeBlock(data, 0, data.length, out)
    return data.length
  }
  let at = frameHeader.length
  while (data.length - at >= 4) {
    out.spend(blockCost)
    // Between the blocks of concatenated streams.
    if (isHeader(data, at)) {
      out.oddlyFramed = true
      at += frameHeader.length
      continue
    }
    const length = data.readInt32BE(at)
    at += 4
    if (length <= 0 || length > data.length - at) throw new Error(`a block of ${length} bytes, ${data.length - at} left`)
    decodeBlock(data, at, at + length, out)
    at += length
  }
  return at
}

function isHeader(data: Buffer, at: number): boolean {
  return data.length - at >= frameHeader.length && data.compare(magic, 0, magic.length, at, at + magic.length) === 0
}

function decodeBlock(data: Buffer, start: number, end: number, out: Output): void {
  const { size, at: begin } = declaredSize(data, start, end, out.maxBytes - out.length)
  out.reserve(size)
  const { bytes, length: first } = out
  const source = viewOf(data)
  const view = viewOf(bytes)
  const stop = first + size
  const fastUntil = data.length - 16
  const fastTo = bytes.length - 16
  let to = first
  for (let at = begin; at < end; ) {
    const tag = data[at++]!
    let length = (tag >> 2) + 1
    let from = 0
    switch (tag & 3) {
      case 0:
        if (length > 60) {
          const width = length - 60
          if (end - at < width) throw new Error('the length of a literal is cut off')
          length = data.readUIntLE(at, width) + 1
          at += width
        }
        if (length > end - at || length > stop - to) throw new Error('a literal is cut off')
        if (length <= 16 && at < fastUntil && to < fastTo) {
          view.setBigUint64(to, source.getBigUint64(at, true), true)
          if (length > 8) view.setBigUint64(to + 8, source.getBigUint64(at + 8, true), true)
        } else if (length >= longCopy) bytes.set(data.subarray(at, at + length), to)
        else for (let i = 0; i < length; i++) bytes[to + i] = data[at + i]!
        at += length
        to += length
        continue
      case 1:
        if (at >= end) throw new Error('a copy is cut off')
        length = ((tag >> 2) & 7) + 4
        from = to - (((tag >> 5) << 8) | data[at++]!)
        break
      case 2:
        if (end - at < 2) throw new Error('a copy is cut off')
        from = to - (data[at]! | (data[at + 1]! << 8))
        at += 2
        break
      case 3:
        if (end - at < 4) throw new Error('a copy is cut off')
        from = to - data.readUInt32LE(at)
        at += 4
    }
    if (from < first || from === to || length > stop - to) throw new Error('a copy from before its block')
    // None is longer than 64 bytes.
    if (to - from >= 8 && bytes.length - to >= length + 8) copyEights(view, from, to, length)
    else for (let i = 0; i < length; i++) bytes[to + i] = bytes[from + i]!
    to += length
  }
  if (to !== stop) throw new Error(`${size} bytes declared, ${to - first} found`)
  out.length = to
}

/** The decompressed size that the block declares, accepted only within `maxBytes` and what its length allows; and where its elements begin. */
function declaredSize(data: Buffer, start: number, end: number, maxBytes: number): { size: number; at: number } {
  let size = 0
  let scale = 1
  for (let at = start; at < end && at < start + 5; ) {
    const byte = data[at++]!
    size += (byte & 0x7f) * scale
    scale *= 128
    if (byte >= 0x80) continue
    if (size > (end - start) * maxRatio) throw new Error(`a block of ${end - start} bytes declares ${size} bytes`)
    if (size > maxBytes) throw new TooLarge()
    return { size, at }
  }
  throw new Error('the size of a block is cut off')
}
