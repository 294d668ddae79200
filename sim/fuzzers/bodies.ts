/**
 * Bodies of strangers, to the paths of the registry, the REST proxy and the console that take one: as they should be, with parts exchanged for others, or with
 * damaged bytes. Each is answered in time and never with an error of the server; what is common to all objects stays as it is.
 */
import { request } from 'node:http'
import { parseLossless, realSystem, stringifyLossless } from '../../src/base.ts'
import { openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { startBroker } from '../../src/millrace.ts'
import { startServices } from '../../src/services.ts'
import { settingsFor } from '../../test/services/settings.ts'
import type { SeededRandom } from '../world/random.ts'
import { common } from './common.ts'
import { type Fuzzer, FuzzFinding } from './fuzzer.ts'
import { mutate } from './mutate.ts'

/** `METHOD service path`, and what is sent there. `*`: a topic or subject; `#`: a group; `@`: the path of the cluster. */
const exchanges: readonly (readonly [where: string, body: string])[] = [
  ...schemaBodies('registry', ['POST /subjects/*/versions', 'POST /subjects/*', 'POST /compatibility/subjects/*/versions?verbose=true']),
  [
    'PUT registry /config/*',
    '{"compatibility":"FULL","alias":"other","normalize":true,"compatibilityGroup":"g","compatibilityPolicy":"LENIENT"}',
  ],
  [
    'PUT registry /config/*',
    '{"defaultMetadata":{"properties":{"a":"b"}},"overrideRuleSet":{"domainRules":[{"name":"r","type":"CEL","kind":"CONDITION"}]}}',
  ],
  ['PUT registry /mode/*', '{"mode":"IMPORT"}'],
  ['POST rest /topics/*', '{"records":[{"key":"aw==","value":"dg==","partition":0},{"value":null}]}'],
  ['POST rest /topics/*', '{"key_schema":"\\"int\\"","value_schema_id":1,"records":[{"key":1,"value":{"a":1}}]}'],
  ['POST rest /topics/*/partitions/0', '{"value_schema":"{\\"type\\":\\"string\\"}","records":[{"value":"x"}]}'],
  [
    'POST rest /consumers/#',
    '{"name":"i","format":"json","auto.offset.reset":"earliest","auto.commit.enable":"false","fetch.min.bytes":"1"}',
  ],
  ['POST rest /consumers/#/instances/i/subscription', '{"topics":["fuzz"]}'],
  ['POST rest /consumers/#/instances/i/subscription', '{"topic_pattern":"fu.*"}'],
  ['POST rest /consumers/#/instances/i/assignments', '{"partitions":[{"topic":"fuzz","partition":0}]}'],
  ['POST rest /consumers/#/instances/i/positions', '{"offsets":[{"topic":"fuzz","partition":0,"offset":1}],"timestamps":[]}'],
  ['POST rest /consumers/#/instances/i/positions/beginning', '{"partitions":[{"topic":"fuzz","partition":0}]}'],
  ['POST rest /consumers/#/instances/i/offsets', '{"offsets":[{"topic":"fuzz","partition":0,"offset":1,"metadata":"m"}]}'],
  [
    'POST rest @/topics',
    '{"topic_name":"fuzz-1","partitions_count":1,"replication_factor":1,"configs":[{"name":"retention.ms","value":"1"}]}',
  ],
  ['PATCH rest @/topics/*', '{"partitions_count":3}'],
  [
    'POST rest @/topics/*/records',
    '{"key":{"type":"STRING","data":"k"},"value":{"type":"JSON","data":{"a":[1]}},"headers":[{"name":"h","value":"aA=="}]}{"partition_id":0}',
  ],
  [
    'POST rest @/topics/*/records',
    '{"value":{"type":"AVRO","schema":"\\"int\\"","data":1,"subject_name_strategy":"TOPIC_NAME"},"timestamp":"2026-01-01T00:00:00Z"}',
  ],
  [
    'POST rest @/topics/*/records:batch',
    '{"entries":[{"id":"1","value":{"type":"BINARY","data":"dg=="}},{"id":"2","value":{"schema_id":1,"data":1}}]}',
  ],
  [
    'POST rest @/topics/*/configs:alter',
    '{"data":[{"name":"retention.ms","value":"5"},{"name":"cleanup.policy","operation":"DELETE"}],"validate_only":true}',
  ],
  ['PUT rest @/topics/*/configs/retention.ms', '{"value":"5"}'],
  [
    'POST rest @/acls:batch',
    '{"data":[{"resource_type":"TOPIC","resource_name":"x","pattern_type":"LITERAL","principal":"User:a","host":"*","operation":"READ","permission":"ALLOW"}]}',
  ],
  ...schemaBodies('console', ['POST /api/schemas/*', 'POST /api/schemas/*/check']),
  ['POST console /api/topics', '{"name":"fuzz-2","partitions":1,"replicas":1,"configs":{"retention.ms":"1"}}'],
  [
    'POST console /api/topics/*/messages',
    '{"key":{"text":"k"},"value":{"json":"{\\"a\\":1}","serde":"json"},"headers":[{"key":"h","value":null}],"partition":0}',
  ],
  ['POST console /api/topics/*/redrive', '{"records":[{"partition":0,"offset":"0"}],"to":"fuzz","dryRun":true}'],
  ['POST console /api/topics/*/filters', '{"name":"f","query":"contains=x&cel=value.a==1"}'],
  ['POST console /api/groups/#/offsets', '{"topic":"fuzz","partitions":[0],"to":{"kind":"offset","offset":"1"},"dryRun":true}'],
  ['PATCH console /api/config/topics/*', '{"changes":{"retention.ms":"1","cleanup.policy":null}}'],
  ['POST console /api/security/users', '{"user":"u","password":"p","mechanism":"SCRAM-SHA-256","iterations":4096}'],
  [
    'POST console /api/security/acls',
    '{"acls":[{"resourceType":"TOPIC","resourceName":"x","patternType":"LITERAL","principal":"User:a","host":"*","operation":"READ","permission":"ALLOW"}]}',
  ],
  ['POST console /api/security/quotas', '{"entity":{"user":"u","client-id":null},"values":{"producer_byte_rate":1000000}}'],
  ['PATCH console /api/schemas/*/compatibility', '{"compatibility":"FULL"}'],
  ['POST console /api/login', '{"username":"a","password":"b"}'],
]

function schemaBodies(service: string, paths: readonly string[]): (readonly [string, string])[] {
  const more = `"references":[{"name":"a.proto","subject":"s","version":1}],"metadata":{"tags":{"a":["b"]},"properties":{"c":"d"},"sensitive":["c"]},
    "ruleSet":{"migrationRules":[],"domainRules":[{"name":"r","kind":"CONDITION","type":"CEL","mode":"WRITE","expr":"true","tags":["t"],"params":{"a":"b"},"disabled":false}]}`
  const schemas = [
    ['AVRO', '{"type":"record","name":"R","fields":[{"name":"a","type":["null","int"],"default":null}]}'],
    [
      'JSON',
      '{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"$ref":"#/definitions/d"}},"definitions":{"d":{}}}',
    ],
    ['PROTOBUF', 'syntax = "proto3"; message M { int32 a = 1; map<string, M> m = 2; }'],
  ]
  return paths.flatMap(path =>
    schemas.map(([type, schema]) => {
      const kind = service === 'registry' ? 'schemaType' : 'type'
      return [path.replace(' ', ` ${service} `), `{"${kind}":"${type}","schema":${JSON.stringify(schema)},${more}}`] as const
    }),
  )
}

const odd: readonly string[] = [
  ...[
    'null',
    'true',
    '0',
    '-1',
    '2147483648',
    '9007199254740993',
    '1e300',
    '-0.5',
    '""',
    '"x"',
    '[]',
    '{}',
    '[null]',
    '[[]]',
    '{"toString":1}',
  ],
  ...['"__proto__"', '"constructor"', '{"__proto__":{"polluted":1}}', '"\\ud800"', '"\\u0000"', '"..%2f"', '":.c:s"', '":*:"', '"(a+)+$"'],
  ...[
    `"${'x'.repeat(3_000)}"`,
    `${'['.repeat(100)}${']'.repeat(100)}`,
    '"9223372036854775808"',
    '["__proto__",1,null]',
    '12345678901234567890',
  ],
]
const words = ['fuzz', 'fuzz', 's', ':.c:s', '__proto__', 'constructor', '..', 'é', 'x'.repeat(249)]

/** One part of it, at any depth, becomes something else, goes, or comes twice. */
function exchanged(value: unknown, random: SeededRandom): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.1)) return parseLossless(random.pick(odd))
  if (Array.isArray(value)) {
    const at = random.below(value.length + 1)
    if (at === value.length) return [...value, ...(value.length > 0 && random.chance(0.5) ? [value[0]] : [parseLossless(random.pick(odd))])]
    return value.toSpliced(at, 1, ...(random.chance(0.1) ? [] : [exchanged(value[at], random)]))
  }
  const entries = Object.entries(value)
  const at = random.below(entries.length + 1)
  if (at === entries.length)
    return Object.fromEntries([
      ...entries,
      [random.pick(['__proto__', 'constructor', 'id', 'version', 'é']), parseLossless(random.pick(odd))],
    ])
  const [name, inner] = entries[at]!
  return Object.fromEntries(random.chance(0.1) ? entries.toSpliced(at, 1) : entries.toSpliced(at, 1, [name, exchanged(inner, random)]))
}

function bodyLike(text: string, random: SeededRandom): Buffer {
  // Several documents, one after the other, are exchanged as text.
  const isOne = !text.includes('}{')
  let body = text
  if (isOne && random.chance(0.8)) {
    let value = parseLossless(text)
    for (let count = 1 + random.below(3); count > 0; count--) value = exchanged(value, random)
    body = stringifyLossless(value)
  }
  return !isOne || random.chance(0.15) ? mutate(Buffer.from(body), random) : Buffer.from(body)
}

const contentTypes = {
  registry: ['application/vnd.schemaregistry.v1+json', 'application/json'],
  rest: [
    'application/json',
    'application/vnd.kafka.json.v2+json',
    'application/vnd.kafka.avro.v2+json',
    'application/vnd.kafka.protobuf.v2+json',
  ],
  console: ['application/json'],
} as const
const longestMs = 30_000

export async function bodiesFuzzer(): Promise<Fuzzer> {
  const broker = await startBroker({ memory: true })
  const client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 'fuzz', partitions: 2 })
  const { id } = await client.cluster()
  const services = await startServices(
    settingsFor(broker.address, { services: ['registry', 'rest', 'console'] }),
    realSystem(),
    silentLogger,
  )
  const heard: unknown[] = []
  const hear = (error: unknown) => void heard.push(error)
  process.on('unhandledRejection', hear).on('uncaughtException', hear)
  const before = common()
  return {
    name: 'bodies',
    async once(random) {
      const [where, like] = random.pick(exchanges)
      const [method, service, path] = where.split(' ') as [string, keyof typeof contentTypes, string]
      const cluster = `/v3/clusters/${id}`
      const at = path
        .replace('@', cluster)
        .replace('*', () => encodeURIComponent(random.pick(words)).replace('..', '%2e%2e'))
        .replace('#', 'group')
      const v3OrPlain = at.startsWith('/v3') ? contentTypes.console : contentTypes[service]
      const body = bodyLike(like, random)
      const start = performance.now()
      const answer = await send({ port: services.ports.get(service)!, method, path: at, contentType: random.pick<string>(v3OrPlain), body })
      const tookMs = performance.now() - start
      const input = Buffer.concat([Buffer.from(`${method} ${at}\n`), body])
      const shown = `${service} ${method} ${at}: ${answer.status} ${answer.text.slice(0, 500)}`
      if (answer.status >= 500 || /"error_code":500\b/.test(answer.text)) throw new FuzzFinding(shown, input)
      if (tookMs > longestMs) throw new FuzzFinding(`${shown}: after ${Math.round(tookMs)} ms`, input)
      if (common() !== before) throw new FuzzFinding(`${shown}: has changed what all objects have in common`, input)
      if (heard.length > 0) throw new FuzzFinding(`${shown}: unhandled ${(heard[0] as Error).stack ?? String(heard[0])}`, input)
    },
    async close() {
      await services.close()
      await client.close()
      await broker.close()
      process.off('unhandledRejection', hear).off('uncaughtException', hear)
    },
  }
}

interface Asked {
  readonly port: number
  readonly method: string
  readonly path: string
  readonly contentType: string
  readonly body: Buffer
}

/** Status 599: there was no answer. */
function send({ port, method, path, contentType, body }: Asked): Promise<{ status: number; text: string }> {
  return new Promise(resolve => {
    const headers = { 'content-type': contentType, 'content-length': body.length }
    request({ host: '127.0.0.1', port, method, path, headers, timeout: 60_000 }, async response => {
      let text = ''
      for await (const part of response) text += part
      resolve({ status: response.statusCode!, text })
    })
      .on('error', error => resolve({ status: 599, text: error.message }))
      .on('timeout', function (this: { destroy(): void }) {
        this.destroy()
      })
      .end(body)
  })
}
