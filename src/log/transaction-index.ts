/**
 * `.txnindex`: the aborted transactions whose markers lie in a segment, in Kafka's format (AbortedTxn version 0, 34 bytes each, ordered by
 * last offset). There is no file while there is none.
 */
import type { Offset } from '../protocol.ts'

export interface AbortedTransaction {
  producerId: number
  firstOffset: Offset
  /** Offset of the abort marker. */
  lastOffset: Offset
  /** The last stable offset right after the marker: from here on, older aborted transactions need not be searched. */
  lastStableOffset: Offset
}

export const abortedTransactionBytes = 34
const version = 0

export function encodeAborted(aborted: AbortedTransaction): Buffer {
  const bytes = Buffer.allocUnsafe(abortedTransactionBytes)
  bytes.writeInt16BE(version, 0)
  bytes.writeBigInt64BE(BigInt(aborted.producerId), 2)
  bytes.writeBigInt64BE(BigInt(aborted.firstOffset), 10)
  bytes.writeBigInt64BE(BigInt(aborted.lastOffset), 18)
  bytes.writeBigInt64BE(BigInt(aborted.lastStableOffset), 26)
  return bytes
}

/** Throws when the file is not one; the caller rebuilds it from the segment. */
export function decodeAborted(file: Buffer, baseOffset: Offset): AbortedTransaction[] {
  if (file.length % abortedTransactionBytes !== 0) throw new Error(`transaction index of ${file.length} bytes`)
  const all: AbortedTransaction[] = []
  let previous = baseOffset - 1
  for (let at = 0; at < file.length; at += abortedTransactionBytes) {
    if (file.readInt16BE(at) > version) throw new Error(`transaction index entry of version ${file.readInt16BE(at)}`)
    const entry = {
      producerId: Number(file.readBigInt64BE(at + 2)),
      firstOffset: Number(file.readBigInt64BE(at + 10)),
      lastOffset: Number(file.readBigInt64BE(at + 18)),
      lastStableOffset: Number(file.readBigInt64BE(at + 26)),
    }
    if (entry.lastOffset <= previous) throw new Error(`transaction index entry ${entry.lastOffset} after ${previous}`)
    previous = entry.lastOffset
    all.push(entry)
  }
  return all
}

/**
 * Adds to `into` those of `index` that a reader of [from, to) must know. True when no later segment's index can hold more: then stop.
 */
export function collectAborted(
  index: readonly AbortedTransaction[],
  from: Offset,
  to: Offset,
  into: { producerId: number; firstOffset: Offset }[],
): boolean {
  for (const aborted of index) {
    if (aborted.lastOffset >= from && aborted.firstOffset < to)
      into.push({ producerId: aborted.producerId, firstOffset: aborted.firstOffset })
    if (aborted.lastStableOffset >= to) return true
  }
  return false
}
