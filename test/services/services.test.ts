/** The services process beside a real broker, as `millrace start` runs it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { silentLogger } from '../../src/logger.ts'
import { startBroker } from '../../src/millrace.ts'
import { startServices } from '../../src/services.ts'
import { eventually } from '../cluster/two-brokers.ts'
import { settingsFor } from './settings.ts'

/** Of 20 ms each. */
const attempts = 9_000

test('the registry answers over a new broker, and creates its topic compacted', async () => {
  await using broker = await startBroker({ memory: true })
  const services = await startServices(settingsFor(broker.address), realSystem(), silentLogger)
  try {
    const response = await fetch(`http://127.0.0.1:${services.ports.get('registry')}/subjects`)
    assert.deepEqual([response.status, await response.json()], [200, []])
    const missing = await fetch(`http://127.0.0.1:${services.ports.get('registry')}/no/such/route`)
    assert.equal(missing.status, 404)
    assert.equal(missing.headers.get('content-type'), 'application/vnd.schemaregistry.v1+json')
    assert.equal(((await missing.json()) as { error_code: number }).error_code, 404)
  } finally {
    await services.close()
  }
})

/** `millrace start`, with the log that it writes; `ports`: of console, registry and REST proxy. */
function start(directory: string, ports: number, more: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
  const sets = ['console', 'registry', 'rest'].flatMap(name => ['--set', `${name}.port=${ports}`])
  const flags = ['--data', directory, '--port', '0', '--http', 'none', ...sets, ...more]
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/cli.ts'), 'start', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const lines: string[] = []
  createInterface({ input: child.stderr }).on('line', line => lines.push(line))
  return { child, lines }
}

/** Loaded into all processes: one that is sent SIGUSR2 misses a failure. */
const failing = { NODE_OPTIONS: `--import=data:text/javascript,process.on('SIGUSR2',()=>Promise.reject(new%20Error('planted')))` }

test('`millrace start` runs the services beside the broker, and restarts them, and stops them with it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-services-'))
  const { child, lines } = start(directory, 0, ['--http', '127.0.0.1:0'], failing)
  try {
    const ready = await eventually(() => lines.find(line => line.includes('the services are ready')) ?? false, attempts)
    const { ports, pid } = JSON.parse(ready) as { ports: Record<string, number>; pid: number }
    assert.deepEqual(Object.keys(ports).sort(), ['console', 'registry', 'rest'])
    const ask = () => fetch(`http://127.0.0.1:${ports['registry']}/subjects`).then(response => response.status)
    assert.equal(await ask(), 200)
    const { metrics } = JSON.parse(lines.find(line => line.includes('the broker is ready'))!) as { metrics: string }
    const counts = async () => (await (await fetch(metrics)).text()).match(/(?<=^millrace_services_\w+ )\d+$/gm)?.join()
    assert.equal(await counts(), '0,0')
    process.kill(pid, 'SIGUSR2')
    await eventually(() => lines.some(line => line.includes('Error: planted')), attempts)
    assert.equal(await ask(), 200)
    assert.equal(await counts(), '0,1')
    process.kill(pid, 'SIGKILL')
    await eventually(() => lines.filter(line => line.includes('the services are ready')).length === 2, attempts)
    assert.equal(await counts(), '1,1')
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
    const { pid: last } = JSON.parse(lines.findLast(line => line.includes('the services are ready'))!) as { pid: number }
    assert.throws(() => process.kill(last, 0), { code: 'ESRCH' })
  } finally {
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
})

test('several broker processes have one services process, and where all its ports are taken it ends for good', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-services-'))
  const taken = createServer()
  taken.listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const { child, lines } = start(directory, port, ['--processes', '2'])
  try {
    await eventually(() => lines.some(line => line.includes('no service could start')), attempts)
    const reasons = lines
      .filter(line => line.includes('a service cannot start'))
      .map(line => (JSON.parse(line) as { reason: string }).reason)
    const expected = ['console', 'registry', 'rest'].map(name => `port ${port} of 127.0.0.1 is in use; ${name}.port chooses another`)
    assert.deepEqual(reasons.sort(), expected.sort())
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
    assert.deepEqual(
      lines.filter(line => line.includes('is started again')),
      [],
    )
  } finally {
    child.kill('SIGKILL')
    taken.close()
    rmSync(directory, { recursive: true, force: true })
  }
})
