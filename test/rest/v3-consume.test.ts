/** v3 of the REST proxy: reading, by long-poll and by server-sent events. */
import assert from 'node:assert/strict'
import { get, type IncomingMessage } from 'node:http'
import { after, before, test } from 'node:test'
import { settingsFor } from '../services/settings.ts'
import { type RestProxy, startProxy } from './proxy.testing.ts'

let proxy: RestProxy
before(async () => {
  proxy = await startProxy({}, { rest: { ...settingsFor('').rest, commitAfterMs: 1_500 } })
})
after(() => proxy[Symbol.asyncDispose]())

const path = (topic: string) => `${proxy.cluster}/topics/${topic}/records`

async function fill(topic: string, values: readonly string[]): Promise<void> {
  await proxy.client.send(
    topic,
    values.map((value, i) => ({ key: Buffer.from(`k${i}`), value: Buffer.from(value), partition: 0, timestampMs: BigInt(1000 * (i + 1)) })),
  )
}

test('a page has headers, timestamps and the link to the next; no digit is lost', async () => {
  await proxy.client.createTopic({ name: 'pages', partitions: 2 })
  const long = '{"id":9223372036854775807, "price":1.10}'
  await proxy.client.send('pages', [
    {
      key: Buffer.from('k'),
      value: Buffer.from(long),
      partition: 0,
      timestampMs: 1500n,
      headers: [{ key: Buffer.from('h'), value: Buffer.from('v') }],
    },
    { key: null, value: null, partition: 0 },
    { key: null, value: Buffer.from([0xff]), partition: 1 },
  ])
  const page = await proxy.ask('GET', `${path('pages')}?value_format=JSON&key_format=STRING`)
  assert.equal(page.status, 200, page.text)
  assert.ok(page.text.includes(`"value":{"type":"JSON","data":${long}}`))
  const [first] = page.body.data
  assert.deepEqual([first.partition_id, first.offset, first.timestamp], [0, 0, '1970-01-01T00:00:01.500Z'])
  assert.deepEqual(first.headers, [{ name: 'h', value: Buffer.from('v').toString('base64') }])
  assert.deepEqual(first.key, { type: 'STRING', data: 'k' })
  assert.equal(page.body.data.length, 3)
  assert.deepEqual(page.body.data.find((each: { partition_id: number }) => each.partition_id === 1).value, { type: 'BINARY', data: '/w==' })
  await fill('pages', ['later'])
  const next = await proxy.ask('GET', page.body.metadata.next.slice(proxy.url.length))
  assert.deepEqual(
    next.body.data.map((each: { offset: number }) => each.offset),
    [2],
  )
})

test('from earliest, latest, a time; by partition, by offsets; limits', async () => {
  await proxy.client.createTopic({ name: 'places', partitions: 2 })
  await fill('places', ['a', 'b', 'c'])
  const offsets = async (query: string) =>
    (await proxy.ask('GET', `${path('places')}?timeout_ms=300&${query}`)).body.data.map((each: { offset: number }) => each.offset)
  assert.deepEqual(await offsets(''), [0, 1, 2])
  assert.deepEqual(await offsets('from=latest'), [])
  assert.deepEqual(await offsets('from=1970-01-01T00:00:02Z'), [1, 2])
  assert.deepEqual(await offsets('partition=1'), [])
  assert.deepEqual(await offsets('offsets=0:2,1:0'), [2])
  assert.deepEqual(await offsets('max_records=2'), [0, 1])
  for (const [query, status] of [
    ['from=soon', 400],
    ['offsets=0', 400],
    ['offsets=0:99999999999999999999', 400],
    ['partition=9', 404],
    ['max_records=-1', 400],
    ['value_format=XML', 400],
  ] as const)
    assert.deepEqual([query, (await proxy.ask('GET', `${path('places')}?${query}`)).status], [query, status])
  assert.equal((await proxy.ask('GET', path('missing'))).body.error_code, 40_403)
})

test('with a group: a page begins where the group has committed; the next request commits', async () => {
  await proxy.client.createTopic({ name: 'grouped' })
  await fill('grouped', ['a', 'b', 'c'])
  const query = `${path('grouped')}?group=pagers&timeout_ms=200`
  const offsetsOf = (body: { data: { offset: number }[] }) => body.data.map(each => each.offset)
  const first = await proxy.ask('GET', `${query}&max_records=2`)
  assert.deepEqual(offsetsOf(first.body), [0, 1])
  assert.deepEqual(offsetsOf((await proxy.ask('GET', query)).body), [0, 1, 2])
  const second = await proxy.ask('GET', first.body.metadata.next.slice(proxy.url.length))
  assert.deepEqual(offsetsOf(second.body), [2])
  assert.deepEqual(
    (await proxy.client.groupOffsets('pagers', '')).map(each => each.offset),
    [2n],
  )
  assert.deepEqual(offsetsOf((await proxy.ask('GET', query)).body), [2])
})

interface Events {
  readonly response: IncomingMessage
  /** The next event that is no comment. */
  next(): Promise<{ event: string; id?: string; data: string }>
  close(): void
}

function listen(url: string, headers: Record<string, string> = {}, at = proxy): Promise<Events> {
  return new Promise((resolve, reject) => {
    const asking = get(at.url + url, { headers: { accept: 'text/event-stream', ...headers } }, response => {
      const chunks = response.iterator({ destroyOnReturn: false })
      let text = ''
      const next: Events['next'] = async () => {
        for (;;) {
          const end = text.indexOf('\n\n')
          if (end === -1) {
            const { value, done } = await chunks.next()
            if (done) throw new Error('the stream has ended')
            text += String(value)
            continue
          }
          const lines = text.slice(0, end).split('\n')
          text = text.slice(end + 2)
          if (lines[0]!.startsWith(':')) continue
          return Object.fromEntries(lines.map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)])) as never
        }
      }
      response.on('error', () => {})
      resolve({ response, next, close: () => asking.destroy() })
    })
    asking.on('error', reject)
  })
}

test('server-sent events: what is there, then what comes; Last-Event-ID goes on', async () => {
  await proxy.client.createTopic({ name: 'live' })
  await fill('live', ['a'])
  const events = await listen(`${path('live')}?value_format=STRING`)
  assert.equal(events.response.headers['content-type'], 'text/event-stream')
  const first = await events.next()
  assert.equal(first.event, 'record')
  assert.deepEqual(JSON.parse(first.data).value, { type: 'STRING', data: 'a' })
  const position = await events.next()
  assert.deepEqual([position.event, position.id], ['position', '0:1'])
  await fill('live', ['b'])
  assert.equal(JSON.parse((await events.next()).data).value.data, 'b')
  events.close()
  const again = await listen(`${path('live')}?value_format=STRING`, { 'last-event-id': position.id! })
  assert.equal(JSON.parse((await again.next()).data).value.data, 'b')
  again.close()
})

test('server-sent events with a group are a member of it, and commit what its connection has outlasted', async () => {
  await proxy.client.createTopic({ name: 'members' })
  await fill('members', ['a', 'b'])
  const events = await listen(`${path('members')}?group=streamers&value_format=STRING`)
  assert.equal(JSON.parse((await events.next()).data).value.data, 'a')
  assert.equal((await proxy.client.group('streamers')).members.length, 1)
  for (let tries = 0; ; tries++) {
    const [committed] = await proxy.client.groupOffsets('streamers', '')
    if (committed?.offset === 2n) break
    assert.ok(tries < 400, 'nothing is committed')
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  events.close()
  for (let tries = 0; (await proxy.client.group('streamers')).members.length > 0; tries++) {
    assert.ok(tries < 200, 'the member does not leave')
    await new Promise(resolve => setTimeout(resolve, 50))
  }
})

test('who breaks off a stream of events as soon as it has come is given it again', async () => {
  await proxy.client.createTopic({ name: 'broken' })
  await fill('broken', ['a'])
  for (let round = 0; round < 2; round++) {
    const events = await listen(`${path('broken')}?group=breakers&value_format=STRING`)
    assert.equal(JSON.parse((await events.next()).data).value.data, 'a')
    events.close()
    while ((await proxy.client.group('breakers')).members.length > 0) await new Promise(resolve => setTimeout(resolve, 50))
  }
  assert.deepEqual(await proxy.client.groupOffsets('breakers', ''), [])
})

test('a slow reader pauses the fetch', async () => {
  await proxy.client.createTopic({ name: 'heavy' })
  const value = Buffer.alloc(1_000_000, 'x')
  for (let i = 0; i < 40; i++) await proxy.client.send('heavy', [{ key: null, value }])
  const before = process.memoryUsage().arrayBuffers
  const events = await listen(`${path('heavy')}?value_format=STRING`)
  events.response.pause()
  await new Promise(resolve => setTimeout(resolve, 1500))
  // Of 40 MB in the topic, the proxy holds a fetch or two, and the socket some.
  const held = process.memoryUsage().arrayBuffers - before
  assert.ok(held < 32_000_000, `${held} bytes`)
  events.response.resume()
  for (let i = 0; i < 40; ) if ((await events.next()).event === 'record') i++
  events.close()
})

test('an unknown topic is told before a stream begins', async () => {
  for (const query of ['', '?group=waiters']) {
    const { status, body } = await proxy.ask('GET', `${path('nothing')}${query}`, undefined, { accept: 'text/event-stream' })
    assert.deepEqual([query, status, body.error_code], [query, 404, 40_403])
  }
})

test('a member that comes back with Last-Event-ID is a member again', async () => {
  await proxy.client.createTopic({ name: 'returning' })
  await fill('returning', ['a'])
  const events = await listen(`${path('returning')}?group=returners&value_format=STRING`, { 'last-event-id': '0:7' })
  assert.equal(JSON.parse((await events.next()).data).value.data, 'a')
  assert.equal((await proxy.client.group('returners')).members.length, 1)
  // Its offsets are its own: nobody commits from outside meanwhile.
  const page = await proxy.ask('GET', `${path('returning')}?group=returners&offsets=0:1`)
  assert.deepEqual([page.status, page.body.error_code], [409, 40_903])
  events.close()
})

test('a record larger than all limits comes through', async () => {
  await proxy.client.createTopic({ name: 'huge', configs: new Map([['max.message.bytes', '33554432']]) })
  const value = Buffer.alloc(20_000_000, 'x')
  await proxy.client.send('huge', [{ key: null, value }])
  await fill('huge', ['small'])
  const page = await proxy.ask('GET', `${path('huge')}?value_format=STRING&max_bytes=10`)
  assert.deepEqual(
    page.body.data.map((each: { value: { data: string } }) => each.value.data.length),
    [value.length],
  )
  const events = await listen(`${path('huge')}?value_format=STRING`)
  assert.equal(JSON.parse((await events.next()).data).value.data.length, value.length)
  events.close()
})

test('a reader who takes nothing is left, and one who goes away makes room', async () => {
  const limits = { mostInFlightBytes: 65_536, instanceTimeoutMs: 1_000, mostInstances: 1, streamIdleMs: 3_000, commitAfterMs: 5_000 }
  await using short = await startProxy({}, { rest: limits })
  await short.client.createTopic({ name: 'stalled' })
  for (let i = 0; i < 30; i++) await short.client.send('stalled', [{ key: null, value: Buffer.alloc(1_000_000, 'x') }])
  const target = `${short.cluster}/topics/stalled/records`
  const stalled = await listen(target, {}, short)
  stalled.response.pause()
  assert.equal((await short.ask('GET', target)).status, 429)
  for (let tries = 0; (await short.ask('GET', `${target}?max_records=1`)).status === 429; tries++) {
    assert.ok(tries < 300, 'the stalled reader keeps its place')
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  const second = await listen(target, {}, short)
  await second.next()
  second.close()
  for (let tries = 0; (await short.ask('GET', `${target}?max_records=1`)).status === 429; tries++) {
    assert.ok(tries < 300, 'the reader who is gone keeps its place')
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  stalled.close()
})

test('streams end with the proxy', async () => {
  const closing = await startProxy()
  await closing.client.createTopic({ name: 'last' })
  const events = await listen(`${closing.cluster}/topics/last/records`, {}, closing)
  const ended = assert.rejects(events.next(), /the stream has ended/)
  await closing[Symbol.asyncDispose]()
  await ended
})

test('a long answer comes in pieces, and is whole', async () => {
  await proxy.client.createTopic({ name: 'long', configs: new Map([['max.message.bytes', '33554432']]) })
  const value = `${'y'.repeat(262_000)}${'😀'.repeat(600_000)}`
  await fill('long', [value])
  const { headers, body } = await proxy.ask('GET', `${path('long')}?value_format=STRING`)
  assert.equal(headers.get('transfer-encoding'), 'chunked')
  assert.ok(body.data[0].value.data === value, 'it is not what was sent')
})
