/**
 * The records of a v2 batch written anew in the one form that every reader knows: offset deltas that count up from 0, -1 for null. Times,
 * keys, values and headers stay. Record by record from one buffer into another, so that a batch of millions costs no more memory.
 */
import { Output } from '../compression.ts'
import { Cursor, sizeOfVarint, writeVarint } from './varint.ts'

/** What a record may grow by: its size and its offset delta take five bytes at most. */
const margin = 10

/** The records that fill `[start, payload.length)`, known to be `count` sound ones. */
export function rewriteRecords(payload: Buffer, start: number, count: number): Buffer {
  const out = new Output(Number.MAX_SAFE_INTEGER)
  out.reserve(payload.length - start + margin)
  const cursor = new Cursor(payload, start, payload.length)
  for (let offsetDelta = 0; offsetDelta < count; offsetDelta++) {
    const size = cursor.varint()
    const end = cursor.position + size
    out.reserve(size + margin)
    writeRecord(cursor, offsetDelta, out)
    cursor.position = end
  }
  return out.written()
}

function writeRecord(cursor: Cursor, offsetDelta: number, out: Output): void {
  // The body comes first, behind room for its size: sizes only shrink, so it never takes more bytes than the record had plus the margin.
  const { bytes } = out
  const begin = out.length + 5
  const timesAt = cursor.position
  cursor.position++
  cursor.varlong()
  let at = begin + cursor.buffer.copy(bytes, begin, timesAt, cursor.position)
  cursor.varint()
  at = writeVarint(bytes, at, offsetDelta)
  at = copySized(cursor, bytes, copySized(cursor, bytes, at))
  const headers = cursor.varint()
  at = writeVarint(bytes, at, headers)
  for (let left = 2 * headers; left > 0; left--) at = copySized(cursor, bytes, at)
  const bodyAt = out.length + sizeOfVarint(at - begin)
  writeVarint(bytes, out.length, at - begin)
  bytes.copyWithin(bodyAt, begin, at)
  out.length = bodyAt + at - begin
}

/** A size and its bytes; returns the position after them. */
function copySized(cursor: Cursor, bytes: Buffer, at: number): number {
  const size = Math.max(cursor.varint(), -1)
  at = writeVarint(bytes, at, size)
  if (size <= 0) return at
  const from = cursor.skip(size)
  return at + cursor.buffer.copy(bytes, at, from, from + size)
}
