import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFileSystem } from '../../base.ts'
import { parseProperties } from '../../formats.ts'
import { type ConfigInputs, ConfigProblems, loadBrokerConfig } from './load.ts'
import { parseYaml } from './read-file.ts'

async function withFile(name: string, content: string, more: ConfigInputs = {}): Promise<ConfigInputs> {
  const files = memoryFileSystem()
  files.makeDirectory('/etc')
  await files.replaceFile(`/etc/${name}`, Buffer.from(content))
  return { file: `/etc/${name}`, files, ...more }
}

function problemsOf(inputs: ConfigInputs): readonly string[] {
  try {
    loadBrokerConfig(inputs)
  } catch (error) {
    assert.ok(error instanceof ConfigProblems, String(error))
    return error.problems
  }
  assert.fail('the configuration was accepted')
}

test('the server.properties of Kafka 4 works unchanged', async () => {
  const properties = `
    process.roles=broker,controller
    node.id=7
    controller.quorum.bootstrap.servers=localhost:9093
    listeners=PLAINTEXT://:9092,CONTROLLER://:9093
    inter.broker.listener.name=PLAINTEXT
    advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
    controller.listener.names=CONTROLLER
    listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
    num.network.threads=3
    socket.send.buffer.bytes=1024000
    log.dirs=/tmp/kraft-combined-logs
    offsets.topic.replication.factor=1
    log.retention.hours=100
    log.segment.bytes=1073741824`
  const config = loadBrokerConfig(await withFile('server.properties', properties))
  assert.equal(config.get('node.id'), 7)
  assert.equal(config.text('broker.id'), '7')
  assert.deepEqual(config.listeners, [{ name: 'PLAINTEXT', host: '', port: 9092, protocol: 'PLAINTEXT' }])
  const { host, port } = config.advertised('PLAINTEXT')
  assert.deepEqual([host, port], ['localhost', 9092])
  assert.equal(config.get('log.retention.hours'), 100)
  const note = config.notes.find(text => text.includes('socket.send.buffer.bytes'))
  assert.match(note ?? '', /accepted for compatibility, without effect because the operating system/)
  assert.ok(!config.notes.some(text => text.includes('num.network.threads')), 'a value that is the default needs no note')
})

test('an old ZooKeeper configuration works, and says what is ignored', () => {
  const config = loadBrokerConfig({ set: { 'broker.id': 3, 'zookeeper.connect': 'zk:2181', 'inter.broker.protocol.version': '3.4' } })
  assert.equal(config.get('node.id'), 3)
  assert.ok(config.notes.some(text => text.includes('inter.broker.protocol.version, zookeeper.connect')))
})

test('stronger sources win: file, KAFKA_, MILLRACE_, flags', async () => {
  const yaml = 'num.partitions: 2\nlog:\n  dirs: [/a]\n  segment.bytes: 2000000\nmessage.max.bytes: 5\n'
  const environment = {
    KAFKA_LOG_SEGMENT_BYTES: '3000000',
    KAFKA_MESSAGE_MAX_BYTES: '6',
    MILLRACE_MESSAGE_MAX_BYTES: '7',
    MILLRACE_NUM_PARTITIONS: '8',
  }
  const config = loadBrokerConfig(await withFile('millrace.yaml', yaml, { environment, set: { 'num.partitions': 9 } }))
  assert.deepEqual(config.get('log.dirs'), ['/a'])
  assert.equal(config.get('log.segment.bytes'), 3_000_000)
  assert.equal(config.get('message.max.bytes'), 7)
  assert.equal(config.get('num.partitions'), 9)
  assert.deepEqual(
    ['log.dirs', 'log.segment.bytes', 'num.partitions', 'durability'].map(key => config.layers(key)[0]?.from),
    ['/etc/millrace.yaml:3', 'environment KAFKA_LOG_SEGMENT_BYTES', 'flag', 'default'],
  )
})

test('every problem is told at once, with its place, what is allowed and the nearest key', async () => {
  const inputs = await withFile('x.yaml', 'log.retenton.ms: 5\nnum.partitions: none\n', {
    environment: { MILLRACE_NOPE: '1' },
    set: { durability: 'maybe' },
  })
  assert.deepEqual(problemsOf(inputs), [
    'Unknown broker config name: log.retenton.ms. Did you mean log.retention.ms? [/etc/x.yaml:1]',
    'Invalid value none for configuration num.partitions: Not a number of type INT (allowed: a whole number from 1 on) [/etc/x.yaml:2]',
    'Unknown broker config name: nope [environment MILLRACE_NOPE]',
    'Invalid value maybe for configuration durability: String must be one of: fsync, os (allowed: one of fsync, os) [flag]',
  ])
})

test("variables of Kafka's scripts and of Kubernetes services are no configuration", () => {
  const environment = {
    KAFKA_HEAP_OPTS: '-Xmx1g',
    KAFKA_PORT: 'tcp://10.0.0.1:9092',
    KAFKA_PORT_9092_TCP_ADDR: '10.0.0.1',
    MILLRACE_SERVICE_HOST: '10.0.0.2',
    KAFKA_ODD_THING: 'x',
  }
  assert.deepEqual(loadBrokerConfig({ environment }).notes, ['environment KAFKA_ODD_THING names no known key (odd.thing) and is ignored'])
})

test('keys of one listener and of plug-ins', () => {
  const config = loadBrokerConfig({ set: { 'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config': 'secret', 'rsm.config.bucket': 'b' } })
  assert.equal(config.layers('listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config').length, 1)
  assert.ok(config.notes.includes('rsm.config.bucket (flag) is for a plug-in of Kafka and has no effect'))
  assert.match(problemsOf({ set: { 'listener.name.x.nope': '1' } })[0]!, /Unknown broker config name/)
})

test('several keys must fit together', () => {
  assert.match(problemsOf({ set: { 'node.id': 1, 'broker.id': 2 } })[0]!, /node.id \(1, flag\) and broker.id \(2, flag\) must be the same/)
  assert.match(problemsOf({ set: { 'group.min.session.timeout.ms': 2_000_000 } })[0]!, /must not be above group.max.session.timeout.ms/)
  assert.match(
    problemsOf({ set: { 'authorizer.class.name': 'org.Foo' } })[0]!,
    /Java classes cannot be loaded; it must be empty or one of org.apache/,
  )
  assert.match(problemsOf({ set: { 'process.roles': 'controller' } })[0]!, /the roles must include broker/)
})

test('a file that cannot be used', async () => {
  assert.deepEqual(problemsOf({ file: '/etc/none.yaml', files: memoryFileSystem() }), ['there is no configuration file /etc/none.yaml'])
  assert.match(problemsOf(await withFile('a.yaml', 'a: [1'))[0]!, /^\/etc\/a.yaml: /)
  assert.match(problemsOf(await withFile('a.yaml', '- 1'))[0]!, /it must hold keys with values/)
  assert.match(problemsOf(await withFile('a.yaml', 'log: {dir: a}\nlog.dir: b'))[0]!, /log.dir is set twice/)
  assert.match(problemsOf(await withFile('a.properties', 'a=\\u12'))[0]!, /malformed \\uxxxx encoding in line 1/)
})

test('YAML numbers keep their text', () => {
  const parsed = parseYaml('a: 9223372036854775807\nb: 0.10\nc: null\nd: true\ne: [1, x]\n"f": "007"', 'f')
  assert.ok(typeof parsed !== 'string')
  assert.deepEqual(
    [...parsed].map(([key, { text }]) => [key, text]),
    [
      ['a', '9223372036854775807'],
      ['b', '0.10'],
      ['d', 'true'],
      ['e', '1,x'],
      ['f', '007'],
    ],
  )
})

test("properties: Java's comments, separators, escapes and continued lines", () => {
  const parsed = parseProperties('# c\n! c\n a = b \nc:d\ne f\ng\\ h=i\\tj\\u00e9\\\\\nk=l,\\\n   m\nn\nlast=\\')
  assert.ok(typeof parsed !== 'string')
  assert.deepEqual(
    [...parsed].map(([key, { value, line }]) => [key, value, line]),
    [
      ['a', 'b ', 3],
      ['c', 'd', 4],
      ['e', 'f', 5],
      ['g h', 'i\tjé\\', 6],
      ['k', 'l,m', 7],
      ['n', '', 9],
      ['last', '', 10],
    ],
  )
})
