/** Confluent's links between resources: absolute URLs, as this client sees the server, and resource names. */
import type { FastifyRequest } from 'fastify'

/** `http://127.0.0.1:8082` */
export function baseUrl({ protocol, host }: Pick<FastifyRequest, 'protocol' | 'host'>): string {
  return `${protocol}://${host}`
}

export class Links {
  readonly #root: string
  readonly #cluster: string

  constructor(request: Pick<FastifyRequest, 'protocol' | 'host'>, cluster: string) {
    this.#root = `${baseUrl(request)}/v3/clusters`
    this.#cluster = cluster
  }

  get clusters(): string {
    return this.#root
  }

  /** Of something in the cluster. */
  url(...path: readonly (string | number)[]): string {
    return [this.#root, ...[this.#cluster, ...path].map(encodeURIComponent)].join('/')
  }

  to(...path: readonly (string | number)[]): { related: string } {
    return { related: this.url(...path) }
  }

  /** `names`: `topic=orders`; the last may have no name. */
  metadata(path: readonly (string | number)[], names: readonly string[]): { self: string; resource_name: string } {
    return { self: this.url(...path), resource_name: [`crn:///kafka=${this.#cluster}`, ...names].join('/') }
  }

  list<Data>(kind: string, path: readonly (string | number)[], data: Data[]) {
    return { kind: `${kind}List`, metadata: { self: this.url(...path), next: null }, data }
  }
}
