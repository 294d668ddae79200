import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { openClient } from '../client.ts'
import { startBroker } from '../millrace.ts'

test('a listener that never responds gets one request, not one for each attempt of the library', async t => {
  let requests = 0
  const server = net.createServer(socket => void socket.on('data', () => requests++).on('error', () => {}))
  server.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  await using client = openClient({ bootstrap: `127.0.0.1:${port}`, timeoutMs: 1_000 })
  await assert.rejects(client.topicNames(), { code: 'TIMEOUT' })
  assert.equal(requests, 1)
})

test('a client that starts before its broker finds it later', async () => {
  const first = await startBroker({ memory: true })
  await first.close()
  await using client = openClient({ bootstrap: first.address })
  await assert.rejects(client.topicNames(), { code: 'UNREACHABLE' })
  await using _second = await startBroker({ memory: true, port: first.port })
  assert.deepEqual(await client.topicNames(), [])
})
