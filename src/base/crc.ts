/** Checksums: CRC-32C (record batches, journal) with SSE 4.2, CRC-32 (message formats v0 and v1, gzip) with zlib. Both unsigned. */
import { crc32 as zlibCrc32 } from 'node:zlib'
import { crc32c as nativeCrc32c } from '@node-rs/crc32'

/** `seed`: the checksum of the preceding bytes, to continue from. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return nativeCrc32c(bytes, seed) >>> 0
}

export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed)
}
