/**
 * The durable progress of share groups, wherever it is kept: the share coordinator of a key is the broker that leads its partition of
 * `__share_group_state` (KIP-932). Kafka's PersisterStateManager has the same part.
 *
 * Hides the requests to other brokers, that they are repeated while a coordinator is away for a moment, and that the changes of one share
 * partition arrive in their order. What this broker coordinates goes straight to its own coordinator.
 */
import { growingMs, type Int64, pause, type Timers } from '../../base.ts'
import {
  type ShareCoordinator,
  type SharePartitionKey,
  type SharePosition,
  type ShareState,
  type ShareStates,
  sharePartitionName,
  shareStateTopicName,
} from '../../coordinator.ts'
import { apis, type ErrorName, errorName, KafkaError, toKafkaError } from '../../protocol.ts'
import type { Leaders } from './leaders.ts'
import type { Peers } from './peers.ts'

export interface RoutedShareStatesOptions {
  timers: Timers
  own: ShareCoordinator
  leaders: Leaders
  peers: Peers
}

type Own<T> = (coordinator: ShareCoordinator) => Promise<T>
type Remote<T> = (broker: number, peers: Peers) => Promise<T>

/** Nothing was done, or the same may be done again. */
const passing: ReadonlySet<string> = new Set<ErrorName>([
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'LEADER_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'NOT_COORDINATOR',
])
/** Enough for a process that is started again: some three seconds in all. */
const mostAttempts = 6
const pauseMs = { first: 100, last: 1_600 }
/** As brokers ask that do not know it. */
const noEpoch = { leaderEpoch: -1 }

export class RoutedShareStates implements ShareStates {
  readonly #options: RoutedShareStatesOptions
  /** The last change of each share partition that is under way to another broker. */
  readonly #changing = new Map<string, Promise<void>>()
  /** All changes of each share partition that are under way, also to the coordinator here, from where they may have to go to another one. */
  readonly #underWay = new Map<string, Set<Promise<void>>>()

  constructor(options: RoutedShareStatesOptions) {
    this.#options = options
  }

  async read(key: SharePartitionKey, leaderEpoch = -1): Promise<ShareState | null> {
    // What an earlier instance of the share partition here has under way would be done, and confirmed, without its successor knowing of it.
    await Promise.allSettled(this.#underWay.get(sharePartitionName(key)) ?? [])
    return await this.#ask(
      key,
      own => own.read(key, leaderEpoch),
      async (broker, peers) => {
        const { results } = await peers.request(broker, apis.readShareGroupState, 0, requestFor(key, { leaderEpoch }))
        const found = only(results)
        if (errorName(found.errorCode) === 'INVALID_REQUEST') return null
        const { stateEpoch, startOffset, stateBatches } = checked(found)
        return { stateEpoch, leaderEpoch: 0, startOffset, deliveryCompleteCount: -1, stateBatches }
      },
    )
  }

  position(key: SharePartitionKey): Promise<SharePosition | null> {
    return this.#ask(
      key,
      own => own.position(key),
      async (broker, peers) =>
        checked(only((await peers.request(broker, apis.readShareGroupStateSummary, 1, requestFor(key, noEpoch))).results)),
    )
  }

  initialize(key: SharePartitionKey, stateEpoch: number, startOffset: Int64): Promise<void> {
    return this.#change(
      key,
      own => own.initialize(key, stateEpoch, startOffset),
      async (broker, peers) => {
        const request = requestFor(key, { stateEpoch, startOffset })
        checked(only((await peers.request(broker, apis.initializeShareGroupState, 0, request)).results))
      },
    )
  }

  write(key: SharePartitionKey, change: ShareState): Promise<void> {
    return this.#change(
      key,
      own => own.write(key, change),
      async (broker, peers) => {
        checked(only((await peers.request(broker, apis.writeShareGroupState, 1, requestFor(key, change))).results))
      },
    )
  }

  delete(key: SharePartitionKey): Promise<void> {
    return this.#change(
      key,
      own => own.delete(key),
      async (broker, peers) => {
        checked(only((await peers.request(broker, apis.deleteShareGroupState, 0, requestFor(key, {}))).results))
      },
    )
  }

  /** While nobody leads the partition, or a change is still under way to another broker, it takes the long way. */
  #isOwn(key: SharePartitionKey): boolean {
    try {
      return this.#coordinatorOf(key) === null && (this.#changing.size === 0 || !this.#changing.has(sharePartitionName(key)))
    } catch {
      return false
    }
  }

  #coordinatorOf(key: SharePartitionKey): number | null {
    return this.#options.leaders.elsewhere(shareStateTopicName, this.#options.own.partitionFor(key))
  }

  #ask<T>(key: SharePartitionKey, own: Own<T>, remote: Remote<T>): Promise<T> {
    return this.#ownFirst(key, own, () => this.#repeated(key, own, remote))
  }

  #change(key: SharePartitionKey, own: Own<void>, remote: Remote<void>): Promise<void> {
    const change = this.#ownFirst(key, own, () => this.#inOrder(key, () => this.#repeated(key, own, remote)))
    const name = sharePartitionName(key)
    const changes = this.#underWay.get(name) ?? new Set()
    this.#underWay.set(name, changes.add(change))
    const done = () => {
      changes.delete(change)
      if (changes.size === 0) this.#underWay.delete(name)
    }
    change.then(done, done)
    return change
  }

  /** Also the first use creates the topic, and finds only then that another broker leads the partition. */
  #ownFirst<T>(key: SharePartitionKey, own: Own<T>, further: () => Promise<T>): Promise<T> {
    if (!this.#isOwn(key)) return further()
    return own(this.#options.own).catch((error: unknown) => {
      if (passing.has(toKafkaError(error).name)) return further()
      throw error
    })
  }

  async #repeated<T>(key: SharePartitionKey, own: Own<T>, remote: Remote<T>): Promise<T> {
    const { timers, peers, own: coordinator } = this.#options
    for (let attempt = 1; ; attempt++) {
      try {
        const broker = this.#coordinatorOf(key)
        return await (broker === null ? own(coordinator) : remote(broker, peers))
      } catch (error) {
        const { name, message } = toKafkaError(error)
        if (!passing.has(name)) throw error
        // Clients do not know errors of connections between brokers.
        if (attempt === mostAttempts) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', message)
      }
      await pause({ timers }, growingMs(pauseMs, attempt - 1))
    }
  }

  #inOrder(key: SharePartitionKey, work: () => Promise<void>): Promise<void> {
    const name = sharePartitionName(key)
    const before = this.#changing.get(name)
    const change = before === undefined ? work() : before.then(work, work)
    const done = () => {
      if (this.#changing.get(name) === change) this.#changing.delete(name)
    }
    this.#changing.set(name, change)
    change.then(done, done)
    return change
  }
}

/**
 * Of many share partitions that other brokers keep, by {@link sharePartitionName}: one request for each broker and group. Those of a broker that does
 * not answer are missing.
 */
export async function positionsElsewhere(
  keys: readonly SharePartitionKey[],
  { own, leaders, peers }: Pick<RoutedShareStatesOptions, 'leaders' | 'peers'> & { own: Pick<ShareCoordinator, 'partitionFor'> },
): Promise<Map<string, SharePosition>> {
  const found = new Map<string, SharePosition>()
  const ask = async (broker: number, groupId: string, some: readonly SharePartitionKey[]) => {
    const topics = Map.groupBy(some, ({ topicId }) => topicId)
    const request = {
      groupId,
      topics: Array.from(topics, ([topicId, of]) => ({ topicId, partitions: of.map(({ partition }) => ({ partition, ...noEpoch })) })),
    }
    const { results } = await peers.request(broker, apis.readShareGroupStateSummary, 1, request)
    for (const { topicId, partitions } of results) {
      for (const answer of partitions)
        if (answer.errorCode === 0) found.set(sharePartitionName({ groupId, topicId, partition: answer.partition }), answer)
    }
  }
  const asked: Promise<void>[] = []
  for (const [broker, kept] of Map.groupBy(keys, key => leaders.elsewhereNow(shareStateTopicName, own.partitionFor(key)))) {
    if (broker === null) continue
    for (const [groupId, some] of Map.groupBy(kept, key => key.groupId)) asked.push(ask(broker, groupId, some))
  }
  await Promise.allSettled(asked)
  return found
}

function requestFor<P>({ groupId, topicId, partition }: SharePartitionKey, more: P) {
  return { groupId, topics: [{ topicId, partitions: [{ partition, ...more }] }] }
}

interface Outcome {
  errorCode: number
  errorMessage: string | null
}

function only<P extends Outcome>(results: readonly { partitions: readonly P[] }[]): P {
  const answer = results[0]?.partitions[0]
  if (answer !== undefined) return answer
  throw new KafkaError('COORDINATOR_NOT_AVAILABLE', 'The share coordinator did not answer for the partition')
}

function checked<P extends Outcome>(answer: P): P {
  const { errorCode, errorMessage } = answer
  if (errorCode === 0) return answer
  throw new KafkaError(errorName(errorCode), errorMessage ?? undefined)
}
