import assert from 'node:assert/strict'
import { type TestContext as Test, test } from 'node:test'
import type { SourceRecord } from '../../connector.ts'
import { openSource, TestContext, valuesOf } from '../../connector-testing.ts'
import { bulk, startRedis } from '../redis/redis.testing.ts'
import { compareIds } from './entries.ts'
import { redisStreams } from './redis-streams.ts'

interface Stream {
  entries: [id: string, fields: Record<string, string>][]
  last?: string
  /** By name: what was delivered last, and the smallest id that is not acknowledged. */
  readonly groups: Map<string, { delivered: string; pending: string | null }>
}

const array = (...parts: readonly string[]) => `*${parts.length}\r\n${parts.join('')}`
const lastOf = ({ last, entries }: Stream) => last ?? entries.at(-1)?.[0] ?? '0-0'

async function startStreams(test: Test, streams: Map<string, Stream>) {
  let isAway = false
  const server = await startRedis(test, ([name, ...args]) => {
    if (name === 'XREAD') {
      if (isAway) return null
      const most = Number(args[1])
      const asked = args.slice(args.indexOf('STREAMS') + 1)
      const found = asked.slice(0, asked.length / 2).flatMap((stream, index) => {
        const id = asked[asked.length / 2 + index]!
        const entries = (streams.get(stream)?.entries ?? []).filter(([each]) => compareIds(each, id) > 0).slice(0, most)
        const texts = entries.map(([each, fields]) => array(bulk(each), array(...Object.entries(fields).flat().map(bulk))))
        return entries.length === 0 ? [] : [array(bulk(stream), array(...texts))]
      })
      return found.length === 0 ? '*-1\r\n' : array(...found)
    }
    if (name === 'XINFO' || name === 'XPENDING') {
      const stream = streams.get(name === 'XINFO' ? args[1]! : args[0]!)
      if (stream === undefined) return '-ERR no such key\r\n'
      if (name === 'XPENDING') {
        const { pending } = stream.groups.get(args[1]!)!
        return array(':0\r\n', bulk(pending ?? undefined), bulk(undefined), '*-1\r\n')
      }
      if (args[0] === 'STREAM') return array(bulk('length'), ':1\r\n', bulk('last-generated-id'), bulk(lastOf(stream)))
      return array(
        ...[...stream.groups].map(([group, { delivered }]) => array(bulk('name'), bulk(group), bulk('last-delivered-id'), bulk(delivered))),
      )
    }
    if (name === 'XGROUP') {
      const [what, stream, group, id] = args as [string, string, string, string]
      const { groups } = streams.get(stream)!
      if (what === 'SETID' && !groups.has(group)) return '-NOGROUP No such consumer group\r\n'
      groups.set(group, { delivered: id, pending: null })
    }
    return undefined
  })
  return { ...server, away: (away: boolean) => (isAway = away) }
}

const stream = (...ids: string[]): Stream => ({ entries: ids.map(id => [id, { n: id }]), groups: new Map() })
const ids = (records: readonly SourceRecord[]) => records.map(record => record.key)

test('entries are read in order, each with its id as offset, and a start goes on behind them', async t => {
  const orders = stream('1796000000000-0', '1796000000000-1', '1796000000001-0')
  const server = await startStreams(t, new Map([['orders', orders]]))
  const config = { 'redis.uri': server.url, 'redis.stream.name': 'orders', topic: 'from-${stream}', 'batch.size': '2' }
  const first = await openSource(redisStreams, config)
  const [one, two] = await first.read()
  assert.equal(one!.topic, 'from-orders')
  assert.equal(one!.timestampMs, 1796000000000n)
  assert.deepEqual({ ...(one!.value as object) }, { id: '1796000000000-0', stream: 'orders', body: new Map([['n', '1796000000000-0']]) })
  assert.deepEqual({ ...two!.sourceOffset }, { offset: '1796000000000-1' })
  assert.deepEqual(orders.groups.get('kafka-consumer-group')?.delivered, '1796000000000-1')
  await first.task.close()
  const again = await openSource(redisStreams, config, Object.assign(new TestContext(), { offsets: first.context.offsets }))
  assert.deepEqual(ids(await again.read(2)), ['1796000000001-0'])
  await again.task.close()
})

test('without offsets it begins behind what the consumer group has acknowledged', async t => {
  const one = stream('1-0', '2-0', '3-0', '4-0')
  const server = await startStreams(t, new Map([['s', one]]))
  const config = { 'redis.uri': server.url, 'redis.stream.name': 's' }
  for (const [pending, expected] of [
    [null, ['4-0']],
    ['2-0', ['2-0', '3-0', '4-0']],
  ] as const) {
    one.groups.set('kafka-consumer-group', { delivered: '3-0', pending })
    const { task, read } = await openSource(redisStreams, config)
    assert.deepEqual(ids(await read()), expected)
    await task.close()
  }
  const { task, read } = await openSource(redisStreams, { ...config, 'redis.stream.consumer.group': '', 'redis.stream.offset': '$' })
  assert.deepEqual(await read(), [])
  one.entries.push(['5-0', { n: '5' }])
  assert.deepEqual(ids(await read()), ['5-0'])
  await task.close()
})

test('where new entries begin is kept before there is one', async t => {
  for (const group of ['', 'kafka-consumer-group']) {
    const one = stream('1-0')
    const server = await startStreams(t, new Map([['s', one]]))
    const config = { 'redis.uri': server.url, 'redis.stream.name': 's', 'redis.stream.offset': '$', 'redis.stream.consumer.group': group }
    const first = await openSource(redisStreams, config)
    assert.deepEqual(await first.read(), [])
    await first.task.close()
    one.entries.push(['2-0', { n: '2' }])
    const { task, read } = await openSource(redisStreams, config, first.context)
    assert.deepEqual(ids(await read()), ['2-0'])
    await task.close()
  }
})

test('a lost connection passes, and nothing is lost or twice', async t => {
  const one = stream('1-0', '2-0')
  const server = await startStreams(t, new Map([['s', one]]))
  const { task, read } = await openSource(redisStreams, { 'redis.uri': server.url, 'redis.stream.name': 's', 'batch.size': '1' })
  assert.deepEqual(ids(await read()), ['1-0'])
  server.away(true)
  await assert.rejects(read(), { name: 'RetriableError' })
  server.away(false)
  assert.deepEqual(ids(await read()), ['2-0'])
  await task.close()
})

test('a stream that was made anew is read from its beginning', async t => {
  const streams = new Map([['s', stream('5-0')]])
  const server = await startStreams(t, streams)
  const { task, read, context } = await openSource(redisStreams, { 'redis.uri': server.url, 'redis.stream.name': 's' })
  assert.deepEqual(ids(await read()), ['5-0'])
  streams.set('s', stream('1-0'))
  server.away(true)
  await assert.rejects(read(), { name: 'RetriableError' })
  server.away(false)
  assert.deepEqual(ids(await read()), ['1-0'])
  assert.equal(context.warnings.length, 1)
  await task.close()
})

test('streams are divided among tasks', async () => {
  const values = valuesOf(redisStreams.config, { 'redis.stream.name': 'a,b,c' })
  assert.deepEqual(await redisStreams.tasks!(values, 2), [{ 'task.streams': 'a,c' }, { 'task.streams': 'b' }])
  assert.deepEqual(await redisStreams.tasks!(values, 9), [{ 'task.streams': 'a' }, { 'task.streams': 'b' }, { 'task.streams': 'c' }])
})
