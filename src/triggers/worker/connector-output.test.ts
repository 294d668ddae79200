/** What is delivered to a connector, what is not yet, and what it says of its secrets: a target may answer with what it was sent. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { realSystem } from '../../base.ts'
import type { ReceivedRecord } from '../../client.ts'
import { defineSink, type Offsets, RetriableError } from '../../connector.ts'
import { connectors, type ListedConnector } from '../../connectors.ts'
import { silentLogger } from '../../logger.ts'
import { Unavailable } from '../callee.ts'
import { sinkOf } from '../sink.ts'
import type { Entry } from './batch.ts'
import { ConnectorOutput } from './connector-output.ts'
import type { Lane } from './lane.ts'

test('a target that is away when it is opened is tried again, and what a flush leaves open is not delivered', async () => {
  let flushed: Offsets | undefined
  let away = 1
  let closed = 0
  const opens = defineSink({
    ...{ name: 'opens', classes: [], version: '1', summary: 'It opens.', example: {}, config: {} },
    open: async () => {
      if (away-- > 0) throw new RetriableError('not yet')
      return { put: async () => {}, flush: async () => flushed, close: async () => void closed++ }
    },
  })
  const listed: ListedConnector = { name: 'opens', classes: [], kind: 'sink', load: async () => opens }
  const list = connectors as ListedConnector[]
  list.push(listed)
  try {
    const lane = {
      topic: 't',
      partition: 0,
      signal: new AbortController().signal,
      settled() {},
      failed() {},
      async pause() {},
    } as unknown as Lane
    const entries = [4n, 5n].map(
      (offset): Entry => ({ item: '', record: { topic: 't', partition: 0, offset, timestampMs: 0n, key: null, value: null, headers: [] } }),
    )
    const failures: string[] = []
    const onFailure = ({ message }: Error) => void failures.push(message)
    const output = new ConnectorOutput('n', { connector: 'opens', config: {} }, { system: realSystem(), logger: silentLogger, onFailure })
    for (const complete of [undefined, [{ topic: 't', partition: 0, offset: 6n }]]) {
      flushed = complete
      assert.deepEqual(await output.deliver(['a', 'b'], entries, lane), [])
    }
    assert.deepEqual(failures, ['not yet'])
    const others = [
      { topic: 't', partition: 1, offset: 6n },
      { topic: 'u', partition: 0, offset: 6n },
    ]
    for (const open of [[], others, [{ topic: 't', partition: 0, offset: 5n }]]) {
      flushed = open
      const before = closed
      const message = /the connector opens has failed: it has not written all records after a flush/
      await assert.rejects(output.deliver(['a', 'b'], entries, lane), { name: 'Unavailable', message })
      assert.equal(closed, before + 1)
    }
    await output.close()
  } finally {
    list.splice(list.indexOf(listed), 1)
  }
})

test('sinks keep no offsets for a trigger, also if they are asked to', async () => {
  for (const [connector, key, required] of [
    ['jdbc', 'exactly.once', { 'connection.url': 'jdbc:postgresql://h/d' }],
    ['redis', 'redis.multiexec', {}],
    ['kafka-sink', 'kafka.exactly.once', { 'kafka.bootstrap.servers': 'h:9092', 'kafka.topic': 't' }],
  ] as const)
    for (const config of [required, { ...required, [key]: 'true' }])
      assert.equal((await sinkOf({ connector, config })).values[key], false, `${connector} ${JSON.stringify(config)}`)
})

test('secrets are neither in refusals nor in errors', async () => {
  let status = 400
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(status).end(`no ${request.headers.authorization} here`))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const config = {
    'http.url': `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    'http.authorization.type': 'static',
    'http.headers.authorization': 'Bearer geheim',
  }
  const options = { system: realSystem(), logger: silentLogger, onFailure() {} }
  const output = new ConnectorOutput('t', { connector: 'http', config }, options)
  const record: ReceivedRecord = {
    ...{ topic: 'in', partition: 0, offset: 0n, timestampMs: 0n, key: null, value: Buffer.from('a'), headers: [] },
  }
  const entries: Entry[] = [{ record, item: '{}' }]
  const lane = {
    topic: 'in',
    partition: 0,
    signal: new AbortController().signal,
    settled() {},
    failed() {},
    pause: async () => {},
  } as unknown as Lane
  try {
    const [refused] = await output.deliver(['a'], entries, lane)
    assert.match(refused!.error.message, /the endpoint refuses the record: status 400: no \[hidden\] here/)
    assert.doesNotMatch(`${refused!.error.stack}`, /geheim/)
    assert.equal(refused!.error.name, 'DataError')
    status = 401
    await assert.rejects(output.deliver(['a'], entries, lane), error => {
      assert.ok(error instanceof Unavailable)
      assert.match(error.message, /the connector http has failed: the endpoint answers with status 401: no \[hidden\] here/)
      assert.doesNotMatch(`${error.stack} ${(error.cause as Error).stack}`, /geheim/)
      return true
    })
  } finally {
    await output.close()
    server.close()
    server.closeAllConnections()
  }
})
