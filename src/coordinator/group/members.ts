/**
 * The members of a group with member epochs (KIP-848, KIP-932, KIP-1071): by member id, and static members also by instance id
 * (KIP-345).
 */
import { KafkaError } from '../../protocol.ts'

/** Member epochs with which a member leaves. */
export const leaveEpoch = -1
/** A static member that leaves keeps its partitions until its session ends. */
export const leaveStaticEpoch = -2
/** Versions of OffsetCommit (and OffsetFetch) with member epochs. */
export const memberEpochsFrom = 9

interface MemberOfGroup {
  readonly memberId: string
  readonly instanceId?: string | null
}

export class Members<M extends MemberOfGroup> extends Map<string, M> {
  readonly #groupId: string
  readonly #ofInstances = new Map<string, string>()

  constructor(groupId: string) {
    super()
    this.#groupId = groupId
  }

  override set(memberId: string, member: M): this {
    const instanceId = member.instanceId ?? null
    if (this.get(memberId)?.instanceId !== instanceId) this.#freeInstance(memberId)
    if (instanceId !== null) this.#ofInstances.set(instanceId, memberId)
    return super.set(memberId, member)
  }

  override delete(memberId: string): boolean {
    this.#freeInstance(memberId)
    return super.delete(memberId)
  }

  #freeInstance(memberId: string): void {
    const instanceId = this.get(memberId)?.instanceId
    // A successor may have taken the name already.
    if (typeof instanceId === 'string' && this.#ofInstances.get(instanceId) === memberId) this.#ofInstances.delete(instanceId)
  }

  /** The member with that instance id; undefined without an instance id. */
  ofInstance(instanceId: string | null): M | undefined {
    const memberId = instanceId === null ? undefined : this.#ofInstances.get(instanceId)
    return memberId === undefined ? undefined : this.get(memberId)
  }

  /** Throws UNKNOWN_MEMBER_ID; FENCED_INSTANCE_ID if the instance id belongs to another member. */
  require(memberId: string, instanceId: string | null = null): M {
    if (instanceId === null) {
      const member = this.get(memberId)
      if (member === undefined) throw new KafkaError('UNKNOWN_MEMBER_ID', `Member ${memberId} is not a member of group ${this.#groupId}.`)
      return member
    }
    const member = this.ofInstance(instanceId)
    if (member === undefined) throw new KafkaError('UNKNOWN_MEMBER_ID', `Instance id ${instanceId} is unknown.`)
    if (member.memberId === memberId) return member
    throw new KafkaError(
      'FENCED_INSTANCE_ID',
      `Static member ${memberId} with instance id ${instanceId} was fenced by member ${member.memberId}.`,
    )
  }

  /** What `member` replaces when it joins or changes: its own earlier state, or its static predecessor. */
  replacedBy(member: M): M | undefined {
    return this.get(member.memberId) ?? this.ofInstance(member.instanceId ?? null)
  }

  /** The members after `member` has joined or changed. A static one takes the place of its predecessor, because assignors depend on the order. */
  after(member: M): M[] {
    const replaced = this.replacedBy(member)
    const members = Array.from(this.values(), each => (each === replaced ? member : each))
    if (replaced === undefined) members.push(member)
    return members
  }
}

type Protocol = 'consumer' | 'share' | 'streams'

export function groupIsFull(protocol: Protocol, maxSize: number): KafkaError {
  return new KafkaError('GROUP_MAX_SIZE_REACHED', `The ${protocol} group has reached its maximum capacity of ${maxSize} members.`)
}

/** `owner` has not released the instance id. */
export function unreleasedInstance(memberId: string, instanceId: string, owner: string): KafkaError {
  return new KafkaError(
    'UNRELEASED_INSTANCE_ID',
    `Static member ${memberId} with instance id ${instanceId} cannot join the group because the instance id is owned by ${owner} member.`,
  )
}

export function fencedEpoch(protocol: Protocol, received: number, known: number): KafkaError {
  const size = received > known ? 'greater' : 'smaller'
  return new KafkaError(
    'FENCED_MEMBER_EPOCH',
    `The ${protocol} group member has a ${size} member epoch (${received}) than the one known by the group coordinator (${known}). The member must abandon all its partitions and rejoin.`,
  )
}
