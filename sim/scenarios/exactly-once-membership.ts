/** How a worker gets its input partitions: given once, by the classic group protocol, or by KIP-848. */
import { apis, consumerProtocol, decodeConsumerProtocol, encodeVersioned, type Uuid } from '../../src/protocol.ts'
import type { SeededRandom } from '../world/random.ts'
import type { Wire } from '../world/wire.ts'
import { groupId, inputTopic, nameOf, type Stage } from './exactly-once-stage.ts'

/** Who the member is, as commits of offsets tell it. */
export interface Identity {
  memberId: string
  generationIdOrMemberEpoch: number
}

export interface Membership {
  readonly identity: Identity
  /** The partitions that are the worker's at the moment. */
  readonly partitions: readonly number[]
  /** Hears from the group; true when the partitions have changed, or may have: positions are worth nothing then. Call it between transactions. */
  poll(): Promise<boolean>
  /** A commit was refused in the name of the group. */
  suspect(): void
}

const sessionMs = 1500

export function membershipFor(stage: Stage, random: SeededRandom, wire: Wire, slot: number, slots: number): Membership {
  if (stage.assignment === 'classic') return new ClassicMember(stage, wire)
  if (stage.assignment === 'consumer') return new ConsumerMember(stage, random, wire)
  const partitions = Array.from({ length: stage.partitions }, (_, partition) => partition).filter(partition => partition % slots === slot)
  return { identity: { memberId: '', generationIdOrMemberEpoch: -1 }, partitions, poll: async () => false, suspect() {} }
}

function noteOwnership({ history }: Stage, { identity, partitions }: Membership): void {
  const { memberId: member, generationIdOrMemberEpoch: epoch } = identity
  for (const partition of partitions) history.ownerships.push({ partition: nameOf(inputTopic, partition), epoch, member })
}

class ClassicMember implements Membership {
  identity: Identity = { memberId: '', generationIdOrMemberEpoch: -1 }
  partitions: readonly number[] = []
  readonly #stage: Stage
  readonly #wire: Wire
  #joined = false

  constructor(stage: Stage, wire: Wire) {
    this.#stage = stage
    this.#wire = wire
  }

  suspect(): void {
    this.#joined = false
  }

  async poll(): Promise<boolean> {
    if (!this.#joined) {
      await this.#join()
      return true
    }
    const { memberId, generationIdOrMemberEpoch: generationId } = this.identity
    const { errorCode } = await this.#wire.call(apis.heartbeat, 3, { groupId, memberId, generationId })
    const told = this.#stage.told('Heartbeat', errorCode)
    if (told === 'UNKNOWN_MEMBER_ID') this.#forget()
    if (told === 'ILLEGAL_GENERATION' || told === 'REBALANCE_IN_PROGRESS') this.#joined = false
    return told === 'UNKNOWN_MEMBER_ID'
  }

  /** Nobody: what it then committed would pass for a consumer's that needs no group. */
  #forget(): void {
    this.#joined = false
    this.partitions = []
    this.identity = { memberId: '', generationIdOrMemberEpoch: -1 }
  }

  async #join(): Promise<void> {
    this.partitions = []
    const metadata = encodeVersioned(consumerProtocol.subscription, 1, { topics: [inputTopic], ownedPartitions: [] })
    const joined = await this.#wire.call(
      apis.joinGroup,
      7,
      {
        groupId,
        sessionTimeoutMs: sessionMs,
        rebalanceTimeoutMs: 2000,
        memberId: this.identity.memberId,
        protocolType: 'consumer',
        protocols: [{ name: 'sim', metadata }],
      },
      5000,
    )
    const told = this.#stage.told('JoinGroup', joined.errorCode)
    if (told === 'UNKNOWN_MEMBER_ID') this.#forget()
    if (told === 'MEMBER_ID_REQUIRED') this.identity = { memberId: joined.memberId, generationIdOrMemberEpoch: -1 }
    if (told !== 'NONE') return
    this.identity = { memberId: joined.memberId, generationIdOrMemberEpoch: joined.generationId }
    const assignments = joined.leader === joined.memberId ? this.#assign(joined.members.map(({ memberId }) => memberId)) : []
    const { generationId, memberId } = joined
    const sync = { groupId, generationId, memberId, protocolType: 'consumer', protocolName: 'sim', assignments }
    const synced = await this.#wire.call(apis.syncGroup, 5, sync, 5000)
    const answer = this.#stage.told('SyncGroup', synced.errorCode)
    if (answer === 'UNKNOWN_MEMBER_ID') this.#forget()
    if (answer !== 'NONE') return
    const { assignedPartitions } = decodeConsumerProtocol(consumerProtocol.assignment, synced.assignment)
    this.partitions = assignedPartitions.flatMap(({ partitions }) => partitions)
    noteOwnership(this.#stage, this)
    this.#joined = true
  }

  #assign(members: readonly string[]) {
    return members.map((memberId, index) => {
      const partitions = Array.from({ length: this.#stage.partitions }, (_, partition) => partition)
      const own = partitions.filter(partition => partition % members.length === index)
      const assignment = { assignedPartitions: own.length === 0 ? [] : [{ topic: inputTopic, partitions: own }] }
      return { memberId, assignment: encodeVersioned(consumerProtocol.assignment, 1, assignment) }
    })
  }
}

class ConsumerMember implements Membership {
  readonly identity: Identity
  partitions: readonly number[] = []
  readonly #stage: Stage
  readonly #wire: Wire
  #topicId: Uuid | null = null
  #epoch = 0
  /** Some name the topic, others have a regular expression and no names. */
  readonly #subscription: { subscribedTopicNames: string[] } | { subscribedTopicRegex: string }
  /** The next heartbeat says all, and is told all: when what is owned has changed, and after a failure, in which an assignment may have been lost. */
  #full = true

  constructor(stage: Stage, random: SeededRandom, wire: Wire) {
    this.#stage = stage
    this.#wire = wire
    const id = random.below(2 ** 31)
    this.identity = { memberId: `member-${id}`, generationIdOrMemberEpoch: -1 }
    this.#subscription = id % 2 === 0 ? { subscribedTopicNames: [inputTopic] } : { subscribedTopicRegex: inputTopic }
  }

  suspect(): void {
    this.#full = true
  }

  async poll(): Promise<boolean> {
    const joining = this.#epoch === 0
    const owned =
      this.#topicId === null || this.partitions.length === 0 ? [] : [{ topicId: this.#topicId, partitions: [...this.partitions] }]
    const told = {
      rebalanceTimeoutMs: 2000,
      ...this.#subscription,
      topicPartitions: joining ? [] : owned,
    }
    const request = { groupId, memberId: this.identity.memberId, memberEpoch: this.#epoch, ...(joining || this.#full ? told : {}) }
    this.#full = true
    const response = await this.#wire.call(apis.consumerGroupHeartbeat, 1, request)
    const answer = this.#stage.told('ConsumerGroupHeartbeat', response.errorCode)
    if (answer === 'UNKNOWN_MEMBER_ID' || answer === 'FENCED_MEMBER_EPOCH') {
      this.#epoch = 0
      this.partitions = []
      return true
    }
    if (answer !== 'NONE') return false
    this.#full = false
    this.#epoch = response.memberEpoch
    this.identity.generationIdOrMemberEpoch = response.memberEpoch
    if (response.assignment === null) {
      noteOwnership(this.#stage, this)
      return false
    }
    const { topicPartitions } = response.assignment
    if (topicPartitions.length > 0) this.#topicId = topicPartitions[0]!.topicId
    const partitions = topicPartitions.flatMap(each => each.partitions)
    const changed = partitions.join() !== this.partitions.join()
    this.partitions = partitions
    noteOwnership(this.#stage, this)
    this.#full = changed
    return changed
  }
}
