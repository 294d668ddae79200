import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, get, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Type } from 'typebox'
import { realSystem, type Timers } from '../base.ts'
import type { Logger } from '../logger.ts'
import { closeHttpApp, type HttpApp, type HttpSettings, listen, openHttpApp } from './app.ts'
import type { HttpError } from './errors.ts'

const plain: HttpSettings = {
  allowedHosts: ['console.example'],
  corsOrigins: [],
  mostBodyBytes: 100,
  mostConnections: 100,
  requestTimeoutMs: 60_000,
  trustedProxies: [],
  tls: null,
}

async function start(
  t: TestContext,
  changes: Partial<HttpSettings> = {},
  {
    streamsIn = false,
    unreadMs = 120_000,
    more = () => {},
  }: { streamsIn?: boolean; unreadMs?: number; more?: (app: HttpApp) => void } = {},
) {
  const lines: string[] = []
  const note = (details: object, message: string) => void lines.push(`${message} ${JSON.stringify(details)}`)
  const logger: Logger = { debug: note, info: note, warn: note, error: note }
  const errorBody = ({ status, message }: HttpError) => ({ contentType: 'application/json', body: { status, message } })
  const settings = { ...plain, ...changes }
  const app = await openHttpApp({ name: 'test', settings, system: realSystem(), logger, jsonTypes: [], errorBody, streamsIn, unreadMs })
  app.get('/', async () => ({ fine: true }))
  app.post('/', async request => ({ got: request.body }))
  app.get('/bug', async () => {
    throw new Error('a bug')
  })
  const texts = Type.Object({ name: Type.String(), more: Type.Optional(Type.String()) })
  app.get(
    '/texts/:name',
    { schema: { params: texts, querystring: Type.Object({ more: Type.Optional(Type.String()) }) } },
    async request => [request.params, request.query],
  )
  const numbers = Type.Object({ n: Type.Integer({ minimum: 1 }), flag: Type.Optional(Type.Boolean()) })
  app.get('/numbers', { schema: { querystring: numbers } }, async request => request.query)
  app.post('/numbers', { schema: { body: numbers } }, async request => request.body)
  app.post('/last', async request => String((request.body as unknown[]).at(-1)))
  const streams: ServerResponse[] = []
  app.get('/stream', (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(200).write('begun')
    streams.push(reply.raw)
  })
  app.get('/long', async () => ({ long: 'x'.repeat(2 ** 25) }))
  const waiting: string[] = []
  app.get('/waits', request => {
    waiting.push(request.id)
    return new Promise(() => {})
  })
  more(app)
  const port = await listen(app, { host: '127.0.0.1', port: 0 })
  t.after(() => app.close())
  const base = `http://127.0.0.1:${port}`
  return { app, base, port, lines, waiting, streams, ask: (path: string, init?: RequestInit) => fetch(base + path, init) }
}

/** What a server answers to bytes that no library sends. */
function raw(port: number, text: string): Promise<string> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.on('data', bytes => void (answer += bytes.toString('latin1')))
    socket.on('close', () => resolve(answer))
    socket.on('error', () => {})
  })
}

test('a request that is under way when the server is closed is answered, and keeps neither its connection nor the server', {
  timeout: 20_000,
}, async t => {
  const [begun, answering] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const { app, ask } = await start(
    t,
    {},
    {
      more: server => {
        server.get('/slow', async () => {
          begun.resolve()
          await answering.promise
          return { fine: true }
        })
      },
    },
  )
  const asked = ask('/slow')
  await begun.promise
  const closed = app.close()
  answering.resolve()
  assert.equal((await asked).status, 200)
  // It would wait for the connection to be idle for a minute and a quarter.
  await closed
})

test('every response says what a browser must not do with it', async t => {
  const { ask } = await start(t)
  for (const path of ['/', '/missing', '/bug']) {
    const { headers } = await ask(path)
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path)
    assert.equal(headers.get('x-frame-options'), 'DENY')
    assert.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'")
    assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin')
    assert.equal(headers.get('referrer-policy'), 'no-referrer')
    assert.equal(headers.get('cache-control'), 'no-store')
  }
})

test('what is no HTTP is answered in the form of the service', async t => {
  const { port } = await start(t)
  for (const [status, text] of [
    [400, 'GET nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    [400, 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n'],
    [431, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
  ] as const) {
    const answer = await raw(port, text)
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
    assert.equal(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))).status, status, answer)
  }
})

test('only names of this server are answered to', async t => {
  const { port } = await start(t)
  const statusFor = async (host: string) =>
    /^HTTP\/1\.1 (\d+)/.exec(await raw(port, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`))?.[1]
  for (const host of ['127.0.0.1', `localhost:${port}`, '[::1]:80', 'console.example', 'CONSOLE.example:443', 'a.localhost'])
    assert.equal(await statusFor(host), '200', host)
  for (const host of [
    'evil.example',
    'console.example.evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '1.2.3.4.5',
    'x@127.0.0.1',
  ])
    assert.equal(await statusFor(host), '421', host)
})

test('pages of other origins are refused unless they are allowed, and then they may read, without cookies', async t => {
  const { ask } = await start(t, { corsOrigins: ['https://app.example'] })
  const from = (origin: string, method = 'GET', more: Record<string, string> = {}) => ask('/', { method, headers: { origin, ...more } })
  const allowed = await from('https://app.example')
  assert.equal(allowed.status, 200)
  assert.equal(allowed.headers.get('access-control-allow-origin'), 'https://app.example')
  assert.equal(allowed.headers.get('access-control-allow-credentials'), null)
  const preflight = await from('https://app.example', 'OPTIONS', { 'access-control-request-method': 'POST' })
  assert.equal(preflight.status, 204)
  for (const origin of ['https://evil.example', 'http://app.example', 'https://app.example.evil.example', 'null']) {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const refused = await from(origin, method, { 'access-control-request-method': 'POST' })
      assert.equal(refused.status, 403, `${method} from ${origin}`)
      assert.notEqual(refused.headers.get('access-control-allow-origin'), origin)
    }
  }
})

test('a body that is too large, of another type or no JSON is refused, and __proto__ is data', async t => {
  const { ask } = await start(t)
  const post = (body: string, type = 'application/json') => ask('/', { method: 'POST', body, headers: { 'content-type': type } })
  assert.equal((await post(`"${'x'.repeat(100)}"`)).status, 413)
  assert.equal((await post('{}', 'text/plain')).status, 415)
  assert.equal((await post('{}', 'multipart/form-data')).status, 415)
  assert.equal((await post('{')).status, 400)
  assert.match(await (await post('{"__proto__":{"a":1}}')).text(), /"__proto__"/)
  assert.equal(({} as Record<string, unknown>)['a'], undefined)
})

test('a query is in no log, not even of an error, and a forged header is no line of its own', async t => {
  const { ask, lines, port } = await start(t)
  await ask('/?password=a-secret')
  await ask('/bug?token=a-secret')
  await raw(port, 'GET /x\x1b[31m HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  assert.ok(lines.length >= 2)
  assert.ok(!lines.some(line => line.includes('a-secret')))
  assert.ok(!lines.some(line => line.includes('\n') || line.includes('\u001b')))
})

test('requests that are too long or ambiguous end with an error, and others are served', async t => {
  const { ask, port } = await start(t)
  assert.match(await raw(port, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1\.1 431/)
  assert.match(
    await raw(port, 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    /^HTTP\/1\.1 400/,
  )
  assert.equal((await ask('/')).status, 200)
})

test('paths, queries and bodies are what their schemas say', async t => {
  const { ask } = await start(t)
  const texts = async (path: string) => (await ask(path)).json()
  assert.deepEqual(await texts('/texts/1?more=2&other=3'), [{ name: '1' }, { more: '2', other: '3' }])
  assert.deepEqual(await texts('/texts/a'), [{ name: 'a' }, {}])
  assert.equal((await ask('/texts/a?more=1&more=2')).status, 400)
  assert.deepEqual(await texts('/numbers?n=5&flag=true'), { n: 5, flag: true })
  for (const query of ['', '?n=0', '?n=x', '?n=1&flag=maybe']) assert.equal((await ask(`/numbers${query}`)).status, 400, query)
  const post = (body: string) => ask('/numbers', { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  assert.deepEqual(await (await post('{"n":1}')).json(), { n: 1 })
  for (const [body, why] of [
    ['{"n":"1"}', 'body/n must be integer'],
    ['{}', 'body/n is missing'],
    ['[]', 'body must be object'],
    ['null', 'body must be object'],
  ] as const) {
    const refused = await post(body)
    assert.equal(refused.status, 400, body)
    assert.match(await refused.text(), new RegExp(why), body)
  }
})

test('a large body is read in turns, without losing a digit, or refused', async t => {
  const { ask } = await start(t, { mostBodyBytes: 4_000_000 })
  const post = (body: string, path = '/') => ask(path, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  const numbers = `[${'12345678901234567,'.repeat(50_000)}12345678901234568]`
  assert.equal(await (await post(numbers, '/last')).text(), '12345678901234568')
  assert.deepEqual(await (await post(`{"__proto__":{"polluted":1},"a":"${'x'.repeat(50_000)}"}`)).json(), {
    got: JSON.parse(`{"__proto__":{"polluted":1},"a":"${'x'.repeat(50_000)}"}`),
  })
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  for (const body of [`[${'0,'.repeat(1_500_000)}0]`, '['.repeat(50_000), `{"a":${'9'.repeat(50_000)}}`, `${numbers}x`]) {
    const refused = await post(body)
    assert.equal(refused.status, 400)
    assert.match(await refused.text(), /The body is not valid JSON: /)
  }
})

test('an application closes soon, whatever its connections do, and answers before', async t => {
  const { app, port, base, streams } = await start(t)
  const { timers } = realSystem()
  // 2.5 s would be long for a test.
  const quick: Timers = { ...timers, after: (ms, act) => timers.after(ms / 10, act) }
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const silent = connect(port, '127.0.0.1')
  const half = connect(port, '127.0.0.1', () => half.write('GET / HTTP/1.1\r\nHost: loc'))
  const unread = connect(port, '127.0.0.1', () => unread.write('GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n'))
  for (const each of [silent, half, unread]) each.on('error', () => {})
  const [kept] = await once(get(`${base}/`, { agent }), 'response')
  kept.resume()
  await once(kept, 'end')
  const [stream] = await once(get(`${base}/stream`, { agent }), 'response')
  let text = ''
  stream.on('data', (part: Buffer) => void (text += part))
  while (streams.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
  const closing = closeHttpApp(app, quick)
  for (const each of streams) if (each.socket?.remotePort === stream.socket.localPort) each.end(' and ended')
  await once(stream, 'end')
  assert.equal(text, 'begun and ended')
  // Without a deadline this connection would stay for 75 s, and a silent one for 30 s.
  const late = new Promise(resolve => setTimeout(resolve, 15_000, 'late').unref())
  assert.equal(await Promise.race([closing.then(() => 'closed'), late]), 'closed')
})

test('a slow client is cut off', async t => {
  const { port, app } = await start(t, { requestTimeoutMs: 1_000 })
  app.server.headersTimeout = 500
  // Node looks for slow ones at this interval.
  const begun = await raw(port, 'POST / HTTP/1.1\r\nHost: localhost\r\n')
  assert.match(begun, /^HTTP\/1\.1 408/)
})

test('where requests may be streams, a body that nobody waits for ends in time all the same', async t => {
  const { port } = await start(t, { requestTimeoutMs: 500 }, { streamsIn: true })
  const begun = (path: string, header = '') =>
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${header}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`
  assert.match(await raw(port, begun('/')), /^HTTP\/1\.1 408/)
  assert.match(await raw(port, begun('/missing')), /^HTTP\/1\.1 408/)
  // Refused before its body has come: the connection does not stay for it.
  assert.match(await raw(port, begun('/', 'Origin: https://evil.example\r\n')), /^HTTP\/1\.1 403/)
})

test('requests one after another on one connection are answered, but not without end while none is', async t => {
  const { ask, port, waiting } = await start(t)
  const last = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
  const some = await raw(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(50) + last)
  assert.equal(some.match(/HTTP\/1\.1 200/g)?.length, 51)
  assert.equal(await raw(port, 'GET /waits HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(5_000)), '')
  assert.ok(waiting.length <= 100, `${waiting.length} requests`)
  assert.equal((await ask('/')).status, 200)
})

test('a connection of which nothing is read closes', async t => {
  const { app, port } = await start(t, {}, { unreadMs: 300 })
  const closed = new Promise(resolve => app.server.once('connection', socket => socket.once('close', resolve)))
  const reader = connect(port, '127.0.0.1', () => reader.write('GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n'))
  t.after(() => reader.destroy())
  await closed
})

test('another method of a path that is there is 405, and says which ones there are', async t => {
  const more = (app: HttpApp) => {
    app.put('/numbers/:n', async () => 'put')
    app.get('/numbers/all', async () => 'all')
    app.get('/records::batch', async () => 'batch')
  }
  const { ask } = await start(t, {}, { more })
  for (const [method, path, allowed] of [
    ['DELETE', '/numbers', 'GET, HEAD, POST'],
    ['POST', '/texts/x', 'GET, HEAD'],
    ['POST', '/texts/x/', 'GET, HEAD'],
    ['POST', '/records:batch', 'GET, HEAD'],
    ['GET', '/numbers/1', 'PUT'],
  ] as const) {
    const answer = await ask(path, { method })
    const { message } = (await answer.json()) as { message: string }
    const found = [answer.status, message, answer.headers.get('allow')]
    assert.deepEqual(found, [405, 'HTTP 405 Method Not Allowed', allowed], `${method} ${path}`)
  }
  assert.equal((await ask('/numbers/all', { method: 'PUT' })).status, 200, 'the placeholder takes it')
  assert.equal((await ask('/nowhere', { method: 'DELETE' })).status, 404)
})
