import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { realSystem } from '../base.ts'
import { ClientError, Connections } from '../channel.ts'
import { type Api, apis, decodeRequestHeader, encodeResponse } from '../protocol.ts'
import { Requests, refuse } from './requests.ts'

/** Speaks heartbeats up to this version, and says that broker 2 is at this port. */
async function broker(t: TestContext, newest: number, portOf2: () => number) {
  const heartbeats: number[] = []
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', chunk => {
      const [key, version] = [chunk.readInt16BE(4), chunk.readInt16BE(6)]
      const api = [apis.apiVersions, apis.metadata, apis.heartbeat].find(each => each.key === key)!
      const { correlationId } = decodeRequestHeader(chunk.subarray(4), api, version)
      const say = <A extends Api>(to: A, message: object) =>
        socket.write(Buffer.concat(encodeResponse(to, version, correlationId, message as never).buffers))
      const apiKeys = [apis.apiVersions, apis.metadata].map(each => ({ apiKey: each.key, minVersion: 0, maxVersion: each.maxVersion }))
      const brokers = [{ nodeId: 2, host: '127.0.0.1', port: portOf2(), rack: null }]
      if (api.key === apis.apiVersions.key)
        say(apis.apiVersions, { errorCode: 0, apiKeys: [...apiKeys, { apiKey: apis.heartbeat.key, minVersion: 0, maxVersion: newest }] })
      else if (api.key === apis.metadata.key) say(apis.metadata, { brokers, clusterId: 'c', controllerId: 2, topics: [] })
      // As Kafka does with versions that it does not know.
      else if (version > newest) socket.destroy()
      else say(apis.heartbeat, { errorCode: heartbeats.push(version) * 0 })
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return { port: (server.address() as { port: number }).port, heartbeats }
}

test('in a cluster that is being upgraded each broker is asked in versions of its own', async t => {
  const old = await broker(t, 2, () => old.port)
  const upgraded = await broker(t, 4, () => old.port)
  const connections = new Connections({
    ...{ bootstrap: [{ host: '127.0.0.1', port: upgraded.port }], clientId: 'test', security: {}, mostInFlight: 2 },
    ...{ connectTimeoutMs: 5_000, requestTimeoutMs: 5_000, system: realSystem() },
  })
  t.after(() => connections.close())
  const requests = new Requests(connections, realSystem())
  const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }
  await requests.ask(apis.heartbeat, heartbeat)
  await requests.ask(apis.heartbeat, heartbeat, { node: 2 })
  assert.deepEqual([upgraded.heartbeats, old.heartbeats], [[4], [2]])
})

const notController = 41

test('where brokers forward nothing, the controller is asked from then on, and any other while it is away', async () => {
  const asked: number[] = []
  let controller = 2
  const away = new Set<number>()
  const broker = (node: number) => ({
    request: async () => {
      asked.push(node)
      return { topics: [{ errorCode: node === controller ? 0 : notController }] }
    },
  })
  const connections = {
    versionsOf: async () => [{ apiKey: apis.createTopics.key, minVersion: 2, maxVersion: 7 }],
    metadata: async () => ({ controllerId: controller }),
    clearMetadata: () => {},
    any: async () => broker(1),
    to: async (node: number) => {
      if (away.has(node)) throw new ClientError('UNREACHABLE', `broker ${node} is away`)
      return broker(node)
    },
  }
  const system = realSystem()
  const timers = { ...system.timers, after: (_: number, run: () => void) => system.timers.after(0, run) }
  const requests = new Requests(connections as unknown as Connections, { ...system, timers })
  const create = () =>
    requests.retrying('b:1', async () => {
      const { topics } = await requests.ask(apis.createTopics, { topics: [], timeoutMs: 1, validateOnly: true })
      refuse(topics[0]!.errorCode)
    })
  await create()
  await create()
  assert.deepEqual(asked.splice(0), [1, 2, 2])
  away.add(2)
  await assert.rejects(create(), { code: 'NOT_CONTROLLER' })
  assert.deepEqual(new Set(asked.splice(0)), new Set([1]))
  controller = 3
  await create()
  assert.deepEqual(asked, [3])
})
