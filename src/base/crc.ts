/** Checksums: CRC-32C (record batches, journal) with SSE 4.2, CRC-32 (message formats v0 and v1, gzip) with zlib. Both unsigned. */
import { createRequire } from 'node:module'
import { crc32 as zlibCrc32 } from 'node:zlib'

/**
 * Read by the allocator in each native library when it is loaded, so before that: with huge pages it would take 2 MB for the few bytes that
 * it hands out.
 */
process.env['MIMALLOC_ALLOW_THP'] ??= '0'
const { crc32c: nativeCrc32c } = createRequire(import.meta.url)('@node-rs/crc32') as typeof import('@node-rs/crc32')

/** `seed`: the checksum of the preceding bytes, to continue from. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return nativeCrc32c(bytes, seed) >>> 0
}

export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed)
}
