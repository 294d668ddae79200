import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { crc32c, realSystem } from '../../base.ts'
import { silentLogger } from '../../logger.ts'
import { buildBatch, KafkaError } from '../../protocol.ts'
import { loadBrokerConfig } from '../config.ts'
import { type RunningBroker, startBroker } from '../start.ts'

function start(directory: string, nodeId = 1, options: { clusterId?: string } = {}): Promise<RunningBroker> {
  const set = { listeners: 'PLAINTEXT://127.0.0.1:0', 'http.listen': 'none', 'log.dirs': directory, 'node.id': String(nodeId) }
  const config = loadBrokerConfig({ set })
  return startBroker({ system: realSystem(), config, logger: silentLogger, onFatal: assert.fail, ...options })
}

/** Path, kind, time of change and content of all there is. */
function look(directory: string): string[] {
  return ['', ...fs.readdirSync(directory, { recursive: true, encoding: 'utf8' })].sort().map(name => {
    const path = join(directory, name)
    const { mtimeNs, ctimeNs, mode } = fs.statSync(path, { bigint: true })
    const content = fs.statSync(path).isFile() ? createHash('sha256').update(fs.readFileSync(path)).digest('hex') : 'directory'
    return [name, mode, mtimeNs, ctimeNs, content].join(' ')
  })
}

function temporaryDirectory(t: TestContext): string {
  const directory = fs.mkdtempSync(join(tmpdir(), 'millrace-data-'))
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

function fill(directory: string, files: Record<string, string | Buffer>): void {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(dirname(join(directory, name)), { recursive: true })
    if (name.endsWith('/')) fs.mkdirSync(join(directory, name))
    else fs.writeFileSync(join(directory, name), content)
  }
}

/** One that a broker has used. */
async function ours(directory: string): Promise<void> {
  const running = await start(directory)
  await running.broker.metadata.createTopics(
    [{ name: 'orders', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    false,
  )
  await running.close()
}

const partitionMetadata = 'version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAB0Q'
const kafkaFiles: Record<string, string> = {
  '.lock': '',
  '.kafka_cleanshutdown': '{"version":0,"brokerEpoch":5}',
  'cleaner-offset-checkpoint': '0\n0\n',
  '__cluster_metadata-0/00000000000000000000.log': 'records',
  'orders-0/00000000000000000000.log': 'records',
  'orders-0/partition.metadata': partitionMetadata,
  'returns-0.0a1b2c3d4e5f60718293a4b5c6d7e8f9-delete/00000000000000000000.log': 'records',
}
const kraft = '#\n#Sat Nov 28 2026\nversion=1\ncluster.id=AAAAAAAAQACAAAAAAAAAAQ\nnode.id=1\ndirectory.id=6QvTJQIZQ0qfGZ8lh9gCbA\n'

function edit(path: string, from: RegExp, to: string): void {
  const before = fs.readFileSync(path, 'latin1')
  assert.match(before, from)
  fs.writeFileSync(path, before.replace(from, to), 'latin1')
}

const properties = (directory: string) => join(directory, 'meta.properties')

const refusals: { what: string; make(directory: string): void | Promise<void>; error: RegExp }[] = [
  {
    what: 'data of Kafka',
    make: directory => fill(directory, { ...kafkaFiles, 'meta.properties': kraft }),
    error: /data of Apache Kafka.*millrace import/,
  },
  {
    what: 'a formatted directory of Kafka',
    make: directory => fill(directory, { 'meta.properties': kraft }),
    error: /data of Apache Kafka/,
  },
  {
    what: 'data of a Kafka with ZooKeeper',
    make: directory => fill(directory, { ...kafkaFiles, 'meta.properties': 'version=0\nbroker.id=1\n' }),
    error: /data of Apache Kafka/,
  },
  { what: 'data of Kafka without meta.properties', make: directory => fill(directory, kafkaFiles), error: /data of Apache Kafka/ },
  {
    what: 'a log of Kafka without its files',
    make: directory => fill(directory, { 'orders-0/partition.metadata': partitionMetadata }),
    error: /data of Apache Kafka/,
  },
  {
    what: 'somebody’s files',
    make: directory => fill(directory, { 'thesis.txt': 'x', 'photos-delete/a.jpg': 'x' }),
    error: /not empty.*photos-delete, thesis\.txt/,
  },
  {
    what: 'another database',
    make: directory => fill(directory, { 'journal/WiredTigerLog.0000000001': 'x' }),
    error: /not empty.*journal/,
  },
]

for (const { what, make, error } of refusals) {
  test(`${what}: refused, and nothing is changed`, async t => {
    const directory = temporaryDirectory(t)
    await make(directory)
    const before = look(directory)
    await assert.rejects(start(directory), { name: 'DirectoryRefused', message: error })
    assert.deepEqual(look(directory), before)
  })
}

const ownRefusals: { what: string; change(directory: string): void; error: RegExp }[] = [
  {
    what: 'data of another node',
    change: directory => edit(properties(directory), /node\.id=1/, 'node.id=2'),
    error: /belongs to node 2.*node\.id=1/,
  },
  { what: 'no node.id', change: directory => edit(properties(directory), /node\.id=1/, ''), error: /belongs to node .none/ },
  {
    what: 'no cluster.id',
    change: directory => edit(properties(directory), /cluster\.id=/, 'cluster.name='),
    error: /without cluster\.id/,
  },
  {
    what: 'a meta.properties of a newer version',
    change: directory => edit(properties(directory), /^version=1/, 'version=2'),
    error: /version 2, .*supports only version 1/,
  },
  {
    what: 'a newer format',
    change: directory => edit(properties(directory), /millrace\.format=1/, 'millrace.format=2'),
    error: /format 2 .*up to 1/,
  },
  {
    what: 'a meta.properties that cannot be read',
    change: directory => edit(properties(directory), /cluster\.id=/, 'cluster.id=\\ux'),
    error: /damaged meta\.properties/,
  },
  { what: 'no meta.properties', change: directory => fs.rmSync(properties(directory)), error: /meta\.properties is missing/ },
  {
    what: 'a journal of a newer format',
    change(directory) {
      const name = fs.readdirSync(join(directory, 'journal')).find(each => each.endsWith('.journal'))!
      const file = fs.openSync(join(directory, 'journal', name), 'r+')
      const head = Buffer.alloc(64)
      fs.readSync(file, head, 0, 64, 0)
      head.writeUInt32BE(head.readUInt32BE(8) + 1, 8)
      head.writeUInt32BE(crc32c(head.subarray(8)), 4)
      fs.writeSync(file, head, 0, 64, 0)
      fs.closeSync(file)
    },
    error: /newer version of Millrace .journal\/\d+\.journal has format/,
  },
]

for (const { what, change, error } of ownRefusals) {
  test(`a directory of ours with ${what}: refused, and nothing is changed`, async t => {
    const directory = temporaryDirectory(t)
    await ours(directory)
    change(directory)
    const before = look(directory)
    await assert.rejects(start(directory), { name: 'DirectoryRefused', message: error })
    assert.deepEqual(look(directory), before)
  })
}

test('a directory in use, or a file in its place: refused, and nothing is changed', async t => {
  const directory = temporaryDirectory(t)
  const running = await start(directory)
  const before = look(directory)
  await assert.rejects(start(directory), { name: 'DirectoryInUse' })
  assert.deepEqual(look(directory), before)
  await running.close()
  const file = join(temporaryDirectory(t), 'file')
  fs.writeFileSync(file, 'x')
  await assert.rejects(start(file), { message: `${file} is not a directory` })
  assert.equal(fs.readFileSync(file, 'utf8'), 'x')
})

test('a new directory belongs to the cluster that its broker joins, and cannot join another one', async t => {
  const directory = temporaryDirectory(t)
  const clusterId = 'AAAAAAAAQACAAAAAAAAAAQ'
  for (let n = 0; n < 2; n++) {
    const running = await start(directory, 1, { clusterId })
    assert.equal(running.broker.self.clusterId, clusterId)
    await running.close()
  }
  const before = look(directory)
  await assert.rejects(start(directory, 1, { clusterId: 'AAAAAAAAQACAAAAAAAAAAg' }), {
    name: 'DirectoryRefused',
    message: new RegExp(clusterId),
  })
  assert.deepEqual(look(directory), before)
})

test('what belongs to others stays: lost+found, hidden files, directories that end in -delete', async t => {
  const directory = temporaryDirectory(t)
  fill(directory, { 'lost+found/': '', '.gitkeep': '', 'meta.properties.tmp': 'version=', 'import.json.tmp': '{' })
  await ours(directory)
  const others = ['photos-delete/a.jpg', 'orders-0.0a1b2c3d4e5f60718293a4b5c6d7e8f9-delete/00000000000000000000.log', 'plain-0/note.txt']
  fill(directory, Object.fromEntries(others.map(name => [name, 'x'])))
  fill(directory, { 'orders-0.AAAAAAAAAAAAAAAAAAAB0Q-delete/00000000000000000000.log': 'left by a deletion' })
  const running = await start(directory)
  assert.deepEqual(
    running.broker.metadata.topics().map(({ name }) => name),
    ['orders'],
  )
  await running.close()
  for (const name of ['lost+found', '.gitkeep', ...others]) assert.ok(fs.existsSync(join(directory, name)), name)
  assert.ok(!fs.existsSync(join(directory, 'orders-0.AAAAAAAAAAAAAAAAAAAB0Q-delete')))
})

test('a topic with the longest name can be deleted', async t => {
  const directory = temporaryDirectory(t)
  const running = await start(directory)
  const name = 'x'.repeat(249)
  const [created] = await running.broker.metadata.createTopics(
    [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    false,
  )
  assert.ok(!(created instanceof KafkaError))
  const partition = running.broker.metadata.partitionByName(name, 0)!
  partition.append(buildBatch({ records: [{ key: null, value: Buffer.from('x') }], timestamp: 0 }), { origin: 'client' })
  assert.ok(fs.existsSync(join(directory, `${name}-0`)))
  assert.deepEqual(await running.broker.metadata.deleteTopics([created!.id]), [null])
  await running.close()
  assert.ok(!fs.existsSync(join(directory, `${name}-0`)))
  await (await start(directory)).close()
})
