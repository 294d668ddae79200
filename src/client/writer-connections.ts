/** What writers need of a cluster, and share if there are many of them: connections, and who leads which partition. */
import type { System, Turns } from '../base.ts'
import { ClientError, type Connections } from '../channel.ts'
import { type ErrorName, errorName, errorText, isRetriable } from '../protocol.ts'
import { Requests } from './requests.ts'

/** As Kafka's `metadata.max.age.ms`: partitions may have been added. */
const maxAgeMs = 300_000

export interface WriterOptions {
  readonly system: System
  readonly turns: Turns
  readonly bootstrap: string
}

interface Known {
  readonly leaders: Promise<ReadonlyMap<number, number>>
  readonly sinceMs: number
}

export class WriterConnections {
  readonly requests: Requests
  readonly system: System
  readonly turns: Turns
  readonly bootstrap: string
  readonly #connections: Connections
  readonly #known = new Map<string, Known>()

  constructor(connections: Connections, { system, turns, bootstrap }: WriterOptions) {
    this.requests = new Requests(connections, system)
    this.system = system
    this.turns = turns
    this.bootstrap = bootstrap
    this.#connections = connections
  }

  /** By partition; -1: none. Asked for once, however many wait for it. `creates`: as of ProduceOptions. Throws ClientError. */
  leadersOf(topic: string, creates: boolean): Promise<ReadonlyMap<number, number>> {
    const nowMs = this.system.clock.monotonic()
    const known = this.#known.get(topic)
    if (known !== undefined && nowMs - known.sinceMs < maxAgeMs) return known.leaders
    const asked = { leaders: this.#ask(topic, creates), sinceMs: nowMs }
    this.#known.set(topic, asked)
    asked.leaders.catch(() => {
      if (this.#known.get(topic) === asked) this.#known.delete(topic)
    })
    return asked.leaders
  }

  /** What is known may be wrong by now: of this topic, or all of it. */
  forget(topic?: string): void {
    if (topic !== undefined) this.#known.delete(topic)
    else {
      this.#known.clear()
      this.#connections.clearMetadata()
    }
  }

  /** Is aborted when it is closed. */
  get closing(): AbortSignal {
    return this.#connections.closing
  }

  async #ask(topic: string, creates: boolean): Promise<ReadonlyMap<number, number>> {
    const [found] = await this.requests.retrying(this.bootstrap, () => this.requests.metadata([topic], creates))
    const error: ErrorName = errorName(found?.errorCode ?? 0)
    if (error !== 'NONE' && !isRetriable(error)) throw new ClientError(error, errorText(error))
    const leaders = new Map((found?.partitions ?? []).map(each => [each.partitionIndex, each.leaderId]))
    if (leaders.size === 0) throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `topic not found: ${topic}`)
    return leaders
  }
}
