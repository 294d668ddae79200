/** A `millrace connect` process that is killed while it reads a source, and what is in the topic then. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, openClient } from '../../src/client.ts'
import { distributed, Worker } from '../connect/worker.ts'
import { unique } from '../support/kit.ts'

export const records = Number(process.env['COMPAT_SOURCE_RECORDS'] ?? 60_000)
const longestSeconds = Number(process.env['COMPAT_SOURCE_SECONDS'] ?? 600)
/** Nothing more has come for so long: what was twice would have. */
const quietMs = 5_000

export interface Drive {
  readonly connector: string
  readonly topic: string
  readonly config: Readonly<Record<string, string>>
  /** kill -9 of the worker, so often. */
  readonly kills: number
  /** Of each value: the number of its record. */
  numberOf(value: string): number
  /** In the middle: what is done to the source, and what comes after. */
  harm?(): Promise<void>
}

export interface Verdict {
  readonly lost: number
  readonly twice: number
  readonly strange: number
  readonly seconds: number
}

export class Stage {
  readonly kafka: Client
  readonly worker: Worker
  readonly #directory: string

  static async open(bootstrap: string): Promise<Stage> {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-connect-sources-'))
    const converters = { 'value.converter': 'org.apache.kafka.connect.json.JsonConverter', 'value.converter.schemas.enable': 'false' }
    const properties = { ...distributed(unique('compat-sources'), { 'bootstrap.servers': bootstrap }), ...converters }
    return new Stage(openClient({ bootstrap }), await Worker.startMillrace(directory, 'worker', properties), directory)
  }

  private constructor(kafka: Client, worker: Worker, directory: string) {
    this.kafka = kafka
    this.worker = worker
    this.#directory = directory
  }

  /** Until all records are in the topic, and no more come. */
  async drive({ connector, topic, config, kills, numberOf, harm }: Drive): Promise<Verdict> {
    const name = unique(connector)
    const began = performance.now()
    await this.kafka.createTopic({ name: topic, partitions: 3, replicas: 1, configs: new Map() })
    await this.worker.rest('PUT', `/connectors/${name}/config`, { 'connector.class': connector, 'tasks.max': '1', ...config })
    try {
      for (let killed = 0; killed < kills; killed++) {
        await this.#reaches(topic, (records * (killed + 1)) / (kills + 2), began, name)
        if (killed === Math.floor(kills / 2)) await harm?.()
        await this.worker.stop('SIGKILL')
        await this.worker.restart()
      }
      await this.#reaches(topic, records, began, name)
      await this.#quiet(topic)
      return { ...(await this.#judge(topic, numberOf)), seconds: Math.round((performance.now() - began) / 1_000) }
    } finally {
      await this.worker.rest('DELETE', `/connectors/${name}`)
    }
  }

  async close(): Promise<void> {
    await this.worker.stop()
    await this.kafka.close()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  /** Markers of transactions have offsets, too: near enough, but for the end. */
  async #size(topic: string): Promise<number> {
    const ends = await this.kafka.offsets(topic, [0, 1, 2], 'stable')
    return [...ends.values()].reduce((sum, end) => sum + Number(end), 0)
  }

  async #reaches(topic: string, count: number, began: number, name: string): Promise<void> {
    while ((await this.#size(topic)) < count || (count === records && (await this.#numbers(topic, () => 0)).length < count)) {
      if (performance.now() - began > longestSeconds * 1_000)
        throw new Error(`not done within ${longestSeconds} s: ${await this.#size(topic)} of ${count}; ${await this.#told(name)}`)
      await sleep(300)
    }
  }

  async #quiet(topic: string): Promise<void> {
    for (let size = -1; ; ) {
      const now = await this.#size(topic)
      if (now === size) return
      size = now
      await sleep(quietMs)
    }
  }

  async #judge(topic: string, numberOf: (value: string) => number) {
    const times = new Uint8Array(records)
    let strange = 0
    for (const n of await this.#numbers(topic, numberOf))
      if (n >= 0 && n < records) times[n] = Math.min(255, times[n]! + 1)
      else strange++
    const count = (is: (each: number) => boolean) => times.reduce((sum, each) => sum + (is(each) ? 1 : 0), 0)
    return { lost: count(each => each === 0), twice: count(each => each > 1), strange }
  }

  /** As readers of committed records see them. */
  async #numbers(topic: string, numberOf: (value: string) => number): Promise<number[]> {
    const partitions = [0, 1, 2]
    const until = await this.kafka.offsets(topic, partitions, 'stable')
    const found: number[] = []
    const from = new Map(partitions.map(partition => [partition, 0n]))
    for await (const some of this.kafka.read({ topic, from, until, committedOnly: true }))
      for (const { value } of some) found.push(numberOf(value!.toString()))
    return found
  }

  async #told(name: string): Promise<string> {
    const { tasks } = await this.worker.rest<{ tasks: { state: string; trace?: string }[] }>('GET', `/connectors/${name}/status`)
    return tasks.map(({ state, trace = '' }) => `${state} ${trace.slice(0, 300)}`).join('; ')
  }
}

/** Throws unless each is there once. */
export function requireOnce({ lost, twice, strange, seconds }: Verdict): string {
  if (lost + twice + strange > 0) throw new Error(`of ${records}: ${lost} lost, ${twice} more than once, ${strange} that nobody wrote`)
  return `${records} records, each once, ${seconds} s`
}

/** Throws if one is missing. */
export function requireAll({ lost, twice, strange, seconds }: Verdict): string {
  if (lost + strange > 0) throw new Error(`of ${records}: ${lost} lost, ${strange} that nobody wrote`)
  return `${records} records, none lost, ${twice} more than once, ${seconds} s`
}
