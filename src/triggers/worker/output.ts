/** Where what a function returns goes: nowhere, or to a topic. */
import type { Client } from '../../client.ts'
import { recordsOf } from '../results.ts'
import type { Trigger } from '../store.ts'
import type { Entry } from './batch.ts'

export interface Output {
  /** Resolves when it is there. Throws BadResult; after any other error the partition begins again at what is committed. */
  deliver(result: unknown, entries: readonly Entry[]): Promise<void>
  close(): Promise<void>
}

export function openOutput({ definition: { output } }: Trigger, client: Client): Output {
  return output === null ? { async deliver() {}, async close() {} } : new TopicOutput(output.topic, client)
}

class TopicOutput implements Output {
  readonly #topic: string
  readonly #client: Client

  constructor(topic: string, client: Client) {
    this.#topic = topic
    this.#client = client
  }

  async deliver(result: unknown): Promise<void> {
    const records = recordsOf(result)
    if (records.length > 0) await this.#client.send(this.#topic, records)
  }

  async close(): Promise<void> {}
}
