/** The worker, which may be killed, and the topics that it fills. */
import { type Client, openClient, type ReceivedRecord } from '../../src/client.ts'
import { distributed, Worker } from '../connect/worker.ts'
import { unique, until } from '../support/kit.ts'

export class Stage {
  readonly worker: Worker
  readonly #kafka: Client

  static async start(bootstrap: string, directory: string): Promise<Stage> {
    const converters = Object.fromEntries(
      ['key', 'value'].flatMap(side => [
        [`${side}.converter`, 'org.apache.kafka.connect.json.JsonConverter'],
        [`${side}.converter.schemas.enable`, 'false'],
      ]),
    )
    const quick = { 'session.timeout.ms': '3000', 'heartbeat.interval.ms': '500', 'scheduled.rebalance.max.delay.ms': '0' }
    const properties = { ...distributed(unique('cdc'), { 'bootstrap.servers': bootstrap }), ...converters, ...quick }
    return new Stage(await Worker.startMillrace(directory, 'worker', properties), openClient({ bootstrap }))
  }

  private constructor(worker: Worker, kafka: Client) {
    this.worker = worker
    this.#kafka = kafka
  }

  async create(name: string, config: Readonly<Record<string, string>>): Promise<void> {
    await this.worker.rest('PUT', `/connectors/${name}/config`, config)
  }

  async running(name: string): Promise<void> {
    await until(
      () => `${name} runs`,
      () => this.worker.running(name),
      60,
    )
  }

  async remove(name: string): Promise<void> {
    await this.worker.rest('DELETE', `/connectors/${name}`)
  }

  /** What the connector's offset says now. */
  async offsets(name: string): Promise<Record<string, unknown>[]> {
    const found = await this.worker.rest<{ offsets: { offset: Record<string, unknown> }[] }>('GET', `/connectors/${name}/offsets`)
    return found.offsets.map(each => each.offset)
  }

  async kill(): Promise<void> {
    await this.worker.stop('SIGKILL')
    await this.worker.restart()
  }

  /** Everything that readers of committed records see now. */
  async read(topic: string): Promise<ReceivedRecord[]> {
    const [info] = await this.#kafka.topics([topic])
    const partitions = info!.partitions.map(each => each.partition)
    const ends = await this.#kafka.offsets(topic, partitions, 'stable')
    const found: ReceivedRecord[] = []
    const from = new Map(partitions.map(partition => [partition, 0n]))
    for await (const records of this.#kafka.read({ topic, from, until: ends, committedOnly: true })) found.push(...records)
    return found
  }

  /** Resolves when a record with this text is in the topic. */
  async arrives(topic: string, text: string): Promise<void> {
    await until(
      () => `the end is in the topic; the worker said ${this.worker.log().slice(-600)}`,
      async () => (await this.read(topic).catch(() => [])).some(({ value }) => value?.includes(text) === true),
      120,
    )
  }

  async close(): Promise<void> {
    await this.worker.stop()
    await this.#kafka.close()
  }
}
