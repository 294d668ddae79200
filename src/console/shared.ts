/** What all requests to the console share, and what is closed with it. */
import { Turns } from '../base.ts'
import type { Client } from '../client.ts'
import { openRegistryClient, type RegistryClient } from '../serde.ts'
import type { ServiceContext } from '../service.ts'
import { basicLogin, type Identity } from '../sessions.ts'
import { type Catalogue, Catalogues } from './catalogue.ts'
import { History } from './history/history.ts'
import { SearchThreads } from './messages/threads.ts'
import { guarded, openPeer, type Peer } from './peers.ts'
import { PerIdentity } from './per-identity.ts'
import { SavedFilters } from './saved-filters.ts'
import { Streams } from './streams.ts'

/** The services themselves; no key of a person is like this. */
const ofServices: Identity = { principal: 'User:millrace-services', key: 'services' }

export class Shared {
  readonly context: ServiceContext
  readonly streams: Streams
  /** Of what people send, long texts are read in slices. */
  readonly turns: Turns
  readonly threads: SearchThreads
  readonly savedFilters: SavedFilters
  readonly history: History
  readonly #catalogues: Catalogues
  readonly #registries: PerIdentity<RegistryClient>
  readonly #workers: PerIdentity<Peer>
  readonly #triggers: PerIdentity<Peer>

  constructor(context: ServiceContext) {
    this.context = context
    this.streams = new Streams(context.system)
    this.turns = new Turns(context.system)
    this.threads = new SearchThreads(context.system)
    this.savedFilters = new SavedFilters(context)
    this.#catalogues = new Catalogues(context.system)
    const { system, own, settings } = context
    this.#registries = new PerIdentity(reached => openRegistryClient({ ...reached, system }))
    this.#workers = new PerIdentity(({ rightsOf, ...reached }) => {
      const worker = openPeer(reached, 'the worker of Kafka Connect', system)
      return rightsOf === undefined ? worker : guarded(worker, rightsOf)
    })
    this.#triggers = new PerIdentity(reached => openPeer(reached, 'the triggers service', system))
    const authorization = basicLogin(settings.ownProperties)
    const triggers = () => this.#triggers.of(ofServices, context.triggersFor(authorization))
    this.history = new History({ client: own, metricsUrl: settings.metricsUrl, triggers, system })
  }

  catalogueOf({ key }: Identity, client: Client): Catalogue {
    return this.#catalogues.of(key, client)
  }

  /** With the credentials of the caller, here and below; null: there is none. */
  registryOf(identity: Identity, authorization: string | undefined): RegistryClient | null {
    return this.#registries.of(identity, this.context.registryFor(authorization))
  }

  workerOf(identity: Identity, authorization: string | undefined, client: Client): Peer | null {
    const reached = this.context.connectFor(authorization)
    if (reached === null) return null
    const knowsPerson = reached.isOwn || !this.context.sessions.needsLogin
    return this.#workers.of(identity, { ...reached, rightsOf: knowsPerson ? undefined : client })
  }

  triggersOf(identity: Identity, authorization: string | undefined): Peer | null {
    return this.#triggers.of(identity, this.context.triggersFor(authorization))
  }

  async close(): Promise<void> {
    this.history.close()
    await this.streams.close()
    for (const clients of [this.#registries, this.#workers, this.#triggers]) clients.close()
    await Promise.all([this.threads.close(), this.savedFilters.close()])
  }
}
