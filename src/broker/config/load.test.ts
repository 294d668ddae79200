import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
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

test('variables of the command line may be set where a broker is started', () => {
  const folder = new URL('../../cli/', import.meta.url)
  const sources = readdirSync(folder).filter(each => /^[^.]+\.ts$/.test(each))
  const variables = new Set(sources.flatMap(each => readFileSync(new URL(each, folder), 'utf8').match(/\bMILLRACE_[A-Z][A-Z0-9_]+/g) ?? []))
  assert.ok(variables.has('MILLRACE_TRIGGERS'))
  const environment = Object.fromEntries([...variables, 'MILLRACE_NOPE'].map(each => [each, 'x']))
  const unknown = problemsOf({ environment }).filter(each => /^Unknown broker config name/.test(each))
  assert.deepEqual(unknown, ['Unknown broker config name: nope [environment MILLRACE_NOPE]'])
})

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

test('all problems are reported at once, with their place, what is allowed and the nearest key', async () => {
  const inputs = await withFile('x.yaml', 'log.retenton.ms: 5\nnum.partitions: none\n', {
    environment: { MILLRACE_NOPE: '1' },
    set: { durability: 'maybe' },
  })
  assert.deepEqual(problemsOf(inputs), [
    'Unknown broker config name: log.retenton.ms. Did you mean log.retention.ms? [/etc/x.yaml:1]',
    'Invalid value none for configuration num.partitions: Not a number of type INT (allowed: a whole number of at least 1) [/etc/x.yaml:2]',
    'Unknown broker config name: nope [environment MILLRACE_NOPE]',
    'Invalid value maybe for configuration durability: String must be one of: fsync, os (allowed: one of fsync, os) [flag]',
  ])
})

test("variables of Kafka's scripts and of Kubernetes services are not configuration", () => {
  const environment = {
    KAFKA_HEAP_OPTS: '-Xmx1g',
    KAFKA_PORT: 'tcp://10.0.0.1:9092',
    KAFKA_PORT_9092_TCP_ADDR: '10.0.0.1',
    MILLRACE_PORT: 'tcp://10.0.0.2:9092',
    MILLRACE_SERVICE_HOST: '10.0.0.2',
    KAFKA_ODD_THING: 'x',
  }
  assert.deepEqual(loadBrokerConfig({ environment }).notes, [
    'ignored keys that Kafka does not have (they may belong to plug-ins): odd.thing',
  ])
})

test("addresses of Kafka before 3.0 are named in a warning, and Bitnami's variables are read", () => {
  const environment = {
    KAFKA_CFG_NUM_PARTITIONS: '7',
    KAFKA_CFG_LISTENERS: 'PLAINTEXT://127.0.0.1:1',
    KAFKA_LISTENERS: 'PLAINTEXT://127.0.0.1:2',
  }
  const config = loadBrokerConfig({ environment: { ...environment, KAFKA_ADVERTISED_HOST_NAME: 'h', KAFKA_PORT: '9095' } })
  assert.deepEqual([config.get('num.partitions'), config.get('listeners')], [7, ['PLAINTEXT://127.0.0.1:2']])
  assert.deepEqual(config.notes, [
    'Kafka removed these keys in 3.0, so they have no effect; set listeners and advertised.listeners instead: advertised.host.name, port',
  ])
})

test('a port in the environment that was not set by a Kubernetes service is not ignored', () => {
  assert.match(problemsOf({ environment: { MILLRACE_PORT: '9093' } })[0]!, /^Unknown broker config name: port.*environment MILLRACE_PORT/)
  assert.match(problemsOf({ environment: { MILLRACE_HTTP_PORT: '9404' } })[0]!, /^Unknown broker config name: http.port/)
})

test('an empty directory name is an error, not the default', () => {
  for (const key of ['log.dirs', 'log.dir']) {
    assert.match(problemsOf({ set: { [key]: '' } })[0]!, /must not be empty/)
    assert.match(problemsOf({ set: { [key]: ' , /a' } })[0]!, /it contains an empty directory name/)
  }
  assert.match(problemsOf({ environment: { KAFKA_LOG_DIRS: '' } })[0]!, /must not be empty.*environment KAFKA_LOG_DIRS/)
})

test('permissions without an authorizer cause a warning', () => {
  const users = { 'super.users': 'User:admin' }
  assert.match(
    loadBrokerConfig({ set: users }).notes.join(),
    /authorizer.class.name is not set, so everyone may do everything.*super.users/,
  )
  const authorizer = { 'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer' }
  assert.deepEqual(loadBrokerConfig({ set: { ...users, ...authorizer } }).notes, [])
})

test('keys of one listener and of plug-ins', () => {
  const config = loadBrokerConfig({ set: { 'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config': 'secret', 'rsm.config.bucket': 'b' } })
  assert.equal(config.layers('listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config').length, 1)
  assert.ok(config.notes.includes('ignored keys that Kafka does not have (they may belong to plug-ins): rsm.config.bucket'))
  assert.match(problemsOf({ set: { 'listener.name.x.nope': '1' } })[0]!, /Unknown broker config name/)
  const listeners = 'EXTERNAL://127.0.0.1:9092,CONTROLLER://:9093'
  const names = { 'listener.security.protocol.map': 'EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT', 'controller.listener.names': 'CONTROLLER' }
  const own = (name: string) => ({ [`listener.name.${name}.max.connections`]: 5 })
  const notes = (name: string) => loadBrokerConfig({ set: { listeners, ...names, ...own(name) } }).notes
  assert.deepEqual(notes('external'), [])
  assert.deepEqual(notes('controller'), [])
  assert.match(notes('extrenal').join(), /these keys name listeners that do not exist.*listener\.name\.extrenal\.max\.connections/)
})

const confluent = `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
advertised.listeners=PLAINTEXT://localhost:9092
controller.listener.names=CONTROLLER
log.dirs=/var/lib/kafka
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
metric.reporters=io.confluent.metrics.reporter.ConfluentMetricsReporter
confluent.metrics.reporter.bootstrap.servers=localhost:9092
confluent.metrics.reporter.topic.replicas=1
confluent.license.topic.replication.factor=3
confluent.balancer.enable=false
confluent.security.event.logger.exporter.kafka.topic.replicas=1
jmx.port=10000
ldap.ssl.truststore.location=/tmp/ldap_truststore.jks
ldap.user.name.attribute=uid`

test("a file for Confluent's servers starts: one warning for keys of plug-ins, one for counts of replicas", async () => {
  const config = loadBrokerConfig(await withFile('server.properties', confluent))
  const { notes } = config
  assert.deepEqual(
    notes.filter(note => /^(ignored|these replica counts)/.test(note)),
    [
      'ignored keys that Kafka does not have (they may belong to plug-ins): confluent.balancer.enable, ' +
        'confluent.license.topic.replication.factor, confluent.metrics.reporter.bootstrap.servers, confluent.metrics.reporter.topic.replicas, ' +
        'confluent.security.event.logger.exporter.kafka.topic.replicas, jmx.port, ldap.ssl.truststore.location, ldap.user.name.attribute',
      'these replica counts are treated as 1, because there is only one broker: default.replication.factor=3, min.insync.replicas=2, offsets.topic.replication.factor=3, ' +
        'transaction.state.log.min.isr=2, transaction.state.log.replication.factor=3',
    ],
  )
  assert.equal(config.get('default.replication.factor'), 1)
  assert.equal(config.text('offsets.topic.replication.factor'), '1')
  assert.ok(!notes.some(note => note.includes('without effect') && note.includes('replication.factor')))
})

test('several processes are several brokers: replica counts stay', () => {
  const set = { 'default.replication.factor': 3, 'offsets.topic.replication.factor': 3 }
  const several = loadBrokerConfig({ set: { ...set, processes: '3' } })
  assert.deepEqual(several.notes, [])
  assert.equal(several.get('offsets.topic.replication.factor'), 3)
  assert.equal(loadBrokerConfig({ set: { ...set, processes: '1' } }).get('default.replication.factor'), 1)
})

test('replica counts are 1 on one broker if they are not set', () => {
  const config = loadBrokerConfig({})
  const counts = config.names().filter(name => /(replication\.factor|min\.isr|min\.insync\.replicas)$/.test(name))
  assert.equal(counts.length, 7)
  for (const name of counts) assert.equal(config.text(name), '1', name)
})

test('files of Cruise Control, Strimzi and metrics reporters start', async () => {
  const properties = `
    metric.reporters=com.linkedin.kafka.cruisecontrol.metricsreporter.CruiseControlMetricsReporter
    cruise.control.metrics.reporter.bootstrap.servers=kafka:9092
    cruise.control.metrics.reporter.kubernetes.mode=true
    cruise.control.metrics.reporter.ssl.keystore.location=/etc/keystore.jks
    cruise.control.metrics.topic.auto.create=true
    kafka.http.metrics.port=8080
    kafka.graphite.metrics.reporter.enabled=true
    external.kafka.statsd.host=localhost
    client.quota.callback.static.storage.check-interval=10
    strimzi.authorization.kafka.cluster.name=my-cluster
    opa.authorizer.url=http://opa:8181
    ranger.plugin.kafka.service.name=kafka
    zookeeper.connect=zk:2181
    broker.id=0`
  const { notes } = loadBrokerConfig(await withFile('server.properties', properties))
  assert.equal(notes.filter(note => note.startsWith('ignored')).length, 1)
})

test("slips in Kafka's own keys are errors in its own file as well", async () => {
  const slips: [string, RegExp][] = [
    ['log.retenton.ms=5', /Did you mean log\.retention\.ms\?/],
    ['num.partition=3', /Did you mean num\.partitions\?/],
    ['listener=PLAINTEXT://:9092', /Did you mean listeners\?/],
    ['log_dirs=/data', /Did you mean log\.dirs\?/],
    ['auto.create.topic.enabled=false', /Did you mean auto\.create\.topics\.enable\?/],
    ['ssl.keystore.path=/a', /Did you mean ssl\.keystore\./],
    ['log.retention.days=7', /Did you mean log\.retention\.ms\?/],
    ['listener.name.plaintext.ssl.keystore.locaton=/a', /Unknown broker config name/],
    ['retention.ms=5', /retention\.ms is a topic's key; the broker's default for topics is log\.retention\.ms/],
  ]
  for (const [line, message] of slips) assert.match(problemsOf(await withFile('server.properties', line))[0] ?? '', message, line)
})

test('several keys must fit together', () => {
  assert.match(problemsOf({ set: { 'node.id': 1, 'broker.id': 2 } })[0]!, /node.id \(1, flag\) and broker.id \(2, flag\) must be the same/)
  assert.match(
    problemsOf({ set: { 'group.min.session.timeout.ms': 2_000_000 } })[0]!,
    /must not be larger than group.max.session.timeout.ms/,
  )
  assert.match(
    problemsOf({ set: { 'authorizer.class.name': 'org.Foo' } })[0]!,
    /Java classes cannot be loaded; it must be empty or one of org.apache/,
  )
  assert.match(problemsOf({ set: { 'process.roles': 'controller' } })[0]!, /the roles must include broker/)
})

test('a file that cannot be used', async () => {
  assert.deepEqual(problemsOf({ file: '/etc/none.yaml', files: memoryFileSystem() }), ['configuration file not found: /etc/none.yaml'])
  assert.match(problemsOf(await withFile('a.yaml', 'a: [1'))[0]!, /^\/etc\/a.yaml: /)
  assert.match(problemsOf(await withFile('a.yaml', '- 1'))[0]!, /it must contain keys with values/)
  assert.match(problemsOf(await withFile('kafka.conf', '# c\nlog.dirs=/a\nnode.id=1\n'))[0]!, /must be named \*\.properties/)
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
