/**
 * Offsets of the source in a compacted topic of the target, written by the transactions of the records.
 *
 * A key is `["CONNECTOR","TOPIC:ID",PARTITION]`, a value the offset of the next record, in JSON.
 */
import { type Client, ensureTopic, type RecordToSend } from '../../client.ts'
import type { Offsets, OpenedPartition } from '../../connector.ts'
import { uniqueTopic } from '../topic-names.ts'

export class TargetOffsets {
  readonly #client: Client
  readonly #topic: string
  readonly #connector: string

  constructor(client: Client, topic: string, connector: string) {
    this.#client = client
    this.#topic = topic
    this.#connector = connector
  }

  get topic(): string {
    return this.#topic
  }

  async prepare(): Promise<void> {
    await ensureTopic(this.#client, { name: this.#topic, partitions: 1, configs: new Map([['cleanup.policy', 'compact']]) })
  }

  record(place: OpenedPartition, offset: bigint): RecordToSend {
    return { partition: 0, key: Buffer.from(this.#keyOf(place)), value: Buffer.from(String(offset)) }
  }

  /** Those that are known. Waits for the end of every transaction that was begun before: its offsets count, if it is committed. */
  async of(partitions: readonly OpenedPartition[]): Promise<Offsets> {
    const [from, until] = await Promise.all((['earliest', 'latest'] as const).map(query => this.#client.offsets(this.#topic, [0], query)))
    const wanted = new Map(partitions.map(each => [this.#keyOf(each), each]))
    const found = new Map<string, bigint>()
    for await (const records of this.#client.read({ topic: this.#topic, from: from!, until: until!, committedOnly: true }))
      for (const { key, value } of records) {
        const name = key?.toString() ?? ''
        if (wanted.has(name) && value !== null) found.set(name, BigInt(value.toString()))
      }
    return Array.from(found, ([name, offset]) => {
      const { topic, partition } = wanted.get(name)!
      return { topic, partition, offset }
    })
  }

  #keyOf(place: OpenedPartition): string {
    return JSON.stringify([this.#connector, uniqueTopic(place), place.partition])
  }
}
