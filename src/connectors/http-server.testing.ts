/** A server in tests that remembers what it is asked, and answers what the test wants. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { requestBody } from './request-body.testing.ts'

export interface Asked {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface Answered {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

/** null: the connection is broken instead. It ends with the test. */
export async function startServer(
  test: TestContext,
  answer: (asked: Asked) => Answered | null | Promise<Answered | null>,
): Promise<{ readonly url: string; readonly asked: Asked[] }> {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const one = { method: request.method!, path: request.url!, headers: request.headers, body: await requestBody(request) }
    asked.push(one)
    const answered = await answer(one)
    if (answered === null) response.destroy()
    else response.writeHead(answered.status, { ...answered.headers }).end(answered.body)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  test.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
