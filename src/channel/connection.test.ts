import assert from 'node:assert/strict'
import { createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { realSystem } from '../base.ts'
import { type Api, apis, decodeRequestHeader, encodeResponse } from '../protocol.ts'
import { type BrokerConnection, type ConnectionOptions, openConnection } from './connection.ts'
import { toClientError } from './errors.ts'

interface Heard {
  readonly key: number
  readonly version: number
  readonly correlationId: number
}

const all: readonly Api[] = Object.values(apis)

const options: ConnectionOptions = {
  ...{ clientId: 'test', security: {}, connectTimeoutMs: 2_000, requestTimeoutMs: 2_000, mostInFlight: 2, keepsProcess: true },
  system: realSystem(),
}

async function listening(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as { port: number }).port
}

/** A broker that does with each request what the test says; its port. */
async function broker(t: TestContext, hear: (request: Heard, socket: Socket) => void): Promise<number> {
  const server = createServer(socket => {
    let rest: Buffer = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', chunk => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE()) {
        const frame = rest.subarray(4, 4 + rest.readInt32BE())
        rest = rest.subarray(4 + frame.length)
        const [key, version] = [frame.readInt16BE(), frame.readInt16BE(2)]
        const api = all.find(each => each.key === key)!
        hear({ key, version, correlationId: decodeRequestHeader(frame, api, version).correlationId }, socket)
      }
    })
  })
  return listening(t, server)
}

async function connected(
  t: TestContext,
  hear: (request: Heard, socket: Socket) => void,
  more: Partial<ConnectionOptions> = {},
): Promise<BrokerConnection> {
  const connection = await openConnection('127.0.0.1', await broker(t, hear), { ...options, ...more })
  t.after(() => connection.close())
  return connection
}

const heartbeat = (at: number) => ({ groupId: `g${at}`, generationId: at, memberId: 'm' })
const answer = (correlationId: number, errorCode: number) =>
  Buffer.concat(encodeResponse(apis.heartbeat, 4, correlationId, { errorCode }).buffers)
const codeOf = async (asked: Promise<unknown>) => {
  const error = await asked.then(
    () => assert.fail('it was answered'),
    (why: unknown) => toClientError(why, 'b:1'),
  )
  return `${error.code}: ${error.message}`
}

test('answers in pieces of any size belong to the requests in their order, of which only so many are under way', async t => {
  const heard: number[] = []
  let most = 0
  const connection = await connected(t, ({ correlationId }, socket) => {
    heard.push(correlationId)
    most = Math.max(most, heard.length)
    setTimeout(() => {
      heard.shift()
      for (const byte of answer(correlationId, correlationId)) socket.write(Buffer.of(byte))
    }, 5)
  })
  const asked = Array.from({ length: 9 }, (_, at) => connection.request(apis.heartbeat, 4, heartbeat(at)))
  const codes = (await Promise.all(asked)).map(each => each.errorCode)
  assert.deepEqual(codes, [1, 2, 3, 4, 5, 6, 7, 8, 9])
  assert.equal(most, 2)
})

test('whatever is no answer ends the connection, and every request hears of it', async t => {
  const size = Buffer.alloc(4)
  size.writeInt32BE(2 ** 31 - 1)
  const cases: [string, (correlationId: number) => Buffer, RegExp][] = [
    ['another id', id => answer(id + 7, 0), /^FAILED: .* answers what it was not asked/],
    ['a size that nothing has', () => size, /^FAILED: .* announces an answer of 2147483647 bytes/],
    ['a size below its id', () => Buffer.alloc(8), /^FAILED: .* announces an answer of 0 bytes/],
    ['an alert of TLS', () => Buffer.of(0x15, 0x03, 0x03, 0, 2, 2, 70), /^REFUSED: .* Broker requires TLS/],
  ]
  for (const [what, bytes, expected] of cases) {
    const connection = await connected(t, ({ correlationId }, socket) => socket.write(bytes(correlationId)))
    const [first, second] = [1, 2].map(at => codeOf(connection.request(apis.heartbeat, 4, heartbeat(at))))
    assert.match(await first!, expected, what)
    assert.match(await second!, expected, what)
    await connection.closed
    assert.equal(connection.isOpen, false)
    assert.match(await codeOf(connection.request(apis.heartbeat, 4, heartbeat(3))), expected, what)
  }
})

test('a broker that closes, or says nothing, is told apart', async t => {
  const closing = await connected(t, (_, socket) => socket.end())
  assert.match(await codeOf(closing.request(apis.heartbeat, 4, heartbeat(1))), /^UNREACHABLE: .*Connection closed by the broker/)
  const silent = await connected(t, () => {}, { requestTimeoutMs: 50 })
  assert.match(await codeOf(silent.request(apis.heartbeat, 4, heartbeat(1))), /^TIMEOUT: /)
  await silent.closed
})

test('a broker that ends the handshake of TLS may know no TLS, or be gone', async t => {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end())
  })
  const opening = openConnection('127.0.0.1', await listening(t, server), { ...options, security: { tls: {} } })
  assert.match(await codeOf(opening), /^UNREACHABLE: .*does it offer TLS on this port/)
})

test('an answer that cannot be decoded fails its request only', async t => {
  const connection = await connected(t, ({ correlationId }, socket) => {
    const whole = answer(correlationId, 0)
    if (correlationId > 1) return socket.write(whole)
    const short = Buffer.from(whole.subarray(0, 9))
    short.writeInt32BE(5)
    return socket.write(short)
  })
  const [bad, good] = [1, 2].map(at => connection.request(apis.heartbeat, 4, heartbeat(at)))
  await assert.rejects(bad!)
  assert.equal((await good!).errorCode, 0)
})

test('an old broker says in the oldest form that it does not know the version of ApiVersions', async t => {
  const connection = await connected(t, ({ correlationId }, socket) =>
    socket.write(Buffer.concat(encodeResponse(apis.apiVersions, 0, correlationId, { errorCode: 35, apiKeys: [] }).buffers)),
  )
  const asked = { clientSoftwareName: 'a', clientSoftwareVersion: 'b' }
  assert.deepEqual((await connection.request(apis.apiVersions, 3, asked)).errorCode, 35)
})

test('a login is renewed while other requests wait, and one that is refused ends the connection', async t => {
  const heard: string[] = []
  let logins = 0
  const system = realSystem()
  const quick = {
    timers: {
      ...system.timers,
      after: (ms: number, run: () => void) => system.timers.after(ms === 800 ? 20 : ms, run),
      soon: system.timers.soon,
    },
  }
  const connection = await connected(
    t,
    ({ key, version, correlationId }, socket) => {
      const say = <A extends Api>(api: A, message: object) =>
        socket.write(Buffer.concat(encodeResponse(api, version, correlationId, message as never).buffers))
      heard.push(all.find(each => each.key === key)!.name)
      if (key === apis.apiVersions.key) say(apis.apiVersions, { errorCode: 0, apiKeys: [{ apiKey: 36, minVersion: 0, maxVersion: 2 }] })
      else if (key === apis.saslHandshake.key) say(apis.saslHandshake, { errorCode: 0, mechanisms: ['PLAIN'] })
      else if (key === apis.heartbeat.key) say(apis.heartbeat, { errorCode: 0 })
      else {
        logins++
        const refused = logins === 3
        const lifetime = { sessionLifetimeMs: 1_000, authBytes: Buffer.alloc(0) }
        say(apis.saslAuthenticate, { errorCode: refused ? 58 : 0, errorMessage: refused ? 'no longer' : null, ...lifetime })
      }
    },
    { security: { sasl: { mechanism: 'PLAIN', username: 'u', password: 'p' } }, system: quick },
  )
  assert.equal((await connection.request(apis.heartbeat, 4, heartbeat(1))).errorCode, 0)
  while (logins < 2) await new Promise(resolve => setTimeout(resolve, 5))
  assert.equal((await connection.request(apis.heartbeat, 4, heartbeat(2))).errorCode, 0)
  await connection.closed
  assert.match(await codeOf(connection.request(apis.heartbeat, 4, heartbeat(3))), /^REFUSED: .*no longer/)
  for (const [at, name] of heard.entries())
    if (name === 'SaslHandshake') assert.equal(heard[at + 1], 'SaslAuthenticate', 'nothing in between')
})

/** Accepts connections, and reads nothing. */
async function deaf(t: TestContext): Promise<number> {
  const server = createServer({ pauseOnConnect: true }, socket => {
    socket.on('error', () => {})
    t.after(() => socket.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as { port: number }).port
}

const unless = <T>(ms: number, work: Promise<T>): Promise<T | 'late'> =>
  Promise.race([work, new Promise<'late'>(resolve => setTimeout(resolve, ms, 'late'))])

test('what brokers do not answer has a time limit, too, and fails with the connection', async t => {
  const port = await deaf(t)
  const options = { clientId: 'test', security: {}, connectTimeoutMs: 2_000, mostInFlight: 2, keepsProcess: true, system: realSystem() }
  const records = Buffer.alloc(32 * 2 ** 20)
  const unanswered = { transactionalId: null, acks: 0, timeoutMs: 1, topicData: [{ name: 't', partitionData: [{ index: 0, records }] }] }
  const slow = await openConnection('127.0.0.1', port, { ...options, requestTimeoutMs: 200 })
  t.after(() => slow.close())
  assert.match(String(await unless(5_000, codeOf(slow.tell(apis.produce, 11, unanswered)))), /^TIMEOUT: /)
  const closed = await openConnection('127.0.0.1', port, { ...options, requestTimeoutMs: 60_000 })
  const told = codeOf(closed.tell(apis.produce, 11, unanswered))
  await closed.close()
  assert.match(String(await unless(5_000, told)), /^UNREACHABLE: .*closed by this client/)
})

test('a token that does not come holds up neither whoever waits for the connection nor its closing', async t => {
  const port = await broker(t, ({ key, version, correlationId }, socket) => {
    const frame =
      key === apis.apiVersions.key
        ? encodeResponse(apis.apiVersions, version, correlationId, { errorCode: 0, apiKeys: [] })
        : encodeResponse(apis.saslHandshake, version, correlationId, { errorCode: 0, mechanisms: ['OAUTHBEARER'] })
    socket.write(Buffer.concat(frame.buffers))
  })
  const closing = new AbortController()
  const sasl = { mechanism: 'OAUTHBEARER' as const, token: () => new Promise<string>(() => closing.abort()) }
  const options = { clientId: 'test', security: { sasl }, requestTimeoutMs: 60_000, mostInFlight: 2, keepsProcess: true }
  const late = openConnection('127.0.0.1', port, { ...options, connectTimeoutMs: 1_000, system: realSystem() })
  const closed = openConnection('127.0.0.1', port, {
    ...{ ...options, connectTimeoutMs: 60_000, closing: closing.signal, system: realSystem() },
  })
  assert.match(String(await unless(5_000, codeOf(closed))), /^UNREACHABLE: .*closed by this client/)
  assert.match(String(await unless(5_000, codeOf(late))), /^TIMEOUT: /)
})

test('while what issues tokens is away, requests go on with the login that is still good', { timeout: 30_000 }, async t => {
  const system = realSystem()
  const quick = { timers: { ...system.timers, after: (ms: number, run: () => void) => system.timers.after(ms > 4_000 ? 20 : ms, run) } }
  let logins = 0
  let tokens = 0
  let giveToken = (_: string) => {}
  const token = async () => {
    tokens++
    if (tokens === 2) throw new Error('away')
    return tokens === 3 ? new Promise<string>(resolve => (giveToken = resolve)) : 'bearer'
  }
  const connection = await connected(
    t,
    ({ key, version, correlationId }, socket) => {
      const say = <A extends Api>(api: A, message: object) =>
        socket.write(Buffer.concat(encodeResponse(api, version, correlationId, message as never).buffers))
      if (key === apis.apiVersions.key) say(apis.apiVersions, { errorCode: 0, apiKeys: [{ apiKey: 36, minVersion: 0, maxVersion: 2 }] })
      else if (key === apis.saslHandshake.key) say(apis.saslHandshake, { errorCode: 0, mechanisms: ['OAUTHBEARER'] })
      else if (key === apis.heartbeat.key) say(apis.heartbeat, { errorCode: 0 })
      else
        say(apis.saslAuthenticate, {
          errorCode: 0,
          errorMessage: null,
          authBytes: Buffer.alloc(0),
          sessionLifetimeMs: ++logins < 2 ? 1e5 : 0,
        })
    },
    { security: { sasl: { mechanism: 'OAUTHBEARER', token, authBytesValidator: (_, told) => told(null) } }, system: quick },
  )
  while (tokens < 3) await new Promise(resolve => setTimeout(resolve, 5))
  assert.equal((await connection.request(apis.heartbeat, 4, heartbeat(1))).errorCode, 0)
  assert.equal(logins, 1)
  giveToken('bearer')
  while (logins < 2) await new Promise(resolve => setTimeout(resolve, 5))
  assert.equal((await connection.request(apis.heartbeat, 4, heartbeat(2))).errorCode, 0)
})

test('TLS names the host that is connected to, whatever the bootstrap servers are, and no address', async t => {
  for (const [host, isNamed] of [
    ['localhost', true],
    ['127.0.0.1', false],
  ] as const) {
    const { promise: hello, resolve } = Promise.withResolvers<Buffer>()
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.once('data', chunk => {
        resolve(chunk)
        socket.destroy()
      })
    })
    await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
    t.after(() => server.close())
    const { port } = server.address() as { port: number }
    const options = { clientId: 'test', connectTimeoutMs: 5_000, requestTimeoutMs: 5_000, mostInFlight: 2, keepsProcess: true }
    const security = { tls: {}, tlsServerName: !isNamed }
    await assert.rejects(openConnection(host, port, { ...options, security, system: realSystem() }))
    // In plain text (RFC 6066 section 3).
    assert.equal((await hello).includes(host), isNamed, host)
  }
})
