/**
 * The format of the journal: files of frames, one frame per group commit.
 *
 * A file stands alone: partitions get small numbers (slots) by `bind` entries of the same file. Later frames repeat them, and each frame says
 * which slots those before it name, so that damage does not hide whose records it took. All numbers are big-endian.
 *
 * A frame carries the token of its file's life (file-life.ts). Its checksum covers its header and its entries; the payload, whole record
 * batches in the order of the `inline` entries, is covered by the batches' own checksums, which each entry folds into one number, and by what
 * the entries say of offsets and lengths. So neither an old payload nor one that was torn can pass for what was written.
 *
 *     file:   head (1024 bytes; 64 in format 1), frames, each at a multiple of 8
 *     frame:  header (48 bytes), entries (48 bytes each; `bind` is followed by the topic's name), payload
 *     header: magic, checksum, sequence, durable sequence, bytes of entries, bytes of payload, two sets of slots, token
 *
 * Format 1 had no tokens and no combined checksums. Such a file is read once, at the first start of a release that writes format 2: only
 * consecutive frames from its beginning count. After a clean shutdown there are none.
 */
import { crc32c, writeInt64 } from '../../base.ts'
import { header, type Offset, type Uuid, uuidFromBytes, uuidToBytes } from '../../protocol.ts'
import { type FileLife, headBytes, tokenBytes } from './file-life.ts'
import type { FileWindow } from './file-window.ts'

export const frameHeaderBytes = 48
const entryBytes = 48
const slotsBeforeAt = 32
const slotsLatelyAt = 36
const tokenAt = 40

const frameMagic = 0x4d52_4a31

const { readOffset: readInt64 } = header

export function firstFrameAt(life: FileLife): number {
  return life.format === 1 ? 64 : headBytes
}

/** bind: from here on in this file, the slot means this partition. inline: batches are in the payload; extent: in the segment file. */
const entryKinds = { bind: 1, inline: 2, extent: 3, logStart: 4, deleted: 5 } as const

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
  /** Of the inline batches, by {@link foldChecksums}. */
  checksum: number
}

/** The checksums of all batches in `[at, end)` in one number. */
export function foldChecksums(bytes: Buffer, at: number, end: number): number {
  let folded = 0
  for (; at < end; at += header.sizeBytes(bytes, at)) folded = (folded << 1) ^ (folded >>> 31) ^ header.crc(bytes, at)
  return folded >>> 0
}

/** In a set of slots: that it is known. Earlier releases wrote the number of entries there, or 0. */
const isKnown = 1 << 31

/** In a set of slots 31 bits stand for all of them: it may seem to contain a slot that it does not. */
function bitOf(slot: number): number {
  return 1 << (slot % 31)
}

/** More than a bad sector takes. */
const blockBytes = 4096

function blockOf(at: number): number {
  return Math.floor(at / blockBytes)
}

/** The slots that frames name, for those that follow: if some are missing, that tells which partitions they may have named. */
class NamedSlots {
  /** Of the last frame, also if that is in the file before. */
  before: number
  /** Of frames of this file that begin in the block of the last one, and in the one that had frames before it. */
  #block = 0
  #inBlock = 0
  #inPrevious = 0

  constructor(before: number) {
    this.before = before
  }

  /** Of all frames of this file that begin in the block of `at`, before it, or in the block before. */
  lately(at: number): number {
    return isKnown | this.#inBlock | (blockOf(at) === this.#block ? this.#inPrevious : 0)
  }

  /** A frame at `at` names these. */
  add(at: number, slots: number): void {
    if (blockOf(at) !== this.#block) {
      this.#inPrevious = this.#inBlock
      this.#inBlock = 0
      this.#block = blockOf(at)
    }
    this.#inBlock |= slots
    this.before = isKnown | slots
  }
}

/** Gathers the entries of the next frame in one buffer that is used again and again. */
export class FrameWriter {
  #bytes = Buffer.allocUnsafeSlow(16 << 10)
  #end = frameHeaderBytes
  #slots = 0
  #named = new NamedSlots(0)
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
    this.#slots |= bitOf(share.slot)
    const at = this.#entry(share.inline ? entryKinds.inline : entryKinds.extent, share.slot, 0)
    const bytes = this.#bytes
    bytes[at + 1] = share.synced ? 1 : 0
    bytes.writeUInt32BE(share.length, at + 12)
    writeInt64(bytes, at + 16, share.segmentBase)
    bytes.writeUInt32BE(share.position, at + 24)
    bytes.writeUInt32BE(share.checksum, at + 28)
    writeInt64(bytes, at + 32, share.baseOffset)
    writeInt64(bytes, at + 40, share.endOffset)
  }

  logStart(slot: number, offset: Offset): void {
    this.#slots |= bitOf(slot)
    writeInt64(this.#bytes, this.#entry(entryKinds.logStart, slot, 0) + 32, offset)
  }

  deleted(slot: number): void {
    this.#slots |= bitOf(slot)
    this.#entry(entryKinds.deleted, slot, 0)
  }

  /** The frame without its payload, to be written at `at`. Valid until `reset`. */
  finish(at: number, sequence: number, durableSequence: number, payloadBytes: number, token: Buffer): Buffer {
    if (at === headBytes) this.#named = new NamedSlots(this.#named.before)
    const bytes = this.#bytes.subarray(0, this.#end)
    bytes.writeUInt32BE(frameMagic, 0)
    writeInt64(bytes, 8, sequence)
    writeInt64(bytes, 16, durableSequence)
    bytes.writeUInt32BE(this.#end - frameHeaderBytes, 24)
    bytes.writeUInt32BE(payloadBytes, 28)
    bytes.writeInt32BE(this.#named.before, slotsBeforeAt)
    bytes.writeInt32BE(this.#named.lately(at), slotsLatelyAt)
    token.copy(bytes, tokenAt)
    bytes.writeUInt32BE(crc32c(bytes.subarray(8)), 4)
    return bytes
  }

  /** The frame is in the file. */
  wrote(at: number): void {
    this.#named.add(at, this.#slots)
  }

  reset(): void {
    this.#end = frameHeaderBytes
    this.#slots = 0
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
  /** Header, entries and, where asked for, payload. Valid until the window moves. */
  bytes: Buffer
  /** Where the payload begins in `bytes`. */
  payloadAt: number
  /** Where the frame, and where the next one begins in the file. */
  at: number
  end: number
}

/** The frame at `at`, or null when there is none of this life or its checksum is wrong. */
export function readFrame(file: FileWindow, at: number, { token }: FileLife, what: 'entries' | 'payload'): Frame | null {
  const start = file.view(at, frameHeaderBytes)
  if (start.length < frameHeaderBytes || start.readUInt32BE(0) !== frameMagic) return null
  if (token.compare(start, tokenAt, tokenAt + tokenBytes) !== 0) return null
  const payloadAt = frameHeaderBytes + start.readUInt32BE(24)
  const payloadBytes = start.readUInt32BE(28)
  if (at + payloadAt + payloadBytes > file.size) return null
  const bytes = file.view(at, payloadAt + (what === 'payload' ? payloadBytes : 0))
  if (bytes.length < payloadAt || bytes.readUInt32BE(4) !== crc32c(bytes.subarray(8, payloadAt))) return null
  return {
    sequence: readInt64(bytes, 8),
    durableSequence: readInt64(bytes, 16),
    bytes,
    payloadAt,
    at,
    end: align(at + payloadAt + payloadBytes),
  }
}

/** Whether the frame before this one may have said something of the slot of its file. */
export function mayBeNamedBefore({ bytes }: Frame, slot: number): boolean {
  return mayContain(bytes.readInt32BE(slotsBeforeAt), slot)
}

/** The same of `count` missing frames of the same file, which begin at `from`. */
export function mayBeNamedSince(frame: Frame, slot: number, count: number, from: number): boolean {
  const { bytes, at } = frame
  // They had no entries.
  if (at - from === count * frameHeaderBytes) return false
  if (count === 1) return mayBeNamedBefore(frame, slot)
  return blockOf(from) < blockOf(at) - 1 || mayContain(bytes.readInt32BE(slotsLatelyAt), slot)
}

function mayContain(slots: number, slot: number): boolean {
  return (slots & isKnown) === 0 || (slots & bitOf(slot)) !== 0
}

/** Where the next thing that looks like a frame of this life begins, from `from` on; -1 when nowhere. */
export function nextFrameAt(file: FileWindow, from: number, { format, token }: FileLife): number {
  if (format === 1) return -1
  for (let at = file.find(token, from + tokenAt); at >= 0; at = file.find(token, at + 1)) if ((at - tokenAt) % 8 === 0) return at - tokenAt
  return -1
}

export interface FrameVisitor {
  bind(slot: number, topicId: Uuid, topic: string, partition: number): void
  /** `at`: where the bytes of an inline share lie in the frame. */
  share(share: Share, at: number): void
  logStart(slot: number, offset: Offset): void
  deleted(slot: number): void
}

/** Walks the entries of a frame whose checksum was right: first what slots mean, then what is said of them. */
export function visitFrame({ bytes, payloadAt }: Frame, visitor: FrameVisitor): void {
  for (let at = frameHeaderBytes; at < payloadAt; at = entryEnd(bytes, at)) {
    if (bytes[at] !== entryKinds.bind) continue
    const name = bytes.toString('utf8', at + entryBytes, at + entryBytes + bytes.readUInt32BE(at + 12))
    visitor.bind(bytes.readUInt32BE(at + 4), uuidFromBytes(bytes.subarray(at + 16, at + 32)), name, bytes.readInt32BE(at + 8))
  }
  let payload = payloadAt
  for (let at = frameHeaderBytes; at < payloadAt; at = entryEnd(bytes, at)) {
    const kind = bytes[at]!
    const slot = bytes.readUInt32BE(at + 4)
    if (kind === entryKinds.inline || kind === entryKinds.extent) {
      const share = readShare(bytes, at, slot, kind === entryKinds.inline)
      visitor.share(share, payload)
      if (share.inline) payload += share.length
    } else if (kind === entryKinds.logStart) visitor.logStart(slot, readInt64(bytes, at + 32))
    else if (kind === entryKinds.deleted) visitor.deleted(slot)
    else if (kind !== entryKinds.bind) throw new Error(`unknown kind ${kind} of journal entry`)
  }
}

function entryEnd(bytes: Buffer, at: number): number {
  return at + entryBytes + (bytes[at] === entryKinds.bind ? align(bytes.readUInt32BE(at + 12)) : 0)
}

function readShare(bytes: Buffer, at: number, slot: number, inline: boolean): Share {
  return {
    slot,
    inline,
    synced: bytes[at + 1] === 1,
    segmentBase: readInt64(bytes, at + 16),
    position: bytes.readUInt32BE(at + 24),
    length: bytes.readUInt32BE(at + 12),
    checksum: bytes.readUInt32BE(at + 28),
    baseOffset: readInt64(bytes, at + 32),
    endOffset: readInt64(bytes, at + 40),
  }
}
