/**
 * Reading at given positions, one fetch at a time, over a connection of its own: for those that keep their positions themselves.
 *
 * One request goes to each leader, for all topics. Who leads is remembered until a broker says otherwise.
 */
import type { Admin } from '@platformatic/kafka'
import { runInSlices, type System, type Turns } from '../base.ts'
import { errorName } from '../protocol.ts'
import { fetchPositions, moved } from './fetching.ts'
import { take } from './read.ts'
import { Requests } from './requests.ts'
import { leaders, refusePartition } from './topics.ts'
import type { PartitionOffset, Polled, PollOptions, Reader } from './types.ts'

const maxBytesPerPartition = 1_048_576
interface KnownTopic {
  readonly id: string
  readonly leaders: ReadonlyMap<number, number>
}

export class PollingReader implements Reader {
  readonly #admin: Admin
  readonly #requests: Requests
  readonly #bootstrap: string
  readonly #turns: Turns
  readonly #forget: () => void
  readonly #topics = new Map<string, KnownTopic>()

  constructor(admin: Admin, { system, turns, bootstrap }: { system: System; turns: Turns; bootstrap: string }, forget: () => void) {
    this.#admin = admin
    this.#requests = new Requests(admin, system)
    this.#turns = turns
    this.#bootstrap = bootstrap
    this.#forget = forget
  }

  poll(options: PollOptions): Promise<Polled> {
    return this.#requests.retrying(this.#bootstrap, () => this.#poll(options))
  }

  async close(): Promise<void> {
    this.#forget()
    await this.#admin.close()
  }

  async #poll(options: PollOptions): Promise<Polled> {
    const byLeader = new Map<number, PartitionOffset[]>()
    for (const position of options.positions) {
      const leader = await this.#leaderOf(position)
      const some = byLeader.get(leader)
      if (some === undefined) byLeader.set(leader, [position])
      else some.push(position)
    }
    const polled: Polled = { records: [], next: [], outOfRange: [] }
    const idOf = (topic: string) => this.#topics.get(topic)!.id
    const rounds = Array.from(byLeader, ([node, positions]) =>
      fetchPositions(this.#requests, node, positions, idOf, { ...options, maxBytesPerPartition }),
    )
    for (const { topic, partition, from, fetched } of (await Promise.all(rounds)).flat()) {
      const error = errorName(fetched.errorCode)
      if (error === 'OFFSET_OUT_OF_RANGE') polled.outOfRange.push({ topic, partition })
      else if (moved.has(error)) this.#topics.delete(topic)
      else {
        refusePartition(topic, partition, fetched.errorCode)
        const positions = new Map([[partition, from]])
        const reading = { topic, from: positions, until: null, committedOnly: options.committedOnly === true }
        const { records, damage } = await runInSlices(this.#turns, take(fetched, reading, positions))
        // Records before the damage are given first; the next poll begins at it.
        if (damage !== null && records.length === 0) throw damage
        for (const record of records) polled.records.push(record)
        polled.next.push({ topic, partition, offset: positions.get(partition)! })
      }
    }
    return polled
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
