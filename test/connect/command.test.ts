/** `millrace connect`: a worker from Kafka Connect's own files. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Client, openClient } from '../../src/client.ts'
import { startBroker } from '../../src/millrace.ts'
import { freePort } from '../support/free-port.ts'
import { linesOf } from './plugin.ts'
import { eventually } from './workers.ts'

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const plugin = fileURLToPath(new URL('./plugin.ts', import.meta.url))

test('a worker alone runs the connectors of its files, and goes on where it was when it is started again', async t => {
  await using broker = await startBroker({ memory: true })
  const directory = mkdtempSync(join(tmpdir(), 'connect-command-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const port = await freePort()
  const at = (name: string) => join(directory, name)
  writeFileSync(
    at('worker.properties'),
    [
      `bootstrap.servers=${broker.address}`,
      `listeners=http://127.0.0.1:${port}`,
      `plugin.path=${plugin}`,
      'key.converter=org.apache.kafka.connect.storage.StringConverter',
      'value.converter=org.apache.kafka.connect.storage.StringConverter',
      `offset.storage.file.filename=${at('offsets')}`,
      'offset.flush.interval.ms=50',
      'group.id=not-of-a-worker-with-files',
    ].join('\n'),
  )
  writeFileSync(at('source.properties'), 'name=counter\nconnector.class=test-source\ntopic=numbers\ncount=5\n')
  writeFileSync(
    at('sink.json'),
    JSON.stringify({ name: 'lines', config: { 'connector.class': 'LinesSink', topics: 'numbers', file: at('lines') } }),
  )
  const args = ['connect', '--config', at('worker.properties'), at('source.properties'), at('sink.json')]
  for (const round of [1, 2]) {
    const worker = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    let log = ''
    worker.stderr.on('data', part => (log += part))
    try {
      await eventually(() => linesOf(at('lines')).length === 5 && (round === 1 || log.includes('a sink reads')))
      const status = await (await fetch(`http://127.0.0.1:${port}/connectors?expand=status`)).json()
      assert.deepEqual(Object.keys(status as object).sort(), ['counter', 'lines'])
    } finally {
      worker.kill('SIGTERM')
      const [code] = await once(worker, 'exit')
      assert.equal(code, 0, log)
    }
  }
  assert.equal(linesOf(at('lines')).length, 5, 'nothing is read or written twice')
  assert.equal(readFileSync(at('offsets'), 'utf8'), '[["counter",{"part":"a"}],{"next":5}]\n')
})

test('the file of MirrorMaker is run as it is, in both directions', async t => {
  await using eu = await startBroker({ memory: true })
  await using us = await startBroker({ memory: true })
  await using inEu = openClient({ bootstrap: eu.address })
  await using inUs = openClient({ bootstrap: us.address })
  const directory = mkdtempSync(join(tmpdir(), 'connect-mm2-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'mm2.properties')
  writeFileSync(
    file,
    [
      ...['clusters = eu, us', `eu.bootstrap.servers = ${eu.address}`, `us.bootstrap.servers = ${us.address}`],
      ...['eu->us.enabled = true', 'us->eu.enabled = true', 'topics = orders', 'us.exactly.once.source.support = enabled'],
    ].join('\n'),
  )
  for (const client of [inEu, inUs]) await client.createTopic({ name: 'orders', partitions: 1 })
  await inEu.send('orders', [{ key: null, value: Buffer.from('from eu') }])
  await inUs.send('orders', [{ key: null, value: Buffer.from('from us') }])
  const worker = spawn(process.execPath, [cli, 'connect', '--config', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  worker.stderr.on('data', part => (log += part))
  const first = async (client: Client, topic: string) => {
    if (!(await client.topicNames()).includes(topic)) return null
    const until = await client.offsets(topic, [0], 'stable')
    for await (const records of client.read({ topic, from: new Map([[0, 0n]]), until, committedOnly: true }))
      for (const { value } of records) return String(value)
    return null
  }
  try {
    await eventually(async () => (await first(inUs, 'eu.orders')) === 'from eu' && (await first(inEu, 'us.orders')) === 'from us')
    const topics = await inUs.topicNames()
    assert.ok(topics.includes('mm2-offsets.eu.internal') && !topics.some(each => each.startsWith('us.')), topics.join())
  } finally {
    worker.kill('SIGTERM')
    const [code] = await once(worker, 'exit')
    assert.equal(code, 0, log)
  }
})

test('what cannot begin ends the process, with what is wrong', async t => {
  await using broker = await startBroker({ memory: true })
  const directory = mkdtempSync(join(tmpdir(), 'connect-refused-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const at = (name: string) => join(directory, name)
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const clusters = ['clusters = eu, us', `eu.bootstrap.servers = ${broker.address}`, `us.bootstrap.servers = ${broker.address}`]
  writeFileSync(at('bad.properties'), 'name=bad\nconnector.class=Nowhere\n')
  for (const [name, lines, connectors, text] of [
    [
      'a regular expression',
      [...clusters, 'eu->us.enabled = true', 'topics = (?!x).*'],
      [],
      /connector MirrorSourceConnector: [^{]*\btopics\b/,
    ],
    [
      'a class',
      [`bootstrap.servers=${broker.address}`, 'listners=http://127.0.0.1:0', 'listeners=http://127.0.0.1:0', 'header.converter=simpl'],
      [at('bad.properties')],
      /listners is not a key of a worker.*Class simpl could not be found; did you mean simple\?.*\nmillrace: connector bad: Failed to find .* matches Nowhere/s,
    ],
    ['a port', [`bootstrap.servers=${broker.address}`, `listeners=http://127.0.0.1:${port}`], [], /EADDRINUSE/],
  ] as const) {
    writeFileSync(at('worker.properties'), lines.join('\n'))
    const child = spawn(process.execPath, [cli, 'connect', '--config', at('worker.properties'), ...connectors], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let told = ''
    child.stderr.on('data', part => (told += part))
    const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(20_000) }).catch(() => ['it goes on'])
    child.kill('SIGKILL')
    assert.deepEqual([code, text.test(told)], [1, true], `${name}: ${told}`)
  }
})

test('what is wrong is told at once', async () => {
  const child = spawn(process.execPath, [cli, 'connect', '--config', '/nonexistent'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let text = ''
  child.stderr.on('data', part => (text += part))
  const [code] = await once(child, 'exit')
  assert.equal(code, 2)
  assert.match(text, /--config: file not found: \/nonexistent/)
})
