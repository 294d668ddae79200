import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEndpoint, parseHttpAddress } from './listeners.ts'
import { loadBrokerConfig } from './load.ts'

const load = (set: Record<string, string>) => loadBrokerConfig({ set, hostName: 'machine' })

test('listeners: names, IPv6, all addresses, what is advertised', () => {
  const config = load({
    listeners: 'INSIDE://[::1]:9092,OUTSIDE://0.0.0.0:9093,any://:0',
    'listener.security.protocol.map': 'INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,ANY:PLAINTEXT',
    'advertised.listeners': 'INSIDE://broker.example.org:19092',
  })
  assert.deepEqual(
    config.listeners.map(({ name, host, port }) => [name, host, port]),
    [
      ['INSIDE', '::1', 9092],
      ['OUTSIDE', '0.0.0.0', 9093],
      ['ANY', '', 0],
    ],
  )
  assert.deepEqual(
    ['INSIDE', 'OUTSIDE', 'ANY'].map(name => config.advertised(name)).map(({ host, port }) => `${host}:${port}`),
    ['broker.example.org:19092', 'machine:9093', 'machine:0'],
  )
})

test('a listener on all addresses without an advertised name causes a warning', () => {
  const notes = (set: Record<string, string>) => loadBrokerConfig({ set }).notes
  const note = 'clients on other machines cannot connect to PLAINTEXT, advertised as localhost: set advertised.listeners'
  assert.deepEqual(notes({ listeners: 'PLAINTEXT://:9092' }), [note])
  assert.deepEqual(notes({ listeners: 'PLAINTEXT://0.0.0.0:9092' }), [note])
  assert.deepEqual(notes({ listeners: 'PLAINTEXT://:9092', 'advertised.listeners': 'PLAINTEXT://localhost:9092' }), [])
  assert.deepEqual(notes({ listeners: 'PLAINTEXT://127.0.0.1:9092' }), [])
})

test('listeners that cannot be', () => {
  const refused: [Record<string, string>, RegExp][] = [
    [{ listeners: 'nonsense' }, /Unable to parse nonsense to a broker endpoint/],
    [{ listeners: 'PLAINTEXT://a:99999' }, /Unable to parse/],
    [{ listeners: 'PLAINTEXT://::1:9092' }, /Unable to parse/],
    [{ listeners: 'A://:1,a://:2', 'listener.security.protocol.map': 'A:PLAINTEXT' }, /must have a different name/],
    [{ listeners: 'A://:1,B://:1', 'listener.security.protocol.map': 'A:PLAINTEXT,B:PLAINTEXT' }, /must have a different port/],
    [{ listeners: 'A://:1' }, /No security protocol defined for listener A/],
    [{ listeners: '' }, /at least one listener/],
    [{ 'listener.security.protocol.map': 'A:TLS' }, /A:TLS is not NAME:PROTOCOL/],
    [{ 'advertised.listeners': '' }, /must not be empty/],
    [{ 'advertised.listeners': 'X://h:1' }, /must be equal to or a subset of the ones defined in listeners/],
    [{ 'advertised.listeners': 'PLAINTEXT://0.0.0.0:1' }, /cannot use the nonroutable meta-address 0.0.0.0/],
    [{ 'inter.broker.listener.name': 'X' }, /must be a listener name defined in listeners/],
    [{ 'http.listen': 'here' }, /it must be host:port/],
    [{ 'http.listen': '127.0.0.1:9092' }, /The listener PLAINTEXT already uses this port/],
    [{ 'http.listen': '0.0.0.0:9092' }, /The listener PLAINTEXT already uses this port/],
  ]
  for (const [set, message] of refused) assert.throws(() => load(set), message, JSON.stringify(set))
})

test('single addresses', () => {
  assert.deepEqual(parseEndpoint('plaintext://[fe80::1%eth0]:1'), { name: 'PLAINTEXT', host: 'fe80::1%eth0', port: 1 })
  assert.deepEqual(parseHttpAddress('[::]:9404'), { host: '::', port: 9404 })
  assert.equal(parseHttpAddress('none'), null)
})
