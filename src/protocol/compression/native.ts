/**
 * The native codecs. Loaded by the first that compresses with them: each costs about 3 MB of memory, and a broker that stores batches as they
 * come compresses nothing.
 */
import { createRequire } from 'node:module'

const load = createRequire(import.meta.url)
let lz4: typeof import('lz4-napi') | undefined
let snappy: typeof import('snappy') | undefined

/** One frame. */
export function lz4Frame(data: Buffer): Buffer {
  lz4 ??= load('lz4-napi') as typeof import('lz4-napi')
  return lz4.compressFrameSync(data)
}

/** One block. */
export function snappyBlock(data: Buffer): Buffer {
  snappy ??= load('snappy') as typeof import('snappy')
  return snappy.compressSync(data)
}
