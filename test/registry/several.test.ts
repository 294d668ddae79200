/** Several registries on one topic: one of them writes, the others forward, and one that was deposed cannot write. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request as ask, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { openClient } from '../../src/client.ts'
import { startBroker } from '../../src/millrace.ts'
import { askRaw } from '../support/raw-http.ts'
import { startRegistry } from './registry.ts'

const schema = (name: string) => ({ schema: JSON.stringify({ type: 'record', name, fields: [] }) })

test('a write is answered the same wherever it is sent, and is seen where it was sent', async () => {
  await using broker = await startBroker({ memory: true })
  await using first = await startRegistry(broker.address)
  await using second = await startRegistry(broker.address)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      (index % 2 === 0 ? first : second).ask('POST', `/subjects/s${index}/versions`, schema(`R${index}`)),
    ),
  )
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
  const ids = answers.map(({ body }) => body.id as number).sort((a, b) => a - b)
  assert.deepEqual(
    ids,
    Array.from({ length: 20 }, (_, index) => index + 1),
  )
  for (const registry of [first, second]) {
    const { status, body } = await registry.ask('PUT', '/config/s1', { compatibility: 'NONE' })
    assert.deepEqual([status, body], [200, { compatibility: 'NONE' }])
    const wrong = await registry.ask('POST', '/subjects/s1/versions', { schema: '{' })
    assert.deepEqual([wrong.status, wrong.body.error_code], [422, 42_201])
    const dot = await askRaw(registry.url, 'DELETE', '/subjects/%2e')
    assert.deepEqual([dot.status, JSON.parse(dot.text).error_code], [404, 40_401], 'a path is sent on as it is written')
  }
})

test('when the leader goes, another one goes on with the next id, and no request fails', async () => {
  await using broker = await startBroker({ memory: true })
  const first = await startRegistry(broker.address)
  assert.equal((await first.ask('POST', '/subjects/a/versions', schema('A'))).body.id, 1)
  await using second = await startRegistry(broker.address)
  assert.equal((await second.ask('POST', '/subjects/b/versions', schema('B'))).body.id, 2)
  await first[Symbol.asyncDispose]()
  assert.equal((await second.ask('POST', '/subjects/c/versions', schema('C'))).body.id, 3)
  await using client = openClient({ bootstrap: broker.address })
  assert.equal((await client.group('schema-registry')).members.length, 1)
})

test('when the leader is killed, another one goes on as soon as the group has missed it', async () => {
  await using broker = await startBroker({ memory: true })
  // Of all URLs the smallest one leads.
  await using killed = await startInProcess(broker.address)
  await using second = await startRegistry(broker.address, { advertisedRegistry: 'http://localhost:1' })
  assert.equal((await second.ask('POST', '/subjects/a/versions', schema('A'))).body.id, 1)
  killed.child.kill('SIGKILL')
  await killed.exited
  // Meanwhile reads are answered.
  assert.equal((await second.ask('GET', '/schemas/ids/1')).status, 200)
  const { body } = await second.ask('POST', '/subjects/b/versions', schema('B'))
  assert.equal(body.id, 2, JSON.stringify(body))
})

test('others forward to the URL that is advertised, and its name is one that is answered', async () => {
  await using broker = await startBroker({ memory: true })
  const forwarded: string[] = []
  let target = ''
  const proxy = createServer((request, response) => {
    forwarded.push(`${request.method} ${request.url}`)
    const sent = ask(`${target}${request.url}`, { method: request.method, headers: { ...request.headers, host: 'registry-1.example' } })
    sent.on('response', answer => {
      response.writeHead(answer.statusCode!, { 'content-type': answer.headers['content-type']! })
      answer.pipe(response)
    })
    request.pipe(sent)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  try {
    const { port } = proxy.address() as AddressInfo
    // `registry-1.example` is what the proxy calls it; it is not allowed unless it is what is advertised.
    await using first = await startRegistry(broker.address, { advertisedRegistry: `http://127.0.0.1:${port}` })
    target = first.url
    await using second = await startRegistry(broker.address, { advertisedRegistry: 'http://registry-1.example:1' })
    const refused = await second.ask('POST', '/subjects/a/versions', schema('A'))
    assert.equal(refused.status, 421, JSON.stringify(refused.body))
    // By the rules of fetch, whoever gets a 421 asks once more.
    assert.deepEqual([...new Set(forwarded)], ['POST /subjects/a/versions'])
    assert.equal(await statusWithHost(second.url, 'registry-1.example:1'), 200)
    assert.equal(await statusWithHost(first.url, 'registry-1.example:1'), 421)
  } finally {
    proxy.closeAllConnections()
    proxy.close()
  }
})

function statusWithHost(url: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = ask(`${url}/subjects`, { headers: { host } })
    sent.on('response', answer => {
      answer.resume()
      resolve(answer.statusCode!)
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** A registry in a process of its own. */
async function startInProcess(bootstrap: string) {
  const main = join(import.meta.dirname, '../../src/cli.ts')
  const flags = ['--bootstrap', bootstrap, '--set', 'services=registry', '--set', 'registry.port=0']
  const child = spawn(process.execPath, [main, 'services', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(child, 'exit')
  for await (const line of createInterface({ input: child.stderr })) if (line.includes('the services are ready')) break
  child.stderr.resume()
  return {
    child,
    exited,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

test('what a deposed writer sends is refused, and what was written before it is not lost', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 't', partitions: 1 })
  const options = { transactionalId: 'x', topic: 't', partition: 0 }
  const record = (value: string) => [{ key: Buffer.from('k'), value: Buffer.from(value) }]
  const old = await client.openFencedWriter(options)
  assert.equal(await old.append(record('1')), 0n)
  const next = await client.openFencedWriter(options)
  assert.equal(await next.append(record('2')), 1n)
  await assert.rejects(old.append(record('3')), { code: /EPOCH|FENCED/ })
  assert.equal(await next.append([...record('4'), ...record('5')]), 2n)
  assert.deepEqual(await client.offsets('t', [0], 'latest'), new Map([[0, 4n]]))
})

test('a registry whose topic somebody else has written to reads that before it writes', async () => {
  await using broker = await startBroker({ memory: true })
  await using registry = await startRegistry(broker.address)
  await registry.ask('POST', '/subjects/a/versions', schema('A'))
  await using client = openClient({ bootstrap: broker.address })
  const other = await client.openFencedWriter({ transactionalId: '_schemas-writer', topic: '_schemas', partition: 0 })
  await other.append([
    {
      key: Buffer.from('{"keytype":"SCHEMA","subject":"b","version":1,"magic":1}'),
      value: Buffer.from('{"subject":"b","version":1,"id":2,"schema":"\\"string\\"","deleted":false}'),
    },
  ])
  assert.equal((await registry.ask('POST', '/subjects/c/versions', schema('C'))).body.id, 3)
})
