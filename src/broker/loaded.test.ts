/** What a broker loads when it starts: each of these costs megabytes, and a broker can run for years without needing one (ADR 0007). */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

const script = `
  import { memoryFileSystem, realSystem } from '../base.ts'
  import { loadBrokerConfig } from './config.ts'
  import { silentLogger } from '../logger.ts'
  import { startBroker } from './start.ts'

  const config = loadBrokerConfig({ set: { listeners: 'PLAINTEXT://127.0.0.1:0', 'http.listen': '127.0.0.1:0', 'log.dirs': '/data' } })
  const onFatal = error => { throw error }
  const broker = await startBroker({ system: realSystem(memoryFileSystem()), config, logger: silentLogger, onThisMachine: false, onFatal })
  await fetchMetrics(broker.httpPort)
  await broker.close()
  console.log(JSON.stringify({ modules: process.moduleLoadList, libraries: process.report.getReport().sharedObjects }))

  async function fetchMetrics(port) {
    const net = await import('node:net')
    const socket = net.connect(port, '127.0.0.1')
    socket.write('GET /metrics HTTP/1.0\\r\\n\\r\\n')
    let page = ''
    for await (const bytes of socket) page += bytes
    if (!page.includes('process_cpu')) throw new Error(page)
  }
`

test("a broker that starts, and serves metrics, loads neither Node's fetch nor libraries to compress with", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: import.meta.dirname,
    maxBuffer: 1 << 24,
  })
  const { modules, libraries } = JSON.parse(stdout) as { modules: string[]; libraries: string[] }
  const loaded = [...modules, ...libraries]
  assert.ok(loaded.includes('NativeModule http'), 'the list says what is loaded')
  assert.ok(
    loaded.some(name => /crc32[^/]*\.node$/.test(name)),
    'the list says what libraries are loaded',
  )
  assert.deepEqual(
    loaded.filter(name => /undici|lz4|snappy/.test(name)),
    [],
  )
})
