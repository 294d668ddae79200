import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokerConfig, loadBrokerConfig } from '../../broker.ts'
import { configurations } from './configuration.ts'

const of = (set: Record<string, string>, count = 3) =>
  configurations(loadBrokerConfig({ set: { 'http.listen': 'none', ...set } }), count).map(values => new BrokerConfig(new Map(values)))

test('each process has the next id, the next ports and a directory of its own', () => {
  const configs = of({
    'node.id': '7',
    'log.dir': 'data',
    listeners: 'PLAINTEXT://[::1]:9092,OUTSIDE://:9192,CONTROLLER://:9093',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'advertised.listeners': 'OUTSIDE://example.com:30000',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.retention.ms': '5000',
  })
  const shown = configs.map(config => ({
    id: [config.get('node.id'), config.get('broker.id')],
    data: config.get('log.dirs') ?? config.get('log.dir'),
    listeners: config.listeners.map(({ name, host, port }) => [
      name,
      host,
      port,
      config.advertised(name).host,
      config.advertised(name).port,
    ]),
    others: [config.get('log.retention.ms'), config.get('http.listen'), config.get('processes')],
  }))
  assert.deepEqual(
    shown,
    [0, 1, 2].map(index => ({
      id: [7 + index, 7 + index],
      data: [index === 0 ? 'data' : `data/.process${index}`],
      listeners: [
        ['PLAINTEXT', '::1', 9092 + index, '::1', 9092 + index],
        ['OUTSIDE', '', 9192 + index, 'example.com', 30_000 + index],
      ],
      others: [5000, 'none', '3'],
    })),
  )
  assert.deepEqual(configs[1]!.layers('log.retention.ms')[0]?.from, 'flag')
  assert.deepEqual(configs[1]!.layers('node.id')[0]?.from, 'process 2 of 3')
})

test('any free port is any free port for each of them', () => {
  for (const config of of({ listeners: 'PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0' }))
    assert.deepEqual(
      config.listeners.map(({ port }) => port),
      [0, 0],
    )
})

test('ports that overlap or do not exist are found before anything starts', () => {
  const problem = (set: Record<string, string>, count = 3): string => {
    try {
      of(set, count)
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
  const two = (one: string, other: string) => ({ listeners: `PLAINTEXT://${one},SSL://${other}` })
  assert.equal(problem(two('127.0.0.1:9092', '127.0.0.1:9095')), '')
  assert.equal(problem(two('127.0.0.1:9092', '127.0.0.2:9093')), '')
  assert.equal(
    problem(two('127.0.0.1:9092', '127.0.0.1:9094')),
    'processes=3: the listener PLAINTEXT (ports 9092 to 9094) and the listener SSL (ports 9094 to 9096) overlap; each process needs the next port of each listener',
  )
  assert.match(problem(two('127.0.0.1:9094', ':9092')), /PLAINTEXT .* and the listener SSL .* overlap/)
  assert.equal(
    problem({ listeners: 'PLAINTEXT://127.0.0.1:65534' }),
    'processes=3: the listener PLAINTEXT needs the ports 65534 to 65536, but the highest port is 65535',
  )
  assert.equal(problem({ listeners: 'PLAINTEXT://127.0.0.1:65533' }), '')
  assert.match(
    problem({ 'advertised.listeners': 'PLAINTEXT://example.com:65535' }),
    /^processes=3: the advertised listener PLAINTEXT needs/,
  )
  assert.match(
    problem({ ...two('127.0.0.1:9092', '127.0.0.1:9192'), 'advertised.listeners': 'PLAINTEXT://example.com:1000,SSL://example.com:1001' }),
    /^processes=3: the advertised listener PLAINTEXT .* overlap/,
  )
  assert.match(
    problem({ 'http.listen': '127.0.0.1:9094' }),
    /the listener PLAINTEXT \(ports 9092 to 9094\) and http\.listen \(port 9094\) overlap/,
  )
})

test('the number of processes is checked', () => {
  for (const text of ['0', '-1', '257', 'two', ''])
    assert.throws(
      () => loadBrokerConfig({ set: { processes: text } }),
      /processes: Not a number of processes \(allowed: a whole number from 1 to 256, or auto\)/,
    )
  for (const text of ['1', '256', 'auto']) assert.equal(loadBrokerConfig({ set: { processes: text } }).get('processes'), text)
})
