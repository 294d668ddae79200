/** What the small servers of tests have in common: they remember what they are asked, and go wrong where a test wants it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { requestBody } from './request-body.testing.ts'

/** Those that every server has: the connection is broken, no answer comes, or the answer is of somebody else. */
type Spoiling = 'reset' | 'silence' | 'garbage'

export abstract class FaultyServer<Fault> {
  readonly log: string[] = []
  /** For the next requests that match. */
  readonly faults: { on: RegExp; fault: Fault; left: number }[] = []
  readonly #server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => void this.#receive(request, response))

  static async start<T extends FaultyServer<unknown>>(this: new () => T): Promise<T> {
    const fake = new this()
    await fake.#listen()
    return fake
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  protected abstract answer(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void>

  /** The fault for this request, which is noted in the log. */
  protected faultOf(what: string): Fault | null {
    this.log.push(what)
    const found = this.faults.find(each => each.left > 0 && each.on.test(what))
    if (found === undefined) return null
    found.left--
    return found.fault
  }

  async #listen(): Promise<void> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.answer(request, await requestBody(request), response)
  }
}

/** Whether the fault was one that every server has: then it has been done. */
export function isSpoilt(fault: unknown, response: ServerResponse): fault is Spoiling {
  if (fault === 'reset') response.req.socket.destroy()
  else if (fault === 'garbage') response.writeHead(200, { 'content-type': 'text/html' }).end('<html>hello')
  return fault === 'reset' || fault === 'silence' || fault === 'garbage'
}
