/**
 * Rewrites the records of a v2 batch in the form that every reader understands and that Kafka's builder writes: no attributes, -1 for null.
 * Copies record by record from one buffer to another, so that a batch with millions of records needs no memory beyond its bytes.
 */
import type { Int64 } from '../../base.ts'
import { Output } from '../compression.ts'
import { type Cursor, writeVarint, writeVarlong } from './varint.ts'

/** What a record may take beyond its bytes: its size, and longer deltas. */
const margin = 24

export class RecordWriter {
  readonly #out = new Output(Number.MAX_SAFE_INTEGER)

  /** `bytes`: how many will probably come. */
  constructor(bytes: number) {
    this.#out.reserve(bytes + margin)
  }

  /**
   * The record of `size` bytes that begins at the cursor, known to be sound; afterwards the cursor is behind it. `timestampDelta`: instead
   * of its own.
   */
  write(cursor: Cursor, size: number, offsetDelta: number, timestampDelta?: Int64): void {
    const out = this.#out
    const end = cursor.position + size
    out.reserve(size + margin)
    const { bytes } = out
    cursor.position++
    const ownDelta = cursor.varlong()
    cursor.varint()
    // The body first, behind the most room that its size may take: sizes below -1 make it shorter than it was.
    const begin = out.length + 5
    bytes[begin] = 0
    let at = writeVarlong(bytes, begin + 1, timestampDelta ?? ownDelta)
    at = writeVarint(bytes, at, offsetDelta)
    at = copyBody(cursor, bytes, at)
    const body = at - begin
    const bodyAt = writeVarint(bytes, out.length, body)
    bytes.copyWithin(bodyAt, begin, at)
    out.length = bodyAt + body
    cursor.position = end
  }

  written(): Buffer {
    return this.#out.written()
  }
}

/** Key, value and headers; returns the position after them. */
function copyBody(cursor: Cursor, bytes: Buffer, start: number): number {
  let at = copySized(cursor, bytes, copySized(cursor, bytes, start))
  const headers = cursor.varint()
  at = writeVarint(bytes, at, headers)
  for (let left = 2 * headers; left > 0; left--) at = copySized(cursor, bytes, at)
  return at
}

/** A size and its bytes; returns the position after them. */
function copySized(cursor: Cursor, bytes: Buffer, at: number): number {
  const size = Math.max(cursor.varint(), -1)
  at = writeVarint(bytes, at, size)
  if (size <= 0) return at
  const from = cursor.skip(size)
  return at + cursor.buffer.copy(bytes, at, from, from + size)
}
