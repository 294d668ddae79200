/** A schema registry of a few lines, for tests: registers everything. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Entry {
  readonly id: number
  readonly subject: string
  readonly version: number
  readonly schema: string
  readonly schemaType: string
}

export interface TestRegistry extends AsyncDisposable {
  readonly url: string
  readonly entries: Entry[]
  /** Method and path of each request. */
  readonly requests: string[]
  /** Answers with this status from now on; 0: as usual. */
  fail(status: number): void
}

export async function startTestRegistry(): Promise<TestRegistry> {
  const entries: Entry[] = []
  const requests: string[] = []
  let status = 0
  const server = createServer(async (request, response) => {
    const body: Buffer[] = []
    for await (const piece of request as AsyncIterable<Buffer>) body.push(piece)
    requests.push(`${request.method} ${request.url}`)
    const answer = (code: number, json: unknown) => {
      response.writeHead(code, { 'content-type': 'application/json' })
      response.end(JSON.stringify(json))
    }
    if (status !== 0) return answer(status, { error_code: status * 100, message: 'as told' })
    const path = decodeURIComponent(request.url!.split('?')[0]!)
    const [, subject, registers] = /^\/subjects\/([^/]+)(\/versions)?$/.exec(path) ?? []
    if (request.method === 'POST' && subject !== undefined) {
      const { schema, schemaType = 'AVRO' } = JSON.parse(Buffer.concat(body).toString())
      let entry = entries.find(each => each.subject === subject && each.schema === schema)
      if (entry === undefined) {
        if (registers === undefined) return answer(404, { error_code: 40_403, message: 'Schema not found' })
        entry = {
          id: entries.length + 1,
          subject,
          version: entries.filter(each => each.subject === subject).length + 1,
          schema,
          schemaType,
        }
        entries.push(entry)
      }
      return answer(200, { id: entry.id })
    }
    const [, id, versions] = /^\/schemas\/ids\/(\d+)(\/versions)?$/.exec(path) ?? []
    const found = entries.find(each => each.id === Number(id))
    if (found === undefined) return answer(404, { error_code: 40_403, message: 'Schema not found' })
    answer(
      200,
      versions === undefined
        ? { schema: found.schema, schemaType: found.schemaType }
        : [{ subject: found.subject, version: found.version }],
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    entries,
    requests,
    fail(code) {
      status = code
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
