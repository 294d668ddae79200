/** Ports of services that are taken. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { silentLogger } from '../../src/logger.ts'
import { startBroker } from '../../src/millrace.ts'
import { startServices } from '../../src/services.ts'
import { settingsFor } from './settings.ts'

test('a port that is taken is one line that names port, service and key, and the other services start', async () => {
  await using broker = await startBroker({ memory: true })
  const taken = createServer()
  taken.listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const lines: object[] = []
  const logger = { ...silentLogger, error: (details: object) => void lines.push(details) }
  const settings = settingsFor(broker.address, {
    services: ['console', 'rest'],
    ports: { connect: 0, console: port, registry: 0, rest: 0, triggers: 0 },
  })
  const services = await startServices(settings, realSystem(), logger)
  try {
    assert.deepEqual(lines, [{ service: 'console', reason: `port ${port} of 127.0.0.1 is in use; console.port chooses another` }])
    assert.deepEqual([...services.ports.keys()], ['rest'])
    assert.equal((await fetch(`http://127.0.0.1:${services.ports.get('rest')}/topics`)).status, 200)
  } finally {
    await services.close()
    taken.close()
  }
})
