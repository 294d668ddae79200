import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openClient } from '../client.ts'
import { startBroker } from '../millrace.ts'
import { type TryFlags, tryConnector } from './connect-try.ts'

let directory: string
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-try-'))
})
after(() => rmSync(directory, { recursive: true }))

function file(name: string, content: string): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

type Mocks = import('node:test').TestContext

async function run(t: Mocks, path: string, flags: Partial<TryFlags>): Promise<{ out: string[]; err: string }> {
  let out = ''
  let err = ''
  // The test runner writes there as well.
  const write = process.stdout.write.bind(process.stdout)
  t.mock.method(process.stdout, 'write', (chunk: string | Uint8Array) => {
    if (typeof chunk !== 'string' || !chunk.startsWith('{"topic"')) return write(chunk)
    out += chunk
    return true
  })
  t.mock.method(process.stderr, 'write', (text: string) => {
    err += text
    return true
  })
  try {
    await tryConnector(path, { from: '-10', limit: 10, ...flags })
  } finally {
    t.mock.restoreAll()
  }
  return { out: out.split('\n').filter(line => line !== ''), err }
}

const sink = `topics=orders
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
key.converter=org.apache.kafka.connect.storage.StringConverter
transforms=paid,mask
transforms.paid.type=CelFilter
transforms.paid.expression=value.paid
transforms.mask.type=org.apache.kafka.connect.transforms.MaskField$Value
transforms.mask.fields=card
transforms.mask.replacement=\${env:MASK}
`

test('prints what a sink would be given, from a topic', async t => {
  process.env.MASK = '****'
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 'orders', partitions: 1, configs: new Map() })
  const values = ['{"id":1152921504606846977,"card":"4111","paid":true}', '{"id":2,"card":"4222","paid":false}', 'no JSON', '{"id":3}']
  const headers = [{ key: Buffer.from('n'), value: Buffer.from('42') }]
  for (const value of values) await client.send('orders', [{ key: Buffer.from('k'), value: Buffer.from(value), headers }])
  const { out, err } = await run(t, file('sink.properties', sink), { bootstrap: broker.address, schemas: true })
  assert.equal(process.exitCode, 1)
  process.exitCode = 0
  assert.equal(out.length, 1)
  assert.deepEqual(
    out[0]!.replace(/"timestamp":\d+/, '"timestamp":0'),
    [
      '{"topic":"orders","partition":0,"timestamp":0,"key":"k","value":{"id":1152921504606846977,"card":"****","paid":true},',
      '"headers":[{"name":"n","value":42}],"keySchema":{"type":"string","optional":true},"valueSchema":null}',
    ].join(''),
  )
  assert.match(err, /^orders-0 at offset 2: VALUE_CONVERTER: Converting byte\[\] to Kafka Connect data failed/m)
  assert.match(err, /^orders-0 at offset 3: TRANSFORMATION: paid: .*paid/m)
  assert.match(err, /^4 records: 1 would be written, 1 dropped, 2 failed$/m)
})

test('prints the bytes that a source would write, from a file; the worker has the converters', async t => {
  const config = {
    name: 'x',
    config: { 'connector.class': 'File', transforms: 'h', 'transforms.h.type': 'HoistField$Value', 'transforms.h.field': 'line' },
  }
  const worker = 'value.converter=json\nvalue.converter.schemas.enable=true\nkey.converter=string\n'
  const records = ['{"topic":"t","key":"\\"k\\"","value":"\\"a\\""}', '{"b":1}', ''].join('\n')
  const flags = { records: file('records.ndjson', records), worker: file('worker.properties', worker), topic: 'lines' }
  const { out, err } = await run(t, file('source.json', JSON.stringify(config)), flags)
  const lines = out.map(line => JSON.parse(line))
  assert.deepEqual([lines[0].topic, lines[0].key, lines[0].value], ['t', 'k', '{"schema":null,"payload":{"line":"a"}}'])
  assert.deepEqual([lines[1].topic, lines[1].key, lines[1].value], ['lines', null, '{"schema":null,"payload":{"line":{"b":1}}}'])
  assert.match(err, /^2 records: 2 would be written, 0 dropped, 0 failed$/m)
})

test('says what is wrong with a configuration, and does not show secrets', async t => {
  const bad: [content: string, message: RegExp][] = [
    ['topics=a\ntransforms=x\n', /Missing required configuration "transforms\.x\.type"/],
    ['topics=a\ntransforms=x\ntransforms.x.type=Nothing\n', /Class Nothing could not be found/],
    ['topics=a\nvalue.converter=com.example.Other\n', /Class com\.example\.Other could not be found/],
    [
      `topics=a\nvalue.converter=\${env:NO_SUCH_THING}\n`,
      /value\.converter: \$\{env:NO_SUCH_THING\} cannot be resolved: the value does not exist/,
    ],
    [`topics=a\nx=\${env:MILLRACE_PASSWORD}\n`, /cannot be resolved/],
    ['{', /JSON|position|end/],
    ['topics.regex=a.*\n', /name a topic with --topic/],
  ]
  process.env.MILLRACE_PASSWORD = 'secret'
  for (const [content, message] of bad) {
    const problem = await run(t, file('bad.properties', content), {}).then(
      () => null,
      (error: Error) => error.message,
    )
    assert.match(String(problem), message, content)
    assert.doesNotMatch(String(problem), /secret/)
  }
  delete process.env.MILLRACE_PASSWORD
})

test('tells what a worker would refuse or ignore', async t => {
  const records = file('advice.ndjson', '{"id": 1}\n')
  const config = 'connector.class=S3SinkConnector\ntopics=a\ns3.bucket.name=b\nflush_size=3\nstore.kafka.keys=true\nconfluent.license=\n'
  const { err } = await run(t, file('advice.properties', config), { records })
  assert.match(err, /advice\.properties: flush_size is not a key of this connector; did you mean flush\.size\?/)
  assert.match(err, /store\.kafka\.keys is not supported: keys and headers have no files/)
  assert.match(err, /Missing required configuration "flush\.size"/)
  assert.match(err, /s3 does not know, and ignores: confluent\.license\n/)
  assert.match(
    (await run(t, file('none.properties', 'connector.class=file-snk\ntopics=a\n'), { records })).err,
    /there is no connector file-snk; did you mean file-sink\?/,
  )
})
