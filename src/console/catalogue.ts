/**
 * What lists show, kept for a few seconds for each principal: a page of 10,000 topics, its sorting and its search cost no request to the broker while
 * they are fresh, and one of each kind when they are not, however many people look.
 */
import type { System } from '../base.ts'
import type { Client, GroupListing, TopicState } from '../client.ts'

const freshMs = 3_000
/** Sizes need every broker's log directories. */
const sizesFreshMs = 15_000
const mostCatalogues = 64

type Clock = System['clock']

export class Catalogues {
  readonly #clock: Clock
  /** In the order of use, the oldest first. */
  readonly #byIdentity = new Map<string, { client: Client; catalogue: Catalogue }>()

  constructor({ clock }: Pick<System, 'clock'>) {
    this.#clock = clock
  }

  /** `key`: of the identity. A login that was renewed has another client. */
  of(key: string, client: Client): Catalogue {
    const known = this.#byIdentity.get(key)
    const entry = known?.client === client ? known : { client, catalogue: new Catalogue(client, this.#clock) }
    this.#byIdentity.delete(key)
    this.#byIdentity.set(key, entry)
    if (this.#byIdentity.size > mostCatalogues) this.#byIdentity.delete(this.#byIdentity.keys().next().value!)
    return entry.catalogue
  }
}

export class Catalogue {
  readonly topics: Kept<TopicState[]>
  /** By topic. */
  readonly sizes: Kept<Map<string, bigint>>
  readonly groups: Kept<GroupListing[]>

  constructor(client: Client, clock: Clock) {
    this.topics = new Kept(clock, freshMs, () => client.topicStates())
    this.sizes = new Kept(clock, sizesFreshMs, () => client.topicSizes())
    this.groups = new Kept(clock, freshMs, () => client.groups())
  }
}

/** A value that is loaded when it is wanted and not fresh; all who want it meanwhile wait for the same load. */
class Kept<T> {
  readonly #clock: Clock
  readonly #freshMs: number
  readonly #load: () => Promise<T>
  #loaded: { value: T; atMs: number } | null = null
  #loading: Promise<T> | null = null
  /** A load that began before a change does not count after it. */
  #version = 0

  constructor(clock: Clock, fresh: number, load: () => Promise<T>) {
    this.#clock = clock
    this.#freshMs = fresh
    this.#load = load
  }

  get(): Promise<T> {
    const loaded = this.#loaded
    if (loaded !== null && this.#clock.monotonic() - loaded.atMs < this.#freshMs) return Promise.resolve(loaded.value)
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
    const version = this.#version
    try {
      const value = await this.#load()
      if (version === this.#version) this.#loaded = { value, atMs: this.#clock.monotonic() }
      return value
    } finally {
      if (version === this.#version) this.#loading = null
    }
  }
}
