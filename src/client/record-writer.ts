/** Writes records, each once and in order, over a connection of its own: for one caller that writes much. */
import type { ClientError } from '../channel.ts'
import { newProducer } from './producing.ts'
import type { Ask } from './requests.ts'
import { SequencedSender } from './sequenced-sender.ts'
import type { RecordToSend, RecordWriter, RecordWriterOptions, Written } from './types.ts'
import type { WriterConnections } from './writer-connections.ts'

export class SequencedWriter implements RecordWriter {
  readonly #ask: Ask
  readonly #sender: SequencedSender
  #isIdentified = false
  readonly close: () => Promise<void>

  constructor(connections: WriterConnections, ask: Ask, options: RecordWriterOptions & { close(): Promise<void> }) {
    this.#ask = ask
    this.close = options.close
    this.#sender = new SequencedSender(connections, options)
  }

  async send(topic: string, records: readonly RecordToSend[], refused?: Map<number, ClientError>): Promise<readonly Written[]> {
    if (!this.#isIdentified) {
      const producer = await this.#sender.patiently(() => this.#ask(newProducer))
      this.#sender.producer = { ...producer, transactionalId: null }
      this.#isIdentified = true
    }
    return this.#sender.send(topic, records, { refused })
  }
}
