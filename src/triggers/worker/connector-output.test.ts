/** What is delivered to a connector, and what is not yet. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../../base.ts'
import { defineSink, type Offsets } from '../../connector.ts'
import { connectors, type ListedConnector } from '../../connectors.ts'
import { silentLogger } from '../../logger.ts'
import { sinkOf } from '../sink.ts'
import type { Entry } from './batch.ts'
import { ConnectorOutput } from './connector-output.ts'
import type { Lane } from './lane.ts'

test('what a flush leaves open is not delivered', async () => {
  let flushed: Offsets | undefined
  let closed = 0
  const opens = defineSink({
    ...{ name: 'opens', classes: [], version: '1', summary: '', example: {}, config: {} },
    open: async () => ({ put: async () => {}, flush: async () => flushed, close: async () => void closed++ }),
  })
  const listed: ListedConnector = { name: 'opens', classes: [], kind: 'sink', load: async () => opens }
  const list = connectors as ListedConnector[]
  list.push(listed)
  try {
    const lane = { topic: 't', partition: 0, signal: new AbortController().signal } as unknown as Lane
    const entries = [4n, 5n].map(
      (offset): Entry => ({ item: '', record: { topic: 't', partition: 0, offset, timestampMs: 0n, key: null, value: null, headers: [] } }),
    )
    const output = new ConnectorOutput('n', { connector: 'opens', config: {} }, { system: realSystem(), logger: silentLogger })
    for (const complete of [undefined, [{ topic: 't', partition: 0, offset: 6n }]]) {
      flushed = complete
      assert.deepEqual(await output.deliver(['a', 'b'], entries, lane), [])
    }
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
  for (const [connector, key] of [
    ['jdbc', 'exactly.once'],
    ['redis', 'redis.multiexec'],
    ['kafka-sink', 'kafka.exactly.once'],
  ] as const)
    for (const config of [{}, { [key]: 'true' }])
      assert.equal((await sinkOf({ connector, config })).values[key], false, `${connector} ${JSON.stringify(config)}`)
})
