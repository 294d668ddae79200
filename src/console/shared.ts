/** What all requests to the console share, and what is closed with it. */
import { Turns } from '../base.ts'
import type { Client } from '../client.ts'
import { openRegistryClient, type RegistryClient } from '../serde.ts'
import type { ServiceContext } from '../service.ts'
import type { Identity } from '../sessions.ts'
import { type Catalogue, Catalogues } from './catalogue.ts'
import { History } from './history/history.ts'
import { SearchThreads } from './messages/threads.ts'
import { SavedFilters } from './saved-filters.ts'
import { Streams } from './streams.ts'

const mostRegistries = 64

export class Shared {
  readonly context: ServiceContext
  readonly streams: Streams
  /** Of what people send, long texts are read in slices. */
  readonly turns: Turns
  readonly threads: SearchThreads
  readonly savedFilters: SavedFilters
  readonly history: History
  readonly #catalogues: Catalogues
  /** By identity, because the registry decides for itself what somebody may see. In the order of use. */
  readonly #registries = new Map<string, { client: RegistryClient; url: string; authorization: string | undefined }>()

  constructor(context: ServiceContext) {
    this.context = context
    this.streams = new Streams(context.system)
    this.turns = new Turns(context.system)
    this.threads = new SearchThreads(context.system)
    this.savedFilters = new SavedFilters(context)
    this.history = new History({ client: context.own, metricsUrl: context.settings.metricsUrl, system: context.system })
    this.#catalogues = new Catalogues(context.system)
  }

  catalogueOf({ key }: Identity, client: Client): Catalogue {
    return this.#catalogues.of(key, client)
  }

  /** With the credentials of the caller; null: there is none. */
  registryOf({ key }: Identity, authorization: string | undefined): RegistryClient | null {
    const { system, registryFor } = this.context
    const reached = registryFor(authorization)
    if (reached === null) return null
    const known = this.#registries.get(key)
    this.#registries.delete(key)
    const isSame = known !== undefined && known.url === reached.url && known.authorization === reached.authorization
    if (!isSame) known?.client.close()
    const entry = isSame ? known : { client: openRegistryClient({ ...reached, system }), ...reached }
    this.#registries.set(key, entry)
    const [oldest, { client }] = this.#registries.entries().next().value!
    if (this.#registries.size > mostRegistries) {
      this.#registries.delete(oldest)
      client.close()
    }
    return entry.client
  }

  async close(): Promise<void> {
    this.history.close()
    await this.streams.close()
    for (const { client } of this.#registries.values()) client.close()
    await Promise.all([this.threads.close(), this.savedFilters.close()])
  }
}
