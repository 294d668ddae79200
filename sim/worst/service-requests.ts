/** The worst requests that the services permit: as large, as many, as deep as they take. */
import type { Client } from '../../src/client.ts'

export interface Place {
  readonly client: Client
  readonly urls: Readonly<Record<'registry' | 'rest' | 'console', string>>
  /** `/v3/clusters/…` of the REST proxy. */
  readonly cluster: string
}

export interface WorstRequest {
  readonly what: string
  /** Not measured. */
  prepare?(place: Place): Promise<void>
  /** Resolves when all is answered. */
  send(place: Place): Promise<unknown>
}

const mostBodyBytes = 16_777_216
const most = mostBodyBytes - 65_536
const v2 = (format: string) => `application/vnd.kafka.${format}.v2+json`

async function ask(url: string, method = 'GET', body?: string, headers: Record<string, string> = {}): Promise<string> {
  const told = body === undefined ? headers : { 'content-type': 'application/json', ...headers }
  const answer = await fetch(url, { method, headers: told, ...(body === undefined ? {} : { body }) }).catch((error: unknown) => {
    // The rest of a body that is refused as too large is not read.
    if (/EPIPE|ECONNRESET/.test(String((error as Error).cause))) return new Response(null, { status: 413 })
    throw error
  })
  const text = await answer.text()
  if (answer.status >= 500) throw new Error(`${method} ${url}: ${answer.status} ${text.slice(0, 500)}`)
  return text
}

/** Partitions; Kafka creates no more than 10,000 at once. */
const wide = 9_000

const list = (text: (at: number) => string, count: number, by = ',') => Array.from({ length: count }, (_, at) => text(at)).join(by)
/** Of so many characters, of values of so many each. */
const manyValues = (bytes: number) => `[${list(at => String(at % 10), bytes >> 1)}]`
const manyProperties = (count: number) => `{${list(at => `"p${at}":${at}`, count)}}`

const produced = (what: string, body: () => string, topic: string, format: string): WorstRequest => ({
  what: `REST v2: produce ${what}`,
  send: ({ urls }) => ask(`${urls.rest}/topics/${topic}`, 'POST', body(), { 'content-type': v2(format) }),
})
const streamed = (what: string, body: () => string, topic = 'wide'): WorstRequest => ({
  what: `REST v3: records, ${what}`,
  send: ({ urls, cluster }) => ask(`${urls.rest}${cluster}/topics/${topic}/records`, 'POST', body()),
})
const longs = JSON.stringify(JSON.stringify({ type: 'array', items: 'long' }))
const openObject = JSON.stringify(JSON.stringify({ type: 'object', additionalProperties: { type: 'integer' } }))
const numbers = JSON.stringify('syntax = "proto3"; message Numbers { repeated int64 n = 1; }')

const producing: readonly WorstRequest[] = [
  produced('100,000 records', () => `{"records":[${list(() => '{"value":1}', 100_000)}]}`, 'wide', 'json'),
  produced('100,000 records with keys', () => `{"records":[${list(at => `{"key":${at},"value":1}`, 100_000)}]}`, 'wide', 'json'),
  produced('100,000 records to a topic that is not there', () => `{"records":[${list(() => '{"value":1}', 100_000)}]}`, '..', 'json'),
  produced('one record of 900,000 values', () => `{"records":[{"value":${manyValues(1_800_000)}}]}`, 'large', 'json'),
  produced('one of 16 MB in base64', () => `{"records":[{"value":"${'A'.repeat(most - (most % 4))}"}]}`, 'large', 'binary'),
  produced('Avro, 900,000 longs', () => `{"value_schema":${longs},"records":[{"value":${manyValues(1_800_000)}}]}`, 'avro', 'avro'),
  produced('Avro, 100,000 records', () => `{"value_schema":${longs},"records":[${list(() => '{"value":[1]}', 100_000)}]}`, 'avro', 'avro'),
  produced(
    'JSON Schema, 90,000 properties',
    () => `{"value_schema":${openObject},"records":[{"value":${manyProperties(90_000)}}]}`,
    'jsonschema',
    'jsonschema',
  ),
  produced(
    'Protobuf, 900,000 longs',
    () => `{"value_schema":${numbers},"records":[{"value":{"n":${manyValues(1_800_000)}}}]}`,
    'protobuf',
    'protobuf',
  ),
  streamed('100,000', () => list(() => '{"value":{"type":"JSON","data":1}}', 100_000, '\n')),
  streamed('one of 900,000 values', () => `{"value":{"type":"JSON","data":${manyValues(1_800_000)}}}`, 'large'),
  streamed('100,000 that are refused', () => list(() => '{"value":{"type":"NO","data":1}}', 100_000, '\n')),
  {
    what: 'REST v3: a batch of 1,000',
    send: ({ urls, cluster }) =>
      ask(
        `${urls.rest}${cluster}/topics/wide/records:batch`,
        'POST',
        `{"entries":[${list(at => `{"id":"${at}","value":{"type":"JSON","data":"${'x'.repeat(15_000)}"}}`, 1_000)}]}`,
      ),
  },
]

const page = (topic: string, query: string): WorstRequest => ({
  what: `REST v3: read ${topic}, ${query}`,
  send: ({ urls, cluster }) => ask(`${urls.rest}${cluster}/topics/${topic}/records?${query}`),
})
const consumed = (topic: string, format: string): WorstRequest => ({
  what: `REST v2: read ${topic} as ${format}`,
  async prepare({ urls }) {
    const base = `${urls.rest}/consumers/${topic}-${format}`
    const type = { 'content-type': 'application/vnd.kafka.v2+json' }
    await ask(base, 'POST', JSON.stringify({ name: 'i', format, 'auto.offset.reset': 'earliest' }), type)
    await ask(`${base}/instances/i/assignments`, 'POST', JSON.stringify({ partitions: [{ topic, partition: 0 }] }), type)
  },
  send: ({ urls }) =>
    ask(`${urls.rest}/consumers/${topic}-${format}/instances/i/records?timeout=5000`, 'GET', undefined, { accept: v2(format) }),
})

const reading: readonly WorstRequest[] = [
  ...['BINARY', 'AUTO', 'JSON', 'STRING'].map(format => page('wide', `max_records=10000&max_bytes=16777216&value_format=${format}`)),
  ...['large', 'avro', 'jsonschema', 'protobuf'].map(topic => page(topic, 'max_bytes=16777216&value_format=AUTO')),
  ...['binary', 'json'].flatMap(format => [consumed('wide', format), consumed('large', format)]),
  consumed('empty', 'binary'),
  ...['avro', 'jsonschema', 'protobuf'].map(format => consumed(format, format)),
]

const get = (what: string, path: (place: Place) => string): WorstRequest => ({ what, send: place => ask(path(place)) })

const administering: readonly WorstRequest[] = [
  get('REST: openapi.json', ({ urls }) => `${urls.rest}/openapi.json`),
  get('REST v3: topics', ({ urls, cluster }) => `${urls.rest}${cluster}/topics`),
  get('REST v3: partitions of a topic', ({ urls, cluster }) => `${urls.rest}${cluster}/topics/many/partitions`),
  get('REST v3: all replicas of a topic', ({ urls, cluster }) => `${urls.rest}${cluster}/topics/many/partitions/-/reassignment`),
  get('REST v3: configs of all topics', ({ urls, cluster }) => `${urls.rest}${cluster}/topics/-/configs`),
  get('REST v3: groups', ({ urls, cluster }) => `${urls.rest}${cluster}/consumer-groups`),
  get('REST v3: lags of a group', ({ urls, cluster }) => `${urls.rest}${cluster}/consumer-groups/lagging/lags`),
  get('REST v2: topics', ({ urls }) => `${urls.rest}/topics`),
  get('REST v2: a topic', ({ urls }) => `${urls.rest}/topics/many`),
  {
    what: 'REST v3: create a topic with 16 MB of configs',
    send: ({ urls, cluster }) =>
      ask(`${urls.rest}${cluster}/topics`, 'POST', `{"topic_name":"x","configs":[${list(at => `{"name":"c${at}","value":"v"}`, 90_000)}]}`),
  },
]

const register = (what: string, subject: string, body: () => object): WorstRequest => ({
  what: `registry: register ${what}`,
  send: ({ urls }) => ask(`${urls.registry}/subjects/${subject}/versions`, 'POST', JSON.stringify(body())),
})
const avroFields = (count: number) =>
  JSON.stringify({
    type: 'record',
    name: 'R',
    fields: Array.from({ length: count }, (_, at) => ({ name: `f${at}`, type: 'int', default: 0 })),
  })
const jsonProperties = (count: number) =>
  JSON.stringify({
    type: 'object',
    properties: Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${at}`, { type: 'integer' }])),
  })
const protobufFields = (count: number) => `syntax = "proto3"; message M { ${list(at => `int32 f${at} = ${at + 1};`, count, ' ')} }`

const registering: readonly WorstRequest[] = [
  register('the first Avro schema', 'first-avro', () => ({ schema: '"int"' })),
  register('the first JSON schema', 'first-json', () => ({ schemaType: 'JSON', schema: '{"type":"object"}' })),
  register('the first Protobuf schema', 'first-protobuf', () => ({ schemaType: 'PROTOBUF', schema: 'syntax = "proto3"; message M {}' })),
  ...([20_000, 20_001] as const).flatMap(count => [
    register(`Avro with ${count} fields`, 'large-avro', () => ({ schema: avroFields(count) })),
    register(`JSON Schema with ${count} properties`, 'large-json', () => ({ schemaType: 'JSON', schema: jsonProperties(count) })),
    register(`Protobuf with ${count - 10_000} fields`, 'large-protobuf', () => ({
      schemaType: 'PROTOBUF',
      schema: protobufFields(count - 10_000),
    })),
  ]),
  register('16 MB of spaces', 'spaces', () => ({ schema: `${' '.repeat(most - 1_000)}"int"` })),
  register('90,000 references', 'references', () => ({
    schema: '"int"',
    references: Array.from({ length: 90_000 }, (_, at) => ({ name: `n${at}`, subject: 's', version: 1 })),
  })),
  register('metadata of 90,000 properties', 'metadata', () => ({
    schema: '"int"',
    metadata: { properties: Object.fromEntries(Array.from({ length: 90_000 }, (_, at) => [`p${at}`, 'v'])) },
  })),
  ...(['avro', 'json', 'protobuf'] as const).map(kind =>
    get(`registry: a large ${kind} schema`, ({ urls }) => `${urls.registry}/subjects/large-${kind}/versions/latest`),
  ),
  get('registry: subjects', ({ urls }) => `${urls.registry}/subjects`),
  get('registry: schemas', ({ urls }) => `${urls.registry}/schemas`),
  get('registry: contexts', ({ urls }) => `${urls.registry}/contexts`),
]

const api = (what: string, path: string): WorstRequest => get(`console: ${what}`, ({ urls }) => `${urls.console}/api/${path}`)

const console_: readonly WorstRequest[] = [
  api('topics', 'topics?limit=100'),
  api('topics, searched', 'topics?limit=100&search=7'),
  api('a topic of 9,000 partitions', 'topics/many'),
  api('partitions of it', 'topics/many/partitions'),
  api('groups', 'groups?limit=100'),
  api('a group', 'groups/lagging'),
  api('overview', 'overview'),
  api('history', 'history'),
  api('messages', 'topics/wide/messages?from=oldest&limit=1000'),
  api('large messages', 'topics/large/messages?from=oldest&limit=100'),
  api('Avro messages', 'topics/avro/messages?from=oldest&limit=100'),
  api('JSON Schema messages', 'topics/jsonschema/messages?from=oldest&limit=100'),
  api('Protobuf messages', 'topics/protobuf/messages?from=oldest&limit=100'),
  api('a filter by text', 'topics/wide/messages?from=oldest&limit=10&contains=nothing'),
  api('a filter by CEL', `topics/wide/messages?from=oldest&limit=10&cel=${encodeURIComponent('value == "nothing"')}`),
  api('a value whole', 'topics/large/messages/0/0/value'),
  api('schemas', 'schemas'),
  api('ACLs', 'security/acls'),
]

export const serviceRequests: readonly WorstRequest[] = [...registering, ...producing, ...reading, ...administering, ...console_]

/** What the requests find there. */
export async function furnish({ client }: Place): Promise<void> {
  const largest = new Map([['max.message.bytes', '104857600']])
  for (const name of ['wide', 'avro', 'jsonschema', 'protobuf', 'empty', 'large'])
    await client.createTopic({ name, partitions: 1, configs: largest })
  await client.createTopic({ name: 'many', partitions: wide })
  const nothing = Array.from({ length: 100_000 }, () => ({ key: null, value: null }))
  for (let round = 0; round < 5; round++) await client.send('empty', nothing, { compression: 'gzip' })
  await client.commit(
    'lagging',
    Array.from({ length: wide }, (_, partition) => ({ topic: 'many', partition, offset: 0n })),
  )
  for (let first = 0; first < 1_000; first += 50)
    await Promise.all(Array.from({ length: 50 }, (_, at) => client.createTopic({ name: `t${first + at}`, partitions: 1 })))
}
