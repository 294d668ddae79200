/** Membership of a group for those that fetch themselves: which partitions are theirs, and the offsets that they commit. */
import type { Consumer } from '@platformatic/kafka'
import { pause, type System, toInt64 } from '../base.ts'
import { ClientError, mayPass, settled } from '../channel.ts'
import { apis, type ErrorName } from '../protocol.ts'
import type { PartitionName } from './administration.ts'
import type { Ask } from './requests.ts'
import { refusePartition } from './topics.ts'
import type { CommittedOffset, MemberIdentity, Membership, MembershipOptions, OwnPartition } from './types.ts'

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
  const own = new OwnPartitions(consumer, group, ask)
  consumer.topics.trackAll(...topics)
  try {
    await settled(bootstrap, consumer.joinGroup({}))
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
  return {
    assignments() {
      rejoining.throwFailure()
      return own.look()
    },
    async commit(offsets) {
      rejoining.throwFailure()
      await own.commit(offsets)
    },
    identity: () => own.joinedAs,
    close,
  }
}

/** Who is no member may commit for a group without members. */
const noMember: MemberIdentity = { generation: -1, memberId: '' }

/** A group says by these that it has gone on without the member, which joins again as soon as the library hears of it. */
const goneOn: ReadonlySet<string> = new Set<ErrorName>(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'STALE_MEMBER_EPOCH'])

/**
 * The partitions that are a member's own, and its commits, which are only of these: a commit of what another has taken over would move that one back. The
 * library would do so, and has its next generation before it has what is assigned to it there. To be made before it joins.
 *
 * A member that was away for a generation may have the same partition again that another one has read meanwhile. Each generation of a classic group follows the
 * one before by one, so a member knows by its own whether it has missed one; who joins again and changes nothing is told the same one. A lower one says that the
 * group was lost, or that its coordinator has gone back, and nobody knows who has read meanwhile. The client joins classic groups only: epochs of KIP-848 may
 * leave out numbers, of which this would forget too much, never too little.
 */
export class OwnPartitions {
  readonly #consumer: Consumer
  readonly #group: string
  readonly #ask: Ask
  /** As whom they were assigned to it; null: it has none, because it has not joined yet, or cannot join again. */
  #owner: MemberIdentity | null = null
  #joinedAs: MemberIdentity = noMember
  /** How often it has joined: a generation may come again. */
  #joins = 0
  readonly #since = new Map<string, number>()
  /** As they were when they were last looked at: what is newer is nothing that its offsets could be of. */
  #seen: ReadonlyMap<string, number> = new Map()

  constructor(consumer: Consumer, group: string, ask: Ask) {
    this.#consumer = consumer
    this.#group = group
    this.#ask = ask
    consumer.on('consumer:group:join', () => this.#joined(this.#identity()))
    consumer.on('error', () => {
      this.#owner = null
    })
  }

  #joined(owner: MemberIdentity): void {
    this.#owner = owner
    const before = this.#joinedAs
    this.#joinedAs = owner
    const step = owner.generation - before.generation
    const follows = before.memberId === owner.memberId && (step === 0 || step === 1)
    this.#joins++
    const names = new Set(this.#assigned().map(nameOf))
    for (const name of this.#since.keys()) if (!follows || !names.has(name)) this.#since.delete(name)
    for (const name of names) if (!this.#since.has(name)) this.#since.set(name, this.#joins)
  }

  #assigned(): PartitionName[] {
    return (this.#consumer.assignments ?? []).flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, partition })))
  }

  /** At the last time, also if it has lost its place since. */
  get joinedAs(): MemberIdentity {
    return this.#joinedAs
  }

  #identity(): MemberIdentity {
    return { generation: this.#consumer.generationId, memberId: this.#consumer.memberId ?? '' }
  }

  /** What is its own now. */
  look(): OwnPartition[] {
    if (this.#owner === null) return []
    this.#seen = new Map(this.#since)
    return this.#assigned().map(each => ({ ...each, since: this.#since.get(nameOf(each))! }))
  }

  /** Leaves out what is not its own. REBALANCE_IN_PROGRESS: it is not known yet what is. */
  async commit(offsets: readonly CommittedOffset[]): Promise<void> {
    const { generation, memberId } = this.#identity()
    if (this.#owner?.generation !== generation || this.#owner.memberId !== memberId) throw this.#between()
    const isOwn = (name: string) => this.#since.has(name) && this.#since.get(name) === this.#seen.get(name)
    try {
      await commitOffsets(
        this.#ask,
        this.#group,
        offsets.filter(each => isOwn(nameOf(each))),
        { generation, memberId },
      )
    } catch (error) {
      throw error instanceof ClientError && goneOn.has(error.code) ? this.#between(error) : error
    }
  }

  #between(cause?: unknown): ClientError {
    return new ClientError('REBALANCE_IN_PROGRESS', `the group ${this.#group} divides its partitions anew`, cause)
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

  /** What keeps it from coming back. */
  throwFailure(): void {
    if (this.#failure !== null) throw this.#failure
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

export async function commitOffsets(
  ask: Ask,
  group: string,
  offsets: readonly CommittedOffset[],
  { generation, memberId }: MemberIdentity = noMember,
): Promise<void> {
  const topics = offsetsByTopic(offsets)
  if (topics.length === 0) return
  await ask(async requests => {
    const request = { groupId: group, generationIdOrMemberEpoch: generation, memberId, topics }
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
