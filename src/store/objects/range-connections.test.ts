/** Ranged GETs against servers of Node, and against one that answers with any bytes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { realSystem } from '../../base.ts'
import { ObjectError } from './object-error.ts'
import { RangeConnections } from './range-connections.ts'
import type { HttpRequest } from './transport.ts'

const code =
  (expected: string, retriable = true) =>
  (error: unknown) =>
    error instanceof ObjectError && error.code === expected && error.retriable === retriable

async function listening(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => void sockets.add(socket))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

function sender(t: TestContext, origin: string) {
  const ranges = new RangeConnections(realSystem().timers)
  t.after(() => ranges.close())
  const send = (more: Partial<HttpRequest> = {}) =>
    ranges.send({
      method: 'GET',
      origin,
      path: '/b/x',
      headers: { range: 'bytes=0-9' },
      body: [],
      timeoutMs: 5_000,
      mostBytes: 4 << 20,
      ...more,
    })
  return { ranges, send }
}

/** A server that hands each request, as text, to `answer`. */
async function scripted(t: TestContext, answer: (socket: Socket, request: string, nth: number) => void) {
  let connections = 0
  let requests = 0
  const server = createServer(socket => {
    connections++
    socket.on('error', () => {})
    socket.on('data', bytes => answer(socket, String(bytes), ++requests))
  })
  const port = await listening(t, server)
  return { ...sender(t, `http://127.0.0.1:${port}`), port, connections: () => connections }
}

const ok = (content: string) => `HTTP/1.1 206 OK\r\ncontent-length: ${content.length}\r\n\r\n${content}`

for (const isTls of [false, true])
  test(`large content comes whole, ${isTls ? 'over TLS' : 'in the clear'}, and connections are kept`, async t => {
    const pem = readFileSync(new URL('../../../test/security/fixtures/broker.pem', import.meta.url))
    const content = randomBytes(3 << 20)
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range!)!
      const part = content.subarray(Number(from), Number(to) + 1)
      response.writeHead(206, { 'content-length': part.length })
      response.end(part)
    }
    const server = isTls ? createHttps({ key: pem, cert: pem }, answer) : createHttp(answer)
    let connections = 0
    server.on(isTls ? 'secureConnection' : 'connection', () => connections++)
    const port = await listening(t, server)
    const { send } = sender(t, isTls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`)
    if (isTls) {
      await assert.rejects(send(), code('Unreachable'), 'nobody vouches for this server')
      const before = getCACertificates('default')
      setDefaultCACertificates([...before, readFileSync(new URL('../../../test/security/fixtures/ca.pem', import.meta.url), 'utf8')])
      t.after(() => setDefaultCACertificates(before))
    }
    const reader = async (from: number) => {
      for (let at = from; at < content.length; at += 3 * 500_000) {
        const end = Math.min(at + 500_000, content.length)
        const { status, body } = await send({ headers: { range: `bytes=${at}-${end - 1}` } })
        assert.equal(status, 206)
        assert.ok(body.equals(content.subarray(at, end)))
      }
    }
    await Promise.all([reader(0), reader(500_000), reader(1_000_000)])
    assert.ok(connections <= 3, `${connections} connections`)
  })

test('the request has what was given, a host, and nothing that ends a header', async t => {
  const seen: string[] = []
  const { send, port, connections } = await scripted(t, (socket, request) => {
    seen.push(request)
    socket.write(ok('x'))
  })
  await send()
  assert.deepEqual(seen, [`GET /b/x HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nrange: bytes=0-9\r\n\r\n`])
  const injected = send({ headers: { range: 'bytes=0-9', authorization: 'secret\r\nx: y' } })
  await assert.rejects(injected, (error: ObjectError) => !error.retriable && !error.message.includes('secret'))
  await assert.rejects(send({ path: '/b/x y' }), code('BadRequest', false))
  assert.equal(connections(), 1)
})

test('an answer that breaks off, none at all, and no server: may be tried again', async t => {
  const { send, connections } = await scripted(t, (socket, _, nth) => {
    if (nth === 1) socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')
    else if (nth === 2) socket.destroy()
    else if (nth === 3) socket.resetAndDestroy()
    else if (nth === 4) socket.end('HTTP/1.1 200 OK\r\ncontent-')
    else if (nth === 5) socket.write('SSH-2.0\r\n\r\n')
    else socket.write(ok('fine'))
  })
  for (let nth = 1; nth <= 4; nth++) await assert.rejects(send(), code('Unreachable'))
  await assert.rejects(send(), code('BadAnswer', false))
  for (let nth = 0; nth < 3; nth++) assert.equal(String((await send()).body), 'fine')
  assert.equal(connections(), 6)
  await assert.rejects(send({ origin: 'http://127.0.0.1:1' }), code('Unreachable'))
})

test('a server that says nothing, or not all, is given up; its late answer is nobody else’s', async t => {
  const { send } = await scripted(t, (socket, _, nth) => {
    if (nth === 1) setTimeout(() => socket.write(ok('late')), 100)
    else if (nth === 2) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')
    else socket.write(ok(`number ${nth}`))
  })
  await assert.rejects(send({ timeoutMs: 50 }), code('Timeout'))
  await assert.rejects(send({ timeoutMs: 50 }), code('Timeout'))
  await new Promise(resolve => setTimeout(resolve, 100))
  assert.equal(String((await send()).body), 'number 3')
})

test('a kept connection that the server closed, or on which it says more, is not used again', async t => {
  const { send, connections } = await scripted(t, (socket, _, nth) => {
    if (nth === 1) socket.end(ok('last'))
    else if (nth === 2) {
      socket.write(ok('and'))
      setTimeout(() => socket.write(ok('unasked')), 20)
    } else if (nth === 3) socket.write(`${ok('more')}than it said`)
    else socket.write(ok(`number ${nth}`))
  })
  for (const expected of ['last', 'and', 'more', 'number 4', 'number 5']) {
    assert.equal(String((await send()).body), expected)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  assert.equal(connections(), 4)
})

test('closing refuses what is under way', async t => {
  const { ranges, send } = await scripted(t, () => {})
  const refused = assert.rejects(send(), code('Unreachable'))
  await new Promise(resolve => setTimeout(resolve, 20))
  ranges.close()
  await refused
})
