/**
 * Reading at given positions, one fetch at a time, over a connection of its own: for those that keep their positions themselves.
 *
 * One request goes to each leader, for all topics. Who leads is remembered until a broker says otherwise.
 */
import { runInSlices, type System, type Turns } from '../base.ts'
import type { Connections } from '../channel.ts'
import { errorName } from '../protocol.ts'
import { type Fetched, fetchPositions, moved } from './fetching.ts'
import { take, takeBatches } from './read.ts'
import { Requests } from './requests.ts'
import { leaders, refusePartition } from './topics.ts'
import type { PartitionOffset, Polled, PolledUnopened, PollOptions, Reader } from './types.ts'
import { type Part, UnopenedBatches } from './unopened.ts'

const maxBytesPerPartition = 1_048_576
interface KnownTopic {
  readonly id: string
  readonly leaders: ReadonlyMap<number, number>
}

export class PollingReader implements Reader {
  readonly #connections: Connections
  readonly #requests: Requests
  readonly #bootstrap: string
  readonly #turns: Turns
  readonly #forget: () => void
  readonly #topics = new Map<string, KnownTopic>()
  /** By topic, of the one that was read last: one that was made again has another. */
  readonly #ids = new Map<string, string>()

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

  poll(options: PollOptions): Promise<Polled> {
    return this.#knowing(async () => {
      const polled: Polled = { records: [], next: [], outOfRange: [] }
      await this.#round(options, polled, async ({ topic, partition, from, fetched }) => {
        const positions = new Map([[partition, from]])
        const reading = { topic, from: positions, until: null, committedOnly: options.committedOnly === true }
        const { records, damage } = await runInSlices(this.#turns, take(fetched, reading, positions))
        // Records before the damage are given first; the next poll begins at it.
        if (damage !== null && records.length === 0) throw damage
        for (const record of records) polled.records.push(record)
        return positions.get(partition)!
      })
      return polled
    })
  }

  pollUnopened(options: PollOptions): Promise<PolledUnopened> {
    return this.#knowing(async () => {
      const parts: Part[] = []
      const polled = { records: new UnopenedBatches(parts), next: [], outOfRange: [] }
      await this.#round(options, polled, async ({ topic, partition, from, fetched }) => {
        const taking = takeBatches(topic, fetched, options.committedOnly === true, from)
        const { batches, next, damage } = await runInSlices(this.#turns, taking)
        if (damage !== null && batches.length === 0) throw damage
        parts.push({ topic, partition, from, batches })
        return next
      })
      return polled
    })
  }

  async close(): Promise<void> {
    this.#forget()
    await this.#connections.close()
  }

  /** A broker that is away may not lead any more: after a failure it is asked anew who does. */
  async #knowing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.#requests.retrying(this.#bootstrap, work)
    } catch (error) {
      this.#topics.clear()
      this.#connections.clearMetadata()
      throw error
    }
  }

  /** Fetches once from every leader. `use` resolves to where to go on. */
  async #round(
    options: PollOptions,
    { next, outOfRange }: Omit<Polled, 'records'>,
    use: (fetched: Fetched) => Promise<bigint>,
  ): Promise<void> {
    const byLeader = new Map<number, PartitionOffset[]>()
    const ids = new Map<string, string>()
    for (const position of options.positions) {
      const { topic, partition } = position
      const leader = await this.#leaderOf(position)
      const { id } = this.#topics.get(topic)!
      ids.set(topic, id)
      const some = byLeader.get(leader)
      // The position is one in the topic that was there before.
      if ((this.#ids.get(topic) ?? id) !== id) outOfRange.push({ topic, partition })
      else if (some === undefined) byLeader.set(leader, [position])
      else some.push(position)
    }
    const idOf = (topic: string) => this.#topics.get(topic)!.id
    const rounds = Array.from(byLeader, ([node, positions]) =>
      fetchPositions(this.#requests, node, positions, idOf, { ...options, maxBytesPerPartition }),
    )
    for (const each of (await Promise.all(rounds)).flat()) {
      const { topic, partition, fetched } = each
      const error = errorName(fetched.errorCode)
      if (error === 'OFFSET_OUT_OF_RANGE') outOfRange.push({ topic, partition })
      else if (moved.has(error)) this.#topics.delete(topic)
      else {
        refusePartition(topic, partition, fetched.errorCode)
        next.push({ topic, partition, offset: await use(each) })
      }
    }
    // Not before: a round that fails is done again.
    for (const [topic, id] of ids) this.#ids.set(topic, id)
  }

  async #leaderOf({ topic, partition }: PartitionOffset): Promise<number> {
    const known = this.#topics.get(topic)?.leaders.get(partition)
    if (known !== undefined) return known
    const { info } = await leaders(this.#requests, topic, [partition])
    const found = new Map(info.partitions.map(each => [each.partition, each.leader]))
    this.#topics.set(topic, { id: info.id, leaders: found })
    return found.get(partition)!
  }
}
