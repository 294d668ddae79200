/**
 * What lists show, kept for a few seconds for each principal: a page of 10,000 topics, its sorting and its search cost no request to the broker while
 * they are fresh, and one of each kind when they are not, however many people look. What takes long to load, in a large cluster or with many
 * principals, is kept for longer, so that loading it is never what brokers and services are busy with.
 */
import type { System } from '../base.ts'
import type { Client, ClientError, GroupListing, GroupOffset, TopicState } from '../client.ts'
import type { RegistryClient } from '../serde.ts'
import { allConnectors, type Connector } from './connectors/worker.ts'
import type { Peer } from './peers.ts'
import { listTriggers, type TriggerRow } from './triggers/service.ts'

const freshMs = 3_000
/** Their states change by themselves. */
const connectorsFreshMs = 1_000
/** Sizes need every broker's log directories. */
const sizesFreshMs = 15_000
/** Of the time, for loads of one kind by all principals. */
const mostShare = 0.1
const longestMs = 60_000
/** A principal who looks at nothing any more. */
const unusedMs = 60_000
const mostCatalogues = 64

type Clock = System['clock']

interface Entry {
  readonly client: Client
  readonly catalogue: Catalogue
  usedMs: number
}

export class Catalogues {
  readonly #clock: Clock
  /** In the order of use, the oldest first. */
  readonly #byIdentity = new Map<string, Entry>()

  constructor({ clock }: Pick<System, 'clock'>) {
    this.#clock = clock
  }

  /** `key`: of the identity. A login that was renewed has another client. */
  of(key: string, client: Client): Catalogue {
    const nowMs = this.#clock.monotonic()
    const known = this.#byIdentity.get(key)
    const entry = known?.client === client ? known : { client, catalogue: new Catalogue(client, this.#clock, this.#size), usedMs: nowMs }
    entry.usedMs = nowMs
    this.#byIdentity.delete(key)
    this.#byIdentity.set(key, entry)
    for (const [oldest, { usedMs }] of this.#byIdentity) {
      if (nowMs - usedMs < unusedMs && this.#byIdentity.size <= mostCatalogues) break
      this.#byIdentity.delete(oldest)
    }
    return entry.catalogue
  }

  readonly #size = (): number => this.#byIdentity.size
}

/** Of all groups that were asked. */
export interface Committed {
  readonly listed: readonly GroupListing[]
  /** By group. */
  readonly offsets: ReadonlyMap<string, readonly GroupOffset[] | ClientError>
}

const mostTriggers = 1_000
/** Groups with members first. */
const mostGroups = 500

/** Lists of what somebody may change: each route that changes something names those that show it. */
export type Listed = 'topics' | 'groups' | 'subjects' | 'connectors' | 'triggers'

export class Catalogue {
  readonly topics: Kept<TopicState[]>
  /** By topic. */
  readonly sizes: Kept<Map<string, bigint>>
  readonly groups: Kept<GroupListing[]>
  readonly committed: Kept<Committed>
  /** As the registry answers this principal, in order. */
  readonly subjects: Kept<string[], RegistryClient>
  /** As the worker answers this principal, in order. */
  readonly connectors: Kept<Connector[], Peer>
  /** The first of them, for what is said of all. */
  readonly triggers: Kept<readonly TriggerRow[], Peer>

  /** `sharers`: how many catalogues there are. */
  constructor(client: Client, clock: Clock, sharers: () => number) {
    const kept = <T, Of = void>(leastMs: number, load: (of: Of) => Promise<T>) => new Kept({ clock, leastMs, sharers, load })
    this.topics = kept(freshMs, () => client.topicStates())
    this.sizes = kept(sizesFreshMs, () => client.topicSizes())
    this.groups = kept(freshMs, () => client.groups())
    this.committed = kept(freshMs, async () => {
      const all = await this.groups.get()
      const listed = [...all].sort((a, b) => Number(a.state === 'Empty') - Number(b.state === 'Empty')).slice(0, mostGroups)
      return { listed, offsets: await client.manyGroupOffsets(listed) }
    })
    this.subjects = kept(freshMs, async (registry: RegistryClient) => ((await registry.request('GET', '/subjects')) as string[]).sort())
    this.connectors = kept(connectorsFreshMs, allConnectors)
    this.triggers = kept(freshMs, async (service: Peer) => (await listTriggers(service, { limit: mostTriggers })).triggers)
  }

  /** After a change by this principal. */
  forget(changed: readonly Listed[]): void {
    for (const each of changed) this[each].forget()
    if (changed.includes('groups')) this.committed.forget()
  }
}

interface KeptOptions<T, Of> {
  readonly clock: Clock
  readonly leastMs: number
  readonly sharers: () => number
  readonly load: (of: Of) => Promise<T>
}

/** A value that is loaded when it is wanted and not fresh; all who want it meanwhile wait for the same load. `Of`: who answers it; another one is asked anew. */
class Kept<T, Of = void> {
  readonly #options: KeptOptions<T, Of>
  #of: Of | null = null
  #loaded: { value: T; atMs: number; tookMs: number } | null = null
  #loading: Promise<T> | null = null
  /** A load that began before a change does not count after it. */
  #version = 0

  constructor(options: KeptOptions<T, Of>) {
    this.#options = options
  }

  get(of: Of): Promise<T> {
    if (of !== this.#of) this.forget()
    this.#of = of
    const { clock, leastMs, sharers } = this.#options
    const loaded = this.#loaded
    if (loaded !== null) {
      const patienceMs = Math.min((loaded.tookMs / mostShare) * sharers(), longestMs)
      if (clock.monotonic() - loaded.atMs < Math.max(leastMs, patienceMs)) return Promise.resolve(loaded.value)
    }
    this.#loading ??= this.#begin(of)
    return this.#loading
  }

  forget(): void {
    this.#version++
    this.#loaded = null
    this.#loading = null
  }

  async #begin(of: Of): Promise<T> {
    const { clock, load } = this.#options
    const [version, beganMs] = [this.#version, clock.monotonic()]
    try {
      const value = await load(of)
      const atMs = clock.monotonic()
      if (version === this.#version) this.#loaded = { value, atMs, tookMs: atMs - beganMs }
      return value
    } finally {
      if (version === this.#version) this.#loading = null
    }
  }
}
