/** Closing: within seconds, whatever the services wait for. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { startBroker } from '../../src/millrace.ts'
import { type RunningServices, startServices } from '../../src/services.ts'
import { settingsFor } from './settings.ts'

/** Far above what it should take, and below 30 s, after which requests to a broker and silent connections end by themselves. */
const soonMs = 20_000

async function closesSoon(services: RunningServices): Promise<void> {
  const late = new Promise(resolve => setTimeout(resolve, soonMs, 'late').unref())
  assert.equal(await Promise.race([services.close().then(() => 'closed'), late]), 'closed')
}

/** Opens a stream of events, and resolves when it has begun. */
async function follow(services: RunningServices, bootstrap: string, topic: string): Promise<void> {
  await using client = openClient({ bootstrap })
  await client.createTopic({ name: topic, partitions: 1 })
  const { id } = await client.cluster()
  const url = `http://127.0.0.1:${services.ports.get('rest')}/v3/clusters/${id}/topics/${topic}/records`
  const response = await fetch(url, { headers: { accept: 'text/event-stream' } })
  const { value } = await response.body!.getReader().read()
  assert.match(Buffer.from(value!).toString(), /begun/)
}

test('with streams whose readers keep their connections', async () => {
  await using broker = await startBroker({ memory: true })
  const settings = settingsFor(broker.address, { services: ['registry', 'rest', 'console'] })
  const services = await startServices(settings, realSystem(), silentLogger)
  await follow(services, broker.address, 'followed')
  const live = fetch(`http://127.0.0.1:${services.ports.get('console')}/api/topics/followed/messages?live=true`).then(
    response => response.text(),
    () => 'broken off',
  )
  await closesSoon(services)
  await live
})

test('with a broker that does not answer any more', async () => {
  const relay = await openRelay()
  await using broker = await startBroker({
    memory: true,
    config: { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${relay.port}` },
  })
  relay.to(broker.port)
  const bootstrap = `127.0.0.1:${relay.port}`
  const settings = settingsFor(bootstrap, { services: ['registry', 'rest', 'console'] })
  const services = await startServices(settings, realSystem(), silentLogger)
  try {
    const registry = `http://127.0.0.1:${services.ports.get('registry')}`
    const register = (subject: string) =>
      fetch(`${registry}/subjects/${subject}/versions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ schema: '"string"' }),
      }).then(
        response => response.status,
        () => 'broken off',
      )
    assert.equal(await register('first'), 200)
    await follow(services, bootstrap, 'frozen')
    relay.freeze()
    const second = register('second')
    await closesSoon(services)
    assert.notEqual(await second, 200)
  } finally {
    relay.close()
  }
})

/** Between the services and the broker, until it is frozen: then connections stay, and nothing comes through. */
async function openRelay() {
  let port = 0
  let isFrozen = false
  const sockets = new Set<Socket>()
  const server = createServer(from => {
    const to = connect(port, '127.0.0.1')
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(one)
      one.on('data', bytes => void (isFrozen || other.write(bytes)))
      one.on('error', () => {})
      one.on('close', () => other.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    to(target: number) {
      port = target
    },
    freeze() {
      isFrozen = true
    },
    close() {
      for (const each of sockets) each.destroy()
      server.close()
    },
  }
}
