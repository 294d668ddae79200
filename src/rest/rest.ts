/** What every route of the proxy is given: the application, and who asks. */
import type { FastifyRequest } from 'fastify'
import type { System } from '../base.ts'
import type { Client, Cluster } from '../client.ts'
import type { HttpApp } from '../http.ts'
import type { Logger } from '../logger.ts'
import type { Identity, Sessions } from '../sessions.ts'
import { notFound } from './errors.ts'
import { Links } from './links.ts'

export interface RestOptions {
  readonly app: HttpApp
  readonly sessions: Sessions
  readonly system: System
  readonly logger: Logger
}

/** Any request, whatever its schemas. */
export type Asking = Pick<FastifyRequest, 'protocol' | 'host' | 'raw'>

export class Rest {
  readonly app: HttpApp
  readonly system: System
  readonly logger: Logger
  readonly #sessions: Sessions
  readonly #identities = new WeakMap<object, Identity>()
  #clusterId: string | null = null

  constructor({ app, sessions, system, logger }: RestOptions) {
    this.app = app
    this.system = system
    this.logger = logger
    this.#sessions = sessions
  }

  /** Must have resolved before the handler of the request runs. Throws Unauthorized. */
  async identify(request: Asking, authorization: string | undefined): Promise<void> {
    this.#identities.set(request.raw, await this.#sessions.identify(authorization))
  }

  identity({ raw }: Asking): Identity {
    return this.#identities.get(raw)!
  }

  client(request: Asking): Client {
    return this.#sessions.clientOf(this.identity(request))
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
