/** All consumer instances: by principal, group and name. Those that nobody uses end. */
import { type Static, Type } from 'typebox'
import { joinedKey, type System, type Timer, type Turns } from '../../base.ts'
import type { Client } from '../../client.ts'
import { HttpError } from '../../http.ts'
import type { Logger } from '../../logger.ts'
import type { Identity } from '../../sessions.ts'
import { ConsumerInstance, type InstanceOptions } from '../consumer/instance.ts'
import type { Asking } from '../rest.ts'

export const instancePath = '/consumers/:group/instances/:instance'
export const InInstance = Type.Object({ group: Type.String(), instance: Type.String() })
export type Named = Static<typeof InInstance>
/** Runs `work` with the instance that a request names. */
export type Use = <T>(request: Asking, named: Named, work: (instance: ConsumerInstance) => Promise<T>) => Promise<T>

export interface InstancesOptions {
  readonly system: System
  readonly logger: Logger
  readonly turns: Turns
  readonly timeoutMs: number
  /** Of one principal. */
  readonly most: number
}

interface Entry {
  readonly owner: string
  readonly instance: ConsumerInstance
  release(): void
  usedMs: number
  inUse: number
}

export class Instances {
  readonly #options: InstancesOptions
  readonly #entries = new Map<string, Entry>()
  #sweep: Timer | null = null

  constructor(options: InstancesOptions) {
    this.#options = options
  }

  /** `hold`: keeps the client open; returns what ends that. */
  create(identity: Identity, client: Client, hold: () => () => void, name: string, options: InstanceOptions): void {
    const key = keyOf(identity, options.group, name)
    if (this.#entries.has(key))
      throw new HttpError(409, 40_902, 'Consumer with specified consumer ID already exists in the specified consumer group.')
    const owned = [...this.#entries.values()].filter(each => each.owner === identity.principal).length
    if (owned >= this.#options.most)
      throw new HttpError(429, 429, `There are ${owned} consumer instances of ${identity.principal}; delete some`, {
        headers: { 'retry-after': '10' },
      })
    const instance = new ConsumerInstance(client, this.#options.system, options, this.#options.turns)
    this.#entries.set(key, { owner: identity.principal, instance, release: hold(), usedMs: this.#now(), inUse: 0 })
    this.#sweep ??= this.#after()
  }

  /** Throws 40403. While `work` runs the instance is in use. */
  async use<T>(identity: Identity, group: string, name: string, work: (instance: ConsumerInstance) => Promise<T>): Promise<T> {
    const entry = this.#entries.get(keyOf(identity, group, name))
    if (entry === undefined) throw unknown()
    entry.inUse++
    try {
      return await work(entry.instance)
    } finally {
      entry.inUse--
      entry.usedMs = this.#now()
    }
  }

  async delete(identity: Identity, group: string, name: string): Promise<void> {
    const key = keyOf(identity, group, name)
    const entry = this.#entries.get(key)
    if (entry === undefined) throw unknown()
    this.#entries.delete(key)
    await close(entry)
  }

  async close(): Promise<void> {
    this.#sweep?.cancel()
    const all = [...this.#entries.values()]
    this.#entries.clear()
    await Promise.allSettled(all.map(close))
  }

  #now(): number {
    return this.#options.system.clock.monotonic()
  }

  #after(): Timer {
    return this.#options.system.timers.after(Math.max(50, Math.min(1_000, this.#options.timeoutMs / 2)), this.#endIdle)
  }

  readonly #endIdle = (): void => {
    for (const [key, entry] of this.#entries) {
      if (entry.inUse > 0 || this.#now() - entry.usedMs < this.#options.timeoutMs) continue
      this.#entries.delete(key)
      close(entry).catch((error: unknown) => {
        this.#options.logger.warn({ service: 'rest', err: error }, 'an idle consumer instance could not be closed')
      })
    }
    this.#sweep = this.#entries.size > 0 ? this.#after() : null
  }
}

async function close({ instance, release }: Entry): Promise<void> {
  try {
    await instance.close()
  } finally {
    release()
  }
}

function keyOf({ principal }: Identity, group: string, name: string): string {
  return joinedKey(principal, group, name)
}

function unknown(): HttpError {
  return new HttpError(404, 40_403, 'Consumer instance not found.')
}
