/**
 * Kafka's producer snapshot, `<offset>.snapshot`: version int16 (1), CRC32C of what follows the checksum, then an array of producers.
 * It keeps only the last batch of each, so right after a restart only that one is known as a duplicate, as in Kafka.
 */
import { crc32c } from '../base.ts'
import type { Offset } from '../protocol.ts'
import type { ProducerTable } from './producer-table.ts'

export interface SnapshotEntry {
  producerId: number
  epoch: number
  lastSequence: number
  lastOffset: Offset
  offsetDelta: number
  lastTimestamp: number
  coordinatorEpoch: number
  transactionStart: Offset
}

const version = 1
const headerBytes = 2 + 4 + 4
const entryBytes = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8

export function encodeSnapshot(table: ProducerTable): Buffer {
  const file = Buffer.allocUnsafe(headerBytes + table.size * entryBytes)
  file.writeInt16BE(version, 0)
  file.writeInt32BE(table.size, 6)
  let at = headerBytes
  for (const slot of table.slots()) {
    at = file.writeBigInt64BE(BigInt(table.producerId(slot)), at)
    at = file.writeInt16BE(table.epoch(slot), at)
    at = file.writeInt32BE(table.lastSequence(slot), at)
    at = file.writeBigInt64BE(BigInt(table.lastOffset(slot)), at)
    at = file.writeInt32BE(table.lastDelta(slot), at)
    at = file.writeBigInt64BE(BigInt(table.lastTimestamp(slot)), at)
    at = file.writeInt32BE(table.coordinatorEpoch(slot), at)
    at = file.writeBigInt64BE(BigInt(table.transactionStart(slot)), at)
  }
  file.writeUInt32BE(crc32c(file.subarray(6)), 2)
  return file
}

/** Throws when the file is damaged. */
export function decodeSnapshot(file: Buffer): SnapshotEntry[] {
  if (file.length < headerBytes) throw new Error(`producer snapshot of ${file.length} bytes`)
  if (file.readInt16BE(0) !== version) throw new Error(`producer snapshot of version ${file.readInt16BE(0)}`)
  if (file.readUInt32BE(2) !== crc32c(file.subarray(6))) throw new Error('producer snapshot with a wrong checksum')
  const count = file.readInt32BE(6)
  if (file.length !== headerBytes + count * entryBytes) throw new Error(`producer snapshot of ${file.length} bytes for ${count} producers`)
  const entries: SnapshotEntry[] = []
  for (let at = headerBytes; at < file.length; at += entryBytes)
    entries.push({
      producerId: Number(file.readBigInt64BE(at)),
      epoch: file.readInt16BE(at + 8),
      lastSequence: file.readInt32BE(at + 10),
      lastOffset: Number(file.readBigInt64BE(at + 14)),
      offsetDelta: file.readInt32BE(at + 22),
      lastTimestamp: Number(file.readBigInt64BE(at + 26)),
      coordinatorEpoch: file.readInt32BE(at + 34),
      transactionStart: Number(file.readBigInt64BE(at + 38)),
    })
  return entries
}
