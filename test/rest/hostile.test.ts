/** What strangers may send: nothing of it is answered with 500, takes the proxy down, or changes what all objects inherit. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { type RestProxy, startProxy } from './proxy.testing.ts'

let proxy: RestProxy
before(async () => {
  proxy = await startProxy({}, { services: ['registry', 'rest'] })
  await proxy.client.createTopic({ name: 'target' })
})
after(() => proxy[Symbol.asyncDispose]())

const deep = (depth: number, inner = '1') => '['.repeat(depth) + inner + ']'.repeat(depth)
const evil = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'

/** By the member that they stand for. */
const bodies: readonly string[] = [
  ...['', ' ', '{', '}', 'null', 'true', '"x"', '[]', '[[]]', '{}', '1e400', '-0', '99999999999999999999999999'],
  ...[evil, `{"records":[${evil}]}`, `{"records":[{"value":${evil},"key":${evil}}]}`, `{"entries":[${evil}]}`, `{"value":${evil}}`],
  ...[deep(50_000), `{"value":{"type":"JSON","data":${deep(20_000)}}}`, `{"value":{"type":"BINARY","data":${deep(20_000)}}}`],
  ...[
    `{"value":{"data":${deep(5_000)}}}`,
    `{"records":${deep(20_000)}}`,
    `{"records":[{"value":${deep(20_000)}}]}`,
    `{"entries":${deep(1_000)}}`,
  ],
  ...[
    '{"records":null}',
    '{"records":{}}',
    '{"records":[null]}',
    '{"records":[1]}',
    '{"entries":[null]}',
    '{"entries":[{"id":{}}]}',
    '{"entries":[{"id":""}]}',
  ],
  ...[
    '{"records":[{"value":"x","partition":1e300}]}',
    '{"records":[{"value":"x","partition":"0"}]}',
    '{"partition_id":1e300,"value":null}',
  ],
  ...[
    '{"value":{"type":"STRING","data":{}},"timestamp":1e300}',
    '{"timestamp":"9999999-01-01T00:00:00Z"}',
    '{"timestamp":{"a":1}}',
    '{"headers":{}}',
    '{"headers":[{"name":1}]}',
  ],
  ...[
    '{"value":{"type":{},"data":1}}',
    '{"key":{"type":"AVRO","schema":"\\"int\\"","data":"x"},"value":{"type":"NOPE","data":1}}',
    '{"value":{"schema_id":1e300,"data":1}}',
    '{"value":{"type":"AVRO","schema":{},"data":1}}',
    '{"value":{"subject":"","data":1}}',
  ],
  ...[
    '{"key_schema_id":-1,"records":[{"key":1}]}',
    '{"value_schema":"","records":[{"value":1}]}',
    `{"value_schema":${JSON.stringify(deep(300))},"records":[{"value":1}]}`,
  ],
  ...[
    '{"topic_name":{}}',
    '{"topic_name":"x","partitions_count":9007199254740993}',
    '{"topic_name":"x","partitions_count":-5}',
    '{"topic_name":"x","replication_factor":70000}',
  ],
  ...[
    '{"topic_name":"x","configs":[{"name":"__proto__","value":"1"}]}',
    '{"topic_name":"x","configs":[null]}',
    '{"topic_name":"x","replicas_assignments":{"__proto__":[1]}}',
    '{"partitions_count":1e300}',
  ],
  ...[
    '{"name":"","format":"__proto__"}',
    '{"id":{}}',
    '{"format":["json"]}',
    '{"auto.offset.reset":"__proto__"}',
    '{"fetch.min.bytes":"Infinity"}',
    '{"name":{"toString":1}}',
    '{"format":{"toString":1}}',
    '{"auto.offset.reset":{"toString":1}}',
    '{"auto.commit.enable":{"toString":1}}',
    '{"fetch.min.bytes":{"toString":1}}',
    '{"consumer.request.timeout.ms":-1}',
  ],
  ...[
    '{"topics":[1]}',
    '{"topics":["__proto__"]}',
    '{"topic_pattern":"(a+)+$"}',
    '{"topic_pattern":"["}',
    '{"partitions":[{"topic":"target","partition":-1}]}',
    '{"partitions":[null]}',
    '{"partitions":[{"topic":{"toString":1},"partition":{"valueOf":1}}]}',
  ],
  ...[
    '{"offsets":[null]}',
    '{"offsets":[{"topic":"target","partition":0,"offset":1e300}]}',
    '{"offsets":[{"topic":"target","partition":99999999999,"offset":1}]}',
  ],
  ...[
    '{"offsets":[{"topic":"target","partition":0,"offset":-9223372036854775809}]}',
    '{"timestamps":[{"topic":"target","partition":0,"timestamp":"soon"}]}',
    '{"data":[null]}',
    '{"data":[{"name":"__proto__","value":"1"}]}',
    '{"value":null}',
  ],
]
const names = ['target', '__proto__', 'constructor', '..%2f..%2fetc', '%00', '-1', '99999999999', '%F0%9F%92%A9', 'x'.repeat(900)]

/** The status and what came, also where the client of the language would not send such a thing. */
function send(
  method: string,
  path: string,
  body: string | Buffer,
  headers: Record<string, string>,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asking = request(
      proxy.url + path,
      { method, headers: { ...headers, 'content-length': Buffer.byteLength(body) } },
      async response => {
        let text = ''
        for await (const chunk of response) text += chunk
        resolve({ status: response.statusCode!, text })
      },
    )
    asking.on('error', reject).end(body)
  })
}

test('bodies of every wrong kind, to every route', async () => {
  const { body } = await proxy.ask('POST', '/consumers/hostile', { name: 'target', format: 'binary' })
  assert.equal(body.instance_id, 'target')
  const types = [
    'application/json',
    'application/vnd.kafka.v2+json',
    'application/vnd.kafka.json.v2+json',
    'application/vnd.kafka.avro.v2+json',
  ]
  const failures: string[] = []
  let sent = 0
  for (const [path, operations] of Object.entries(proxy.document.paths))
    for (const method of Object.keys(operations)) {
      if (method === 'get' && !path.endsWith('/offsets')) continue
      const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
        name === 'cluster_id'
          ? proxy.cluster.split('/').at(-1)!
          : name === 'group'
            ? 'hostile'
            : name.endsWith('_id') || name === 'partition'
              ? '0'
              : 'target',
      )
      // The topic and the instance are needed later on.
      if (method === 'delete' && /topics\/target$|instances\/target$/.test(filled)) continue
      for (const [index, each] of bodies.entries()) {
        const contentType = types[path.startsWith('/v3') ? 0 : /^\/topics/.test(path) ? 2 + (index % 2) : index % 2]!
        const { status, text } = await send(method.toUpperCase(), filled, each, { 'content-type': contentType }).catch((error: Error) => ({
          status: 599,
          text: error.message,
        }))
        if (status >= 500 || /"error_code":500\b/.test(text))
          failures.push(`${method} ${filled} ${each.slice(0, 200)}: ${status} ${text.slice(0, 300)}`)
        sent++
      }
    }
  assert.deepEqual(failures, [])
  assert.ok(sent > 1_000, `${sent}`)
  assert.equal(({} as { polluted?: number }).polluted, undefined)
  assert.equal((await proxy.ask('GET', '/brokers')).status, 200)
})

test('names of every wrong kind, in every path', async () => {
  for (const [path, operations] of Object.entries(proxy.document.paths)) {
    if (operations['get'] === undefined) continue
    for (const name of names) {
      const filled = path.replaceAll(/\{(\w+)\}/g, (_, each: string) =>
        each === 'cluster_id' && name !== '__proto__' ? proxy.cluster.split('/').at(-1)! : name,
      )
      const { status, text } = await send(
        'GET',
        `${filled}?timeout_ms=1&offsets=${name}&from=${name}&partition=${name}&timeout=${name}&max_bytes=${name}&offset_type=${name}`,
        '',
        {},
      )
      assert.ok(status < 500, `${filled}: ${status} ${text}`)
    }
  }
})

test('headers of every wrong kind', async () => {
  for (const headers of [
    { accept: '*'.repeat(10_000) },
    { accept: 'application/json;q=NaN' },
    { accept: `${'a/b,'.repeat(3_000)}application/json` },
    { 'content-type': 'application/json; charset=\u00ff' },
    { 'content-type': 'multipart/form-data' },
    { host: 'evil.example' },
    { authorization: 'Basic !!!' },
    { 'last-event-id': '0:99999999999999999999', accept: 'text/event-stream' },
    { origin: 'https://evil.example' },
  ] as Record<string, string>[])
    for (const path of ['/topics', `${proxy.cluster}/topics/target/records`]) {
      const { status } = await send('GET', path, '', { 'content-type': 'application/json', ...headers })
      assert.ok(status < 500, `${JSON.stringify(headers).slice(0, 100)}: ${status}`)
    }
})

test('bytes that are no UTF-8, and no HTTP', async () => {
  const bytes = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])
  for (const path of [
    `${proxy.cluster}/topics/target/records`,
    `${proxy.cluster}/topics/target/records:batch`,
    `${proxy.cluster}/topics`,
    '/consumers/hostile',
  ])
    assert.ok((await send('POST', path, bytes, { 'content-type': 'application/json' })).status < 500)
  for (const garbage of [
    '\0\0\0\0',
    'GET / HTTP/9\r\n\r\n',
    'POST /topics/target HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ])
    await new Promise<void>(resolve => {
      const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1', () => socket.end(garbage))
      socket
        .on('close', () => resolve())
        .on('error', () => {})
        .resume()
    })
  assert.equal((await proxy.ask('GET', '/brokers')).status, 200)
})

test('after a stream that is no JSON the connection is of use', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = (method: string, path: string, body: string) =>
    new Promise<number>((resolve, reject) => {
      request(proxy.url + path, { method, agent, headers: { 'content-type': 'application/json' } }, response => {
        const { localPort } = response.socket
        response.resume().on('end', () => resolve(localPort!))
      })
        .on('error', reject)
        .end(body)
    })
  const first = await ask('POST', `${proxy.cluster}/topics/target/records`, 'oops')
  await new Promise(resolve => setTimeout(resolve, 1_500))
  const second = await ask('GET', '/brokers', '')
  assert.ok(first !== undefined && first === second)
  agent.destroy()
})

test('consumer instances without end: the first hundred are made, the others are refused; many records in a request have a bound', async () => {
  const statuses = new Map<number, number>()
  for (let i = 0; i < 1_000; i += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, j) => proxy.ask('POST', `/consumers/many-${i}`, { name: `c${j}` })))
    for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  // Some were made before.
  const made = statuses.get(200) ?? 0
  assert.ok(made > 50 && made < 100, `${made} were made`)
  assert.equal(statuses.get(429), 1_000 - made)
  const many = await proxy.ask('POST', '/topics/target', `{"records":[${Array(200_000).fill('{}').join(',')}]}`, {
    'content-type': 'application/vnd.kafka.json.v2+json',
  })
  assert.deepEqual([many.status, many.body.error_code], [413, 413])
})

test('readers who do not read: their answers have a bound, others are told to wait, and who takes nothing is cut off', async () => {
  const rest = { mostInFlightBytes: 2 ** 20, instanceTimeoutMs: 60_000, mostInstances: 100, streamIdleMs: 1_500, commitAfterMs: 5_000 }
  await using small = await startProxy({}, { rest })
  await small.client.createTopic({ name: 'large' })
  const value = Buffer.alloc(900_000, 'x')
  await small.client.send('large', [{ key: null, value }])
  const page = `GET ${small.cluster}/topics/large/records HTTP/1.1\r\nHost: localhost\r\n\r\n`
  const deaf = await Promise.all(
    [0, 1, 2].map(async () => {
      const socket = connect(Number(new URL(small.url).port), '127.0.0.1')
      socket.on('error', () => {}).pause()
      await once(socket, 'connect')
      socket.write(page.repeat(10))
      return socket
    }),
  )
  const statusOf = async () => (await small.ask('GET', '/brokers')).status
  const until = async (status: number) => {
    for (let tries = 0; tries < 200 && (await statusOf()) !== status; tries++) await new Promise(resolve => setTimeout(resolve, 50))
    assert.equal(await statusOf(), status)
  }
  await until(429)
  await until(200)
  for (const socket of deaf) socket.destroy()
})
