/** What mirrors have written before: read once to the end, and then from there. */
import { joinedKey } from '../../base.ts'
import { type Client, ClientError } from '../../client.ts'
import { type Checkpoint, decodeCheckpoint, decodeOffsetSync } from './formats.ts'
import { Translation } from './translation.ts'

/** Of partition 0. Follows as far as it was read when it is called again. */
class Topic {
  readonly #client: Client
  readonly #name: string
  #next: bigint | null = null

  constructor(client: Client, name: string) {
    this.#client = client
    this.#name = name
  }

  /** Whether there is such a topic. */
  async read(visit: (key: Buffer, value: Buffer) => void): Promise<boolean> {
    try {
      const [starts, ends] = await Promise.all([
        this.#client.offsets(this.#name, [0], 'earliest'),
        this.#client.offsets(this.#name, [0], 'latest'),
      ])
      const [start, end] = [starts.get(0)!, ends.get(0)!]
      // One that was made again begins anew.
      const from = this.#next === null || this.#next < start || this.#next > end ? start : this.#next
      if (from < end)
        for await (const records of this.#client.read({ topic: this.#name, from: new Map([[0, from]]), until: ends, committedOnly: true }))
          for (const { key, value } of records) if (key !== null && value !== null) visit(key, value)
      this.#next = end
      return true
    } catch (error) {
      if (error instanceof ClientError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION') return false
      throw error
    }
  }
}

export class OffsetSyncs {
  readonly translation = new Translation()
  readonly #topic: Topic
  readonly #name: string

  constructor(client: Client, topic: string) {
    this.#topic = new Topic(client, topic)
    this.#name = topic
  }

  async catchUp(): Promise<void> {
    await this.#topic.read((key, value) => {
      const { topic, partition, ...run } = readable(this.#name, () => decodeOffsetSync(key, value))
      this.translation.add({ topic, partition }, run)
    })
  }
}

export class Checkpoints {
  readonly #topic: Topic
  readonly #name: string
  readonly #last = new Map<string, { upstream: bigint; downstream: bigint }>()

  constructor(client: Client, topic: string) {
    this.#topic = new Topic(client, topic)
    this.#name = topic
  }

  async load(): Promise<void> {
    await this.#topic.read((key, value) => this.#put(readable(this.#name, () => decodeCheckpoint(key, value))))
  }

  /** Whether it is to be written; then it counts as written. A group is sent back only if it went back itself. */
  isNew(checkpoint: Checkpoint): boolean {
    const last = this.#last.get(nameOf(checkpoint))
    if (last !== undefined && checkpoint.upstream >= last.upstream && checkpoint.downstream <= last.downstream) return false
    this.#put(checkpoint)
    return true
  }

  #put(checkpoint: Checkpoint): void {
    const { upstream, downstream } = checkpoint
    this.#last.set(nameOf(checkpoint), { upstream, downstream })
  }
}

function nameOf({ group, topic, partition }: Checkpoint): string {
  return joinedKey(group, topic, String(partition))
}

function readable<T>(topic: string, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    throw new Error(`${topic} has a record that no mirror has written: ${(error as Error).message}`, { cause: error })
  }
}
