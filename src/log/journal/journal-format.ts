/**
 * The journal's bytes: files of frames, one frame per group commit.
 *
 * A file stands alone: partitions get small numbers (slots) by `bind` entries of the same file. A frame's checksum covers its header
 * and its entries; the payload, whole record batches in the order of the `inline` entries, is covered by the batches' own checksums and
 * by what the entries say of offsets and lengths. All numbers are big-endian.
 *
 *     file:   header (64 bytes), frames, each at a multiple of 8
 *     frame:  header (48 bytes), entries (48 bytes each; `bind` is followed by the topic's name), payload
 */
import { crc32c, writeInt64 } from '../../base.ts'
import { header, type Offset, type Uuid, uuidFromBytes, uuidToBytes } from '../../protocol.ts'

export const fileHeaderBytes = 64
export const frameHeaderBytes = 48
const entryBytes = 48

const fileMagic = 0x4d52_4a46
const frameMagic = 0x4d52_4a31
const formatVersion = 1
export const frameMagicBytes = Buffer.from([0x4d, 0x52, 0x4a, 0x31])

const { readOffset: readInt64 } = header

export interface FileHeader {
  /** Sequence number of the first frame in this file. */
  firstSequence: number
  /** Frames below this one were durable when the file was begun. */
  durableSequence: number
}

export function encodeFileHeader(of: FileHeader): Buffer {
  const bytes = Buffer.alloc(fileHeaderBytes)
  bytes.writeUInt32BE(fileMagic, 0)
  bytes.writeUInt32BE(formatVersion, 8)
  writeInt64(bytes, 16, of.firstSequence)
  writeInt64(bytes, 24, of.durableSequence)
  bytes.writeUInt32BE(crc32c(bytes.subarray(8)), 4)
  return bytes
}

/** null when it is none: a file that was never begun, or whose first sector is damaged. */
export function decodeFileHeader(bytes: Buffer): FileHeader | null {
  if (bytes.length < fileHeaderBytes || bytes.readUInt32BE(0) !== fileMagic) return null
  if (bytes.readUInt32BE(4) !== crc32c(bytes.subarray(8, fileHeaderBytes)) || bytes.readUInt32BE(8) !== formatVersion) return null
  return { firstSequence: readInt64(bytes, 16), durableSequence: readInt64(bytes, 24) }
}

/** The version that the header names, when it is one that this program does not know. Every version keeps magic and version where they are. */
export function newerJournalVersion(bytes: Buffer): number | null {
  if (bytes.length < 12 || bytes.readUInt32BE(0) !== fileMagic) return null
  const version = bytes.readUInt32BE(8)
  return version > formatVersion ? version : null
}

/** bind: from here on in this file, the slot means this partition. inline: batches are in the payload; extent: in the segment file. */
export const entryKinds = { bind: 1, inline: 2, extent: 3, logStart: 4, deleted: 5 } as const

/** A partition's share of a frame: consecutive batches. */
export interface Share {
  slot: number
  inline: boolean
  /** Acknowledged only when durable, so that losing it below the durable mark is corruption. */
  synced: boolean
  segmentBase: Offset
  position: number
  length: number
  baseOffset: Offset
  endOffset: Offset
}

/** Gathers the entries of the next frame in one buffer that is used again and again. */
export class FrameWriter {
  #bytes = Buffer.allocUnsafeSlow(16 << 10)
  #end = frameHeaderBytes
  entries = 0

  bind(slot: number, topicId: Uuid, topic: string, partition: number): void {
    const name = Buffer.from(topic)
    const padded = align(name.length)
    const at = this.#entry(entryKinds.bind, slot, padded)
    const bytes = this.#bytes
    bytes.writeInt32BE(partition, at + 8)
    bytes.writeUInt32BE(name.length, at + 12)
    uuidToBytes(topicId).copy(bytes, at + 16)
    bytes.fill(0, at + entryBytes, at + entryBytes + padded)
    name.copy(bytes, at + entryBytes)
  }

  share(share: Share): void {
    const at = this.#entry(share.inline ? entryKinds.inline : entryKinds.extent, share.slot, 0)
    const bytes = this.#bytes
    bytes[at + 1] = share.synced ? 1 : 0
    bytes.writeUInt32BE(share.length, at + 12)
    writeInt64(bytes, at + 16, share.segmentBase)
    bytes.writeUInt32BE(share.position, at + 24)
    writeInt64(bytes, at + 32, share.baseOffset)
    writeInt64(bytes, at + 40, share.endOffset)
  }

  logStart(slot: number, offset: Offset): void {
    writeInt64(this.#bytes, this.#entry(entryKinds.logStart, slot, 0) + 32, offset)
  }

  deleted(slot: number): void {
    this.#entry(entryKinds.deleted, slot, 0)
  }

  /** The frame without its payload. Valid until `reset`. */
  finish(sequence: number, durableSequence: number, payloadBytes: number, ownerEpoch: number): Buffer {
    const bytes = this.#bytes.subarray(0, this.#end)
    bytes.writeUInt32BE(frameMagic, 0)
    writeInt64(bytes, 8, sequence)
    writeInt64(bytes, 16, durableSequence)
    bytes.writeUInt32BE(this.#end - frameHeaderBytes, 24)
    bytes.writeUInt32BE(payloadBytes, 28)
    bytes.writeUInt32BE(this.entries, 32)
    bytes.writeUInt32BE(ownerEpoch, 36)
    bytes.writeUInt32BE(0, 40)
    bytes.writeUInt32BE(0, 44)
    bytes.writeUInt32BE(crc32c(bytes.subarray(8)), 4)
    return bytes
  }

  reset(): void {
    this.#end = frameHeaderBytes
    this.entries = 0
  }

  #entry(kind: number, slot: number, extra: number): number {
    const at = this.#end
    const end = at + entryBytes + extra
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(end, 2 * this.#bytes.length))
      this.#bytes.copy(larger, 0, 0, at)
      this.#bytes = larger
    }
    this.#bytes.fill(0, at, at + entryBytes)
    this.#bytes[at] = kind
    this.#bytes.writeUInt32BE(slot, at + 4)
    this.#end = end
    this.entries++
    return at
  }
}

export function align(bytes: number): number {
  return (bytes + 7) & ~7
}

/** A frame whose header and entries are whole; nothing is said of its payload yet. */
export interface Frame {
  sequence: number
  durableSequence: number
  ownerEpoch: number
  /** Where the entries, the payload and the next frame begin in the file. */
  entriesAt: number
  payloadAt: number
  payloadBytes: number
  end: number
}

/** The frame at `at`, or null when there is none or its checksum is wrong. */
export function readFrame(file: Buffer, at: number): Frame | null {
  if (at + frameHeaderBytes > file.length || file.readUInt32BE(at) !== frameMagic) return null
  const metaBytes = file.readUInt32BE(at + 24)
  const payloadBytes = file.readUInt32BE(at + 28)
  const payloadAt = at + frameHeaderBytes + metaBytes
  if (payloadAt + payloadBytes > file.length) return null
  if (file.readUInt32BE(at + 4) !== crc32c(file.subarray(at + 8, payloadAt))) return null
  return {
    sequence: readInt64(file, at + 8),
    durableSequence: readInt64(file, at + 16),
    ownerEpoch: file.readUInt32BE(at + 36),
    entriesAt: at + frameHeaderBytes,
    payloadAt,
    payloadBytes,
    end: align(payloadAt + payloadBytes),
  }
}

export interface FrameVisitor {
  bind(slot: number, topicId: Uuid, topic: string, partition: number): void
  /** `at`: where the bytes of an inline share lie in the file. */
  share(share: Share, at: number): void
  logStart(slot: number, offset: Offset): void
  deleted(slot: number): void
}

/** Walks the entries of a frame whose checksum was right. */
export function visitFrame(file: Buffer, frame: Frame, visitor: FrameVisitor): void {
  let payload = frame.payloadAt
  for (let at = frame.entriesAt; at < frame.payloadAt; at += entryBytes) {
    const kind = file[at]!
    const slot = file.readUInt32BE(at + 4)
    if (kind === entryKinds.bind) {
      const nameBytes = file.readUInt32BE(at + 12)
      const name = file.toString('utf8', at + entryBytes, at + entryBytes + nameBytes)
      visitor.bind(slot, uuidFromBytes(file.subarray(at + 16, at + 32)), name, file.readInt32BE(at + 8))
      at += align(nameBytes)
    } else if (kind === entryKinds.inline || kind === entryKinds.extent) {
      const share = readShare(file, at, slot, kind === entryKinds.inline)
      visitor.share(share, payload)
      if (share.inline) payload += share.length
    } else if (kind === entryKinds.logStart) visitor.logStart(slot, readInt64(file, at + 32))
    else if (kind === entryKinds.deleted) visitor.deleted(slot)
    else throw new Error(`journal entry of the unknown kind ${kind}`)
  }
}

function readShare(file: Buffer, at: number, slot: number, inline: boolean): Share {
  return {
    slot,
    inline,
    synced: file[at + 1] === 1,
    segmentBase: readInt64(file, at + 16),
    position: file.readUInt32BE(at + 24),
    length: file.readUInt32BE(at + 12),
    baseOffset: readInt64(file, at + 32),
    endOffset: readInt64(file, at + 40),
  }
}
