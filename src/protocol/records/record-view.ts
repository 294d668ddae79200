/** The results of readers: records and batches as views, valid as long as the underlying bytes. */
import type { ByteReader, Int64 } from '../../base.ts'
import type { BatchHeader } from './header.ts'
import { Cursor } from './varint.ts'

export interface RecordHeader {
  /** UTF-8, as it lies there. */
  key: Buffer
  value: Buffer | null
}

const noHeaders: readonly RecordHeader[] = []

/** One record; stays valid as long as the buffer it was read from. */
export class RecordView {
  readonly offset: number
  /** Milliseconds; -1 when there is none. That of the batch with LogAppendTime. */
  readonly timestamp: Int64
  readonly #buffer: Buffer
  readonly #keyAt: number
  readonly #keyLength: number
  readonly #valueAt: number
  readonly #valueLength: number
  /** Where the header count lies; -1 without headers. */
  readonly #headersAt: number

  constructor(
    buffer: Buffer,
    offset: number,
    timestamp: Int64,
    keyAt: number,
    keyLength: number,
    valueAt: number,
    valueLength: number,
    headersAt: number,
  ) {
    this.#buffer = buffer
    this.offset = offset
    this.timestamp = timestamp
    this.#keyAt = keyAt
    this.#keyLength = keyLength
    this.#valueAt = valueAt
    this.#valueLength = valueLength
    this.#headersAt = headersAt
  }

  get hasKey(): boolean {
    return this.#keyLength >= 0
  }

  /** False for a tombstone. */
  get hasValue(): boolean {
    return this.#valueLength >= 0
  }

  get key(): Buffer | null {
    return this.#keyLength < 0 ? null : this.#buffer.subarray(this.#keyAt, this.#keyAt + this.#keyLength)
  }

  get value(): Buffer | null {
    return this.#valueLength < 0 ? null : this.#buffer.subarray(this.#valueAt, this.#valueAt + this.#valueLength)
  }

  /** Reads the key without a buffer for it; false if there is none. */
  readKey(reader: ByteReader): boolean {
    if (this.#keyLength >= 0) reader.restart(this.#buffer, this.#keyAt, this.#keyAt + this.#keyLength)
    return this.#keyLength >= 0
  }

  readValue(reader: ByteReader): boolean {
    if (this.#valueLength >= 0) reader.restart(this.#buffer, this.#valueAt, this.#valueAt + this.#valueLength)
    return this.#valueLength >= 0
  }

  get headers(): readonly RecordHeader[] {
    if (this.#headersAt < 0) return noHeaders
    const cursor = new Cursor(this.#buffer, this.#headersAt, this.#buffer.length)
    const headers: RecordHeader[] = []
    for (let left = cursor.varint(); left > 0; left--) {
      const keyLength = cursor.varint()
      const keyAt = cursor.skip(keyLength)
      const valueLength = cursor.varint()
      const valueAt = cursor.skip(Math.max(valueLength, 0))
      headers.push({
        key: this.#buffer.subarray(keyAt, keyAt + keyLength),
        value: valueLength < 0 ? null : this.#buffer.subarray(valueAt, valueAt + valueLength),
      })
    }
    return headers
  }
}

/** A batch found in a run of them: its header and its place. */
export interface BatchView {
  header: BatchHeader
  /** The whole batch, a view. */
  bytes: Buffer
}
