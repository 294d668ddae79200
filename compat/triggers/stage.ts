/** Services of triggers over a broker, each a process of its own, and short ways to use them. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../../src/client.ts'
import { type Services, startServices } from '../support/services.ts'

const waitSeconds = 120

export interface Status {
  readonly state: string
  readonly reason: string | null
  readonly partitions: readonly unknown[]
  readonly records: number
  readonly calls: number
  readonly errors: Readonly<Record<string, number>>
  readonly givenUp: number
}

export class Stage {
  readonly kafka: Client
  readonly bootstrap: string
  #services: Services | null = null

  constructor(bootstrap: string, kafka: Client) {
    this.bootstrap = bootstrap
    this.kafka = kafka
  }

  async start(): Promise<void> {
    this.#services = await this.another()
  }

  /** One more, which whoever asks for it has to end. */
  another(flags: readonly string[] = []): Promise<Services> {
    return startServices(this.bootstrap, ['triggers'], flags)
  }

  get services(): Services {
    if (this.#services === null) throw new Error('no services run')
    return this.#services
  }

  /** SIGKILL, and a new one. */
  async killAndStart(): Promise<void> {
    await end(this.services)
    this.#services = null
    await this.start()
  }

  async close(): Promise<void> {
    await this.#services?.close()
  }

  async topics(partitions: number, ...names: readonly string[]): Promise<void> {
    for (const name of names) await this.kafka.createTopic({ name, partitions })
  }

  /** Throws what the service says when it refuses. */
  async ask<T>(method: string, path: string, body?: object): Promise<T> {
    const headers = { 'content-type': 'application/json' }
    const sent = body === undefined ? {} : { headers, body: JSON.stringify(body) }
    const response = await fetch(`${this.services.urls.triggers}${path}`, { method, ...sent })
    const text = await response.text()
    if (!response.ok) throw new Error(text)
    return (text === '' ? null : JSON.parse(text)) as T
  }

  async create(name: string, definition: object): Promise<void> {
    await this.ask('POST', '/triggers', { name, start: 'oldest', ...definition })
  }

  async status(name: string): Promise<Status> {
    return (await this.ask<{ status: Status }>('GET', `/triggers/${name}`)).status
  }

  /** The group has done all records of the topic. */
  async done(trigger: string, topic: string): Promise<void> {
    const { partitions } = (await this.kafka.topics([topic]))[0]!
    const ids = partitions.map(each => each.partition)
    await eventually(`trigger ${trigger} is done with ${topic}`, async () => {
      const ends = await this.kafka.offsets(topic, ids, 'latest')
      const committed = await this.kafka.groupOffsets(`trigger-${trigger}`, '')
      const ofTopic = new Map(committed.filter(each => each.topic === topic).map(each => [each.partition, each.offset]))
      return [...ends].every(([partition, end]) => end === 0n || (ofTopic.get(partition) ?? 0n) >= end)
    })
  }

  async send(topic: string, values: readonly string[], keyOf: (value: string) => string | null = () => null): Promise<void> {
    const records = values.map(value => {
      const key = keyOf(value)
      return { key: key === null ? null : Buffer.from(key), value: Buffer.from(value) }
    })
    for (let at = 0; at < records.length; at += 1_000) await this.kafka.send(topic, records.slice(at, at + 1_000))
  }

  /** All that is committed in the topic now. */
  async stored(topic: string): Promise<string[]> {
    const { partitions } = (await this.kafka.topics([topic]))[0]!
    const ids = partitions.map(each => each.partition)
    const [first, ends] = [await this.kafka.offsets(topic, ids, 'earliest'), await this.kafka.offsets(topic, ids, 'latest')]
    const filled = ids.filter(id => first.get(id)! < ends.get(id)!)
    const values: string[] = []
    if (filled.length === 0) return values
    const [from, until] = [first, ends].map(offsets => new Map(filled.map(id => [id, offsets.get(id)!]))) as [
      Map<number, bigint>,
      Map<number, bigint>,
    ]
    for await (const records of this.kafka.read({ topic, from, until, committedOnly: true }))
      values.push(...records.map(({ value }) => value?.toString() ?? ''))
    return values
  }
}

/** By SIGKILL. */
export async function end(services: Services): Promise<void> {
  process.kill(services.pid, 'SIGKILL')
  await services.close()
}

/** The processes that this one has started. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number)
}

/** Those of them in which functions run. */
export function runnersOf(pid: number): number[] {
  return childrenOf(pid).filter(child => readFileSync(`/proc/${child}/cmdline`, 'latin1').includes('--permission'))
}

export async function eventually(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < waitSeconds * 10; tries++) {
    if (await isSo()) return
    await sleep(100)
  }
  throw new Error(`it has not come about in ${waitSeconds} s: ${what}`)
}

/** How often each is there more than once, and which of the expected ones are not. */
export function counted(values: readonly string[], expected: readonly string[]): { missing: number; repeated: number; foreign: number } {
  const seen = new Map<string, number>()
  for (const value of values) seen.set(value, (seen.get(value) ?? 0) + 1)
  const wanted = new Set(expected)
  return {
    missing: expected.filter(each => !seen.has(each)).length,
    repeated: [...seen.values()].reduce((sum, times) => sum + times - 1, 0),
    foreign: [...seen.keys()].filter(each => !wanted.has(each)).length,
  }
}
