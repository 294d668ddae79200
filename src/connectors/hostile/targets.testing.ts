/** Every connector with a network target, and a small target that works: what stands behind the hostile door of `test/support/hostile-front.ts`. */
import type { TestContext as Test } from 'node:test'
import type { SinkDefinition, SourceDefinition } from '../../connector.ts'
import { clickhouse } from '../clickhouse/clickhouse.ts'
import { FakeSearch } from '../elasticsearch/elasticsearch.testing.ts'
import { elasticsearch } from '../elasticsearch/sink.ts'
import { hbase } from '../hbase/hbase.ts'
import { FakeHdfs } from '../hdfs/hdfs.testing.ts'
import { hdfs } from '../hdfs/sink.ts'
import { http } from '../http/http.ts'
import { type Answered, type Asked, startServer } from '../http-server.testing.ts'
import { FakeCatalogue } from '../iceberg/catalog.testing.ts'
import { iceberg } from '../iceberg/sink.ts'
import { maxcompute } from '../maxcompute/maxcompute.ts'
import { opentsdb } from '../opentsdb/opentsdb.ts'
import { startRedis } from '../redis/redis.testing.ts'
import { redis } from '../redis/redis.ts'
import { FakeS3 } from '../s3/s3.testing.ts'
import { s3 } from '../s3/sink.ts'

export interface Started {
  /** Where the target listens: what the door leads to. */
  readonly url: string
  /** `url`: of the door. `timeoutMs`: how long a request may take, as far as the connector can be told. */
  config(url: string, timeoutMs: number): Readonly<Record<string, string>>
  /** The numbers of the records that the target has, each as often as it has it; of a source, of those that it gave. */
  took(given: readonly string[]): number[]
}

export interface Target {
  readonly name: string
  readonly definition: SinkDefinition | SourceDefinition
  /** What the target answers with, when all is well; nothing: it does not speak HTTP. */
  readonly contentType: string
  /** Answers that are a success for it, whoever gives them. */
  readonly believes?: 'nothing' | 'all'
  /** A record that is written again is there once. */
  readonly exactlyOnce: boolean
  /** Nothing that works stands behind the door. */
  readonly isDoorOnly?: boolean
  /** The target greets its clients. */
  readonly speaksFirst?: boolean
  start(test: Test): Promise<Started>
}

/** Which none of the errors may tell. */
export const secrets = { user: 'bob', password: 'pass-word-4711', token: 'tok-en-0815-xyz' }
const seconds = (ms: number) => String(Math.max(1, Math.round(ms / 1_000)))
export const numbersIn = (texts: Iterable<string | Buffer>) =>
  Array.from(texts, text => Array.from(String(text).matchAll(/rec-(\d+)/g), ([, n]) => Number(n))).flat()
const login = { 'connection.username': secrets.user, 'connection.password': secrets.password }
const keys = { 'aws.access.key.id': 'id', 'aws.secret.access.key': secrets.password }

async function served(test: Test, answer: (asked: Asked, url: URL) => Answered, rest: Omit<Started, 'url'>): Promise<Started> {
  const { url } = await startServer(test, asked => answer(asked, new URL(asked.path, 'http://h')))
  return { url, ...rest }
}

const json = (body: unknown): Answered => ({ status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

const search: Target = {
  name: 'elasticsearch',
  definition: elasticsearch,
  contentType: 'application/json',
  exactlyOnce: true,
  async start(test) {
    const fake = await FakeSearch.start()
    test.after(() => fake.stop())
    return {
      url: fake.url,
      config: (url, timeoutMs) => ({
        'connection.url': url,
        // Of a request without an answer; it may be ten times as long.
        'read.timeout.ms': String(timeoutMs / 10),
        'key.ignore': 'true',
        'schema.ignore': 'true',
        'max.retries': '1',
        'retry.backoff.ms': '1',
        ...login,
      }),
      took: () => numbersIn([...fake.documents.values()].map(each => each.source)),
    }
  },
}

const objects: Target = {
  name: 's3',
  definition: s3,
  contentType: 'application/xml',
  exactlyOnce: true,
  async start(test) {
    const fake = await FakeS3.start()
    test.after(() => fake.stop())
    return {
      url: fake.url,
      config: (url, timeoutMs) => ({
        ...{ 's3.bucket.name': 'b', 'store.url': url, 'flush.size': '3', 's3.part.retries': '0' },
        's3.request.timeout.ms': String(timeoutMs),
        ...keys,
      }),
      took: () => numbersIn([...fake.objects].filter(([key]) => key.startsWith('topics/t/')).map(([, each]) => each.body)),
    }
  },
}

const files: Target = {
  name: 'hdfs',
  definition: hdfs,
  contentType: 'application/json',
  exactlyOnce: true,
  async start(test) {
    const fake = await FakeHdfs.start()
    test.after(() => fake.stop())
    return {
      url: fake.url,
      config: (url, timeoutMs) => ({
        ...{ 'hdfs.url': url, 'hdfs.delegation.token': secrets.token, 'flush.size': '3' },
        'hdfs.request.timeout.ms': String(timeoutMs),
      }),
      took: () => numbersIn(fake.visible.map(path => fake.files.get(path)!)),
    }
  },
}

const rows: Target = {
  name: 'hbase',
  definition: hbase,
  contentType: 'application/json',
  believes: 'nothing',
  exactlyOnce: true,
  start(test) {
    const cells = new Map<string, string>()
    const plain = (base64: string) => Buffer.from(base64, 'base64').toString()
    const answer = (asked: Asked, url: URL): Answered => {
      if (url.pathname.endsWith('/schema')) return json({ name: 't', ColumnSchema: [{ name: 'cf' }] })
      const { Row } = JSON.parse(asked.body.toString()) as { Row: { key: string; Cell: { column: string; $: string }[] }[] }
      for (const { key, Cell } of Row) for (const { column, $ } of Cell) cells.set(`${key} ${column}`, plain($))
      return { status: 200 }
    }
    return served(test, answer, {
      config: (url, timeoutMs) => ({
        ...{ 'hbase.rest.url': url, 'table.name.format': 't', 'row.key': '${topic}-${partition}-${offset}' },
        ...{ 'request.timeout.ms': String(timeoutMs), ...login },
      }),
      took: () => numbersIn(cells.values()),
    })
  },
}

const points: Target = {
  name: 'opentsdb',
  definition: opentsdb,
  contentType: 'application/json',
  exactlyOnce: true,
  start(test) {
    const stored = new Map<string, string>()
    const answer = ({ body }: Asked): Answered => {
      const sent = JSON.parse(body.toString()) as { tags: Record<string, string> }[]
      for (const point of sent) stored.set(JSON.stringify(point), JSON.stringify(point.tags))
      return json({ success: sent.length, failed: 0, errors: [] })
    }
    return served(test, answer, {
      config: (url, timeoutMs) => ({
        ...{ 'connection.url': url, 'metric.name': 'm', 'metric.value': '${value.n}', 'metric.tags': 'text=${value.text}' },
        ...{ 'request.timeout.ms': String(timeoutMs), ...login },
      }),
      took: () => numbersIn(stored.values()),
    })
  },
}

const webhook: Target = {
  name: 'http',
  definition: http,
  contentType: 'application/json',
  believes: 'all',
  exactlyOnce: false,
  start(test) {
    const bodies: Buffer[] = []
    const answer = ({ body }: Asked, url: URL): Answered => {
      if (url.pathname === '/token') return json({ access_token: secrets.token, expires_in: 3_600 })
      bodies.push(body)
      return json({ ok: true })
    }
    return served(test, answer, {
      config: (url, timeoutMs) => ({
        ...{ 'http.url': `${url}/events`, 'http.timeout': seconds(timeoutMs), 'http.authorization.type': 'oauth2' },
        ...{ 'oauth2.access.token.url': `${url}/token`, 'oauth2.client.id': secrets.user, 'oauth2.client.secret': secrets.password },
        ...{ 'batching.enabled': 'true', 'batch.max.size': '2' },
      }),
      took: () => numbersIn(bodies),
    })
  },
}

const uploads: Target = {
  name: 'maxcompute',
  definition: maxcompute,
  contentType: 'application/json',
  exactlyOnce: true,
  start(test) {
    const sessions = new Map<string, { blocks: Map<number, Buffer>; status: string }>()
    const columns = [{ name: 'text', type: 'string' }]
    const answer = ({ method, body }: Asked, { searchParams: query }: URL): Answered => {
      const id = query.get('uploadid') ?? String(sessions.size)
      if (query.has('uploads')) sessions.set(id, { blocks: new Map(), status: 'normal' })
      const session = sessions.get(id)
      if (session === undefined) return { status: 404, body: '{"Code":"NoSuchUpload"}' }
      if (method === 'PUT') {
        session.blocks.set(Number(query.get('blockid')), body)
        return { status: 200 }
      }
      if (method === 'POST' && !query.has('uploads')) session.status = 'closed'
      const there = [...session.blocks.keys()].map(BlockID => ({ BlockID }))
      return json({ UploadID: id, Status: session.status, Schema: { columns }, UploadedBlockList: there })
    }
    return served(test, answer, {
      config: (url, timeoutMs) => ({
        ...{ tunnel_endpoint: url, project: 'p', table: 't', partition_window_type: 'NONE', 'compression.type': 'none' },
        ...{ access_id: 'AKID', access_key: secrets.password, 'request.timeout.ms': String(timeoutMs) },
        'session.directory': '/sessions',
      }),
      took: () =>
        numbersIn([...sessions.values()].filter(({ status }) => status === 'closed').flatMap(({ blocks }) => [...blocks.values()])),
    })
  },
}

const inserts: Target = {
  name: 'clickhouse',
  definition: clickhouse,
  contentType: 'text/plain',
  exactlyOnce: true,
  start(test) {
    const inserted = new Map<string, Buffer>()
    const answer = ({ body }: Asked, { searchParams: query }: URL): Answered => {
      inserted.set(query.get('insert_deduplication_token')!, body)
      return { status: 200, headers: { 'x-clickhouse-summary': '{}' } }
    }
    return served(test, answer, {
      config: (url, timeoutMs) => ({
        ...{ hostname: '127.0.0.1', port: new URL(url).port, ssl: 'false', 'compression.enabled': 'false' },
        ...{ username: secrets.user, password: secrets.password, timeoutSeconds: seconds(timeoutMs) },
      }),
      took: () => numbersIn(inserted.values()),
    })
  },
}

function tables(hostile: 'catalogue' | 'store'): Target {
  return {
    name: `iceberg, hostile ${hostile}`,
    definition: iceberg,
    contentType: hostile === 'catalogue' ? 'application/json' : 'application/xml',
    exactlyOnce: true,
    async start(test) {
      const [catalogue, store] = await Promise.all([FakeCatalogue.start(), FakeS3.start()])
      test.after(() => Promise.all([catalogue.stop(), store.stop()]))
      return {
        url: hostile === 'catalogue' ? catalogue.url : store.url,
        config: (url, timeoutMs) => ({
          ...{ 'iceberg.tables': 'db.events', 'iceberg.catalog.uri': hostile === 'catalogue' ? url : catalogue.url },
          ...{ 'iceberg.catalog.s3.endpoint': hostile === 'store' ? url : store.url, 'iceberg.catalog.s3.access-key-id': 'id' },
          ...{ 'iceberg.catalog.s3.secret-access-key': secrets.password, 'iceberg.catalog.token': secrets.token },
          ...{ 'iceberg.tables.auto-create-enabled': 'true', 'iceberg.tables.evolve-schema-enabled': 'true' },
          ...{ 'iceberg.control.commit.interval-ms': '0', 'iceberg.catalog.timeout.ms': String(timeoutMs) },
        }),
        // Each commit of the test has as many rows as it says, and they begin behind those of the commit before.
        took: () => {
          const rows = (catalogue.tables.get('db.events')?.snapshots ?? []).map(({ summary }) => Number(summary['added-records']))
          return Array.from({ length: rows.reduce((sum, each) => sum + each, 0) }, (_, n) => n)
        },
      }
    },
  }
}

const strings: Target = {
  name: 'redis',
  definition: redis,
  contentType: '',
  exactlyOnce: true,
  async start(test) {
    const fake = await startRedis(test)
    return {
      url: fake.url,
      config: (url, timeoutMs) => ({
        ...{ 'redis.uri': url.replace('http:', 'redis:'), 'redis.command': 'SET', 'redis.key': 'rec-${offset}' },
        ...{ 'redis.username': secrets.user, 'redis.password': secrets.password, 'redis.timeout': seconds(timeoutMs) },
      }),
      took: () => numbersIn(fake.strings.keys()),
    }
  },
}

export const sinkTargets: readonly Target[] = [
  ...[search, objects, files, rows, points, webhook, uploads, inserts, tables('catalogue'), tables('store'), strings],
]
