/**
 * The configurations: a compacted topic with one partition, written by the worker that leads.
 *
 * A leader first fences the one before it on the topic, with the transactional id that Java's leaders use, and reads what that one has written; a leader
 * that was deposed without noticing finds its writes refused. What belongs together is one batch.
 */
import { type System, stringifyLossless } from '../../base.ts'
import { ClientError, type FencedWriter } from '../../client.ts'
import { openTopicTable, type TopicTable } from '../../topic-table.ts'
import { type ConfigChange, ConfigState, type Entry, entries, type SessionKey } from './config-state.ts'
import type { StoreOptions } from './options.ts'

export interface ConfigStore {
  readonly state: ConfigState
  catchUp(): Promise<void>
  /** As the leader: all or nothing. Resolves when it is durable and applied here. Throws ClientError; `Deposed` if another one leads. */
  lead(entries: readonly Entry[]): Promise<void>
  /** What any worker may write. */
  write(entries: readonly Entry[]): Promise<void>
  /** This worker does not lead any more. */
  retire(): void
  close(): Promise<void>
}

/** Another worker leads. */
export class Deposed extends Error {
  constructor() {
    super('another worker leads')
    this.name = 'Deposed'
  }
}

export interface ConfigStoreOptions extends StoreOptions {
  readonly group: string
  /** How long a key for requests between workers is used. */
  readonly keyTtlMs: number
  readonly keyBytes: number
  readonly keyAlgorithm: string
  /** Not for what is there at the start. */
  changed(change: ConfigChange): void
}

export async function openConfigStore(options: ConfigStoreOptions): Promise<ConfigStore> {
  const state = new ConfigState()
  let isOpen = false
  const table = await openTopicTable({
    ...options,
    apply({ key, value, offset, isAgain }) {
      if (key === null) return
      const change = state.apply(key.toString('utf8'), value, offset)
      if (isOpen && change !== null && !isAgain) options.changed(change)
    },
  })
  isOpen = true
  return new TopicConfigStore(state, table, options)
}

class TopicConfigStore implements ConfigStore {
  readonly state: ConfigState
  readonly #table: TopicTable
  readonly #options: ConfigStoreOptions
  #writer: FencedWriter | null = null
  #last: Promise<unknown> = Promise.resolve()

  constructor(state: ConfigState, table: TopicTable, options: ConfigStoreOptions) {
    this.state = state
    this.#table = table
    this.#options = options
  }

  catchUp(): Promise<void> {
    return this.#table.catchUp()
  }

  lead(changes: readonly Entry[]): Promise<void> {
    const work = this.#last.then(() => this.#lead(changes))
    this.#last = work.catch(() => {})
    return work
  }

  async write(changes: readonly Entry[]): Promise<void> {
    for (const { key, value } of changes) await this.#table.write(Buffer.from(key), encode(value))
  }

  retire(): void {
    this.#writer = null
  }

  async close(): Promise<void> {
    await this.#last
    await this.#table.close()
  }

  async #lead(changes: readonly Entry[]): Promise<void> {
    try {
      this.#writer ??= await this.#open()
      if (isOld(this.state.sessionKey, this.#options)) await append(this.#writer, entries.sessionKey(newKey(this.#options)))
      if (changes.length > 0) await append(this.#writer, changes)
      await this.#table.catchUp()
    } catch (error) {
      // What was sent may be stored all the same: a new writer reads it before it decides anything.
      this.#writer = null
      throw error instanceof ClientError && fencing.has(error.code) ? new Deposed() : error
    }
  }

  /** The record in its epoch is what the partition refuses earlier writers by. */
  async #open(): Promise<FencedWriter> {
    const { client, topic, group } = this.#options
    const writer = await client.openFencedWriter({ transactionalId: `connect-cluster-${group}`, topic, partition: 0 })
    await this.#table.catchUp()
    const key = this.state.sessionKey
    await append(writer, entries.sessionKey(key === null || isOld(key, this.#options) ? newKey(this.#options) : key))
    await this.#table.catchUp()
    return writer
  }
}

const fencing = new Set<string>(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'])

function append(writer: FencedWriter, changes: readonly Entry[]): Promise<bigint> {
  return writer.append(changes.map(({ key, value }) => ({ key: Buffer.from(key), value: encode(value) })))
}

export function encode(value: object | null): Buffer | null {
  return value === null ? null : Buffer.from(stringifyLossless(value))
}

type KeyOptions = Pick<ConfigStoreOptions, 'keyTtlMs' | 'keyBytes' | 'keyAlgorithm'> & { readonly system: Pick<System, 'clock' | 'random'> }

function isOld(key: SessionKey | null, { system, keyTtlMs }: KeyOptions): boolean {
  return key === null || system.clock.now() - key.createdMs >= keyTtlMs
}

function newKey({ system, keyBytes, keyAlgorithm }: KeyOptions): SessionKey {
  const key = Buffer.alloc(keyBytes)
  system.random.fill(key)
  return { key, algorithm: keyAlgorithm, createdMs: system.clock.now() }
}
