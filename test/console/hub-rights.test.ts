/** Connectors and triggers are shown and changed with the rights of the person, also where the workers know nothing of that person. */
import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { startServices } from '../../src/services.ts'
import { eventually } from '../cluster/two-brokers.ts'
import { authorizer, startSecured } from '../security/support.ts'
import { settingsFor } from '../services/settings.ts'

test('who may not describe the cluster sees no connectors, and who may not alter it changes none', async t => {
  const secured = await startSecured(t, { ...authorizer, 'super.users': 'User:admin' })
  const bootstrap = `127.0.0.1:${secured.port('SASL_PLAINTEXT')}`
  const properties = { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'PLAIN' }
  const ownProperties = { ...properties, 'sasl.username': 'admin', 'sasl.password': 'admin-pw' }
  const common = { properties, ownProperties }
  const admin = openClient({ bootstrap, properties: ownProperties })
  const beside = await startServices(
    settingsFor(bootstrap, { services: ['console', 'connect', 'triggers'], ...common }),
    realSystem(),
    silentLogger,
  )
  const asked: string[] = []
  const between = createServer((from, to) => {
    asked.push(from.url!)
    const { method, url: path, headers } = from
    const onward = request({ port: beside.ports.get('connect'), method, path, headers }, answer => {
      to.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(to)
    })
    from.pipe(onward)
  })
  await new Promise<void>(resolve => between.listen(0, '127.0.0.1', resolve))
  const connect = {
    ...{ properties: {}, advertisedUrl: null, userInfo: 'admin:admin-pw' },
    url: `http://127.0.0.1:${(between.address() as AddressInfo).port}`,
  }
  const away = await startServices(settingsFor(bootstrap, { services: ['console'], connect, ...common }), realSystem(), silentLogger)
  try {
    await admin.createTopic({ name: 'orders', partitions: 1 })
    await admin.createTopic({ name: 'secret', partitions: 1 })
    await admin.send('secret', [{ key: null, value: Buffer.from('{"a":1}') }])
    const asker = (port: number) => async (user: string, method: string, path: string, body?: object) => {
      const headers: Record<string, string> = { authorization: `Basic ${Buffer.from(`${user}:${user}-pw`).toString('base64')}` }
      if (body !== undefined) headers['content-type'] = 'application/json'
      const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
      const response = await fetch(`http://127.0.0.1:${port}/api${path}`, init)
      return { status: response.status, text: await response.text() }
    }
    const config = { 'connector.class': 'file-sink', topics: 'orders', file: '/dev/null', 'connection.password': 'hush' }
    const [here, there] = [asker(beside.ports.get('console')!), asker(away.ports.get('console')!)]
    await eventually(async () => (await here('admin', 'POST', '/connectors', { name: 'lines', config })).status === 200, 400)
    for (const ask of [here, there]) {
      assert.equal((await ask('alice', 'GET', '/connectors')).status, 403)
      assert.equal((await ask('alice', 'GET', '/connectors/lines')).status, 403)
      assert.doesNotMatch((await ask('alice', 'GET', '/names')).text, /lines/)
      assert.doesNotMatch((await ask('admin', 'GET', '/connectors/lines')).text, /hush/)
    }
    // What was allowed, and what was not, is remembered for ten seconds; bob has not been asked for yet.
    await admin.createAcls([
      {
        ...{ resourceType: 'CLUSTER', resourceName: 'kafka-cluster', patternType: 'LITERAL' },
        ...{ principal: 'User:bob', host: '*', operation: 'DESCRIBE', permission: 'ALLOW' },
      },
    ])
    const preview = { config: { name: 'x', ...config }, topic: 'secret', records: 1 }
    for (const ask of [here, there]) {
      assert.equal((await ask('bob', 'GET', '/connectors')).status, 200)
      for (const [method, path, body] of [
        ['POST', '/connectors', { name: 'mine', config }],
        ['PUT', '/connectors/lines/config', { config }],
        ['POST', '/connectors/lines/pause', {}],
        ['POST', '/connectors/lines/restart', {}],
        ['DELETE', '/connectors/lines?confirm=lines', undefined],
        ['DELETE', '/connectors/lines/offsets?confirm=lines', undefined],
      ] as const)
        assert.equal((await ask('bob', method, path, body)).status, 403, `${method} ${path}`)
      // Records are read with the person's own rights, whatever the worker may read.
      assert.ok([403, 404].includes((await ask('bob', 'POST', '/connector-plugins/file-sink/preview', preview)).status))
    }
    assert.equal((await here('admin', 'GET', '/connectors/lines')).status, 200)
    const before = asked.length
    await Promise.all([1, 2, 3].map(() => there('admin', 'GET', '/connectors')))
    assert.equal(asked.length - before, 1, 'all who look at once share what the workers say')

    const definition = { topics: ['secret'], function: { code: 'export const main_handler = () => 1' } }
    assert.equal((await here('bob', 'POST', '/triggers', { name: 'spy', definition })).status, 403)
    assert.equal((await here('bob', 'POST', '/triggers/spy/test', { definition, topic: 'secret' })).status, 403)
    assert.ok([403, 404].includes((await here('bob', 'POST', '/trigger-filter', { filter: null, topic: 'secret', records: 1 })).status))
    assert.equal((await here('admin', 'POST', '/triggers', { name: 'spy', definition })).status, 200)
    for (const path of ['/triggers/spy', '/triggers/spy/history', '/triggers/spy/versions/1', '/triggers/spy/logs'])
      assert.equal((await here('bob', 'GET', path)).status, 403, path)
    assert.equal((await there('admin', 'GET', '/triggers')).status, 404, 'no triggers run in that process')

    assert.doesNotMatch((await there('admin', 'GET', '/overview')).text, /"Connectors"/)
    await new Promise(resolve => {
      between.close(resolve)
      between.closeAllConnections()
    })
    const silent = { kind: 'service', name: 'Connectors', bad: true }
    await eventually(async () => {
      const { troubles } = JSON.parse((await there('admin', 'GET', '/overview')).text)
      const found = troubles.find((each: { name: string }) => each.name === silent.name)
      if (found === undefined) return false
      const { text, ...rest } = found
      assert.deepEqual(rest, silent, 'a worker that is away is no reason to say that all is well')
      assert.match(text, /the worker of Kafka Connect/)
      return true
    })
    assert.doesNotMatch((await there('alice', 'GET', '/overview')).text, /"Connectors"/, 'only who may see connectors hears of it')
  } finally {
    // Before the broker.
    await away.close()
    between.close()
    await beside.close()
    await admin.close()
  }
})
