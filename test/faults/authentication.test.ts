/** Clients before authentication: the number, size, order and time of their messages are limited. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { randomMessage } from '../../sim/fuzzers/grammar.ts'
import { seededRandom } from '../../sim/world/random.ts'
import { type Api, apis, errorCode } from '../../src/protocol.ts'
import { type Attacked, attack, expectClosed } from '../support/attack.ts'
import { connect, type RawClient, requestBytes } from '../support/client.ts'

const jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-pw";'
const config = {
  listeners: 'PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0',
  'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256',
  'listener.name.sasl_plaintext.plain.sasl.jaas.config': jaas,
}
/** Kafka's default of `connection.failed.authentication.delay.ms`. */
const failureDelayMs = 100
/** Kafka's default of `sasl.server.max.receive.size`. */
const mostBytes = 524_288

const attackSasl = (more: Record<string, string>, work: (sasl: number, it: Attacked) => Promise<void>) =>
  attack({ ...config, ...more }, it => work(it.broker.ports.get('SASL_PLAINTEXT')!, it))

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
const token = (text: string) => requestBytes(apis.saslAuthenticate, 2, { authBytes: Buffer.from(text) })
const handshake = async (client: RawClient, mechanism = 'PLAIN', version = 1) =>
  (await client.request(apis.saslHandshake, version, { mechanism })).errorCode

test('2: a frame of more than 524,288 bytes before authentication closes the connection', () =>
  attackSasl({}, async sasl => {
    for (const size of [mostBytes + 1, 104_857_600, 2 ** 31 - 1, -1, 0]) {
      for (const begin of [async () => 0, handshake, (client: RawClient) => handshake(client, 'PLAIN', 0)]) {
        const client = await connect(sasl)
        await begin(client)
        client.send(int32(size))
        // An empty token is one; Kafka's raw ones may be.
        if (size === 0 && begin !== handshake) client.send(int32(0))
        await expectClosed(client, `size ${size}`)
      }
    }
    // As large as it may be it is read, and refused for what it says.
    const client = await connect(sasl)
    assert.equal(await handshake(client), 0)
    const password = 'x'.repeat(mostBytes - 100)
    const answer = await client.request(apis.saslAuthenticate, 2, { authBytes: Buffer.from(`\0alice\0${password}`) })
    assert.equal(answer.errorCode, errorCode('SASL_AUTHENTICATION_FAILED'))
    await client.closed
  }))

test('2: a thousand frames that are announced and never sent take no memory', () =>
  attackSasl({ 'max.connection.creation.rate': '5000' }, async sasl => {
    const before = process.memoryUsage()
    const clients: RawClient[] = []
    for (let count = 0; count < 1000; count++) {
      const client = await connect(sasl)
      client.send(Buffer.concat([int32(mostBytes), Buffer.alloc(8)]))
      clients.push(client)
    }
    await sleep(300)
    const after = process.memoryUsage()
    const growth = after.external + after.heapUsed - before.external - before.heapUsed
    // A thousand times what they announce would be 500 MiB.
    assert.ok(growth < 64 * 2 ** 20, `memory grew by ${Math.round(growth / 2 ** 20)} MiB`)
    for (const client of clients) client.close()
  }))

test('6: no API but ApiVersions and the exchange itself is answered before authentication, whatever its version', () =>
  attackSasl({}, async sasl => {
    const allowed = new Set<Api>([apis.apiVersions, apis.saslHandshake])
    for (const api of Object.values(apis) as Api[]) {
      if (allowed.has(api)) continue
      for (const version of new Set([api.minVersion, api.maxVersion])) {
        const client = await connect(sasl)
        // Well formed: it is not for its bytes that it is refused.
        client.send(requestBytes(api, version, randomMessage(api.request, { random: seededRandom(api.key), version }) as never))
        await expectClosed(client, `${api.name} v${version}`)
      }
    }
  }))

test('6: the exchange out of order closes the connection', () =>
  attackSasl({}, async sasl => {
    const metadata = requestBytes(apis.metadata, 4, { topics: null, allowAutoTopicCreation: false })
    const orders: Record<string, (client: RawClient) => Promise<void>> = {
      'a token without a handshake': async client => client.send(token('\0alice\0alice-pw')),
      'two handshakes': async client => {
        await handshake(client)
        client.send(requestBytes(apis.saslHandshake, 1, { mechanism: 'PLAIN' }))
      },
      'ApiVersions between handshake and token': async client => {
        await handshake(client)
        client.send(requestBytes(apis.apiVersions, 0, {}))
      },
      'a request behind the handshake': async client => {
        await handshake(client)
        client.send(metadata)
      },
      'a token of the other mechanism, twice': async client => {
        await handshake(client, 'SCRAM-SHA-256')
        client.send(token('\0alice\0alice-pw'))
        await client.nextFrame()
        client.send(token('n,,n=alice,r=x'))
      },
      'a request behind a wrong token, in one piece': async client => {
        await handshake(client)
        client.send(Buffer.concat([token('\0alice\0wrong'), metadata]))
        await client.nextFrame()
      },
      'a request where a raw token belongs': async client => {
        await handshake(client, 'PLAIN', 0)
        client.send(metadata)
      },
    }
    for (const [what, send] of Object.entries(orders)) {
      const client = await connect(sasl)
      await send(client)
      await expectClosed(client, what)
    }
  }))

test('6: a bad mechanism and a wrong password are answered late, and end the connection; two hundred at once do not block others', () =>
  attackSasl({}, async sasl => {
    const attempt = async (index: number) => {
      const client = await connect(sasl)
      const start = performance.now()
      if (index % 2 === 0) {
        assert.equal(await handshake(client, 'GSSAPI'), errorCode('UNSUPPORTED_SASL_MECHANISM'))
      } else {
        assert.equal(await handshake(client), 0)
        const answer = await client.request(apis.saslAuthenticate, 2, { authBytes: Buffer.from('\0alice\0wrong') })
        assert.equal(answer.errorCode, errorCode('SASL_AUTHENTICATION_FAILED'))
      }
      assert.ok(performance.now() - start >= failureDelayMs - 5, 'told at once')
      await client.closed
    }
    await Promise.all(Array.from({ length: 200 }, (_, index) => attempt(index)))
    const client = await connect(sasl)
    await handshake(client)
    assert.equal((await client.request(apis.saslAuthenticate, 2, { authBytes: Buffer.from('\0alice\0alice-pw') })).errorCode, 0)
    client.close()
  }))

test('15: who begins to authenticate and falls silent is not waited for', () =>
  attackSasl({ 'connection.authentication.deadline.ms': '500' }, async sasl => {
    const clients = await Promise.all(Array.from({ length: 100 }, () => connect(sasl)))
    for (const [index, client] of clients.entries()) {
      if (index % 3 === 0) await handshake(client)
      else if (index % 3 === 1) client.send(int32(100))
    }
    await Promise.all(clients.map(client => expectClosed(client, 'silence')))
  }))
