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

export class Catalogue {
  readonly topics: Kept<TopicState[]>
  /** By topic. */
  readonly sizes: Kept<Map<string, bigint>>
  readonly groups: Kept<GroupListing[]>
  readonly committed: Kept<Committed>
  readonly #subjects: Kept<string[]>
  #registry: RegistryClient | null = null
  readonly #connectors: Kept<Connector[]>
  #worker: Peer | null = null
  readonly #triggers: Kept<readonly TriggerRow[]>
  #triggersService: Peer | null = null

  /** `sharers`: how many catalogues there are. */
  constructor(client: Client, clock: Clock, sharers: () => number) {
    const kept = <T>(leastMs: number, load: () => Promise<T>) => new Kept({ clock, leastMs, sharers, load })
    this.topics = kept(freshMs, () => client.topicStates())
    this.sizes = kept(sizesFreshMs, () => client.topicSizes())
    this.groups = kept(freshMs, () => client.groups())
    this.committed = kept(freshMs, async () => {
      const all = await this.groups.get()
      const listed = [...all].sort((a, b) => Number(a.state === 'Empty') - Number(b.state === 'Empty')).slice(0, mostGroups)
      return { listed, offsets: await client.manyGroupOffsets(listed) }
    })
    this.#connectors = kept(connectorsFreshMs, () => allConnectors(this.#worker!))
    this.#triggers = kept(freshMs, async () => (await listTriggers(this.#triggersService!, { limit: mostTriggers })).triggers)
    this.#subjects = kept(freshMs, async () => ((await this.#registry!.request('GET', '/subjects')) as string[]).sort())
  }

  /** As the registry answers this principal, in order. */
  subjects(registry: RegistryClient): Promise<string[]> {
    if (this.#registry !== registry) this.#subjects.forget()
    this.#registry = registry
    return this.#subjects.get()
  }

  /** As the worker answers this principal, in order. */
  connectors(worker: Peer): Promise<Connector[]> {
    if (this.#worker !== worker) this.#connectors.forget()
    this.#worker = worker
    return this.#connectors.get()
  }

  /** The first of them, for what is said of all. */
  triggers(service: Peer): Promise<readonly TriggerRow[]> {
    if (this.#triggersService !== service) this.#triggers.forget()
    this.#triggersService = service
    return this.#triggers.get()
  }

  forgetConnectors(): void {
    this.#connectors.forget()
  }

  forgetTriggers(): void {
    this.#triggers.forget()
  }

  forgetSubjects(): void {
    this.#subjects.forget()
  }

  forgetGroups(): void {
    this.groups.forget()
    this.committed.forget()
  }
}

interface KeptOptions<T> {
  readonly clock: Clock
  readonly leastMs: number
  readonly sharers: () => number
  readonly load: () => Promise<T>
}

/** A value that is loaded when it is wanted and not fresh; all who want it meanwhile wait for the same load. */
class Kept<T> {
  readonly #options: KeptOptions<T>
  #loaded: { value: T; atMs: number; tookMs: number } | null = null
  #loading: Promise<T> | null = null
  /** A load that began before a change does not count after it. */
  #version = 0

  constructor(options: KeptOptions<T>) {
    this.#options = options
  }

  get(): Promise<T> {
    const { clock, leastMs, sharers } = this.#options
    const loaded = this.#loaded
    if (loaded !== null) {
      const patienceMs = Math.min((loaded.tookMs / mostShare) * sharers(), longestMs)
      if (clock.monotonic() - loaded.atMs < Math.max(leastMs, patienceMs)) return Promise.resolve(loaded.value)
    }
    this.#loading ??= this.#begin()
    return this.#loading
  }

  /** After a change by this principal. */
  forget(): void {
    this.#version++
    this.#loaded = null
    this.#loading = null
  }

  async #begin(): Promise<T> {
    const { clock, load } = this.#options
    const [version, beganMs] = [this.#version, clock.monotonic()]
    try {
      const value = await load()
      const atMs = clock.monotonic()
      if (version === this.#version) this.#loaded = { value, atMs, tookMs: atMs - beganMs }
      return value
    } finally {
      if (version === this.#version) this.#loading = null
    }
  }
}
