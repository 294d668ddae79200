/** What every route of the proxy is given: the application, and who asks. */
import type { FastifyRequest } from 'fastify'
import { later, type MaybePromise, type System, Turns } from '../base.ts'
import type { Client, Cluster } from '../client.ts'
import type { HttpApp } from '../http.ts'
import type { Logger } from '../logger.ts'
import { openRegistryClient } from '../serde.ts'
import type { RegistryReached, RestSettings } from '../service.ts'
import type { Identity, Sessions } from '../sessions.ts'
import { notFound } from './errors.ts'
import { Links } from './links.ts'
import { Readers } from './readers.ts'
import { Budget } from './records/budget.ts'
import { Schemas } from './records/schemas.ts'
import { Unread } from './unread.ts'

export interface RestOptions {
  readonly app: HttpApp
  readonly sessions: Sessions
  readonly registryFor: (authorization: string | undefined) => RegistryReached | null
  readonly system: System
  readonly logger: Logger
  readonly settings: RestSettings
  readonly mostBodyBytes: number
}

/** Answers are larger than what is on its way to Kafka: a single one of v2 may have 64 MiB. */
const unreadOfInFlight = 8

/** Any request, whatever its schemas. */
export type Asking = Pick<FastifyRequest, 'protocol' | 'host' | 'raw'>

export class Rest {
  readonly app: HttpApp
  readonly system: System
  readonly turns: Turns
  readonly logger: Logger
  readonly settings: RestSettings
  /** Of one request, or of one record of a stream. */
  readonly mostBodyBytes: number
  readonly budget: Budget
  readonly readers: Readers
  readonly unread: Unread
  readonly #stop = new AbortController()
  readonly #sessions: Sessions
  readonly #identities = new WeakMap<object, Identity>()
  /** As long as the client: both have the credentials of one caller. */
  readonly #schemas = new WeakMap<Client, Schemas>()
  readonly #registryFor: RestOptions['registryFor']
  #clusterId: string | null = null

  constructor({ app, sessions, registryFor, system, logger, settings, mostBodyBytes }: RestOptions) {
    this.app = app
    this.system = system
    this.logger = logger
    this.settings = settings
    this.mostBodyBytes = mostBodyBytes
    this.budget = new Budget(settings.mostInFlightBytes)
    this.readers = new Readers(settings.mostInstances)
    this.unread = new Unread(unreadOfInFlight * settings.mostInFlightBytes)
    this.turns = new Turns(system)
    this.#sessions = sessions
    this.#registryFor = registryFor
  }

  /** Aborted when the proxy closes: streams end. */
  get stopping(): AbortSignal {
    return this.#stop.signal
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Must have come to its end before the handler of the request runs. Throws Unauthorized. */
  identify(request: Asking, authorization: string | undefined, address: string): MaybePromise<void> {
    return later(this.#sessions.identify(authorization, address), identity => void this.#identities.set(request.raw, identity))
  }

  identity({ raw }: Asking): Identity {
    return this.#identities.get(raw)!
  }

  /** undefined: the request was refused before that was known. */
  knownIdentity({ raw }: Asking): Identity | undefined {
    return this.#identities.get(raw)
  }

  /** As long as something goes on for the caller without requests. Returns what ends that. */
  hold(request: Asking): () => void {
    return this.#sessions.hold(this.identity(request))
  }

  client(request: Asking): Client {
    return this.#sessions.clientOf(this.identity(request))
  }

  /** null: there is no schema registry. */
  schemas(request: Asking): Schemas | null {
    const client = this.client(request)
    const known = this.#schemas.get(client)
    if (known !== undefined) return known
    const reached = this.#registryFor(request.raw.headers.authorization)
    if (reached === null) return null
    const made = new Schemas(openRegistryClient({ ...reached, system: this.system }), this.system.clock, this.mostBodyBytes)
    this.#schemas.set(client, made)
    return made
  }

  /** For what is in the cluster of this id; throws 404 if it is another one. */
  async links(request: Asking, clusterId: string): Promise<Links> {
    this.#clusterId ??= (await this.client(request).cluster()).id
    if (clusterId !== this.#clusterId) throw noCluster(clusterId)
    return new Links(request, clusterId)
  }

  async cluster(request: Asking, clusterId?: string): Promise<{ cluster: Cluster; links: Links }> {
    const cluster = await this.client(request).cluster()
    if (clusterId !== undefined && clusterId !== cluster.id) throw noCluster(clusterId)
    return { cluster, links: new Links(request, cluster.id) }
  }
}

function noCluster(id: string) {
  return notFound(`Cluster ${id} cannot be found.`)
}
