/** Membership of a group for those that fetch themselves: which partitions are theirs, and the offsets that they commit. */
import type { Consumer } from '@platformatic/kafka'
import { pause, type System, toInt64 } from '../base.ts'
import { ClientError, mayPass, settled } from '../channel.ts'
import { apis } from '../protocol.ts'
import type { PartitionName } from './administration.ts'
import type { Ask } from './requests.ts'
import { refusePartition } from './topics.ts'
import type { CommittedOffset, MemberIdentity, Membership, MembershipOptions } from './types.ts'

/** Between two attempts to join a group again. */
const rejoinMs = 1_000

interface JoinContext {
  readonly system: Pick<System, 'timers'>
  readonly ask: Ask
  readonly bootstrap: string
  /** Called when the consumer is closed. */
  readonly forget: () => void
}

/** `consumer` is closed with the membership, or if it cannot join. */
export async function join(
  consumer: Consumer,
  { group, topics }: MembershipOptions,
  { system, ask, bootstrap, forget }: JoinContext,
): Promise<Membership> {
  const rejoining = new Rejoining(consumer, bootstrap, system)
  const close = () => {
    forget()
    rejoining.end()
    // Leaves the group, so that other members take over at once.
    return settled(bootstrap, consumer.close(true))
  }
  const identity = (): MemberIdentity => ({ generation: consumer.generationId, memberId: consumer.memberId ?? '' })
  // The library has its next generation before it has what is assigned to it there.
  let assignedAs = identity()
  consumer.on('consumer:group:join', () => {
    assignedAs = identity()
  })
  const assignments = () =>
    rejoining.isMember()
      ? (consumer.assignments ?? []).flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, partition })))
      : []
  consumer.topics.trackAll(...topics)
  try {
    await settled(bootstrap, consumer.joinGroup({}))
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
  return {
    assignments,
    async commit(offsets) {
      const { generation, memberId } = identity()
      if (!rejoining.isMember() || generation !== assignedAs.generation || memberId !== assignedAs.memberId)
        throw new ClientError('REBALANCE_IN_PROGRESS', `the group ${group} divides its partitions anew`)
      const own = new Set(assignments().map(nameOf))
      const still = offsets.filter(each => own.has(nameOf(each)))
      await commitOffsets(ask, group, still, { generation, member: memberId })
    },
    identity,
    close,
  }
}

function nameOf({ topic, partition }: PartitionName): string {
  return `${topic} ${partition}`
}

/**
 * Joins again when the library gives up: if it cannot join after a rebalance, as while no broker is there, it emits `error`, which would end the process, and
 * sends no heartbeats any more.
 */
class Rejoining {
  readonly #consumer: Consumer
  readonly #bootstrap: string
  readonly #system: Pick<System, 'timers'>
  readonly #ending = new AbortController()
  #isJoining = false
  /** Why it will not join again. */
  #failure: unknown = null

  constructor(consumer: Consumer, bootstrap: string, system: Pick<System, 'timers'>) {
    this.#consumer = consumer
    this.#bootstrap = bootstrap
    this.#system = system
    consumer.on('error', () => void this.#join())
  }

  /** Whether the group still counts on it. Throws what keeps it from coming back. */
  isMember(): boolean {
    if (this.#failure !== null) throw this.#failure
    return !this.#isJoining
  }

  end(): void {
    this.#ending.abort()
  }

  async #join(): Promise<void> {
    if (this.#isJoining) return
    this.#isJoining = true
    const { signal } = this.#ending
    for (;;) {
      await pause(this.#system, rejoinMs, signal)
      if (signal.aborted) return
      try {
        await settled(this.#bootstrap, this.#consumer.joinGroup({}))
        break
      } catch (error) {
        if (!(error instanceof ClientError) || !mayPass(error)) {
          this.#failure = error
          break
        }
      }
    }
    this.#isJoining = false
  }
}

interface Committer {
  readonly generation: number
  readonly member: string
}

/** Who is no member may commit for a group without members. */
const noMember: Committer = { generation: -1, member: '' }

export async function commitOffsets(
  ask: Ask,
  group: string,
  offsets: readonly CommittedOffset[],
  { generation, member }: Committer = noMember,
): Promise<void> {
  const topics = offsetsByTopic(offsets)
  if (topics.length === 0) return
  await ask(async requests => {
    const request = { groupId: group, generationIdOrMemberEpoch: generation, memberId: member, topics }
    // From version 10 on topics have only ids.
    const response = await requests.ask(apis.offsetCommit, request, { group }, 9)
    for (const { name, partitions } of response.topics)
      for (const { partitionIndex, errorCode } of partitions) refusePartition(name, partitionIndex, errorCode)
  })
}

/** As requests that commit offsets have them. */
export function offsetsByTopic(offsets: readonly CommittedOffset[]) {
  return Array.from(
    Map.groupBy(offsets, each => each.topic),
    ([name, rows]) => ({
      name,
      partitions: rows.map(({ partition, offset, metadata = '' }) => ({
        partitionIndex: partition,
        committedOffset: toInt64(offset),
        committedMetadata: metadata,
      })),
    }),
  )
}
