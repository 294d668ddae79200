/** The transport against a server of Node: whole answers, broken ones, time-outs, kept connections. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { realSystem } from '../../base.ts'
import { nodeTransport } from './node-transport.ts'
import { ObjectError } from './object-error.ts'
import type { HttpRequest, Transport } from './transport.ts'

let server: Server
let transport: Transport
let connections = 0
let answer: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void

before(async () => {
  server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', piece => pieces.push(piece))
    request.on('end', () => answer(request, response, Buffer.concat(pieces)))
  })
  server.on('connection', () => connections++)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  transport = nodeTransport(realSystem().timers, 4)
})
after(() => {
  transport.close()
  server.closeAllConnections()
  server.close()
})

function send(more: Partial<HttpRequest> = {}) {
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return transport.send({ method: 'GET', origin, path: '/x?y=z', headers: {}, body: [], timeoutMs: 5_000, mostBytes: 1_000_000, ...more })
}

const code = (expected: string, retriable: boolean) => (error: unknown) =>
  error instanceof ObjectError && error.code === expected && error.retriable === retriable

test('content goes out whole and in order, an answer comes back whole, connections are kept', async () => {
  answer = (request, response, body) => {
    response.setHeader('x-seen', `${request.method} ${request.url} ${request.headers['content-length']}`)
    response.end(body)
  }
  const pieces = Array.from({ length: 50 }, (_, index) => Buffer.alloc(10_000, index))
  connections = 0
  for (let round = 0; round < 5; round++) {
    const { status, headers, body } = await send({ method: 'PUT', body: pieces })
    assert.deepEqual([status, headers['x-seen']], [200, 'PUT /x?y=z 500000'])
    assert.ok(body.equals(Buffer.concat(pieces)))
  }
  assert.equal(connections, 1)
})

test('an empty PUT has a length, an answer without a length is read to its end', async () => {
  answer = (request, response) => {
    response.write('in ')
    response.end(`pieces ${request.headers['content-length']}`)
  }
  assert.equal(String((await send({ method: 'PUT' })).body), 'in pieces 0')
})

test('an answer that breaks off, and a connection that is reset, may be tried again', async () => {
  answer = (_, response) => {
    response.writeHead(200, { 'content-length': '1000' })
    response.write(Buffer.alloc(500))
    setTimeout(() => response.destroy(), 20)
  }
  await assert.rejects(send(), code('Unreachable', true))
  answer = request => request.socket.resetAndDestroy()
  await assert.rejects(send(), code('Unreachable', true))
})

test('an answer that is longer than allowed is not read', async () => {
  answer = (_, response) => response.end(Buffer.alloc(1001))
  await assert.rejects(send({ mostBytes: 1000 }), code('BadAnswer', false))
  answer = (_, response) => {
    response.write(Buffer.alloc(600))
    response.end(Buffer.alloc(600))
  }
  await assert.rejects(send({ mostBytes: 1000 }), code('BadAnswer', false))
})

test('a server that says nothing is given up', async () => {
  answer = () => {}
  await assert.rejects(send({ timeoutMs: 50 }), code('Timeout', true))
})

test('nobody listens', async () => {
  await assert.rejects(send({ origin: 'http://127.0.0.1:1' }), code('Unreachable', true))
})
