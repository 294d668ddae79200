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

export interface Stub extends AsyncDisposable {
  url: string
  /** Paths with method, in order. */
  asked: string[]
  /** Of the newest request. */
  authorization: string | undefined
}

export async function startRegistryStub(schemas: readonly StubSchema[]): Promise<Stub> {
  const stub: Stub = { url: '', asked: [], authorization: undefined, [Symbol.asyncDispose]: close }
  const server = createServer((request, response) => {
    stub.asked.push(`${request.method} ${request.url}`)
    stub.authorization = request.headers.authorization
    const found = find(schemas, decodeURIComponent(request.url!.split('?', 1)[0]!))
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
    response.end(JSON.stringify(found ?? { error_code: 40_403, message: 'Schema not found' }))
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
  const [, id] = /^\/schemas\/ids\/(\d+)$/.exec(path) ?? []
  const [, guid] = /^\/schemas\/guids\/(.+)$/.exec(path) ?? []
  if (id !== undefined || guid !== undefined) {
    const found = schemas.find(each => (id === undefined ? each.guid === guid : each.id === Number(id)))
    if (found === undefined) return undefined
    const { schema, schemaType, references } = found
    return { schema, ...(schemaType === 'AVRO' ? {} : { schemaType }), references }
  }
  const [, subject, version] = /^\/subjects\/(.+)\/versions\/(\w+)$/.exec(path) ?? []
  const versions = schemas.filter(each => each.subject === subject)
  return version === 'latest' ? versions.at(-1) : versions.find(each => each.version === Number(version))
}
