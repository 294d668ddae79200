import assert from 'node:assert/strict'
import { test } from 'node:test'
import { struct } from '../../connector.ts'
import { openSink, partition0, sinkRecord } from '../../connector-testing.ts'
import { startRedis } from './redis.testing.ts'
import { redis } from './redis.ts'

const record = (offset: bigint, key: string, fields: Readonly<Record<string, string | number | null>> | null) =>
  sinkRecord({ offset, key, value: fields === null ? null : struct(Object.entries(fields)) })

test('a batch is one transaction with the offset in it', async t => {
  const server = await startRedis(t)
  const { task } = await openSink(redis, { 'redis.uri': server.url, 'redis.command': 'HSET' })
  await task.put([record(0n, 'a', { x: 1, gone: null }), record(1n, 'b', null)])
  assert.deepEqual(server.asked, [
    ['MULTI'],
    ['DEL', 't:a'],
    ['HSET', 't:a', 'x', '1'],
    ['DEL', 't:b'],
    ['SET', 'millrace.connect.offset.test.t.0', '2'],
    ['EXEC'],
  ])
  await task.close()
})

test('a task goes on where the last transaction ended', async t => {
  const server = await startRedis(t)
  server.strings.set('millrace.connect.offset.test.t.0', '5')
  const { task, sought } = await openSink(redis, { 'redis.uri': server.url, 'redis.command': 'SET' })
  await task.opened!([partition0, { topic: 't', partition: 1 }])
  assert.deepEqual(sought, [{ topic: 't', partition: 0, offset: 5n }])
  await task.put([sinkRecord({ offset: 4n, key: 'a', value: 'old' }), sinkRecord({ offset: 5n, key: 'a', value: 'new' })])
  assert.deepEqual(
    server.asked.filter(([name]) => name === 'SET'),
    [
      ['SET', 't:a', 'new'],
      ['SET', 'millrace.connect.offset.test.t.0', '6'],
    ],
  )
  await task.close()
})

test('the offsets of a topic are not those of another one with its name', async t => {
  const server = await startRedis(t)
  server.strings.set('millrace.connect.offset.test.t:before.0', '5')
  const { task, sought } = await openSink(redis, { 'redis.uri': server.url, 'redis.command': 'SET' })
  await task.opened!([{ ...partition0, topicId: 'after' }])
  assert.deepEqual(sought, [])
  await task.put([sinkRecord({ offset: 0n, key: 'a', value: 'new' })])
  assert.deepEqual(server.asked.filter(([name]) => name === 'SET')[1], ['SET', 'millrace.connect.offset.test.t:after.0', '1'])
  await task.opened!([{ ...partition0, topicId: 'before' }])
  assert.deepEqual(sought, [{ topic: 't', partition: 0, offset: 5n }])
  await task.close()
})

test('a transaction whose end was not heard is not done again', async t => {
  let breaks = true
  const server = await startRedis(t, ([name, key, value]) => {
    if (name !== 'SET' || !key!.startsWith('millrace') || !breaks) return undefined
    breaks = false
    server.strings.set(key!, value!)
    return null
  })
  const { task } = await openSink(redis, { 'redis.uri': server.url, 'redis.command': 'RPUSH' })
  await task.opened!([partition0])
  const records = [record(0n, 'a', { x: 1 }), record(1n, 'b', { x: 1 })]
  await assert.rejects(task.put(records), { name: 'RetriableError' })
  await task.put(records)
  assert.equal(server.asked.filter(([name]) => name === 'RPUSH').length, 2)
  await task.close()
})

test('a transaction that replicas do not have yet is not done again, and they are waited for', async t => {
  let replicas = 0
  const server = await startRedis(t, ([name]) => (name === 'WAIT' ? `:${replicas}\r\n` : undefined))
  const { task } = await openSink(redis, { 'redis.uri': server.url, 'redis.command': 'RPUSH', 'redis.wait.replicas': '1' })
  await task.opened!([partition0])
  server.asked.length = 0
  const records = [record(0n, 'a', { x: 1 })]
  await assert.rejects(task.put(records), { name: 'RetriableError' })
  await assert.rejects(task.put(records), { name: 'RetriableError' })
  replicas = 1
  await task.put(records)
  assert.deepEqual(
    server.asked.map(([name]) => name),
    ['MULTI', 'RPUSH', 'SET', 'EXEC', 'WAIT', 'WAIT', 'WAIT'],
  )
  await task.close()
})

test('a record of which no command can be made is reported before the offset is stored, and once', async t => {
  let breaks = true
  const server = await startRedis(t, ([name, key]) => (name === 'SET' && key!.startsWith('millrace') && breaks ? null : undefined))
  const { task, reported } = await openSink(redis, { 'redis.uri': server.url, 'redis.command': 'SET' })
  await task.opened!([partition0])
  const records = [sinkRecord({ value: 'no key' }), sinkRecord({ offset: 1n, key: 'a', value: 'x' })]
  await assert.rejects(task.put(records), { name: 'RetriableError' })
  assert.deepEqual([reported.length, server.strings.get('millrace.connect.offset.test.t.0')], [1, undefined])
  breaks = false
  await task.put(records)
  assert.deepEqual([reported.length, server.strings.get('millrace.connect.offset.test.t.0')], [1, '2'])
  await task.close()
})

test('what Redis refuses is reported, and what it cannot do now is tried again', async t => {
  let busy = true
  const server = await startRedis(t, ([name, key]) => {
    if (name === 'SET' && key === 't:list') return '-WRONGTYPE Operation against a key\r\n'
    return name === 'SET' && key === 't:later' && busy ? '-LOADING Redis is loading the dataset in memory\r\n' : undefined
  })
  for (const multi of ['true', 'false']) {
    busy = true
    const { task, reported } = await openSink(redis, { 'redis.uri': server.url, 'redis.command': 'SET', 'redis.multiexec': multi })
    await task.put([
      sinkRecord({ key: 'list', value: 'x' }),
      sinkRecord({ offset: 1n, key: 'a', value: 'x' }),
      sinkRecord({ offset: 2n, value: 'no key' }),
    ])
    assert.deepEqual(reported.map(({ record }) => record.offset).sort(), [0n, 2n])
    const later = [sinkRecord({ offset: 3n, key: 'later', value: 'x' })]
    await assert.rejects(task.put(later), { name: 'RetriableError' })
    busy = false
    await task.put(later)
    assert.equal(reported.length, 2)
    await task.close()
  }
})

test('each command has its form', async t => {
  const server = await startRedis(t)
  const forms: readonly (readonly [command: string, sent: string[][]])[] = [
    ['XADD', [['XADD', 't', '*', 'n', '1']]],
    [
      'JSONSET',
      [
        ['JSON.SET', 't:7', '$', '{"n":1}'],
        ['DEL', 't:7'],
      ],
    ],
    [
      'JSONMERGE',
      [
        ['JSON.MERGE', 't:7', '$', '{"n":1}'],
        ['DEL', 't:7'],
      ],
    ],
    [
      'SADD',
      [
        ['SADD', 't', '7'],
        ['SREM', 't', '7'],
      ],
    ],
    [
      'LPUSH',
      [
        ['LPUSH', 't', '7'],
        ['LPUSH', 't', '7'],
      ],
    ],
    [
      'DEL',
      [
        ['DEL', 't:7'],
        ['DEL', 't:7'],
      ],
    ],
  ]
  for (const [command, sent] of forms) {
    server.asked.length = 0
    const { task } = await openSink(redis, { 'redis.uri': server.url, 'redis.command': command, 'redis.multiexec': 'false' })
    await task.put([sinkRecord({ key: 7, value: struct([['n', 1]]) }), sinkRecord({ offset: 1n, key: 7 })])
    assert.deepEqual(server.asked, sent, command)
    await task.close()
  }
  for (const [command, sent] of [
    ['ZADD', ['ZADD', 't', '1.5', '7']],
    ['TSADD', ['TS.ADD', 't', '7', '1.5']],
  ] as const) {
    server.asked.length = 0
    const { task } = await openSink(redis, { 'redis.uri': server.url, 'redis.command': command, 'redis.multiexec': 'false' })
    await task.put([sinkRecord({ key: 7, value: 1.5 })])
    assert.deepEqual(server.asked, [sent])
    await task.close()
  }
})
