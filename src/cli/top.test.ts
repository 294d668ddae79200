import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startRunner } from '../../test/support/cli-runner.ts'
import { openClient } from '../client.ts'
import { startBroker } from '../millrace.ts'
import { type Reading, rates, type Written } from './top-rates.ts'

const key = (...parts: (string | number)[]) => JSON.stringify(parts)

function reading(atMs: number, parts: Partial<Reading>): Reading {
  const none = { ends: new Map(), bytes: null, written: new Map(), committed: new Map(), owners: new Map(), transactionalIds: new Map() }
  return { atMs, ...none, ...parts }
}

function written(topic: string, producerId: number, producerEpoch: number, lastSequence: number): [string, Written] {
  return [key(topic, 0, String(producerId)), { topic, partition: 0, producerId, producerEpoch, lastSequence }]
}

test('records and bytes per second by topic, busy ones first', () => {
  const ends = (a: bigint, b: bigint) =>
    new Map([
      [
        'a',
        new Map([
          [0, a],
          [1, 0n],
        ]),
      ],
      ['b', new Map([[0, b]])],
    ])
  const before = reading(1_000, {
    ends: ends(10n, 0n),
    bytes: new Map([
      ['a', 100n],
      ['b', 500n],
    ]),
  })
  const now = reading(3_000, {
    ends: ends(20n, 100n),
    bytes: new Map([
      ['a', 300n],
      ['b', 400n],
    ]),
  })
  assert.deepEqual(rates(before, now).topics, [
    // What was deleted hides what has come.
    { topic: 'b', recordsPerSecond: 50, bytesPerSecond: null, readPerSecond: null, endOffset: 100n },
    { topic: 'a', recordsPerSecond: 5, bytesPerSecond: 100, readPerSecond: null, endOffset: 20n },
  ])
})

test('clients: producers by their sequences, members by the offsets of their groups, and the rest', () => {
  const ends = (end: bigint) => new Map([['t', new Map([[0, end]])]])
  const owners = new Map([[key('g', 't', 0), 'app']])
  const before = reading(0, {
    ends: ends(0n),
    owners,
    written: new Map([written('t', 1, 0, 2 ** 31 - 3), written('t', 2, 0, 40)]),
    committed: new Map([
      [key('g', 't', 0), 5n],
      [key('back', 't', 0), 50n],
    ]),
  })
  const now = reading(1_000, {
    ends: ends(100n),
    owners,
    written: new Map([written('t', 1, 0, 6), written('t', 2, 1, 19), written('t', 3, 0, 1_000)]),
    committed: new Map([
      [key('g', 't', 0), 25n],
      [key('back', 't', 0), 10n],
    ]),
    transactionalIds: new Map(),
  })
  const { clients, topics } = rates(before, now)
  assert.deepEqual(clients, [
    { client: '(producers without an id)', does: 'writes', topic: 't', recordsPerSecond: 71 },
    { client: 'producer 2', does: 'writes', topic: 't', recordsPerSecond: 20 },
    { client: 'g/app', does: 'reads', topic: 't', recordsPerSecond: 20 },
    { client: 'producer 1', does: 'writes', topic: 't', recordsPerSecond: 9 },
  ])
  assert.equal(topics[0]!.readPerSecond, 20)
})

test('millrace top, on a terminal of nobody and as JSON', async () => {
  const broker = await startBroker({ memory: true })
  const runner = startRunner()
  const client = openClient({ bootstrap: broker.address })
  let isWriting = true
  try {
    await client.createTopic({ name: 'busy', partitions: 2, configs: new Map() })
    await client.createTopic({ name: 'idle', configs: new Map() })
    const writing = (async () => {
      while (isWriting) await client.send('busy', [{ key: null, value: Buffer.alloc(100) }])
    })()
    const env = { MILLRACE_BOOTSTRAP: broker.address }
    const json = await runner.run(['top', '--samples', '1', '--interval', '300ms', '--json'], env)
    const text = await runner.run(['top', '--samples', '1', '--interval', '300ms', '--topic', 'busy'], env)
    isWriting = false
    await writing
    const { topics, clients } = JSON.parse(json.out)
    assert.deepEqual(
      [topics[0].topic, topics[0].recordsPerSecond > 0, topics[1].topic, topics[1].recordsPerSecond],
      ['busy', true, 'idle', 0],
    )
    assert.match(clients[0].client, /^producer \d+$/)
    assert.match(
      text.out,
      /^\d{4}-.*Z {2}1 topics?, 1 busy, [\d.]+ records\/s\n\nTOPIC +RECORDS\/S .*\nbusy +[\d.]+ .*\n\nCLIENT +DOES +TOPIC .*\nproducer \d+ +writes +busy +[\d.]+\n/,
    )
    assert.deepEqual([json.code, text.code], [0, 0])
  } finally {
    isWriting = false
    runner.close()
    await client.close()
    await broker.close()
  }
})
