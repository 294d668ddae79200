/** The length that a snappy block declares, which is to be checked before it is unpacked: the library makes room for whatever it is. */
import { DataError } from '../../connector.ts'

const mostLengthBytes = 5

/** In bytes. Throws DataError if there is none. */
export function snappyLength(block: Uint8Array): number {
  let length = 0
  for (let at = 0; at < Math.min(mostLengthBytes, block.length); at++) {
    const byte = block[at]!
    length += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) return length
  }
  throw new DataError('a snappy block does not say how long it is')
}
