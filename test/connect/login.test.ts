/** Workers where the brokers require a login: what one sends on to another counts there, although it has no credentials. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem, type System } from '../../src/base.ts'
import { silentLogger } from '../../src/logger.ts'
import { type RunningServices, startServices } from '../../src/services.ts'
import { authorizer, startSecured } from '../security/support.ts'
import { settingsFor } from '../services/settings.ts'
import { eventually } from './workers.ts'

const quick = {
  'heartbeat.interval.ms': '100',
  'session.timeout.ms': '6000',
  'rebalance.timeout.ms': '5000',
  'scheduled.rebalance.max.delay.ms': '0',
  'offset.storage.partitions': '1',
  'status.storage.partitions': '1',
}
const stopped = {
  'connector.class': 'file-sink',
  topics: 'in',
  file: '/nowhere/lines',
  'key.converter': 'string',
  'value.converter': 'string',
}

/** Five minutes fast. */
function fastSystem(): System {
  const system = realSystem()
  const { clock } = system
  return { ...system, clock: { now: () => clock.now() + 300_000, history: () => clock.history(), monotonic: () => clock.monotonic() } }
}

test('a change is made by the worker that leads, whichever is asked, and whatever their clocks say', async t => {
  const secured = await startSecured(t, authorizer)
  const bootstrap = `127.0.0.1:${secured.port('SASL_PLAINTEXT')}`
  const properties = { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'PLAIN' }
  const ownProperties = { ...properties, 'sasl.username': 'admin', 'sasl.password': 'admin-pw' }
  const connect = { properties: quick, advertisedUrl: null, url: null, userInfo: null }
  const settings = settingsFor(bootstrap, { services: ['connect'], properties, ownProperties, connect })
  const running: RunningServices[] = []
  const authorization = `Basic ${Buffer.from('admin:admin-pw').toString('base64')}`
  const ask = (at: number, method: string, path: string, body?: unknown, headers: Record<string, string> = { authorization }) =>
    fetch(`http://127.0.0.1:${running[at]!.ports.get('connect')}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  try {
    for (const at of [0, 1]) {
      running.push(await startServices(settings, at === 0 ? realSystem() : fastSystem(), silentLogger))
      await eventually(async () => (await ask(at, 'GET', '/health')).status === 200)
    }
    for (const at of [0, 1]) {
      const name = `made-${at}`
      const body = { name, config: stopped, initial_state: 'STOPPED' }
      assert.equal((await ask(at, 'POST', '/connectors', body, {})).status, 401)
      await eventually(async () => (await ask(at, 'POST', '/connectors', body)).status === 201)
      await eventually(async () => (await ask(at, 'DELETE', `/connectors/${name}`)).status === 204)
    }
  } finally {
    await Promise.all(running.map(each => each.close()))
  }
})
