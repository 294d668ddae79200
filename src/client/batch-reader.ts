/**
 * Reads stored batches as they are, of any number of partitions, over a connection of its own: for copies and measurements, which need no records.
 *
 * One request goes to each leader. What one partition refuses does not affect the others. Who leads is asked for all topics at once and remembered
 * until a broker says otherwise.
 */
import { runInSlices, type System, type Turns } from '../base.ts'
import { ClientError, type Connections } from '../channel.ts'
import { errorName, errorText, zeroUuid } from '../protocol.ts'
import { fetchPositions, moved } from './fetching.ts'
import { takeBatches } from './read.ts'
import { Requests } from './requests.ts'
import type { BatchReader, PartitionOffset, PolledBatches, PollOptions } from './types.ts'

const maxBytesPerPartition = 4_194_304

interface KnownTopic {
  readonly id: string
  readonly leaders: ReadonlyMap<number, number>
}

export class StoredBatchReader implements BatchReader {
  readonly #connections: Connections
  readonly #requests: Requests
  readonly #bootstrap: string
  readonly #turns: Turns
  readonly #forget: () => void
  readonly #topics = new Map<string, KnownTopic | ClientError>()

  constructor(
    connections: Connections,
    { system, turns, bootstrap }: { system: System; turns: Turns; bootstrap: string },
    forget: () => void,
  ) {
    this.#connections = connections
    this.#requests = new Requests(connections, system)
    this.#turns = turns
    this.#bootstrap = bootstrap
    this.#forget = forget
  }

  poll(options: PollOptions): Promise<PolledBatches> {
    return this.#requests.retrying(this.#bootstrap, () => this.#poll(options))
  }

  async close(): Promise<void> {
    this.#forget()
    await this.#connections.close()
  }

  async #poll(options: PollOptions): Promise<PolledBatches> {
    const polled: PolledBatches = { partitions: [], outOfRange: [], failed: [], bytes: 0 }
    await this.#learn(options.positions)
    const byLeader = new Map<number, PartitionOffset[]>()
    for (const position of options.positions) {
      const leader = this.#leaderOf(position)
      if (leader instanceof ClientError) polled.failed.push({ ...position, error: leader })
      else if (byLeader.has(leader)) byLeader.get(leader)!.push(position)
      else byLeader.set(leader, [position])
    }
    const ids = new Map(Array.from(this.#topics, ([topic, known]) => [topic, known instanceof ClientError ? '' : known.id]))
    const idOf = (topic: string) => ids.get(topic)!
    const rounds = Array.from(byLeader, ([node, positions]) =>
      fetchPositions(this.#requests, node, positions, idOf, { ...options, maxBytesPerPartition }),
    )
    for (const { topic, partition, from, fetched } of (await Promise.all(rounds)).flat()) {
      polled.bytes += fetched.records?.length ?? 0
      const error = errorName(fetched.errorCode)
      if (error === 'OFFSET_OUT_OF_RANGE') polled.outOfRange.push({ topic, partition })
      else if (moved.has(error)) this.#topics.delete(topic)
      else if (error !== 'NONE') {
        polled.failed.push({ topic, partition, offset: from, error: new ClientError(error, `${topic}-${partition}: ${errorText(error)}`) })
      } else {
        const { batches, next, damage } = await runInSlices(this.#turns, takeBatches(topic, fetched, options.committedOnly === true, from))
        // Those before the damage are given first; the next poll begins at it.
        if (damage !== null && batches.length === 0) polled.failed.push({ topic, partition, offset: from, error: damage })
        else
          polled.partitions.push({ topic, topicId: idOf(topic), partition, batches, next, stableOffset: BigInt(fetched.lastStableOffset) })
      }
    }
    return polled
  }

  /** A topic that could not be described is asked for again. */
  async #learn(positions: readonly PartitionOffset[]): Promise<void> {
    const isUnknown = (topic: string) => !this.#topics.has(topic) || this.#topics.get(topic) instanceof ClientError
    const unknown = new Set(positions.map(each => each.topic).filter(isUnknown))
    if (unknown.size === 0) return
    for (const { name, topicId, errorCode, partitions } of await this.#requests.metadata([...unknown])) {
      const error = errorName(errorCode)
      const leaders = new Map(partitions.map(each => [each.partitionIndex, each.leaderId]))
      const known = { id: topicId === zeroUuid ? '' : topicId, leaders }
      this.#topics.set(name!, error === 'NONE' ? known : new ClientError(error, `${name}: ${errorText(error)}`))
    }
  }

  #leaderOf({ topic, partition }: PartitionOffset): number | ClientError {
    const known = this.#topics.get(topic)
    if (known === undefined || known instanceof ClientError)
      return known ?? new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `topic not found: ${topic}`)
    const leader = known.leaders.get(partition)
    if (leader === undefined) return new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `partition not found: ${topic}-${partition}`)
    if (leader >= 0) return leader
    this.#topics.delete(topic)
    return new ClientError('LEADER_NOT_AVAILABLE', `${topic}-${partition} has no leader`)
  }
}
