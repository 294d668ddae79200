/**
 * Zstd decompression with one context for all batches, into memory that is used again. zlib's own call makes a context and a buffer for
 * each, which costs as much as the decompression of 100 KB (ADR 0005). Node gives the context to nobody, so this reaches for the handle of a
 * stream, as minizlib does; where that does not look as expected, zlib's call is used.
 */
import zlib from 'node:zlib'
import type { Output } from './output.ts'
import { TooLarge } from './too-large.ts'

interface Handle {
  reset(): void
  writeSync(flush: number, input: Buffer, at: number, length: number, output: Buffer, outputAt: number, outputLength: number): void
}

interface Stream extends zlib.ZstdDecompress {
  /** null after an error. */
  _handle?: Handle | null
  /** Bytes that are left: of the output's room, of the input. */
  _writeState?: Uint32Array
}

let stream: Stream | null = null
/** A frame was left half way; only then the context must be made anew. */
let isInFrame = false

function open(): Stream {
  const opened: Stream = zlib.createZstdDecompress()
  // An error is told by the handle being gone; the event comes later.
  opened.on('error', () => {})
  return opened
}

/** Tells whether a frame yields more than there is room for. */
const probe = Buffer.alloc(1)

/** Decompresses `data[start, end)`, which is one frame, `likely` bytes at a time. False, and nothing is done, where there is no handle. */
export function decompressInto(data: Buffer, start: number, end: number, likely: number, out: Output): boolean {
  stream ??= open()
  const { _handle: handle, _writeState: left } = stream
  if (typeof handle?.reset !== 'function' || typeof handle.writeSync !== 'function' || left?.length !== 2) return false
  if (isInFrame) handle.reset()
  isInFrame = true
  for (let at = start; ; at = end - left[1]!) {
    const isFull = out.length >= out.maxBytes
    if (!isFull) out.reserve(Math.min(Math.max(likely, 1), out.maxBytes - out.length))
    const room = isFull ? probe.length : out.room - out.length
    handle.writeSync(zlib.constants.ZSTD_e_end, data, at, end - at, isFull ? probe : out.bytes, isFull ? 0 : out.length, room)
    if (stream._handle !== handle) {
      const { errored } = stream
      stream = null
      isInFrame = false
      throw errored ?? new Error('a zstd frame is damaged')
    }
    const written = room - left[0]!
    if (isFull && written > 0) throw new TooLarge()
    out.length += written
    if (left[0]! > 0) {
      isInFrame = false
      return true
    }
  }
}
