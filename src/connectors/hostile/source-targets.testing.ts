/** The sources, and what they read; and the databases, which are tried at their door only, because nothing small speaks for them. */
import { type AddressInfo, createServer } from 'node:net'
import type { TestContext as Test } from 'node:test'
import { startServer } from '../http-server.testing.ts'
import { httpSource } from '../http-source/http-source.ts'
import { jdbc } from '../jdbc/jdbc.ts'
import { jdbcSource } from '../jdbc/source.ts'
import { mongodb } from '../mongodb/mongodb.ts'
import { FakeMqtt } from '../mqtt/mqtt.testing.ts'
import { mqtt } from '../mqtt/mqtt.ts'
import { bulk, startRedis } from '../redis/redis.testing.ts'
import { redisStreams } from '../redis-streams/redis-streams.ts'
import { FakeS3 } from '../s3/s3.testing.ts'
import { s3Source } from '../s3-source/s3-source.ts'
import { numbersIn, type Started, secrets, type Target } from './targets.testing.ts'

const took = (given: readonly string[]) => numbersIn(given)
const seconds = (ms: number) => String(Math.max(1, Math.round(ms / 1_000)))

const polled: Target = {
  name: 'http-source',
  definition: httpSource,
  contentType: 'application/json',
  // An endpoint that has nothing says so in many ways.
  believes: 'all',
  exactlyOnce: true,
  async start(test) {
    const { url } = await startServer(test, ({ path }) => {
      const after = Number(new URL(path, 'http://h').searchParams.get('after'))
      const items = [0, 1, 2].filter(n => n > after).map(id => ({ id, text: `rec-${id}` }))
      return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ items }) }
    })
    return {
      url,
      config: (url, timeoutMs) => ({
        ...{ 'http.request.url': url, 'http.request.params': 'after=${offset.key!"-1"}', 'http.response.list.pointer': '/items' },
        ...{ 'http.response.record.offset.pointer': 'key=/id', 'http.timer.interval.millis': '1', 'kafka.topic': 'orders' },
        ...{ 'http.auth.type': 'Basic', 'http.auth.user': secrets.user, 'http.auth.password': secrets.password },
        'http.client.read.timeout.millis': String(timeoutMs),
      }),
      took,
    }
  },
}

const objects: Target = {
  name: 's3-source',
  definition: s3Source,
  contentType: 'application/xml',
  exactlyOnce: true,
  async start(test) {
    const fake = await FakeS3.start()
    test.after(() => fake.stop())
    fake.objects.set('in/a.json', { body: Buffer.from('{"text":"rec-0"}\n{"text":"rec-1"}\n{"text":"rec-2"}\n'), headers: {} })
    return {
      url: fake.url,
      config: (url, timeoutMs) => ({
        ...{ 's3.bucket.name': 'b', 'store.url': url, mode: 'GENERIC', 'topics.dir': 'in', 'topic.regex.list': 'orders:.*\\.json' },
        ...{ 's3.poll.interval.ms': '1', 's3.part.retries': '0', 's3.request.timeout.ms': String(timeoutMs) },
        ...{ 'aws.access.key.id': 'id', 'aws.secret.access.key': secrets.password },
      }),
      took,
    }
  },
}

const streams: Target = {
  name: 'redis-streams',
  definition: redisStreams,
  contentType: '',
  exactlyOnce: true,
  async start(test) {
    const array = (...parts: readonly string[]) => `*${parts.length}\r\n${parts.join('')}`
    const fake = await startRedis(test, ([name, ...args]) => {
      if (name === 'XINFO') return array(bulk('last-generated-id'), bulk('3-0'))
      if (name !== 'XREAD') return undefined
      const entries = [0, 1, 2].filter(n => n + 1 > Number(args.at(-1)!.split('-')[0]))
      if (entries.length === 0) return '*-1\r\n'
      return array(array(bulk('orders'), array(...entries.map(n => array(bulk(`${n + 1}-0`), array(bulk('text'), bulk(`rec-${n}`)))))))
    })
    return {
      url: fake.url,
      config: (url, timeoutMs) => ({
        ...{ 'redis.uri': url.replace('http:', 'redis:'), 'redis.stream.name': 'orders', topic: 'orders' },
        ...{ 'redis.username': secrets.user, 'redis.password': secrets.password, 'redis.timeout': seconds(timeoutMs) },
        'redis.stream.block': '1',
      }),
      took,
    }
  },
}

const messages: Target = {
  name: 'mqtt',
  definition: mqtt,
  contentType: '',
  exactlyOnce: false,
  async start(test) {
    const fake = await FakeMqtt.start(test)
    for (const n of [0, 1, 2]) fake.publish('plant/a', `rec-${n}`, 1)
    return {
      url: fake.uri,
      config: (url, timeoutMs) => ({
        ...{ 'mqtt.server.uri': url.replace('http:', 'tcp:'), 'mqtt.topics': 'plant/+', 'kafka.topic': 'plant', 'mqtt.qos': '1' },
        ...{ 'mqtt.username': secrets.user, 'mqtt.password': secrets.password, 'mqtt.connect.timeout.seconds': seconds(timeoutMs) },
        'mqtt.keepalive.interval.seconds': seconds(timeoutMs),
      }),
      took,
    }
  },
}

function atTheDoor(name: string, definition: Target['definition'], config: Started['config'], speaksFirst = false): Target {
  return {
    ...{ name, definition, contentType: '', exactlyOnce: false, isDoorOnly: true, speaksFirst },
    async start(test: Test) {
      const server = createServer(socket => void socket.on('error', () => {}))
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      test.after(() => server.close())
      return { url: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, config, took: () => [] }
    },
  }
}

function database(kind: 'postgresql' | 'mysql') {
  return (url: string, timeoutMs: number) => ({
    'connection.url': `jdbc:${kind}://127.0.0.1:${new URL(url).port}/shop`,
    ...{ 'connection.user': secrets.user, 'connection.password': secrets.password },
    ...{ 'connection.timeout.ms': String(timeoutMs), 'query.timeout.ms': String(timeoutMs) },
  })
}
const asked = (kind: 'postgresql' | 'mysql') => (url: string, timeoutMs: number) => ({
  ...database(kind)(url, timeoutMs),
  ...{ mode: 'incrementing', 'incrementing.column.name': 'id', 'topic.prefix': 'shop-', 'task.tables': 'public.orders' },
})

export const sourceTargets: readonly Target[] = [polled, objects, streams, messages]
export const doors: readonly Target[] = [
  atTheDoor('jdbc, PostgreSQL', jdbc, database('postgresql')),
  atTheDoor('jdbc, MySQL', jdbc, database('mysql'), true),
  atTheDoor('jdbc-source, PostgreSQL', jdbcSource, asked('postgresql')),
  atTheDoor('jdbc-source, MySQL', jdbcSource, asked('mysql'), true),
  atTheDoor('mongodb', mongodb, (url, timeoutMs) => ({
    'connection.uri': `mongodb://${secrets.user}:${secrets.password}@127.0.0.1:${new URL(url).port}`,
    ...{ database: 'shop', collection: 'events', 'server.timeout.ms': String(timeoutMs), 'document.id.strategy': 'FullKeyStrategy' },
  })),
]
