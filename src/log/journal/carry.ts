/**
 * Copies the records of some partitions from older journal files to the current one. These partitions' own files cannot be written, so their
 * last records exist only in the journal. After the copy, the older files can be reused.
 */
import type { Turns } from '../../base.ts'
import type { Offset } from '../../protocol.ts'
import { Chunk } from '../tail/tail.ts'
import type { GroupCommit } from './commit.ts'
import { FileWindow } from './file-window.ts'
import type { Journal } from './journal.ts'
import { type Frame, readFrame, type Share, visitFrame } from './journal-format.ts'
import { framesOf, isWhole } from './journal-recovery.ts'
import type { JournalFile, Member } from './member.ts'
import { partitionKey } from './state-record.ts'

export interface Carried extends Member {
  readonly askedLogStart: Offset
}

interface Piece {
  member: Carried
  share: Share
  /** null: an extent, or bytes that are damaged. Then only the fact that they were acknowledged is copied, if they may have been. */
  bytes: Buffer | null
}

const windowBytes = 1 << 20
/** Bytes that are written as one group. */
const groupBytes = 1 << 20

/** Resolves when all is as durable as it was. Rejects when the journal refuses: then `files` must stay. */
export async function carry(
  turns: Turns,
  journal: Journal,
  commit: GroupCommit,
  files: readonly JournalFile[],
  members: Iterable<Carried>,
): Promise<void> {
  const byKey = new Map<string, Carried>()
  for (const member of members) byKey.set(partitionKey(member.topicId, member.partition), member)
  await write(commit, [...byKey.values()], [])
  let pieces: Piece[] = []
  let bytes = 0
  for (const file of files) {
    const slots = new Map<number, Carried>()
    if (file.life === null) continue
    const window = new FileWindow(file.handle, windowBytes)
    for (const { at } of framesOf(window, file.life)) {
      if (at >= file.end) break
      const frame = readFrame(window, at, file.life, 'payload')
      if (frame === null) continue
      for (const piece of piecesOf(frame, journal.isProven(frame.sequence), file, slots, byKey)) {
        pieces.push(piece)
        bytes += piece.bytes?.length ?? 0
      }
      if (bytes >= groupBytes) {
        await write(commit, [], pieces)
        pieces = []
        bytes = 0
      }
      if (turns.over) await turns.next()
    }
  }
  await write(commit, [], pieces)
}

function piecesOf(
  frame: Frame,
  isProven: boolean,
  file: JournalFile,
  slots: Map<number, Carried>,
  members: ReadonlyMap<string, Carried>,
): Piece[] {
  const pieces: Piece[] = []
  visitFrame(frame, {
    bind: (slot, topicId, _, partition) => {
      const member = members.get(partitionKey(topicId, partition))
      if (member !== undefined) slots.set(slot, member)
    },
    share: (share, at) => {
      const member = slots.get(share.slot)
      if (member === undefined || member.deleted) return
      const whole = share.inline && isWhole(frame.bytes, at, share, file.life!)
      if (whole) pieces.push({ member, share, bytes: Buffer.from(frame.bytes.subarray(at, at + share.length)) })
      else pieces.push({ member, share: { ...share, synced: share.synced && isProven }, bytes: null })
    },
    logStart: () => {},
    deleted: () => {},
  })
  return pieces
}

/** `starts`: those whose log start offset is written as well. Nothing is written for a partition that was deleted meanwhile: it would come back. */
async function write(commit: GroupCommit, starts: readonly Carried[], pieces: readonly Piece[]): Promise<void> {
  const members = new Set([...starts, ...pieces.map(({ member }) => member)].filter(({ deleted }) => !deleted))
  if (members.size === 0) return
  commit.commit()
  for (const member of members) commit.join(member)
  for (const member of starts) if (members.has(member)) commit.moveLogStart(member, member.askedLogStart)
  // As it was promised then: the topic's `durability` may have changed since, or not be known yet.
  for (const { member, share, bytes } of pieces)
    if (members.has(member)) commit.add(member, share, bytes === null ? null : Chunk.of(bytes), share.synced)
  const { group } = commit
  const { durable } = group
  // The copy takes the place of files that were synced, whatever its members wait for.
  group.isCopy = group.needsSync = group.needsJournal = true
  commit.commit()
  await durable
}
