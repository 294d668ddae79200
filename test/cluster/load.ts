/** An idempotent producer that sends numbers to all partitions of a topic while they move. */
import { Kafka, logLevel } from 'kafkajs'
import { eventually } from './two-brokers.ts'

export class Load {
  /** By partition, in the order in which they were sent: each waits until the one before is acknowledged. */
  readonly acknowledged: string[][]
  readonly #producer
  readonly #topic: string
  #isOver = false
  #running: Promise<void>[] = []

  constructor(ports: readonly number[], topic: string, partitions: number) {
    const kafka = new Kafka({ brokers: ports.map(port => `127.0.0.1:${port}`), logLevel: logLevel.NOTHING })
    this.#producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      retry: { initialRetryTime: 20, maxRetryTime: 200, retries: 50 },
    })
    this.#topic = topic
    this.acknowledged = Array.from({ length: partitions }, () => [])
  }

  async start(): Promise<void> {
    await this.#producer.connect()
    this.#running = this.acknowledged.map((_, partition) => this.#send(partition))
  }

  async #send(partition: number): Promise<void> {
    for (let number = 0; !this.#isOver; number++) {
      await this.#producer.send({ topic: this.#topic, messages: [{ partition, value: `${number}` }] })
      this.acknowledged[partition]!.push(`${number}`)
    }
  }

  /** Until each partition has taken some more. */
  async goOn(): Promise<void> {
    const before = this.acknowledged.map(({ length }) => length)
    await eventually(() => this.acknowledged.every(({ length }, partition) => length > before[partition]! + 3))
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#running)
    await this.#producer.disconnect()
  }
}
