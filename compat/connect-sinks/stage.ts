/**
 * What every sink reads and who runs it: a topic of Millrace with records in Avro, and a `millrace connect` process that is killed in between.
 *
 * The topic is written in transactions, of which some are aborted, so that offsets have gaps. The records are encoded by another library than the converters'.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, openClient } from '../../src/client.ts'
import { distributed, ourProgram, Worker } from '../connect/worker.ts'
import { startServices } from '../support/services.ts'
import { EventEncoder } from './event-encoder.ts'
import { partitions, records, topic } from './records.ts'

export interface Drive {
  /** Of its name and of its class. */
  readonly connector: string
  readonly config: Readonly<Record<string, string>>
  /** kill -9 of the worker, so often. */
  readonly kills: number
  /** In the middle: what is done to the target. */
  harm?(): Promise<void>
}

export interface Stage {
  readonly registry: string
  /** Until everything is committed. Resolves to how fast it was; throws when it does not come to its end. */
  drive(drive: Drive): Promise<string>
  close(): Promise<void>
}

const longestSeconds = Number(process.env['COMPAT_SINK_SECONDS'] ?? 1_500)
const localhostNames = join(import.meta.dirname, '../support/localhost-names.ts')
const chunk = 5_000
/** Every so many transactions are followed by one that is aborted. */
const chunksBetweenAborted = 7

export async function openStage(bootstrap: string): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-connect-sinks-'))
  const services = await startServices(bootstrap, ['registry'])
  const client = openClient({ bootstrap })
  const registry = services.urls.registry
  const properties = {
    ...distributed('compat-sinks', { 'bootstrap.servers': bootstrap }),
    'value.converter': 'io.confluent.connect.avro.AvroConverter',
    'value.converter.schema.registry.url': registry,
    'offset.flush.interval.ms': '500',
  }
  const closeAll = async () => {
    await client[Symbol.asyncDispose]()
    await services.close()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    const ends = await writeTopic(client, await EventEncoder.register(registry, `${topic}-value`))
    const worker = await Worker.startMillrace(directory, 'worker', properties, ['--import', localhostNames, ourProgram])
    let run = 0
    return {
      registry,
      drive: drive => new Run(client, worker, ends, drive, `${drive.connector}-${++run}`).toItsEnd(),
      async close() {
        await worker.stop()
        await closeAll()
      },
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

/** Resolves to the offsets behind the last records, by partition. */
async function writeTopic(client: Client, encoder: EventEncoder): Promise<Map<number, bigint>> {
  // The records are old.
  await client.createTopic({ name: topic, partitions, replicas: 1, configs: new Map([['retention.ms', '-1']]) })
  const writer = await client.openTransactionalWriter({
    transactionalId: 'compat-sinks',
    transactionTimeoutMs: 60_000,
    patienceMs: 30_000,
  })
  const ends = new Map<number, bigint>()
  try {
    for (let from = 0, turn = 1; from < records; from += chunk, turn++) {
      for (let partition = 0; partition < partitions; partition++) {
        const some = Array.from({ length: Math.min(chunk, records - from) }, (_, index) => encoder.record(partition, from + index))
        const placed = await writer.send(topic, some)
        for (const { at, offset } of placed) ends.set(partition, offset + BigInt(at.length))
      }
      await writer.commit()
      if (turn % chunksBetweenAborted !== 0) continue
      for (let partition = 0; partition < partitions; partition++) await writer.send(topic, [encoder.record(partition, records + turn)])
      await writer.abort()
    }
  } finally {
    await writer.close()
  }
  return ends
}

class Run {
  readonly #client: Client
  readonly #worker: Worker
  readonly #ends: ReadonlyMap<number, bigint>
  readonly #drive: Drive
  readonly #name: string

  constructor(client: Client, worker: Worker, ends: ReadonlyMap<number, bigint>, drive: Drive, name: string) {
    this.#client = client
    this.#worker = worker
    this.#ends = ends
    this.#drive = drive
    this.#name = name
  }

  async toItsEnd(): Promise<string> {
    const { connector, config, kills, harm } = this.#drive
    const began = performance.now()
    await this.#worker.rest('PUT', `/connectors/${this.#name}/config`, {
      'connector.class': connector,
      topics: topic,
      'tasks.max': '2',
      'consumer.override.isolation.level': 'read_committed',
      'consumer.override.session.timeout.ms': '6000',
      ...config,
    })
    try {
      for (let killed = 0; killed < kills; killed++) {
        // After so much of the way: the same on fast machines and slow ones.
        await this.#reaches((killed + 1) / (kills + 1), began)
        if (killed === Math.floor(kills / 2)) await harm?.()
        await this.#worker.stop('SIGKILL')
        await this.#worker.restart()
      }
      await this.#reaches(1, began)
    } finally {
      await this.#worker.rest('DELETE', `/connectors/${this.#name}`)
    }
    const seconds = (performance.now() - began) / 1_000
    const count = partitions * records
    const killed = `${kills} kills of the worker${harm === undefined ? '' : ', 1 of the target'}`
    return `${count} records, ${killed}, ${Math.round(seconds)} s, ${Math.round(count / seconds)}/s`
  }

  /** `share`: of all records, committed. */
  async #reaches(share: number, began: number): Promise<void> {
    for (;;) {
      const offsets = await this.#client.groupOffsets(`connect-${this.#name}`, 'classic').catch(() => [])
      const committed = new Map(offsets.map(each => [each.partition, each.offset]))
      let sum = 0
      let isDone = true
      for (const [partition, end] of this.#ends) {
        const done = committed.get(partition) ?? 0n
        sum += Math.min(1, Number(done) / Number(end))
        isDone &&= done >= end
      }
      if (share < 1 ? sum / partitions >= share : isDone) return
      if (performance.now() - began > longestSeconds * 1_000)
        throw new Error(`not done within ${longestSeconds} s: ${Math.round((100 * sum) / partitions)} %; ${await this.#told()}`)
      await sleep(100)
    }
  }

  async #told(): Promise<string> {
    const status = await this.#worker.rest<{ tasks: { state: string; trace?: string }[] }>('GET', `/connectors/${this.#name}/status`)
    assert(Array.isArray(status.tasks))
    return status.tasks.map(({ state, trace = '' }) => `${state} ${trace.slice(0, 300)}`).join('; ')
  }
}
