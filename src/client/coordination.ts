/**
 * The types of what services need beyond reading and writing: to agree on who leads, to fence who led before, and to know what a principal may do.
 * Apart from the code, because the package's types must not need those of the library.
 */
import type { ClientError } from '../channel.ts'
import type { AclOperation } from './administration.ts'
import type { CommittedOffset, MemberIdentity, RecordToSend, RecordWriter, RecordWriterOptions, Written } from './types.ts'

export interface JoinOptions {
  readonly group: string
  readonly protocolType: string
  /** The preferred one first: the group uses one that all members have. `metadata`: what the member that assigns is told of this one. */
  readonly protocols: readonly { readonly name: string; readonly metadata: Buffer }[]
  /** '' at first. */
  readonly memberId: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** Aborted: leaves the group if it still waits for the other members, and rejects. */
  readonly signal?: AbortSignal
}

export interface ClassicMembership {
  readonly group: string
  readonly memberId: string
  readonly generation: number
  /** That the group uses. */
  readonly protocol: string
  /** The member that assigns. */
  readonly leader: string
  /** Of all members, if this one assigns; otherwise empty. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[]
}

/** Errors of the group are ClientErrors: REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, … */
export interface ClassicGroups {
  /** Resolves when all members have joined the next generation. */
  joinGroup(options: JoinOptions): Promise<ClassicMembership>
  /** Resolves to what this member was assigned. `assignments`: of the one that assigns; others give none. `signal`: as of `joinGroup`. */
  syncGroup(membership: ClassicMembership, assignments: ReadonlyMap<string, Buffer>, signal?: AbortSignal): Promise<Buffer>
  heartbeatGroup(membership: ClassicMembership): Promise<void>
  leaveGroup(member: Pick<ClassicMembership, 'group' | 'memberId'>): Promise<void>
  /** As this member: refused once the group has gone on without it. */
  commitAs(membership: Pick<ClassicMembership, 'group' | 'memberId' | 'generation'>, offsets: readonly CommittedOffset[]): Promise<void>
}

export interface FencedWriter {
  /**
   * All or nothing. Resolves to the offset of the first record when they are on all in-sync replicas. After a failure, INVALID_PRODUCER_EPOCH or any
   * other, this writer must not be used again: what it has sent may still be stored.
   */
  append(records: readonly { key: Buffer; value: Buffer | null }[]): Promise<bigint>
}

export interface FencedWriterOptions {
  readonly transactionalId: string
  readonly topic: string
  readonly partition: number
}

/**
 * Writes in transactions. One call at a time. After any error this writer must not be used again: what was begun is aborted when the
 * next one is opened for the id.
 */
export interface TransactionalWriter extends RecordWriter {
  /** Begins a transaction if none is open, and goes on with it without what is `refused`. */
  send(topic: string, records: readonly RecordToSend[], refused?: Map<number, ClientError>): Promise<readonly Written[]>
  /** Offsets of a group become committed with the transaction; refused once the group has gone on without this member. Begins a transaction if none is open. */
  sendOffsets(group: string, member: MemberIdentity, offsets: readonly CommittedOffset[]): Promise<void>
  /** Resolves when nobody can take it back. Does nothing if no transaction is open. */
  commit(): Promise<void>
  abort(): Promise<void>
}

export interface TransactionalWriterOptions extends RecordWriterOptions {
  readonly transactionalId: string
  /** After so long without an end, the broker aborts a transaction. */
  readonly transactionTimeoutMs: number
  /** Over the connections that the client has already, for many writers beside each other. Default: connections of its own. */
  readonly isShared?: boolean
}

/** Of a topic: operations; `unknown`: it does not exist, but could be described; `denied`: not even that. */
export type TopicRights = ReadonlySet<AclOperation> | 'unknown' | 'denied'

export interface Rights {
  topicRights(names: readonly string[]): Promise<Map<string, TopicRights>>
  /** Of a group of any type, existing or not. */
  groupRights(name: string): Promise<ReadonlySet<AclOperation> | 'denied'>
  clusterRights(): Promise<ReadonlySet<AclOperation>>
  /** Which of the topics, existing or not, records may be produced to. Produces nothing. */
  writable(names: readonly string[]): Promise<Set<string>>
}
