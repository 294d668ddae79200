/** A schema registry in a few lines: what clients of Confluent's API ask for, from a table. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface StubSchema {
  id: number
  subject: string
  version: number
  schemaType?: 'AVRO' | 'JSON' | 'PROTOBUF'
  schema: string
  references?: { name: string; subject: string; version: number }[]
  guid?: string
}

/** Of requests that the table has no answer for: by `POST /subjects/s/versions`. */
export type Answers = Record<string, { status: number; body: unknown }>

export interface Stub extends AsyncDisposable {
  /** Of the newest request. */
  body: string
  url: string
  /** Paths with method, in order. */
  asked: string[]
  /** Of the newest request. */
  authorization: string | undefined
}

export async function startRegistryStub(schemas: readonly StubSchema[], answers: Answers = {}): Promise<Stub> {
  const stub: Stub = { url: '', asked: [], body: '', authorization: undefined, [Symbol.asyncDispose]: close }
  const server = createServer(async (request, response) => {
    stub.asked.push(`${request.method} ${request.url}`)
    stub.authorization = request.headers.authorization
    stub.body = ''
    for await (const piece of request) stub.body += piece
    const path = decodeURIComponent(request.url!.split('?', 1)[0]!)
    const found = request.method === 'GET' ? find(schemas, path) : undefined
    const missing = { status: 404, body: { error_code: 40_403, message: 'Schema not found' } }
    const { status, body } = found === undefined ? (answers[`${request.method} ${request.url}`] ?? missing) : { status: 200, body: found }
    response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
    response.end(JSON.stringify(body))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  stub.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  async function close() {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
  return stub
}

function find(schemas: readonly StubSchema[], path: string): object | undefined {
  if (path === '/schemas') return schemas.map(each => ({ schemaType: 'AVRO', ...each }))
  const [, id] = /^\/schemas\/ids\/(\d+)$/.exec(path) ?? []
  const [, guid] = /^\/schemas\/guids\/(.+)$/.exec(path) ?? []
  if (id !== undefined || guid !== undefined) {
    const found = schemas.find(each => (id === undefined ? each.guid === guid : each.id === Number(id)))
    if (found === undefined) return undefined
    const { schema, schemaType, references } = found
    return { schema, ...(schemaType === 'AVRO' ? {} : { schemaType }), references }
  }
  const [, subject, version] = /^\/subjects\/(.+)\/versions(?:\/(\w+))?$/.exec(path) ?? []
  const versions = schemas.filter(each => each.subject === subject)
  if (version === undefined) return versions.length === 0 ? undefined : versions.map(each => each.version)
  return version === 'latest' ? versions.at(-1) : versions.find(each => each.version === Number(version))
}
