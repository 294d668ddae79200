/** Sends finished batches with as many requests at once as the caller likes, over a connection of its own, and tries nothing twice: for measurements. */
import type { System } from '../base.ts'
import { ClientError, type Connections, settled } from '../channel.ts'
import { apis, errorName, errorText, isRetriable } from '../protocol.ts'
import { Requests } from './requests.ts'
import type { BatchSender } from './types.ts'

const timeoutMs = 30_000
/** Later versions name topics by id. */
const newestWithNames = 12

export class SingleBatchSender implements BatchSender {
  readonly #connections: Connections
  readonly #requests: Requests
  readonly #bootstrap: string
  readonly #acks: number
  readonly #forget: () => void
  #leaders: Promise<ReadonlyMap<number, number>> | null = null

  constructor(connections: Connections, system: System, bootstrap: string, acks: 'all' | 1, forget: () => void) {
    this.#connections = connections
    this.#requests = new Requests(connections, system)
    this.#bootstrap = bootstrap
    this.#acks = acks === 'all' ? -1 : acks
    this.#forget = forget
  }

  async send(topic: string, partition: number, batch: Buffer): Promise<void> {
    try {
      const node = (await (this.#leaders ??= this.#learn(topic))).get(partition) ?? -1
      if (node < 0) throw new ClientError('LEADER_NOT_AVAILABLE', `${topic}-${partition} has no leader`)
      const topicData = [{ name: topic, partitionData: [{ index: partition, records: batch }] }]
      const asked = this.#requests.ask(apis.produce, { acks: this.#acks, timeoutMs, topicData }, { node }, newestWithNames)
      const { responses } = await settled(this.#bootstrap, asked)
      const { errorCode, errorMessage } = responses[0]!.partitionResponses[0]!
      if (errorCode === 0) return
      const name = errorName(errorCode)
      throw new ClientError(name, `${topic}-${partition}: ${errorMessage || errorText(name)}`)
    } catch (error) {
      if (error instanceof ClientError && (isRetriable(error.code as never) || error.code === 'UNREACHABLE')) {
        this.#leaders = null
        this.#connections.clearMetadata()
      }
      throw error
    }
  }

  async close(): Promise<void> {
    this.#forget()
    await this.#connections.close()
  }

  async #learn(topic: string): Promise<ReadonlyMap<number, number>> {
    const [found] = await settled(this.#bootstrap, this.#requests.metadata([topic]))
    return new Map((found?.partitions ?? []).map(each => [each.partitionIndex, each.leaderId]))
  }
}
