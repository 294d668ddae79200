/**
 * The head of a file whose records are found by scanning bytes that clients may have chosen.
 *
 * Journal files are overwritten in place and scanned after a crash, so the value of an old record may be where a frame is expected. Therefore
 * each life of a file (from one reuse to the next) has a random token that no client ever sees: frames without it are ignored.
 * The head is stored twice, because nothing in the file can be used without it.
 *
 *     head:  copy (64 bytes), at 512 the same copy, up to 1024
 *     copy:  what kind of file, checksum, format version, two numbers, token
 */
import { crc32c, type Random, writeInt64 } from '../../base.ts'
import { header } from '../../protocol.ts'

export const headBytes = 1024
export const tokenBytes = 8
/** Formats up to this one are understood. Format 1 had no token, and a journal file only the first copy. */
const latestFormat = 2

const copyBytes = 64
const secondCopyAt = 512
const magics = { journal: 0x4d52_4a46, state: 0x4d52_5354 } as const
const { readOffset } = header

export interface FileLife {
  format: number
  /** Journal: the first frame's sequence number; and below which one frames were durable when the life began. */
  numbers: readonly [number, number]
  token: Buffer
}

/** A newer release wrote the file: nothing of it may be touched. */
class NewerFormat extends Error {
  constructor(path: string, format: number) {
    super(
      `${path} has format ${format}, which was written by a newer version of Millrace; this version reads formats up to ${latestFormat}`,
    )
    this.name = 'NewerFormat'
  }
}

export function beginLife(random: Random, numbers: readonly [number, number]): FileLife {
  const token = Buffer.alloc(tokenBytes)
  random.fill(token)
  return { format: latestFormat, numbers, token }
}

export function encodeHead(kind: keyof typeof magics, life: FileLife): Buffer {
  const head = Buffer.alloc(headBytes)
  head.writeUInt32BE(magics[kind], 0)
  head.writeUInt32BE(life.format, 8)
  writeInt64(head, 16, life.numbers[0])
  writeInt64(head, 24, life.numbers[1])
  life.token.copy(head, 32)
  head.writeUInt32BE(crc32c(head.subarray(8, copyBytes)), 4)
  head.copy(head, secondCopyAt, 0, copyBytes)
  return head
}

/** null when neither copy is whole: a file that was never begun, another one, or a damaged one. Throws {@link NewerFormat}. */
export function decodeHead(kind: keyof typeof magics, head: Buffer, path: string): FileLife | null {
  const newer = newerFormat(head)
  if (newer !== null) throw new NewerFormat(path, newer)
  const copy = copiesIn(head).find(bytes => bytes.readUInt32BE(0) === magics[kind])
  if (copy === undefined) return null
  const token = Buffer.from(copy.subarray(32, 32 + tokenBytes))
  return { format: copy.readUInt32BE(8), numbers: [readOffset(copy, 16), readOffset(copy, 24)], token }
}

/** The format that the head of either kind of file names, when it is one that this program does not know. All formats begin alike. */
export function newerFormat(head: Buffer): number | null {
  const format = Math.max(0, ...copiesIn(head).map(copy => copy.readUInt32BE(8)))
  return format > latestFormat ? format : null
}

function copiesIn(head: Buffer): Buffer[] {
  // Between the copies format 1 had frames, and in them what clients chose.
  const places = head.subarray(copyBytes, secondCopyAt).some(byte => byte !== 0) ? [0] : [0, secondCopyAt]
  return places
    .map(at => head.subarray(at, at + copyBytes))
    .filter(copy => copy.length === copyBytes && Object.values<number>(magics).includes(copy.readUInt32BE(0)))
    .filter(copy => copy.readUInt32BE(4) === crc32c(copy.subarray(8)))
}
