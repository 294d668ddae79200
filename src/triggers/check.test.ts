/** Definitions: defaults, and what is refused before a trigger exists. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../base.ts'
import { blockedPorts, parseDefinition } from './check.ts'
import { retriesOf } from './definition.ts'

const { clock } = realSystem()
const code = 'export const main_handler = event => event'
const least = { topics: ['events'], function: { code } }
const parse = (given: unknown, name = 'clean') => parseDefinition(name, given, clock)

test('defaults', async () => {
  const definition = await parse(least)
  assert.deepEqual(definition, {
    ...{ description: '', topics: ['events'], group: null, enabled: true, principal: null },
    function: { code, language: 'javascript', handler: 'main_handler', timeoutMs: 60_000, memoryMb: 128, network: true, environment: {} },
    ...{ envelope: 'scf', extended: false, start: 'latest', batchSize: 100, maxWaitMs: 500, maxEventBytes: 6_291_456 },
    ...{ retries: null, maxAgeMs: null, bisect: false, concurrency: { per: 'partition', most: 2 } },
    ...{ filter: null, onFailure: null, output: null },
  })
  assert.deepEqual((await parse({ ...least, function: { url: 'http://f.example/' } })).function, {
    url: 'http://f.example/',
    headers: {},
    timeoutMs: 60_000,
  })
  assert.deepEqual((await parse({ ...least, concurrency: { per: 'key' } })).concurrency, { per: 'key', most: 2 })
})

test('retries', async () => {
  const target = { onFailure: { topic: 'dead' } }
  for (const [changes, expected] of [
    [{}, 10_000],
    [{ retries: 3 }, 3],
    [{ retries: -1 }, null],
    [target, 10],
    [{ ...target, retries: -1 }, 10],
    [{ ...target, retries: -1, maxAgeMs: 60_000 }, null],
  ] as const)
    assert.equal(retriesOf(await parse({ ...least, ...changes })), expected, JSON.stringify(changes))
})

test('what cannot work is refused, and says why', async () => {
  const cel = (text: string) => ({ ...least, filter: { cel: text } })
  const many = Object.fromEntries(Array.from({ length: 201 }, (_, index) => [`A${index}`, 'x']))
  for (const [given, message] of [
    [{ ...least, topics: undefined }, /either topics or a topicPattern/],
    [{ ...least, topicPattern: 'e.*' }, /either topics or a topicPattern/],
    [{ topicPattern: '(', function: { code } }, /topicPattern: /],
    [{ topicPattern: '(?=a)', function: { code } }, /topicPattern: /],
    [{ ...least, topics: [] }, /topics/],
    [{ ...least, function: { code, environment: many } }, /function\.environment: at most 200 are allowed/],
    [{ ...least, function: { url: 'http://f.example/', headers: many } }, /function\.headers: at most 200 are allowed/],
    [{ ...least, output: { connector: 'http', config: many } }, /output\.config: at most 200 are allowed/],
    [{ ...least, topics: ['__millrace_trigger_logs'] }, /the triggers' own/],
    [{ ...least, onFailure: { topic: 'events' } }, /onFailure: the topic events is a source of the trigger/],
    [{ topicPattern: 'ev.*', function: { code }, onFailure: { topic: 'events-dead' } }, /onFailure: the topic events-dead is a source/],
    [{ ...least, output: { topic: 'events' } }, /output: the topic events is a source/],
    [{ ...least, output: { connector: 'nothing', config: {} } }, /output: there is no sink connector nothing; there are /],
    [{ ...least, output: { connector: 'http', config: { nonsense: '1' } } }, /output: the connector http has no setting nonsense/],
    ...['s3', 'hdfs', 'iceberg', 'io.confluent.connect.s3.S3SinkConnector'].map(
      connector =>
        [
          { ...least, output: { connector, config: {} } },
          /output: the connector (s3|hdfs|iceberg) writes files that are completed later; send the output to a topic, and let a connector write/,
        ] as const,
    ),
    [{ ...least, output: { topic: 'o', exactlyOnce: true }, concurrency: { per: 'key' } }, /cannot be per key/],
    [{ ...least, function: { url: 'http://f/' }, onFailure: { url: 'http://f/' } }, /the function itself/],
    [
      { ...least, filter: { Filters: [{ Pattern: '{"value":{"a":5}}' }] } },
      /filter: Filters\[0\]\.Pattern: "a" must be an object or an array/,
    ],
    [cel('value.a >'), /filter: /],
    [{ ...least, start: '2026-13-45T00:00:00Z' }, /start: there is no time/],
    [{ ...least, start: 'yesterday' }, /^start: "yesterday" is not latest, oldest, or a time with its zone, such as 2026-01-31T12:00:00Z$/],
    [{ ...least, envelope: 'azure' }, /^envelope: must be scf, aws, cloudevents or alibaba$/],
    [{ ...least, topics: ['a b'] }, /^topics\.0: "a b" is not the name of a topic: letters, digits, /],
    [
      { ...least, function: { url: 'http://h/', headers: { 'Content-Length': '1' } } },
      /^function: the header Content-Length is set by the call itself$/,
    ],
    [
      { ...least, function: { url: 'http://h/', headers: { Authorization: 'geheim\n' } } },
      /^function: the header Authorization has characters (?!.*geheim)/,
    ],
    [{ ...least, function: { url: 'http://h/', headers: { a: '→' } } }, /the header a has characters/],
    ...[
      'ftp://h/',
      'http://',
      'http://a b/',
      'http://h/ x',
      'http://h:99999/',
      'http://h:0/',
      'http://h:10080/',
      'http://[::1/',
      'http://%zz/',
      'http://u:p@h/',
      'http://u@h/',
    ].flatMap(url => [[{ ...least, function: { url } }, /^function/] as const, [{ ...least, onFailure: { url } }, /^onFailure/] as const]),
    [{ ...least, batchSize: 10_001 }, /batchSize/],
    [{ ...least, retries: -2 }, /retries/],
    [{ ...least, maxEventBytes: 6_291_457 }, /maxEventBytes/],
    [{ ...least, batchsize: 5 }, /^batchsize: is not known; did you mean batchSize\?$/],
    [{ ...least, function: { code, timeoutMs: 1 } }, /^function\.timeoutMs: must be >= 10$/],
    [{ ...least, function: { url: 'ftp://h/' } }, /^function\.url: "ftp:\/\/h\/" is not a URL with http/],
    [{ ...least, function: {} }, /^function\.code: is missing; function\.url: is missing$/],
    [{ ...least, output: 'upper' }, /^output: must be null or object$/],
    [{ ...least, output: { topc: 'upper' } }, /^output\.topic: is missing; output\.topc: is not known; did you mean topic\?/],
    [{ ...least, retries: 'x' }, /^retries: must be null or integer$/],
    [{ topics: ['events'] }, /^function: is missing$/],
    [null, /^the definition: must be object$/],
    [5, /^the definition: must be object$/],
  ] as const)
    await assert.rejects(parse(given), { name: 'InvalidTrigger', message }, JSON.stringify(given))
  for (const url of ['http://h', 'https://[::1]:9000/a?b=c#d', 'http://h/a@b', 'http://bücher.example/%20'])
    await parse({ ...least, function: { url }, onFailure: { url: `${url}/x` } })
  for (const name of ['', 'a b', '../x', '-a', 'x'.repeat(101)]) await assert.rejects(parse(least, name), /the name/)
})

test('ports that fetch refuses', async () => {
  for (const port of [...blockedPorts].filter(each => each > 0))
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`), ({ cause }: Error) => (cause as Error).message === 'bad port', `${port}`)
})
