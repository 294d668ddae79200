/** Which partition each record goes to, as Kafka's producers choose it. */
import { ClientError } from '../channel.ts'
import { partitionOfKey } from './key-partition.ts'
import { patiently } from './patience.ts'
import type { RecordToSend } from './types.ts'
import type { WriterConnections } from './writer-connections.ts'

/** More are divided in slices. */
export const mostAtOnce = 1_000

export interface Division {
  /** By partition, the places of its records in the list. */
  readonly shares: ReadonlyMap<number, readonly number[]>
  /** Those for partitions that are not there, by their places. */
  readonly refused: Map<number, ClientError>
}

export class Partitioner {
  readonly #connections: WriterConnections
  readonly #patienceMs: number
  /** By topic, where the next record without a key goes. */
  readonly #next = new Map<string, number>()

  constructor(connections: WriterConnections, patienceMs: number) {
    this.#connections = connections
    this.#patienceMs = patienceMs
  }

  /** `creates`: as of ProduceOptions. Throws ClientError. */
  async divide(topic: string, records: readonly RecordToSend[], creates: boolean): Promise<Division> {
    const { turns } = this.#connections
    let count = await this.#count(topic, creates)
    let isFresh = false
    const shares = new Map<number, number[]>()
    const refused = new Map<number, ClientError>()
    for (let index = 0; index < records.length; index++) {
      if (records.length > mostAtOnce && turns.over) await turns.next()
      const record = records[index]!
      const partition = record.partition ?? this.#choose(topic, record, count)
      if (partition >= count && !isFresh) {
        // Some may have been added.
        this.#connections.forget(topic)
        count = await this.#count(topic, creates)
        isFresh = true
      }
      if (partition < 0 || partition >= count) {
        refused.set(index, noPartition(topic, partition, count))
        continue
      }
      const share = shares.get(partition)
      if (share === undefined) shares.set(partition, [index])
      else share.push(index)
    }
    return { shares, refused }
  }

  /** A topic that was just made is not known to every broker. */
  async #count(topic: string, creates: boolean): Promise<number> {
    const { system, closing: signal } = this.#connections
    const forget = () => this.#connections.forget(topic)
    const patience = { patienceMs: this.#patienceMs, forget, signal }
    return (await patiently(system, patience, () => this.#connections.leadersOf(topic, creates))).size
  }

  /** As Kafka's producers do with a key. */
  #choose(topic: string, { key }: RecordToSend, count: number): number {
    if (key !== null) return partitionOfKey(key, count)
    const turn = this.#next.get(topic) ?? 0
    this.#next.set(topic, turn + 1)
    return turn % count
  }
}

function noPartition(topic: string, partition: number, count: number): ClientError {
  return new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `${topic} has no partition ${partition}; its partitions are 0 to ${count - 1}`)
}
