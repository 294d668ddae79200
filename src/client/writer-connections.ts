/** What writers need of a cluster, and share if there are many of them: connections, and who leads which partition. */
import type { Admin } from '@platformatic/kafka'
import type { System } from '../base.ts'
import { ClientError } from '../channel.ts'
import { Requests } from './requests.ts'

export class WriterConnections {
  readonly requests: Requests
  readonly #admin: Admin
  readonly #bootstrap: string
  readonly #leaders = new Map<string, Promise<ReadonlyMap<number, number>>>()

  constructor(admin: Admin, system: System, bootstrap: string) {
    this.requests = new Requests(admin, system)
    this.#admin = admin
    this.#bootstrap = bootstrap
  }

  /** By partition; -1: none. Asked for once, however many wait for it. Throws ClientError. */
  leadersOf(topic: string): Promise<ReadonlyMap<number, number>> {
    const known = this.#leaders.get(topic)
    if (known !== undefined) return known
    const asked = this.#ask(topic)
    this.#leaders.set(topic, asked)
    asked.catch(() => {
      if (this.#leaders.get(topic) === asked) this.#leaders.delete(topic)
    })
    return asked
  }

  /** What is known may be wrong by now. */
  forget(): void {
    this.#leaders.clear()
    this.#admin.clearMetadata()
  }

  async #ask(topic: string): Promise<ReadonlyMap<number, number>> {
    const [found] = await this.requests.retrying(this.#bootstrap, () => this.requests.metadata([topic]))
    const leaders = new Map((found?.partitions ?? []).map(each => [each.partitionIndex, each.leaderId]))
    if (leaders.size === 0) throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `topic not found: ${topic}`)
    return leaders
  }
}
