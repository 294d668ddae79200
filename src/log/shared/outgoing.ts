/**
 * What becomes a frame: a group, which the appends of one turn gather in, or a frame with rows.
 *
 * Both are bound to their bytes when they are sent, and then settle once: committed, refused because the session ended, or, with rows alone,
 * `metadata-taken`.
 */
import { assert } from '../../base.ts'
import type { Offset, Uuid } from '../../protocol.ts'
import { type CommitOutcome, type FrameKind, frameKind, type Writes } from '../../store.ts'
import { type Share, shareBytes } from './frame.ts'
import type { AppendedShare, JournalMember } from './journal.ts'

export interface Outgoing {
  readonly kind: FrameKind
  readonly shares: readonly Share[]
  /** Of the shares that are not in objects, in their order. */
  readonly inline: readonly Buffer[]
  readonly objects: readonly string[]
  /** Of batches, with those in objects. */
  readonly bytes: number
  /** The seq is fixed. Throws: nothing is sent, and the seq is free. */
  rows(seq: number): Writes | undefined
  sent(seq: number): void
  committed(outcome: CommitOutcome): void
  reject(error: unknown): void
}

/** Consecutive batches of a member in one group. */
class Entry implements Share {
  readonly member: JournalMember
  readonly topicId: Uuid
  readonly partition: number
  readonly leaderEpoch: number
  readonly baseOffset: Offset
  readonly released = false
  endOffset: Offset
  length: number
  logStart: Offset
  object = -1
  position: number

  constructor(member: JournalMember, share: AppendedShare, position: number) {
    this.member = member
    this.topicId = share.topicId
    this.partition = share.partition
    this.leaderEpoch = share.leaderEpoch
    this.baseOffset = share.baseOffset
    this.endOffset = share.endOffset
    this.length = share.length
    this.logStart = share.logStart
    this.position = position
  }

  /** False: the share is another one's, or does not follow. */
  extend(member: JournalMember, share: AppendedShare): boolean {
    const follows = share.baseOffset === this.endOffset && share.leaderEpoch === this.leaderEpoch
    if (this.member !== member || !follows || this.object !== -1) return false
    this.endOffset = share.endOffset
    this.length += share.length
    if (share.logStart !== -1) this.logStart = share.logStart
    return true
  }
}

/** Shares of a frame that will carry them inline; or of an object, and then it joins the group of the frame that refers to it. */
export class Group implements Outgoing {
  readonly kind = frameKind.data
  readonly shares: Entry[] = []
  readonly inline: Buffer[] = []
  readonly objects: string[] = []
  readonly number: number
  bytes = 0
  /** Of `inline`. */
  inlineBytes = 0
  /** Of these, of partitions whose bytes go inline whatever the budget says. */
  forcedBytes = 0
  /** Of one that is an object: small shares that follow in its partitions, to be inline in the frame that refers to it. */
  behind: Group | null = null
  #settled: PromiseWithResolvers<void> | null = null
  readonly #joined: Group[] = []

  constructor(number: number) {
    this.number = number
  }

  get isEmpty(): boolean {
    return this.shares.length === 0
  }

  /** About as many as its frame will have. */
  get frameBytes(): number {
    return this.inlineBytes + this.shares.length * shareBytes
  }

  /** One for all that wait for it. */
  get settled(): Promise<void> {
    if (this.#settled === null) {
      this.#settled = Promise.withResolvers()
      // With acks=0 nothing waits for it.
      this.#settled.promise.catch(() => {})
    }
    return this.#settled.promise
  }

  add(member: JournalMember, share: AppendedShare, batches: readonly Buffer[]): void {
    const last = this.shares.at(-1)
    if (last === undefined || !last.extend(member, share)) this.shares.push(new Entry(member, share, this.inlineBytes))
    for (const each of batches) this.inline.push(each)
    this.inlineBytes += share.length
    this.bytes += share.length
  }

  /** Takes what gathered in an object, which is there now, and what waited behind it. */
  join(group: Group, object: string): void {
    const index = this.objects.push(object) - 1
    for (const entry of group.shares) {
      if (entry.length > 0) entry.object = index
      this.shares.push(entry)
    }
    this.bytes += group.bytes
    this.#joined.push(group)
    if (group.behind === null) return
    const { shares, inline, inlineBytes, forcedBytes, bytes } = group.behind
    for (const entry of shares) this.shares.push(entry)
    for (const each of inline) this.inline.push(each)
    this.inlineBytes += inlineBytes
    this.forcedBytes += forcedBytes
    this.bytes += bytes
    this.#joined.push(group.behind)
  }

  rows(): undefined {}

  sent(seq: number): void {
    for (const { member, endOffset } of this.shares) member.sent(seq, endOffset)
  }

  committed(outcome: CommitOutcome): void {
    assert(outcome === 'committed', `a frame without rows is ${outcome}`)
    for (const { member, endOffset, logStart } of this.shares) member.committed(endOffset, logStart)
    for (const { member } of this.shares) member.notify()
    this.#settled?.resolve()
    for (const group of this.#joined) group.#settled?.resolve()
  }

  reject(error: unknown): void {
    this.#settled?.reject(error)
    this.behind?.reject(error)
    for (const group of this.#joined) group.#settled?.reject(error)
  }
}

/** A frame with rows, or with nothing at all. */
export class RowsFrame implements Outgoing {
  readonly kind: FrameKind
  readonly shares: readonly Share[]
  readonly inline: readonly Buffer[]
  readonly objects: readonly string[]
  readonly bytes: number
  readonly rows: (seq: number) => Writes | undefined
  readonly #settled = Promise.withResolvers<'committed' | 'metadata-taken'>()

  constructor(options: Pick<Outgoing, 'kind' | 'shares' | 'inline' | 'objects' | 'bytes' | 'rows'>) {
    this.kind = options.kind
    this.shares = options.shares
    this.inline = options.inline
    this.objects = options.objects
    this.bytes = options.bytes
    this.rows = options.rows
    this.#settled.promise.catch(() => {})
  }

  get settled(): Promise<'committed' | 'metadata-taken'> {
    return this.#settled.promise
  }

  sent(): void {}

  committed(outcome: CommitOutcome): void {
    assert(outcome === 'committed' || outcome === 'metadata-taken', `a frame that is ${outcome} ends its session`)
    this.#settled.resolve(outcome)
  }

  reject(error: unknown): void {
    this.#settled.reject(error)
  }
}
