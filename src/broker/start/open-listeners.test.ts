import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { memoryFileSystem, realSystem } from '../../base.ts'
import { silentLogger } from '../../logger.ts'
import { configChange, loadBrokerConfig } from '../config.ts'
import { type RunningBroker, type StartOptions, startBroker } from '../start.ts'

const first = 'PLAINTEXT://127.0.0.1:0'
const map = 'PLAINTEXT:PLAINTEXT,EXTRA:PLAINTEXT,THIRD:PLAINTEXT'

function options(files: ReturnType<typeof memoryFileSystem>, set: Record<string, string> = {}): StartOptions {
  const config = loadBrokerConfig({ set: { listeners: first, 'http.listen': 'none', 'log.dirs': '/data', ...set } })
  return { system: realSystem(files), config, logger: silentLogger, onThisMachine: false, onFatal: assert.fail }
}

/** null when the change was accepted. */
async function alter({ broker }: RunningBroker, configs: Record<string, string | null>, resource = '1'): Promise<string | null> {
  const alterations = Object.entries(configs).map(([name, value]) => ({
    name,
    operation: value === null ? ('DELETE' as const) : ('SET' as const),
    value,
  }))
  const [error] = await broker.metadata.applyConfigs([configChange(broker.config, 'BROKER', resource, alterations, false)], false)
  return error?.message ?? null
}

/** Listeners open and close a moment after the change. */
async function listening(running: RunningBroker, ...names: string[]): Promise<void> {
  while ([...running.ports.keys()].join() !== names.join()) await new Promise(resolve => setTimeout(resolve, 5))
}

async function connects(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1')
  const open = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(() => false)
  socket.destroy()
  return open
}

test('listeners are added and removed while the broker runs, and after a restart they are as they were', async () => {
  const files = memoryFileSystem()
  const running = await startBroker(options(files))
  const extra = `${first},EXTRA://127.0.0.1:0`
  assert.equal(await alter(running, { listeners: extra, 'listener.security.protocol.map': map }), null)
  await listening(running, 'PLAINTEXT', 'EXTRA')
  const port = running.ports.get('EXTRA')!
  assert.ok(await connects(port))
  assert.deepEqual(running.broker.self.advertised('EXTRA'), { host: '127.0.0.1', port })

  const client = net.connect(port, '127.0.0.1')
  await once(client, 'connect')
  while (running.broker.metrics.connections.size === 0) await new Promise(resolve => setTimeout(resolve, 5))
  const gone = once(client, 'close')
  client.resume()
  assert.equal(await alter(running, { listeners: null }), null)
  await gone
  await listening(running, 'PLAINTEXT')
  assert.equal(await connects(port), false)

  assert.equal(await alter(running, { listeners: extra }), null)
  await running.close()
  const again = await startBroker(options(files))
  assert.deepEqual([...again.ports.keys()], ['PLAINTEXT', 'EXTRA'])
  await again.close()
})

test("what cannot change while the broker runs is refused, with Kafka's words where it has some", async () => {
  const running = await startBroker(options(memoryFileSystem(), { 'advertised.listeners': 'PLAINTEXT://127.0.0.1:9092' }))
  const extra = `${first},EXTRA://127.0.0.1:0`
  assert.match((await alter(running, { listeners: extra }))!, /No security protocol defined for listener EXTRA/)
  assert.equal(await alter(running, { 'listener.security.protocol.map': map }), null)
  assert.equal(await alter(running, { listeners: extra }), null)
  const refused: [Record<string, string>, RegExp][] = [
    [{ listeners: 'EXTRA://127.0.0.1:0' }, /inter-broker listener PLAINTEXT cannot be removed/],
    [{ listeners: `${first},EXTRA://127.0.0.1:1` }, /address of listener EXTRA \(127.0.0.1:0\) cannot change/],
    [
      { 'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,EXTRA:SSL' },
      /Security protocol cannot be updated for existing listener EXTRA/,
    ],
    [{ 'advertised.listeners': 'EXTRA://127.0.0.1:1' }, /Cannot update these configs dynamically: \[advertised.listeners\]/],
    [{ listeners: '' }, /There must be at least one listener/],
    [{ listeners: 'foo' }, /Unable to parse foo to a broker endpoint/],
    [{ listeners: `${first},${first}` }, /Each listener must have a different name/],
  ]
  for (const [configs, words] of refused) assert.match((await alter(running, configs)) ?? 'accepted', words)
  assert.match((await alter(running, { listeners: extra }, ''))!, /Cannot update these configs at default cluster level/)
  await listening(running, 'PLAINTEXT', 'EXTRA')
  await running.close()
})

test('a listener that is removed and added again at once moves to its new address', async () => {
  const running = await startBroker(options(memoryFileSystem()))
  const { config } = running.broker
  const listeners = (extra: string) =>
    config.setDynamic(new Map(), new Map(Object.entries({ 'listener.security.protocol.map': map, listeners: `${first}${extra}` })))
  const spare = net.createServer().listen(0, '127.0.0.1')
  await once(spare, 'listening')
  const { port } = spare.address() as net.AddressInfo
  spare.close()
  await once(spare, 'close')
  listeners(',EXTRA://127.0.0.1:0')
  await listening(running, 'PLAINTEXT', 'EXTRA')
  const before = running.ports.get('EXTRA')!
  // Both before the broker follows the first.
  listeners('')
  listeners(`,EXTRA://127.0.0.1:${port}`)
  for (let waits = 0; waits < 200 && running.ports.get('EXTRA') !== port; waits++) await new Promise(resolve => setTimeout(resolve, 5))
  assert.equal(running.ports.get('EXTRA'), port)
  assert.deepEqual([await connects(port), await connects(before)], [true, false])
  await running.close()
})

test('stored listeners that do not fit, or whose port is taken, do not prevent the start or other changes', async () => {
  const files = memoryFileSystem()
  const running = await startBroker(options(files))
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as net.AddressInfo
  assert.equal(await alter(running, { 'listener.security.protocol.map': map, listeners: `${first},THIRD://127.0.0.1:${port}` }), null)
  await running.close()

  const withoutPort = await startBroker(options(files))
  assert.deepEqual([...withoutPort.ports.keys()], ['PLAINTEXT'])
  await withoutPort.close()
  taken.close()

  const set = { listeners: 'OTHER://127.0.0.1:0', 'listener.security.protocol.map': 'OTHER:PLAINTEXT' }
  const other = await startBroker(options(files, set))
  assert.deepEqual([...other.ports.keys()], ['OTHER'])
  assert.equal(await alter(other, { 'log.retention.ms': '5000' }), null)
  await other.close()
})
