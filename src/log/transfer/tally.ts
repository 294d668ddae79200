/** What passed by of a partition, so that a copy can be compared with the original without having both at once. */
import { crc32c } from '../../base.ts'
import { header } from '../../protocol.ts'

export interface Counted {
  readonly batches: number
  readonly records: number
  readonly bytes: number
}

export class Tally implements Counted {
  batches = 0
  records = 0
  bytes = 0
  /** Of all bytes, in their order. */
  #checksum = 0

  /** Whole batches. */
  add(batches: Buffer): void {
    for (let at = 0; at < batches.length; at += header.sizeBytes(batches, at)) {
      this.batches++
      this.records += header.recordCount(batches, at)
    }
    this.bytes += batches.length
    this.#checksum = crc32c(batches, this.#checksum)
  }

  /** The batches that another one has counted follow. For numbers only: the bytes are not compared any more. */
  join({ batches, records, bytes }: Counted): void {
    this.batches += batches
    this.records += records
    this.bytes += bytes
  }

  /** Whether these are the bytes that were counted. */
  isOf(bytes: Buffer): boolean {
    return bytes.length === this.bytes && crc32c(bytes, 0) === this.#checksum
  }

  equals(other: Tally): boolean {
    return this.batches === other.batches && this.bytes === other.bytes && this.#checksum === other.#checksum
  }
}
