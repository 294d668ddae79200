/**
 * Share sessions (KIP-932): the partitions that a member fetches, so that its requests contain only changes. A session ends with the
 * connection that opened it; then the member's records become available to others.
 */
import { joinedKey } from '../../base.ts'
import { KafkaError, type Uuid } from '../../protocol.ts'
import { finalEpoch, initialEpoch, nextEpoch } from './session-epochs.ts'
import { SessionPartitions } from './session-partitions.ts'
import type { ToldError } from './told-errors.ts'

export interface SharedPartition extends ToldError {
  readonly topicId: Uuid
  readonly partition: number
}

export interface ShareSession {
  readonly groupId: string
  readonly memberId: string
  /** Of the connection that opened it. */
  readonly connectionId: number
  epoch: number
  /** In reading order: partitions that returned records move to the end. */
  readonly partitions: Map<string, SharedPartition>
}

export class ShareSessions {
  readonly #limit: () => number
  readonly #sessions = new Map<string, ShareSession>()
  readonly #byConnection = new Map<number, Set<ShareSession>>()
  readonly #partitions: SessionPartitions

  /** `limit`: `group.share.max.share.sessions`. */
  constructor(limit: () => number, mostPartitions?: number) {
    this.#limit = limit
    this.#partitions = new SessionPartitions(mostPartitions)
  }

  /** Replaces the member's former session. */
  open(groupId: string, memberId: string, connectionId: number): ShareSession {
    const key = joinedKey(groupId, memberId)
    if (!this.#sessions.has(key) && this.#sessions.size >= this.#limit()) {
      throw new KafkaError('SHARE_SESSION_LIMIT_REACHED', 'The limit group.share.max.share.sessions is reached.')
    }
    const former = this.#sessions.get(key)
    if (former !== undefined) this.close(former)
    const session = { groupId, memberId, connectionId, epoch: nextEpoch(initialEpoch), partitions: new Map<string, SharedPartition>() }
    this.#sessions.set(key, session)
    const others = this.#byConnection.get(connectionId)
    if (others === undefined) this.#byConnection.set(connectionId, new Set([session]))
    else others.add(session)
    return session
  }

  /** Whether the connection has opened a session since it began. */
  knows(connectionId: number): boolean {
    return this.#byConnection.has(connectionId)
  }

  hasGroup(groupId: string): boolean {
    for (const session of this.#sessions.values()) if (session.groupId === groupId) return true
    return false
  }

  /** Closes the sessions of a connection that has ended, and returns them. */
  closeAll(connectionId: number): ShareSession[] {
    const sessions = [...(this.#byConnection.get(connectionId) ?? [])]
    for (const session of sessions) this.close(session)
    this.#byConnection.delete(connectionId)
    return sessions
  }

  /** The session that a request with this epoch continues; its epoch moves on. */
  resume(groupId: string, memberId: string, epoch: number): ShareSession {
    const session = this.#sessions.get(joinedKey(groupId, memberId))
    if (session === undefined) throw new KafkaError('SHARE_SESSION_NOT_FOUND', `Member ${memberId} has no share session.`)
    if (epoch === finalEpoch) {
      this.close(session)
      return session
    }
    if (session.epoch !== epoch) {
      throw new KafkaError('INVALID_SHARE_SESSION_EPOCH', `The share session is at epoch ${session.epoch}, not ${epoch}.`)
    }
    session.epoch = nextEpoch(epoch)
    return session
  }

  /**
   * Called before partitions are added; {@link changed} afterwards. The partitions need not exist, so their number needs a limit. Sessions that
   * are larger than this one will be are closed, the largest first, so that no client can use all the space; returns the closed ones.
   */
  admit(session: ShareSession, added: number): ShareSession[] {
    if (this.#partitions.hasRoom(added)) return []
    const { most } = this.#partitions
    const size = session.partitions.size + added
    const larger = [...this.#sessions.values()].filter(other => other !== session && other.partitions.size > size)
    larger.sort((a, b) => b.partitions.size - a.partitions.size)
    const closing: ShareSession[] = []
    let freed = 0
    while (!this.#partitions.hasRoom(added - freed)) {
      const other = larger[closing.length]
      if (other === undefined) {
        throw new KafkaError('SHARE_SESSION_LIMIT_REACHED', `All share sessions together may have at most ${most} partitions.`)
      }
      closing.push(other)
      freed += other.partitions.size
    }
    for (const other of closing) this.close(other)
    return closing
  }

  changed(session: ShareSession): void {
    if (this.#sessions.get(joinedKey(session.groupId, session.memberId)) !== session) return
    this.#partitions.count(session)
  }

  /** False when it is gone, or another has taken its place. */
  close(session: ShareSession): boolean {
    const key = joinedKey(session.groupId, session.memberId)
    if (this.#sessions.get(key) !== session) return false
    this.#partitions.forget(session)
    this.#byConnection.get(session.connectionId)?.delete(session)
    return this.#sessions.delete(key)
  }
}

export function partitionKey(topicId: Uuid, partition: number): string {
  return `${topicId}${partition}`
}
