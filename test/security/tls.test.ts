import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { DiskError } from '../../src/base.ts'
import { apis } from '../../src/protocol.ts'
import { findCoordinator, type RawClient, rawClient, requestBytes } from '../support/client.ts'
import { plainLogin, type Secured, startSecured } from './support.ts'

const read = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url))
const text = (name: string) => read(name).toString('utf8')

const inline = { 'ssl.keystore.certificate.chain': text('broker.pem'), 'ssl.keystore.key': text('broker.pem') }
const trusting = { 'ssl.truststore.certificates': text('ca.pem') }

function start(t: TestContext, config: Record<string, string>): Promise<Secured> {
  return startSecured(t, { listeners: 'SSL://127.0.0.1:0', 'sasl.enabled.mechanisms': 'PLAIN', ...config })
}

/** Rejects when the handshake fails, or the broker ends the connection right after it. */
async function shake(t: TestContext, broker: Secured, listener: string, options: tls.ConnectionOptions = {}): Promise<RawClient> {
  const socket = tls.connect({ port: broker.port(listener), host: '127.0.0.1', ca: text('ca.pem'), ...options })
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  const client = rawClient(socket)
  // With TLS 1.3 a client learns only afterwards that its certificate was refused.
  await client.request(apis.apiVersions, 0, {})
  return client
}

const withCertificate = (name: string) => ({ cert: text(name), key: text(name) })
const principals = (broker: Secured) =>
  [...(broker.running.broker.metrics.connections as ReadonlySet<{ principal?: string }>)].map(({ principal }) => principal)

describe('TLS', () => {
  it('answers a client that has ended its direction meanwhile', async t => {
    const broker = await start(t, { ...inline, 'group.initial.rebalance.delay.ms': '300' })
    const client = await shake(t, broker, 'SSL')
    await findCoordinator(client, 'group')
    const joined = client.request(apis.joinGroup, 2, {
      groupId: 'group',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
    })
    const versions = client.request(apis.apiVersions, 0, {})
    client.socket.end()
    assert.equal((await joined).errorCode, 0)
    assert.equal((await versions).errorCode, 0)
    await client.closed
  })

  it('speaks 1.2 and 1.3, and nothing older', async t => {
    const broker = await start(t, inline)
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const client = await shake(t, broker, 'SSL', { minVersion: version, maxVersion: version })
      assert.equal((client.socket as tls.TLSSocket).getProtocol(), version)
      assert.deepEqual(principals(broker), ['User:ANONYMOUS'])
      client.close()
      await client.closed
      while (principals(broker).length > 0) await sleep(5)
    }
    await assert.rejects(shake(t, broker, 'SSL', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' }))
    const only12 = await start(t, {
      ...inline,
      'ssl.enabled.protocols': 'TLSv1.2',
      'ssl.cipher.suites': 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    })
    await assert.rejects(shake(t, only12, 'SSL', { minVersion: 'TLSv1.3' }))
    await assert.rejects(shake(t, only12, 'SSL', { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' }))
    assert.equal(((await shake(t, only12, 'SSL')).socket as tls.TLSSocket).getCipher().name, 'ECDHE-ECDSA-AES256-GCM-SHA384')
  })

  it('works with large frames in both directions', async t => {
    const broker = await start(t, inline)
    const client = await shake(t, broker, 'SSL')
    const topics = Array.from({ length: 50_000 }, (_, n) => ({ name: `a-topic-that-nobody-has-${n}` }))
    const response = await client.request(apis.metadata, 4, { topics, allowAutoTopicCreation: false })
    assert.equal(response.topics.length, topics.length)
  })

  it('gives back the memory of requests and responses, wherever a connection breaks', async t => {
    const broker = await start(t, inline)
    const { requestMemory, responseMemory } = broker.running.broker
    const topics = Array.from({ length: 50_000 }, (_, n) => ({ name: `a-topic-that-nobody-has-${n}` }))
    const request = requestBytes(apis.metadata, 4, { topics, allowAutoTopicCreation: false })
    const breaks: Record<string, (client: RawClient) => Promise<void>> = {
      async 'in the middle of a request'(client) {
        client.send(request.subarray(0, request.length / 2))
        while (requestMemory.heldBytes === 0) await sleep(1)
      },
      async 'while it is processed'(client) {
        client.send(request)
        while (requestMemory.heldBytes < request.length - 100) await sleep(0)
      },
      async 'in the middle of a response'(client) {
        client.socket.pause()
        for (let n = 0; n < 8; n++) client.send(request)
        while (responseMemory.heldBytes === 0) await sleep(1)
        await sleep(50)
      },
    }
    for (const [where, reach] of Object.entries(breaks)) {
      const client = await shake(t, broker, 'SSL')
      await reach(client)
      client.close()
      const held = () => requestMemory.heldBytes + responseMemory.heldBytes
      for (let waits = 0; waits < 400 && held() > 0; waits++) await sleep(25)
      assert.equal(held(), 0, where)
    }
  })

  it('ends a connection whose last reply is just leaving when the broker stops', async t => {
    const broker = await start(t, inline)
    await shake(t, broker, 'SSL')
    const began = performance.now()
    await broker.running.close()
    assert.ok(performance.now() - began < 4_000, 'sooner than those that have to be cut off')
  })

  it('forgets connections that are reset before it can accept them, or end silently', async t => {
    const broker = await start(t, { ...inline, 'max.connections': '10' })
    const port = broker.port('SSL')
    // This process accepts nothing as long as the other one runs.
    const resets = `for (let n = 0; n < 9; n++) {
      const socket = require('node:net').connect(${port}, '127.0.0.1', () => socket.resetAndDestroy())
    }`
    for (let round = 0; round < 3; round++) {
      execFileSync(process.execPath, ['-e', resets])
      await sleep(50)
    }
    for (let n = 0; n < 9; n++) {
      const silent = net.connect(port, '127.0.0.1')
      await once(silent, 'connect')
      silent.end()
      await once(silent.resume(), 'close')
    }
    for (let n = 0; n < 10; n++) await shake(t, broker, 'SSL')
  })

  it('can be trusted by clients only under its name and its authority', async t => {
    const broker = await start(t, inline)
    await assert.rejects(shake(t, broker, 'SSL', { ca: text('other-ca.pem') }), /unable to verify|self.signed|certificate/i)
    await assert.rejects(shake(t, broker, 'SSL', { servername: 'elsewhere.example' }), /altnames/)
  })

  it('asks for certificates, and believes only its own authority', async t => {
    const broker = await start(t, {
      ...inline,
      ...trusting,
      'ssl.client.auth': 'required',
      'ssl.principal.mapping.rules': 'RULE:^CN=(.*?),.*$/$1/,DEFAULT',
    })
    await shake(t, broker, 'SSL', withCertificate('client.pem'))
    assert.deepEqual(principals(broker), ['User:alice'])
    for (const name of ['stranger.pem', 'expired.pem']) await assert.rejects(shake(t, broker, 'SSL', withCertificate(name)), name)
    await assert.rejects(shake(t, broker, 'SSL'))
    assert.equal(principals(broker).length, 1)
  })

  it('with ssl.client.auth=requested: no certificate is anonymous, an invalid one is rejected', async t => {
    const broker = await start(t, { ...inline, ...trusting, 'ssl.client.auth': 'requested' })
    await shake(t, broker, 'SSL')
    assert.deepEqual(principals(broker), ['User:ANONYMOUS'])
    await shake(t, broker, 'SSL', withCertificate('client.pem'))
    assert.equal(principals(broker)[1], 'User:CN=alice,OU=Payments,O=Example\\, Inc.,C=DE')
    for (const name of ['stranger.pem', 'expired.pem']) await assert.rejects(shake(t, broker, 'SSL', withCertificate(name)), name)
  })

  it('refuses a certificate that no rule names', async t => {
    const broker = await start(t, {
      ...inline,
      ...trusting,
      'ssl.client.auth': 'required',
      'ssl.principal.mapping.rules': 'RULE:^CN=bob$/bob/',
    })
    await assert.rejects(shake(t, broker, 'SSL', withCertificate('client.pem')))
    assert.deepEqual(principals(broker), [])
  })

  it('carries SASL, whose principal counts', async t => {
    const broker = await start(t, {
      ...inline,
      ...trusting,
      listeners: 'SASL_SSL://127.0.0.1:0',
      'listener.name.sasl_ssl.plain.sasl.jaas.config': 'a.Plain required user_alice="alice-pw";',
      'ssl.client.auth': 'required',
    })
    const client = await shake(t, broker, 'SASL_SSL')
    assert.equal(await plainLogin(client, 'alice', 'alice-pw'), 0)
    assert.deepEqual(principals(broker), ['User:alice'])
    const both = await start(t, {
      ...inline,
      ...trusting,
      listeners: 'SASL_SSL://127.0.0.1:0',
      'listener.name.sasl_ssl.plain.sasl.jaas.config': 'a.Plain required user_alice="alice-pw";',
      'listener.name.sasl_ssl.ssl.client.auth': 'required',
    })
    await assert.rejects(shake(t, both, 'SASL_SSL'))
    await shake(t, both, 'SASL_SSL', withCertificate('client.pem'))
  })

  it('reads stores from files, and again when they change', async t => {
    const files = { '/keys/store.p12': read('broker.p12'), '/keys/trust.p12': read('trust.p12') }
    const stores = {
      'ssl.keystore.location': '/keys/store.p12',
      'ssl.keystore.password': 'store-pw',
      'ssl.truststore.location': '/keys/trust.p12',
      'ssl.truststore.password': 'store-pw',
      'ssl.client.auth': 'required',
      'ssl.store.check.interval.ms': '20',
    }
    const broker = await startSecured(t, { listeners: 'SSL://127.0.0.1:0', ...stores }, files)
    const name = async () => {
      const client = await shake(t, broker, 'SSL', withCertificate('client.pem'))
      const { subject } = (client.socket as tls.TLSSocket).getPeerCertificate()
      return subject.CN
    }
    assert.equal(await name(), 'broker')
    const { files: disk } = broker.running.broker.system
    await disk.replaceFile('/keys/store.p12', Buffer.from('-----BEGIN nonsense'))
    await sleep(60)
    assert.equal(await name(), 'broker', 'a mistake leaves the old certificate in use')
    assert.ok(broker.lines.some(line => line.level === 'warn' && /keeping the previous one/.test(line.message)))
    await disk.replaceFile('/keys/store.p12', read('broker2.pem'))
    await sleep(60)
    assert.equal(await name(), 'broker2')
    // Renewed by somebody else, who alone may read it.
    const { readFile } = disk
    let denied = 0
    disk.readFile = path => {
      if (path !== '/keys/store.p12') return readFile(path)
      denied++
      throw new DiskError('read', path, 'EACCES')
    }
    while (denied < 6) await sleep(20)
    assert.equal(await name(), 'broker2')
    const told = broker.lines.filter(line => line.level === 'warn' && /keeping the previous one/.test(line.message))
    assert.equal(told.length, 2, 'each mistake is told once')
    disk.readFile = readFile
    await disk.replaceFile('/keys/store.p12', read('broker.p12'))
    while ((await name()) !== 'broker') await sleep(20)
  })

  it('takes new certificates from dynamic configs', async t => {
    const broker = await startSecured(t, { listeners: 'SSL://127.0.0.1:0,PLAINTEXT://127.0.0.1:0', ...inline })
    const admin = await broker.connect('PLAINTEXT')
    const configs = ['ssl.keystore.certificate.chain', 'ssl.keystore.key'].map(key => ({
      name: `listener.name.ssl.${key}`,
      configOperation: 0,
      value: text('broker2.pem'),
    }))
    const request = { resources: [{ resourceType: 4, resourceName: '1', configs }], validateOnly: false }
    request.resources[0]!.resourceName = String(broker.running.broker.self.id)
    const response = await admin.request(apis.incrementalAlterConfigs, 1, request)
    assert.deepEqual(
      response.responses.map(each => each.errorMessage),
      [null],
    )
    const client = await shake(t, broker, 'SSL')
    assert.equal((client.socket as tls.TLSSocket).getPeerCertificate().subject.CN, 'broker2')
  })

  it('says what is wrong with stores at the start, and never a secret', async t => {
    const files = {
      '/keys/a.jks': Buffer.from('feedfeed00000002', 'hex'),
      '/keys/enc.pem': read('broker-encrypted.pem'),
      '/keys/trust.p12': read('trust.p12'),
    }
    const attempt = (config: Record<string, string>) => startSecured(t, { listeners: 'SSL://127.0.0.1:0', ...config }, files)
    await assert.rejects(attempt({}), /listener.name.ssl.ssl.keystore.location: a TLS listener requires a key store/)
    await assert.rejects(attempt({ 'ssl.keystore.location': '/keys/none' }), /file not found: \/keys\/none/)
    await assert.rejects(
      attempt({ 'ssl.keystore.location': '/keys/a.jks' }),
      /keytool -importkeystore -srckeystore \/keys\/a.jks .*-deststoretype PKCS12/,
    )
    await assert.rejects(attempt({ ...inline, 'ssl.client.auth': 'required' }), /requires a trust store/)
    const wrong = attempt({ ...inline, 'ssl.truststore.location': '/keys/trust.p12', 'ssl.truststore.password': 'hunter2' })
    await assert.rejects(wrong, (error: Error) => /password was incorrect/.test(error.message) && !error.message.includes('hunter2'))
    await assert.rejects(attempt({ 'ssl.keystore.location': '/keys/enc.pem', 'ssl.key.password': 'wrong' }), /the key store cannot be used/)
    await assert.rejects(attempt({ ...inline, 'ssl.enabled.protocols': 'TLSv1.1' }), /neither TLSv1.2 nor TLSv1.3/)
    await attempt({ 'ssl.keystore.location': '/keys/enc.pem', 'ssl.key.password': 'key-pw' })
  })

  it('bounds handshakes that do not end, and ends them', async t => {
    const broker = await start(t, { ...inline, 'connection.authentication.deadline.ms': '300', 'max.connections.per.ip': '3' })
    const half = Array.from({ length: 3 }, () => net.connect(broker.port('SSL'), '127.0.0.1'))
    t.after(() => {
      for (const socket of half) socket.destroy()
    })
    await Promise.all(half.map(socket => once(socket, 'connect')))
    half[0]!.write(Buffer.from('160301', 'hex'))
    await sleep(20)
    await assert.rejects(shake(t, broker, 'SSL'), 'the address has its connections')
    await Promise.all(half.map(socket => once(socket, 'close')))
    await shake(t, broker, 'SSL')
    const plain = net.connect(broker.port('SSL'), '127.0.0.1')
    plain.on('error', () => {})
    plain.write(Buffer.from('0000000a00120000000000010001', 'hex'))
    await once(plain, 'close')
  })
})
