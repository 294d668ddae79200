import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Millrace, startBroker } from '../millrace.ts'

const program = fileURLToPath(new URL('../cli.ts', import.meta.url))
let broker: Millrace

before(async () => {
  broker = await startBroker({ memory: true, config: { 'group.initial.rebalance.delay.ms': '0' } })
})
after(() => broker.close())

interface Outcome {
  code: number
  out: string
  err: string
}

function millrace(args: string[], input: string | Buffer = ''): Promise<Outcome> {
  return new Promise(resolve => {
    const env = { ...process.env, MILLRACE_BOOTSTRAP: broker.address }
    const child = execFile(process.execPath, [program, ...args], { env, timeout: 30_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err })
    })
    child.stdin?.end(input)
  })
}

async function ok(args: string[], input?: string | Buffer): Promise<string> {
  const { code, out, err } = await millrace(args, input)
  assert.equal(code, 0, `millrace ${args.join(' ')}: ${err}`)
  return out
}

test('records go in and come out, byte for byte, with keys, headers and tombstones', async () => {
  assert.equal(await ok(['topic', 'create', 'orders', '-p', '2', '--set', 'retention.ms=9000000']), 'orders created with 2 partitions\n')
  const lines = Buffer.concat([Buffer.from('a:one\nb:\nc:'), Buffer.from([0xff, 0x00, 0xfe])])
  const produced = await millrace(
    ['produce', 'orders', '-K', ':', '-H', 'from=test', '-H', '0=a', '-H', 'from=2', '--tombstones', '-p', '1', '-z', 'lz4'],
    lines,
  )
  assert.equal(produced.err, '3 records written to orders\n')
  const rows = (await ok(['consume', 'orders', '--from', 'beginning', '--json']))
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  const headers = [
    { key: 'from', value: 'test' },
    { key: '0', value: 'a' },
    { key: 'from', value: '2' },
  ]
  assert.deepEqual(
    rows.map(({ timestamp, ...rest }) => rest),
    [
      { topic: 'orders', partition: 1, offset: 0, key: 'a', value: 'one', headers },
      { topic: 'orders', partition: 1, offset: 1, key: 'b', value: null, headers },
      { topic: 'orders', partition: 1, offset: 2, key: 'c', value: { base64: '/wD+' }, headers },
    ],
  )
  assert.ok(rows.every(({ timestamp }) => Math.abs(timestamp - Date.now()) < 60_000))
  assert.equal(
    await ok(['consume', 'orders', '-f', '-3', '-n', '1', '--print', 'partition,offset,key,headers,value']),
    '1\t0\ta\tfrom=test,0=a,from=2\tone\n',
  )
  const copied = await ok(['produce', 'copy', '--from-json', '--json'], rows.map(row => `${JSON.stringify(row)}\n`).join(''))
  assert.equal(JSON.parse(copied).records, 3)
  assert.equal(await ok(['consume', 'copy', '-f', '2', '--json', '-n', '1']).then(text => JSON.parse(text).value.base64), '/wD+')
  const described = JSON.parse(await ok(['topic', 'describe', 'orders', '--json']))
  assert.deepEqual(described[0].configs, { 'retention.ms': '9000000' })
  assert.deepEqual(
    described[0].partitions.map((p: { endOffset: number }) => p.endOffset),
    [0, 3],
  )
})

test('a group reads, commits what it printed, lags, and is reset', async () => {
  await ok(['produce', 'events'], 'one\ntwo\nthree\nfour\n')
  assert.equal(await ok(['consume', 'events', '-g', 'readers', '-f', 'beginning', '-n', '3']), 'one\ntwo\nthree\n')
  const lag = JSON.parse(await ok(['group', 'describe', 'readers', '--json']))
  assert.equal(lag[0].lag, 1)
  assert.deepEqual(lag[0].partitions[0].committedOffset, 3)
  const planned = JSON.parse(await ok(['group', 'reset', 'readers', '--to', '-2', '--dry-run', '--json']))
  assert.deepEqual(planned.offsets, [{ topic: 'events', partition: 0, offset: 2, before: 3 }])
  assert.equal(JSON.parse(await ok(['group', 'describe', 'readers', '--json']))[0].partitions[0].committedOffset, 3)
  await ok(['group', 'reset', 'readers', '--to', 'beginning'])
  assert.equal(await ok(['consume', 'events', '-g', 'readers', '-n', '1']), 'one\n')
  assert.match(await ok(['group', 'list']), /^readers +Empty +classic +consumer$/m)
  await ok(['group', 'delete', 'readers'])
  assert.equal((await millrace(['group', 'describe', 'readers'])).err, 'millrace: GROUP_ID_NOT_FOUND: group not found: readers\n')
})

test('produce writes the lines before an invalid one, and says how many', async () => {
  const { code, err } = await millrace(['produce', 'partly', '-K', ':'], 'a:1\nb:2\nbad\nc:3\n')
  assert.deepEqual([code, err], [1, '2 records written to partly\nmillrace: line 3 has no key separator ":"\n'])
  assert.equal(await ok(['consume', 'partly', '-f', 'beginning']), '1\n2\n')
})

test('describe shows what it finds, and then names what it does not', async () => {
  await ok(['produce', 'found'], 'one\n')
  await ok(['consume', 'found', '-g', 'finder', '-f', 'beginning', '-n', '1'])
  const topics = await millrace(['topic', 'describe', 'missing', 'found'])
  assert.match(topics.out, /^found \(.*1 partition/)
  assert.deepEqual([topics.code, topics.err], [1, 'millrace: UNKNOWN_TOPIC_OR_PARTITION: topic not found: missing\n'])
  const groups = await millrace(['group', 'describe', 'missing', 'finder', '--json'])
  assert.deepEqual(
    JSON.parse(groups.out).map(({ group }: { group: string }) => group),
    ['finder'],
  )
  assert.deepEqual([groups.code, groups.err], [1, 'millrace: GROUP_ID_NOT_FOUND: group not found: missing\n'])
  assert.equal((await millrace(['topic', 'describe', 'missing', '--json'])).out, '')
})

test('sizes of topics, lags of groups, and internal topics', async () => {
  await ok(['produce', 'sized'], 'one\ntwo\nthree\n')
  assert.equal(await ok(['consume', 'sized', '-g', 'behind', '-f', 'beginning', '-n', '1']), 'one\n')
  const [sized] = JSON.parse(await ok(['topic', 'list', '--size', '--json'])).filter(({ name }: { name: string }) => name === 'sized')
  assert.ok(sized.bytes > 60, `${sized.bytes} bytes`)
  assert.match(await ok(['topic', 'list', '--size']), /^sized +1 +\d+ B$/m)
  assert.match(await ok(['group', 'list', '--lag']), /^behind +Empty +classic +consumer +2$/m)
  assert.match(await ok(['topic', 'describe', '__consumer_offsets']), /^__consumer_offsets \(.{22}\), 50 partitions$/m)
  assert.match(await ok(['topic', 'list', '--all']), /^__consumer_offsets$/m)
  assert.match(await ok(['consume', '__consumer_offsets', '-f', 'beginning', '--json']), /"topic":"__consumer_offsets".*behind/)
})

test('following ends with Ctrl-C, cleanly', async () => {
  await ok(['topic', 'create', 'live'])
  const env = { ...process.env, MILLRACE_BOOTSTRAP: broker.address }
  const child = spawn(process.execPath, [program, 'consume', 'live', '--from', 'beginning', '--follow'], { env })
  const printed = new Promise<string>(resolve => child.stdout.once('data', data => resolve(String(data))))
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  await ok(['produce', 'live'], 'now\n')
  assert.equal(await printed, 'now\n')
  child.kill('SIGINT')
  assert.equal(await ended, 0)
})

test('configs are set, shown and taken back', async () => {
  await ok(['topic', 'create', 'tuned'])
  await ok(['config', 'set', 'topic', 'tuned', 'retention.ms=77', 'segment.bytes=2000000'])
  await ok(['topic', 'alter', 'tuned', '--unset', 'segment.bytes', '-p', '3'])
  const set = JSON.parse(await ok(['config', 'get', 'topic', 'tuned', '--json'])) as { name: string; value: string; source: string }[]
  // Of the cluster's defaults Kafka shows min.insync.replicas as if somebody had set it.
  const [entry] = set.filter(({ source }) => source !== 'DYNAMIC_DEFAULT_BROKER_CONFIG')
  assert.deepEqual([entry?.name, entry?.value, entry?.source], ['retention.ms', '77', 'DYNAMIC_TOPIC_CONFIG'])
  const explained = JSON.parse(await ok(['config', 'explain', 'num.partitions', '--set', 'num.partitions=3', '--json']))
  assert.deepEqual([explained.keys[0].value, explained.keys[0].source], ['3', 'flag'])
})

test('output that cannot be written is reported as a failure', { skip: !existsSync('/dev/full') && 'no /dev/full' }, async t => {
  const full = openSync('/dev/full', 'w')
  t.after(() => closeSync(full))
  const child = spawn(process.execPath, [program, 'config', 'explain', '--all'], { stdio: ['ignore', full, 'pipe'] })
  let err = ''
  child.stderr!.on('data', data => (err += data))
  const code = await new Promise(resolve => child.once('close', resolve))
  assert.match(err, /^millrace: cannot write to standard output: ENOSPC/)
  assert.equal(code, 1)
})

test('a listener whose keys or users are wrong is a usage error without a stack', async t => {
  const data = mkdtempSync(join(tmpdir(), 'millrace-cli-'))
  t.after(() => rmSync(data, { recursive: true, force: true }))
  const start = ['start', '--data', data, '--http', 'none', '--set']
  const refused: [string[], RegExp][] = [
    [['listeners=SSL://127.0.0.1:0'], /^millrace: listener\.name\.ssl\.ssl\.keystore\.location: a TLS listener requires a key store.*$/m],
    [['listeners=SASL_PLAINTEXT://127.0.0.1:0'], /^millrace: listener\.name\.sasl_plaintext\.sasl\.enabled\.mechanisms: GSSAPI .*$/m],
    [
      ['listeners=SASL_PLAINTEXT://127.0.0.1:0', '--set', 'sasl.enabled.mechanisms=PLAIN'],
      /^millrace: listener\.name\.sasl_plaintext\.plain\.sasl\.jaas\.config: .*$/m,
    ],
  ]
  for (const [set, message] of refused) {
    const { code, err } = await millrace([...start, ...set])
    assert.match(err, message)
    assert.doesNotMatch(err, /^ {4}at /m)
    assert.equal(code, 2)
  }
})

test('of several names those that exist are deleted, and the others are named', async () => {
  for (const name of ['first', 'last']) await ok(['topic', 'create', name])
  const { code, out, err } = await millrace(['topic', 'delete', 'first', 'missing', 'last'])
  assert.equal(out, 'first deleted\nlast deleted\n')
  assert.match(err, /^millrace: UNKNOWN_TOPIC_OR_PARTITION: missing: .*\n$/)
  assert.equal(code, 1)
  await ok(['produce', 'more'], 'one\n')
  await ok(['consume', 'more', '-g', 'leaving', '-f', 'beginning', '-n', '1'])
  const groups = await millrace(['group', 'delete', 'nobody', 'leaving', '--json'])
  assert.deepEqual(JSON.parse(groups.out).deleted, ['leaving'])
  assert.match(groups.err, /^millrace: GROUP_ID_NOT_FOUND: nobody: .*\n$/)
  assert.equal(groups.code, 1)
})

test('what went wrong is one line, with exit code 1; a usage error has exit code 2', async () => {
  const failures: [string[], RegExp][] = [
    [
      ['topic', 'list', '-b', '127.0.0.1:1'],
      /^millrace: no broker answers at 127\.0\.0\.1:1 \(.*ECONNREFUSED.*\)\. Is the broker running\? .*\n$/,
    ],
    [['consume', 'nowhere', '-f', 'beginning'], /^millrace: UNKNOWN_TOPIC_OR_PARTITION: topic not found: nowhere\n$/],
    [['topic', 'create', 'x', '--set', 'no.such=1'], /^millrace: INVALID_CONFIG: .*no\.such.*\n$/],
    [['produce', 'x', '--file', '/no/such/file'], /^millrace: file not found: .*\n$/],
  ]
  const usage: [string[], RegExp][] = [
    [['consume', 'x', '-f', 'yesterday'], /^millrace: "yesterday" is not a valid position; allowed: .*\n$/],
    [['consume', 'x', '-g', 'g', '-p', '1'], /^millrace: --partition cannot be combined with --group/],
    [['topic', 'create'], /missing required argument 'name'\n\(see millrace topic create --help\)\n$/],
    [['topic', 'crate'], /Did you mean create\?\)\n\(see millrace topic --help\)\n$/],
    [['frobnicate'], /unknown command 'frobnicate'\n\(see millrace --help\)\n$/],
    [['start', '--set', 'no.such.key=1'], /^millrace: .*no\.such\.key.*\n$/],
    [['topic', 'list', '-b', 'http://x'], /^millrace: "http:\/\/x" is not a broker address \(host:port\)\n$/],
    [['config', 'explain', '--set', 'no.such.key=1'], /^millrace: .*no\.such\.key.*\n$/],
    [['topic', 'alter', 'x', '-s', 'retention.ms=1', '-u', 'retention.ms'], /^millrace: retention\.ms is given twice\n$/],
    [['config', 'set', 'topic', 'x', 'retention.ms=1', '-u', 'retention.ms'], /^millrace: retention\.ms is given twice\n$/],
    [['config', 'set', 'topic', 'x', 'a=1', 'a=2'], /^millrace: a is given twice\n$/],
    [['topic', 'alter', 'x'], /^millrace: nothing to change; pass --partitions, --set or --unset\n$/],
    [['config', 'set', 'topic', 'x'], /^millrace: nothing to change; pass key=value or --unset key\n$/],
  ]
  const all = [...failures.map(each => [...each, 1] as const), ...usage.map(each => [...each, 2] as const)]
  await Promise.all(
    all.map(async ([args, message, code]) => {
      const outcome = await millrace([...args])
      assert.match(outcome.err, message)
      assert.equal(outcome.code, code, args.join(' '))
      assert.equal(outcome.out, '')
    }),
  )
})
