/** Several servers that do the same: the next one is asked when one does not answer, or cannot answer now. */
import type { Clock } from '../../base.ts'
import { RetriableError } from '../../connector.ts'
import { type HttpAnswer, type HttpClient, type HttpRequest, isPassing, passingError } from './http-client.ts'

export class HttpServers {
  readonly #client: HttpClient
  readonly #clock: Clock
  readonly #urls: readonly string[]
  #current = 0

  constructor(client: HttpClient, clock: Clock, urls: readonly string[]) {
    this.#client = client
    this.#clock = clock
    this.#urls = urls
  }

  /** `path`: below the URL of the server, encoded. `what`: for errors. Throws RetriableError: the next call goes to the next server. */
  async send(path: string, request: Omit<HttpRequest, 'url'>, what?: string): Promise<HttpAnswer> {
    const url = below(this.#urls[this.#current % this.#urls.length]!, path)
    try {
      const answer = await this.#client.send({ ...request, url })
      if (isPassing(answer.status)) throw passingError(what ?? `${request.method} ${url.pathname}`, answer, this.#clock.now())
      return answer
    } catch (error) {
      if (error instanceof RetriableError) this.#current++
      throw error
    }
  }
}

/** A base URL may have a path itself. */
function below(base: string, path: string): URL {
  return new URL(`${base.replace(/\/+$/, '')}/${path}`)
}
