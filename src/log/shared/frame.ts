/**
 * What the body of a frame says: a directory of the shares that partitions have in it, and behind it the batches that are inline.
 *
 * The checksum covers the whole body. Batches in objects have their own; of them the directory says where they are. All numbers are
 * big-endian. A frame without shares has no body.
 *
 *     body:   header (16 bytes): magic, checksum of all that follows it, number of shares, zero
 *             shares (64 bytes each)
 *             the batches of the inline shares, in their order
 *     share:  topic id (16), partition (4), leader epoch (4), base offset (8), end offset (8), log start (8), length (4),
 *             object (4), position in it (4), flags (4)
 */
import { assert, crc32c, readInt64, writeInt64 } from '../../base.ts'
import { KafkaError, type Offset, type Uuid, uuidFromBytes, zeroUuid } from '../../protocol.ts'
import type { Frame } from '../../store.ts'

/** What one partition has in a frame. The shares of a partition are in the order of its offsets, within a frame and from frame to frame. */
export interface Share {
  readonly topicId: Uuid
  readonly partition: number
  readonly leaderEpoch: number
  /** Batches [baseOffset, endOffset), `length` bytes; none when base = end. */
  readonly baseOffset: Offset
  readonly endOffset: Offset
  readonly length: number
  /** The log starts there from now on; -1: unchanged. */
  readonly logStart: Offset
  /** The owner gave the partition away with this frame: nothing of it follows in this stream. */
  readonly released: boolean
  /** Which of the frame's objects has the batches, and where they begin there; -1: they are in the frame, and begin there behind the directory. */
  readonly object: number
  readonly position: number
}

export interface DecodedFrame {
  readonly shares: readonly Share[]
  /** The batches of a share that is not in an object, as a view of the body. */
  inline(share: Share): Buffer
}

const magic = 0x4d52_4631
const checkedFrom = 8
const headerBytes = 16
/** Of the directory, for each share. */
export const shareBytes = 64
const releasedFlag = 1
const empty = Buffer.alloc(0)

/** `inline`: the batches of the shares that are not in objects, in their order; where they begin in the body follows from that. */
export function encodeFrame(shares: readonly Share[], inline: readonly Buffer[]): Buffer {
  if (shares.length === 0) return empty
  const payloadAt = headerBytes + shares.length * shareBytes
  let end = payloadAt
  for (const each of inline) end += each.length
  const body = Buffer.allocUnsafe(end)
  body.writeUInt32BE(magic, 0)
  body.writeUInt32BE(shares.length, 8)
  body.writeUInt32BE(0, 12)
  let at = headerBytes
  let position = 0
  for (const share of shares) {
    const isInline = share.object === -1
    writeShare(body, at, share, isInline ? position : share.position)
    if (isInline) position += share.length
    at += shareBytes
  }
  assert(payloadAt + position === end, `${end - payloadAt} bytes of batches for shares of ${position} bytes`)
  for (const each of inline) {
    each.copy(body, at)
    at += each.length
  }
  body.writeUInt32BE(crc32c(body.subarray(checkedFrom)), 4)
  return body
}

function writeShare(body: Buffer, at: number, share: Share, position: number): void {
  const written = body.write(share.topicId, at, 16, 'base64url')
  assert(written === 16, `the topic id ${share.topicId} has ${written} bytes`)
  body.writeInt32BE(share.partition, at + 16)
  body.writeInt32BE(share.leaderEpoch, at + 20)
  writeInt64(body, at + 24, share.baseOffset)
  writeInt64(body, at + 32, share.endOffset)
  writeInt64(body, at + 40, share.logStart)
  body.writeUInt32BE(share.length, at + 48)
  body.writeInt32BE(share.object, at + 52)
  body.writeUInt32BE(position, at + 56)
  body.writeUInt32BE(share.released ? releasedFlag : 0, at + 60)
}

/**
 * Throws KAFKA_STORAGE_ERROR if the body is not as {@link encodeFrame} makes it. `isWanted`: of which partitions the shares are answered. A stream that
 * is taken over has very many that are not.
 */
export function decodeFrame(
  frame: Pick<Frame, 'session' | 'seq' | 'body' | 'objects'>,
  isWanted: (topicId: Uuid, partition: number) => boolean = () => true,
): DecodedFrame {
  const { buffer, byteOffset, length } = frame.body
  const body = Buffer.from(buffer, byteOffset, length)
  if (length === 0) return { shares: [], inline: () => empty }
  const damaged = (what: string) =>
    new KafkaError('KAFKA_STORAGE_ERROR', `Frame ${frame.seq} of session ${frame.session} is damaged: ${what}`)
  if (length < headerBytes || body.readUInt32BE(0) !== magic) throw damaged(`its ${length} bytes do not begin like a frame of this format`)
  if (body.readUInt32BE(4) !== crc32c(body.subarray(checkedFrom))) throw damaged('its checksum is wrong')
  const count = body.readUInt32BE(8)
  if (count === 0 || body.readUInt32BE(12) !== 0) throw damaged(`a header for ${count} shares`)
  const payloadAt = headerBytes + count * shareBytes
  if (payloadAt > length) throw damaged(`${length} bytes are too few for ${count} shares`)
  const shares: Share[] = []
  let position = 0
  let topicId = zeroUuid
  for (let at = headerBytes; at < payloadAt; at += shareBytes) {
    // Neighbours are mostly of one topic.
    const before = at - shareBytes
    if (at === headerBytes || body.compare(body, before, before + 16, at, at + 16) !== 0)
      topicId = uuidFromBytes(body.subarray(at, at + 16))
    const share = readShare(body, at, topicId, damaged)
    if (share.object >= frame.objects.length) throw damaged(`a share is in object ${share.object} of ${frame.objects.length}`)
    if (share.object === -1) {
      if (share.position !== position) throw damaged(`a share is at ${share.position}, where the one at ${position} follows`)
      position += share.length
    }
    if (isWanted(topicId, share.partition)) shares.push(share)
  }
  if (payloadAt + position !== length) throw damaged(`${length - payloadAt} bytes of batches for shares of ${position} bytes`)
  return {
    shares,
    inline(share) {
      assert(share.object === -1, 'the batches are in an object')
      return body.subarray(payloadAt + share.position, payloadAt + share.position + share.length)
    },
  }
}

type Damaged = (what: string) => KafkaError

function readShare(body: Buffer, at: number, topicId: Uuid, damaged: Damaged): Share {
  const partition = body.readInt32BE(at + 16)
  const leaderEpoch = body.readInt32BE(at + 20)
  const baseOffset = readOffset(body, at + 24, 0, damaged)
  const endOffset = readOffset(body, at + 32, baseOffset, damaged)
  const logStart = readOffset(body, at + 40, -1, damaged)
  const length = body.readUInt32BE(at + 48)
  const object = body.readInt32BE(at + 52)
  const position = body.readUInt32BE(at + 56)
  const flags = body.readUInt32BE(at + 60)
  if (partition < 0) throw damaged(`partition ${partition}`)
  if (leaderEpoch < -1) throw damaged(`leader epoch ${leaderEpoch}`)
  if (flags > releasedFlag) throw damaged(`unknown flags ${flags}`)
  if (length > 0 !== baseOffset < endOffset) throw damaged(`${length} bytes for the offsets ${baseOffset} to ${endOffset}`)
  if (object < -1 || (object !== -1 && length === 0)) throw damaged(`object ${object} for ${length} bytes`)
  const released = flags === releasedFlag
  return { topicId, partition, leaderEpoch, baseOffset, endOffset, logStart, length, object, position, released }
}

function readOffset(body: Buffer, at: number, least: number, damaged: Damaged): Offset {
  const value = readInt64(body, at)
  if (typeof value !== 'number' || value < least) throw damaged(`the offset ${value}, which should be at least ${least}`)
  return value
}
