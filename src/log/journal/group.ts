/**
 * One group of appends, which succeeds or fails as a whole.
 *
 *     gathered ──send──► sent ──commit──► committed
 *                          └───refuse──► refused
 *
 * gathered: members join; all their changes can be undone. sent: the frame is being written, and no more members join. committed: the frame
 * is in the page cache, and nothing in it is ever undone. refused: every member is in the state in which it joined.
 *
 * Members learn of the outcome in two steps. First each updates its own marks, and no other code runs. Only when all have left the group
 * are waiters called, which may append again and so join the next group.
 */
import { assert } from '../../base.ts'
import { KafkaError, type Offset } from '../../protocol.ts'
import type { JournalFile, Member } from './member.ts'

type GroupState = 'gathered' | 'sent' | 'committed' | 'refused'

interface Deferred {
  promise: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

export class Group {
  #state: GroupState = 'gathered'
  readonly #members: Member[] = []
  /** Those whose slots are bound by this group's frame, members or not. */
  readonly #bound: Member[] = []
  #written: Deferred | null = null
  #durable: Deferred | null = null
  #unprotected: KafkaError | null = null
  /** A member waits for the disk. */
  needsSync = false
  /** And what for is in the frame; otherwise it went past the journal, to a segment. */
  needsJournal = false
  /** It repeats what is durable: nothing has to be synced beside the frame. */
  isCopy = false

  get state(): GroupState {
    return this.#state
  }

  get isEmpty(): boolean {
    return this.#members.length === 0 && this.#bound.length === 0
  }

  /** Settles when the frame is written; rejects when it could not be. */
  get written(): Promise<void> {
    return (this.#written ??= makeDeferred()).promise
  }

  get durable(): Promise<void> {
    return (this.#durable ??= makeDeferred()).promise
  }

  /** Everything that the member does until `send` is part of the group. Once for each member. */
  join(member: Member): void {
    assert(this.#state === 'gathered', `a group that is ${this.#state} takes no members`)
    this.#members.push(member)
  }

  /** The frame will say which partition the member's slot means. */
  binds(member: Member): void {
    assert(this.#state === 'gathered', `a group that is ${this.#state} binds nobody`)
    this.#bound.push(member)
  }

  send(): void {
    this.#move('gathered', 'sent')
    for (const member of this.#members) if (member.synced) this.needsSync = true
  }

  /**
   * What has to be synced beside the frame, before it may be called durable. `direct`: the syncs of what members wrote past the journal. Rejects
   * if a sync failed.
   */
  protect(direct: ReadonlyMap<Member, Promise<unknown>>): Promise<unknown>[] {
    if (this.isCopy) return []
    const syncs: Promise<unknown>[] = []
    for (const member of this.#members) {
      const [past, protection] = [direct.get(member), member.synced ? member.protect() : null]
      if (past !== undefined) syncs.push(past)
      if (protection !== null) syncs.push(protection)
    }
    return syncs.map(sync => sync.catch(error => this.#isUnprotected(error)))
  }

  /** A member is offline, and data of it was not synced: whoever waits for the group is told that the outcome is unknown. */
  #isUnprotected(error: unknown): void {
    if (!(error instanceof KafkaError)) throw error
    this.#unprotected ??= error
  }

  /** Answers the members' ends, for `becameDurable`. */
  commit(): Offset[] {
    this.#move('sent', 'committed')
    const ends: Offset[] = []
    for (const member of this.#members) {
      member.committed()
      ends.push(member.logEndOffset)
    }
    return ends
  }

  /** `file`: the one that lacks the frame, and with it the bindings. */
  refuse(error: Error, file: JournalFile | null): void {
    this.#move('sent', 'refused')
    for (const member of this.#bound) if (member.boundFile === file) member.boundFile = null
    for (const member of this.#members) member.takeBack()
    this.#written?.reject(error)
    this.#durable?.reject(error)
    this.#notify()
  }

  /** After `commit`: calls those who wait for the frame. */
  tellWritten(): void {
    this.#notify()
    this.settle()
  }

  /** After `commit`: settles promises only. */
  settle(): void {
    this.#written?.resolve()
    if (!this.needsSync) this.#durable?.resolve()
  }

  /** The disk has it. */
  becameDurable(ends: readonly Offset[]): void {
    for (let at = 0; at < this.#members.length; at++) this.#members[at]!.durable(ends[at]!)
    if (this.#unprotected === null) this.#durable?.resolve()
    else this.#durable?.reject(this.#unprotected)
  }

  /** The disk failed: it is unknown whether it has the data. */
  rejectDurable(error: Error): void {
    this.#durable?.reject(error)
  }

  #notify(): void {
    for (const member of this.#members) member.notify()
  }

  #move(from: GroupState, to: GroupState): void {
    assert(this.#state === from, `a group that is ${this.#state} cannot become ${to}`)
    this.#state = to
  }
}

function makeDeferred(): Deferred {
  const deferred = Promise.withResolvers<void>()
  // With acks=0 nothing waits for it.
  deferred.promise.catch(() => {})
  return deferred
}
