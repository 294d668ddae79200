/** Events of a website, written all the time. What is in the topic at the end is what each target must have. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../../src/client.ts'
import { Ids } from './ids.ts'

export const topic = 'website-events'
/** What the function makes of them. */
export const visits = 'website-visits'
export const partitions = 3

/** OpenTSDB has one point for each time: that of an event is its own. Not too many in the row of an hour. */
export const firstMs = Date.parse('2026-01-01T00:00:00Z')
export const eachMs = 100
const users = 500
const pages = ['/', '/cart', '/search?q=世界', '/p/🎈', '/checkout']

function eventAt(id: number) {
  return { id, at: firstMs + id * eachMs, user: `u${id % users}`, page: pages[id % pages.length], ms: (id * 7919) % 1_000 }
}

export class Writer {
  readonly #client: Client
  readonly #perSecond: number
  readonly #written: Promise<void>
  readonly #acknowledged = new Ids()
  #ending = false
  #next = 0
  /** Batches that were not acknowledged; their events may be in the topic or not. */
  failed = 0

  constructor(client: Client, perSecond: number) {
    this.#client = client
    this.#perSecond = perSecond
    this.#written = this.#write()
  }

  /** Resolves to the events that were acknowledged. */
  async end(): Promise<Ids> {
    this.#ending = true
    await this.#written
    return this.#acknowledged
  }

  async #write(): Promise<void> {
    const began = performance.now()
    while (!this.#ending) {
      const due = Math.floor(((performance.now() - began) / 1_000) * this.#perSecond)
      const ids = Array.from({ length: Math.min(due - this.#next, 1_000) }, (_, index) => this.#next + index)
      if (ids.length === 0) {
        await sleep(20)
        continue
      }
      this.#next += ids.length
      const records = ids.map(id => {
        const event = eventAt(id)
        return { key: Buffer.from(event.user), value: Buffer.from(JSON.stringify(event)) }
      })
      try {
        await this.#client.send(topic, records)
        for (const id of ids) this.#acknowledged.add(id)
      } catch {
        // The broker was killed: nobody was promised these.
        this.failed++
      }
    }
  }
}

/** The events of a topic up to its end. */
export async function idsOf(client: Client, name: string): Promise<Ids> {
  const ids = new Ids()
  const each = Array.from({ length: partitions }, (_, partition) => partition)
  const until = await client.offsets(name, each, 'stable')
  const from = new Map(each.map(partition => [partition, 0n]))
  for await (const records of client.read({ topic: name, from, until, committedOnly: true }))
    for (const { value } of records) ids.add((JSON.parse(value!.toString()) as { id: number }).id)
  return ids
}
