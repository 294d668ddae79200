import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { memoryFileSystem, realSystem } from '../base.ts'
import { silentLogger } from '../logger.ts'
import { configChange, loadBrokerConfig } from './config.ts'
import { type StartOptions, startBroker } from './start.ts'

function options(files: ReturnType<typeof memoryFileSystem>, set: Record<string, string> = {}): StartOptions {
  const config = loadBrokerConfig({ set: { listeners: 'PLAINTEXT://127.0.0.1:0', 'http.listen': 'none', 'log.dirs': '/data', ...set } })
  return { system: realSystem(files), config, logger: silentLogger, onThisMachine: false, onFatal: assert.fail }
}

async function takenPort(): Promise<{ port: number; free(): Promise<void> }> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const free = async () => {
    server.close()
    await once(server, 'close')
  }
  return { port: (server.address() as net.AddressInfo).port, free }
}

test('every close() resolves when the broker is closed', async () => {
  const files = memoryFileSystem()
  const running = await startBroker(options(files))
  void running.close()
  await running.close()
  const next = await startBroker(options(files))
  await next.close()
  await next.close()
})

/** Of servers that close in another way. */
function closing(how: (close: net.Server['close'], done: Parameters<net.Server['close']>[0]) => void): typeof net.createServer {
  return ((options: net.ServerOpts) => {
    const server = net.createServer(options)
    const close = server.close.bind(server)
    server.close = done => {
      how(close, done)
      return server
    }
    return server
  }) as typeof net.createServer
}

test('if one part fails to close, the others are still closed', async () => {
  const files = memoryFileSystem()
  const createServer = closing(close => {
    close()
    throw new Error('a server that will not close')
  })
  const running = await startBroker({ ...options(files), createServer })
  await assert.rejects(running.close(), /will not close/)
  await (await startBroker(options(files))).close()
})

test('a failed start releases everything', async () => {
  const files = memoryFileSystem()
  const taken = await takenPort()
  const listeners = `PLAINTEXT://127.0.0.1:0,OTHER://127.0.0.1:${taken.port}`
  const map = { 'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT' }
  await assert.rejects(startBroker(options(files, { listeners, ...map })), { name: 'CannotListen' })
  await assert.rejects(startBroker(options(files, { 'http.listen': `127.0.0.1:${taken.port}` })), { name: 'CannotListen' })
  await taken.free()
  await (await startBroker(options(files, { listeners, ...map, 'http.listen': '127.0.0.1:0' }))).close()
})

test('health checks are answered while the log is recovered and while the broker stops', async () => {
  const { port, free } = await takenPort()
  await free()
  const files = memoryFileSystem()
  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`)
    return [answer.status, await answer.json()]
  }
  let recovery: () => void = () => {}
  const recovers = new Promise<void>(resolve => (recovery = resolve))
  const syncDirectory = async (path: string) => {
    if (files.exists('/data/journal')) await recovers
    return files.syncDirectory(path)
  }
  let end: () => void = () => {}
  const createServer = closing((close, done) => (end = () => close(done)))
  const starting = startBroker({ ...options({ ...files, syncDirectory }, { 'http.listen': `127.0.0.1:${port}` }), createServer })
  while (!files.exists('/data/journal')) await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(await ask('/health/live'), [200, { live: true }])
  assert.deepEqual(await ask('/health/ready'), [503, { ready: false, reason: 'the broker is starting' }])
  assert.deepEqual(await ask('/metrics'), [503, { error: 'the broker is starting' }])
  recovery()
  const running = await starting
  assert.deepEqual(await ask('/health/ready'), [200, { ready: true }])
  const closed = running.close()
  assert.deepEqual(await ask('/health/ready'), [503, { ready: false, reason: 'the broker is stopping' }])
  end()
  await closed
})

test('stored configs that this version cannot use, as an import brings them, hide no topic and stand in no way', async () => {
  const files = memoryFileSystem()
  const first = await startBroker(options(files))
  const topics = [{ name: 'old', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }]
  await first.broker.metadata.createTopics(topics, false)
  const stored = new Map([
    ['message.format.version', '2.8'],
    ['segment.bytes', '50000'],
    ['retention.ms', '777'],
  ])
  await first.broker.metadata.applyConfigs([{ type: 'TOPIC', name: 'old', edit: () => stored }], false)
  await first.broker.metadata.applyConfigs([{ type: 'BROKER', name: '1', edit: () => new Map([['listeners', 'SSL://:1']]) }], false)
  await first.close()
  const ignored: string[] = []
  const warn = (details: object, message: string) => {
    if (message === 'ignoring an invalid stored config') ignored.push((details as { key: string }).key)
  }
  const given = { ...options(files), logger: { ...silentLogger, warn } }
  const { broker, close } = await startBroker(given)
  assert.deepEqual(new Set(ignored), new Set(['listeners', 'message.format.version', 'segment.bytes']))
  const { config } = broker.metadata.partitionByName('old', 0)!
  assert.deepEqual([config.retentionMs, config.segmentBytes], [777, 1 << 30])
  const change = (type: 'TOPIC' | 'BROKER', name: string, key: string, value: string) =>
    broker.metadata.applyConfigs([configChange(given.config, type, name, [{ name: key, operation: 'SET', value }], false)], false)
  assert.deepEqual(await change('TOPIC', 'old', 'retention.ms', '888'), [null])
  assert.equal(broker.metadata.partitionByName('old', 0)!.config.retentionMs, 888)
  assert.deepEqual(await change('BROKER', '1', 'log.retention.ms', '999'), [null])
  const [refused] = await change('TOPIC', 'old', 'message.format.version', '3.0')
  assert.match(refused?.message ?? '', /Unknown topic config name/)
  await close()
})
