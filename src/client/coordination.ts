/**
 * The types of what services need beyond reading and writing: to agree on who leads, to fence who led before, and to know what a principal may do.
 * Apart from the code, because the package's types must not need those of the library.
 */
import type { AclOperation } from './administration.ts'

export interface JoinOptions {
  readonly group: string
  readonly protocolType: string
  readonly protocol: string
  /** What the member that assigns is told of this one. */
  readonly metadata: Buffer
  /** '' at first. */
  readonly memberId: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
}

export interface ClassicMembership {
  readonly group: string
  readonly memberId: string
  readonly generation: number
  /** Of all members, if this one assigns; otherwise empty. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[]
}

/** Errors of the group are ClientErrors: REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, … */
export interface ClassicGroups {
  /** Resolves when all members have joined the next generation. */
  joinGroup(options: JoinOptions): Promise<ClassicMembership>
  /** Resolves to what this member was assigned. `assignments`: of the one that assigns; others give none. */
  syncGroup(membership: ClassicMembership, assignments: ReadonlyMap<string, Buffer>): Promise<Buffer>
  heartbeatGroup(membership: ClassicMembership): Promise<void>
  leaveGroup(membership: ClassicMembership): Promise<void>
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
