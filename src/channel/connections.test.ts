import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:net'
import { type TestContext, test } from 'node:test'
import { realSystem } from '../base.ts'
import { apis, decodeRequestHeader, encodeResponse } from '../protocol.ts'
import { Connections } from './connections.ts'

/** Says that broker 1 is at the port that it is given for each question. */
async function broker(t: TestContext, portOf: () => number): Promise<number> {
  const server: Server = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', chunk => {
      const [key, version] = [chunk.readInt16BE(4), chunk.readInt16BE(6)]
      const isMetadata = key === apis.metadata.key
      const { correlationId } = decodeRequestHeader(chunk.subarray(4), isMetadata ? apis.metadata : apis.apiVersions, version)
      const apiKeys = [apis.metadata, apis.apiVersions].map(each => ({ apiKey: each.key, minVersion: 0, maxVersion: each.maxVersion }))
      const brokers = [{ nodeId: 1, host: '127.0.0.1', port: portOf(), rack: null }]
      const frame = isMetadata
        ? encodeResponse(apis.metadata, version, correlationId, { brokers, clusterId: 'c', controllerId: 1, topics: [] })
        : encodeResponse(apis.apiVersions, version, correlationId, { errorCode: 0, apiKeys })
      socket.write(Buffer.concat(frame.buffers))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as { port: number }).port
}

const connectionsTo = (...ports: readonly number[]) =>
  new Connections({
    ...{ bootstrap: ports.map(port => ({ host: '127.0.0.1', port })), clientId: 'test', security: {}, mostInFlight: 2 },
    ...{ connectTimeoutMs: 5_000, requestTimeoutMs: 200, system: realSystem() },
  })

test('a broker that is no longer where it was is asked for anew', async t => {
  // Nothing listens on port 1.
  const places = [1]
  const port = await broker(t, () => places[0]!)
  const connections = connectionsTo(port)
  t.after(() => connections.close())
  await assert.rejects(connections.to(1), { code: 'ECONNREFUSED' })
  places[0] = port
  assert.equal((await connections.to(1)).isOpen, true)
  await assert.rejects(connections.to(2), { code: 'LEADER_NOT_AVAILABLE' })
})

test('closing does not wait for a connection that is still made, and nothing is connected afterwards', async t => {
  const silent = createServer(() => {})
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  t.after(() => silent.close())
  const { port } = silent.address() as { port: number }
  // A login is never answered.
  const connections = new Connections({
    ...{ bootstrap: [{ host: '127.0.0.1', port }], clientId: 'test', mostInFlight: 2, system: realSystem() },
    ...{ connectTimeoutMs: 60_000, requestTimeoutMs: 60_000, security: { sasl: { mechanism: 'PLAIN', username: 'u', password: 'p' } } },
  })
  const connecting = assert.rejects(connections.any())
  await new Promise(resolve => setTimeout(resolve, 20))
  await connections.close()
  await connecting
  await assert.rejects(connections.any())
})

test('a broker that was silent is not asked again before one that answers', async t => {
  let connected = 0
  const silent = createServer(socket => {
    connected++
    socket.on('error', () => {})
  })
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  t.after(() => silent.close())
  const port = await broker(t, () => port)
  const connections = connectionsTo((silent.address() as { port: number }).port, port)
  t.after(() => connections.close())
  await assert.rejects(connections.versions(), /ApiVersions timed out/)
  assert.equal((await connections.versions()).length, 2)
  for (let question = 0; question < 3; question++) {
    const connection = await connections.any()
    await connection.request(apis.apiVersions, 3, { clientSoftwareName: 'test', clientSoftwareVersion: '1' })
  }
  assert.equal(connected, 1)
})
