import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type FileSystem, realSystem } from '../../base.ts'
import { silentLogger } from '../../logger.ts'
import { batchesIn, buildBatch, KafkaError } from '../../protocol.ts'
import { loadBrokerConfig } from '../config.ts'
import { type RunningBroker, startBroker } from '../start.ts'
import { type ImportProgress, type ImportReport, importKafka } from './import.ts'

const settings = (directory: string, nodeId = 1) =>
  loadBrokerConfig({ set: { listeners: 'PLAINTEXT://127.0.0.1:0', 'http.listen': 'none', 'log.dirs': directory, 'node.id': nodeId } })

async function start(t: TestContext, directory: string, nodeId = 1): Promise<RunningBroker> {
  const running = await startBroker({
    system: realSystem(),
    config: settings(directory, nodeId),
    logger: silentLogger,
    onFatal: assert.fail,
  })
  t.after(() => running.close())
  return running
}

interface Attempt {
  nodeId?: number
  files?: Partial<FileSystem>
  onProgress?(progress: ImportProgress): void
}

function run(sources: readonly string[], target: string, { nodeId = 1, files = {}, onProgress }: Attempt = {}): Promise<ImportReport> {
  const system = realSystem({ ...realSystem().files, ...files })
  return importKafka({
    system,
    config: settings(target, nodeId),
    logger: silentLogger,
    sources,
    ...(onProgress === undefined ? {} : { onProgress }),
  })
}

function temporaryDirectory(t: TestContext): string {
  const directory = fs.mkdtempSync(join(tmpdir(), 'millrace-import-'))
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

function look(directory: string): string[] {
  return fs
    .readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .sort()
    .map(name => {
      const { mtimeMs, size } = fs.statSync(join(directory, name))
      const content = fs.statSync(join(directory, name)).isFile() ? fs.readFileSync(join(directory, name)) : ''
      return [name, size, mtimeMs, createHash('sha256').update(content).digest('hex')].join(' ')
    })
}

const topics = { orders: 3, returns: 1, empty: 1 }

/**
 * What a stopped Kafka leaves, without a Kafka: our own files are of its formats, but for the journal and the name tag. Half of the
 * partitions lie in a second directory of log.dirs. (`compat/import` does the same with a real one.)
 */
async function kafka(t: TestContext): Promise<string[]> {
  const root = temporaryDirectory(t)
  const [first, second] = [join(root, 'd1'), join(root, 'd2')]
  const running = await start(t, first)
  const { metadata } = running.broker
  for (const [name, numPartitions] of Object.entries(topics)) {
    const configs = [{ name: 'retention.ms', value: '-1' }]
    const [created] = await metadata.createTopics([{ name, numPartitions, replicationFactor: 1, assignments: [], configs }], false)
    assert.ok(created !== undefined && !(created instanceof KafkaError))
    for (let partition = 0; partition < numPartitions && name !== 'empty'; partition++)
      for (let nth = 0; nth < 5; nth++) {
        const records = [{ key: null, value: Buffer.from(`${name}-${partition} ${nth}`) }]
        await metadata.partitionByName(name, partition)!.append(buildBatch({ records, timestamp: 1000 + nth }), { origin: 'client' })
          .durable
      }
  }
  await running.close()
  for (const name of ['journal', 'clock.json', '.lock']) fs.rmSync(join(first, name), { recursive: true })
  const tag = fs.readFileSync(join(first, 'meta.properties'), 'utf8').replace(/millrace\.format=1\n/, '')
  fs.mkdirSync(second)
  fs.writeFileSync(join(first, 'meta.properties'), tag)
  fs.writeFileSync(join(second, 'meta.properties'), tag.replace(/directory\.id=.*/, 'directory.id=BAAAAAAAAAAAAAAAAAAAAA'))
  for (const name of ['orders-1', 'returns-0']) fs.renameSync(join(first, name), join(second, name))
  // A partition of a topic has its directory in Kafka from the beginning.
  fs.mkdirSync(join(second, 'empty-0'), { recursive: true })
  fs.writeFileSync(join(second, 'log-start-offset-checkpoint'), '0\n1\nreturns 0 2\n')
  for (const source of [first, second]) fs.writeFileSync(join(source, '.lock'), '')
  fs.mkdirSync(join(second, 'gone-0.0a1b2c3d4e5f60718293a4b5c6d7e8f9-delete'))
  return [first, second]
}

async function contents(t: TestContext, directory: string, nodeId = 1): Promise<Record<string, string>> {
  const running = await start(t, directory, nodeId)
  const found: Record<string, string> = {}
  for (const { name, partitions } of running.broker.metadata.topics())
    for (const { index, log } of partitions)
      found[`${name}-${index}`] = log!.offline === null ? `${log!.logStartOffset} to ${log!.logEndOffset}` : 'offline'
  await running.close()
  return found
}

const wanted = { 'orders-0': '0 to 5', 'orders-1': '0 to 5', 'orders-2': '0 to 5', 'returns-0': '2 to 5', 'empty-0': '0 to 0' }

test('several log.dirs become one directory, from which a broker starts; the source is as it was', async t => {
  const sources = await kafka(t)
  const before = sources.map(look)
  const target = join(temporaryDirectory(t), 'new')
  const told: ImportProgress[] = []
  const report = await run(sources, target, { nodeId: 7, onProgress: each => void told.push(each) })
  assert.deepEqual(sources.map(look), before)
  assert.deepEqual(await contents(t, target, 7), wanted)
  assert.deepEqual([report.topics, report.partitions, report.nodeId, report.offline, report.wasShutDownCleanly], [3, 5, 7, [], false])
  assert.deepEqual(report.leftOut, [join(sources[1]!, 'gone-0.0a1b2c3d4e5f60718293a4b5c6d7e8f9-delete')])
  assert.match(fs.readFileSync(join(sources[0]!, 'meta.properties'), 'utf8'), new RegExp(`cluster\\.id=${report.clusterId}`))
  assert.deepEqual(told.at(-1), { step: 'checking', bytes: report.bytes, totalBytes: report.bytes, partitions: 5, totalPartitions: 5 })
  await assert.rejects(run(sources, target, { nodeId: 7 }), { name: 'DirectoryRefused', message: /already contains data/ })
  // Clients ignore leaders of an epoch below the one that they have seen.
  const running = await start(t, target, 7)
  assert.equal(running.broker.metadata.partitionByName('orders', 0)!.leaderEpoch, 1)
})

test('an import that is interrupted anywhere continues where it stopped; meanwhile no broker starts on it', async t => {
  const sources = await kafka(t)
  const { files } = realSystem()
  let steps = 0
  /** Every step that an import writes with, but for those of the log and the clock, which each start of a broker has as well. */
  const counted = (failAt: number): Partial<FileSystem> => {
    steps = 0
    const step = async <T>(work: () => Promise<T>): Promise<T> => {
      if (steps++ === failAt) throw new Error('interrupted')
      return work()
    }
    return {
      copyFile: (from, to) => step(() => files.copyFile(from, to)),
      replaceFile: (path, content) =>
        /journal|clock.json$|cleanshutdown$/.test(path) ? files.replaceFile(path, content) : step(() => files.replaceFile(path, content)),
      syncDirectory: path => (path.endsWith('.import') ? step(() => files.syncDirectory(path)) : files.syncDirectory(path)),
    }
  }
  await run(sources, join(temporaryDirectory(t), 'whole'), { files: counted(-1) })
  const all = steps
  assert.ok(all > 15)
  for (const failAt of [0, 1, 2, 4, 7, 10, all - 3, all - 2, all - 1]) {
    const target = join(temporaryDirectory(t), 'new')
    await assert.rejects(run(sources, target, { files: counted(failAt) }), /interrupted/)
    if (failAt > 0) await assert.rejects(start(t, target), { name: 'DirectoryRefused', message: /interrupted import/ })
    const copied: string[] = []
    const copyFile: FileSystem['copyFile'] = (from, to) => {
      copied.push(from)
      return files.copyFile(from, to)
    }
    await run(sources, target, { files: { copyFile } })
    assert.ok(failAt < all / 2 || copied.length < all / 2, `step ${failAt}: ${copied.length} files copied again`)
    assert.deepEqual(await contents(t, target), wanted, `step ${failAt}`)
  }
})

test('if Kafka ran in between, an interrupted import starts over', async t => {
  const sources = await kafka(t)
  const target = join(temporaryDirectory(t), 'new')
  const { files } = realSystem()
  const failing: FileSystem['copyFile'] = async (from, to) => {
    if (from.includes('returns')) throw new Error('interrupted')
    return files.copyFile(from, to)
  }
  await assert.rejects(run(sources, target, { files: { copyFile: failing } }), /interrupted/)
  const mark = JSON.parse(fs.readFileSync(join(target, 'import.json'), 'utf8')) as { metadataEndOffset: number }
  fs.writeFileSync(join(target, 'import.json'), JSON.stringify({ ...mark, metadataEndOffset: mark.metadataEndOffset - 1 }))
  const copied = new Set<string>()
  const copyFile: FileSystem['copyFile'] = (from, to) => {
    copied.add(from)
    return files.copyFile(from, to)
  }
  await run(sources, target, { files: { copyFile } })
  assert.ok([...copied].some(path => path.includes('orders-0')))
  assert.deepEqual(await contents(t, target), wanted)
})

test('what cannot be imported is refused, with nothing changed in the source and nothing made', async t => {
  const sources = await kafka(t)
  const [first, second] = sources as [string, string]
  const target = join(temporaryDirectory(t), 'new')
  const refused = async (paths: readonly string[], message: RegExp) => {
    const before = sources.map(look)
    await assert.rejects(run(paths, target), { name: 'ImportRefused', message })
    assert.deepEqual(sources.map(look), before)
    assert.equal(fs.existsSync(target), false)
  }
  await refused([first], /2 partitions are in none of the directories .returns-0, empty-0|3 partitions.*name all directories of log\.dirs/)
  await refused([second], /contains __cluster_metadata-0: also name the directory of metadata\.log\.dir/)
  await refused([first, join(second, 'none')], /does not exist/)
  await refused([first, join(second, 'orders-1')], /no meta\.properties/)

  const tag = join(second, 'meta.properties')
  const original = fs.readFileSync(tag, 'utf8')
  for (const [from, to, message] of [
    [/cluster\.id=.*/, 'cluster.id=BAAAAAAAAAAAAAAAAAAAAA', /belongs to cluster BAAAAAAAAAAAAAAAAAAAAA/],
    [/version=1/, 'version=0', /ZooKeeper/],
    [/version=1/, 'version=2', /version 2; only version 1 is supported/],
    [/node\.id=.*/, '', /no cluster\.id or no node\.id/],
    [/$/, 'millrace.format=1\n', /data of Millrace/],
  ] as const) {
    fs.writeFileSync(tag, original.replace(from, to))
    await refused(sources, message)
  }
  fs.writeFileSync(tag, original)

  // As a running Kafka holds it.
  const lock = realSystem().files.lock(second)
  await refused(sources, /in use by .*: stop it first/)
  lock.release()
  fs.rmSync(join(second, '.lock-holder'), { force: true })

  const metadata = join(first, '__cluster_metadata-0', '00000000000000000000.log')
  const bytes = fs.readFileSync(metadata)
  fs.renameSync(metadata, join(first, '__cluster_metadata-0', '00000000000000000005.log'))
  await refused(sources, /begins at offset 5, and there is no snapshot/)
  fs.renameSync(join(first, '__cluster_metadata-0', '00000000000000000005.log'), metadata)
  // A record of a kind that comes with some later Kafka.
  let end = 0
  for (const batch of batchesIn(bytes)) end = batch.header.lastOffset + 1
  fs.appendFileSync(metadata, buildBatch({ records: [{ key: null, value: Buffer.from([1, 99, 0]) }], baseOffset: end, timestamp: 0 }))
  await refused(sources, /no metadata record of kind 99: it comes from a newer version of Kafka/)
  fs.writeFileSync(metadata, bytes)

  fs.mkdirSync(target)
  fs.writeFileSync(join(target, 'thesis.txt'), 'x')
  await assert.rejects(run(sources, target), { name: 'DirectoryRefused', message: /not empty/ })
  for (const inside of [first, join(first, 'new'), join(first, '..')])
    await assert.rejects(run(sources, inside), { name: 'ImportRefused', message: /are inside one another/ })
  assert.deepEqual(fs.readdirSync(target), ['thesis.txt'])
})

test('a torn end is dropped; a damaged partition is reported, and the others are imported', async t => {
  const sources = await kafka(t)
  const [first, second] = sources as [string, string]
  fs.appendFileSync(join(first, '__cluster_metadata-0', '00000000000000000000.log'), Buffer.alloc(70, 1))
  fs.appendFileSync(join(first, 'orders-0', '00000000000000000000.log'), Buffer.alloc(100, 1))
  // A second segment behind one that is damaged.
  fs.writeFileSync(
    join(second, 'orders-1', '00000000000000000005.log'),
    fs.readFileSync(join(second, 'orders-1', '00000000000000000000.log')),
  )
  const segment = fs.openSync(join(second, 'orders-1', '00000000000000000000.log'), 'r+')
  fs.writeSync(segment, 'x', 100)
  fs.closeSync(segment)
  const before = sources.map(look)
  const target = join(temporaryDirectory(t), 'new')
  const report = await run(sources, target)
  assert.deepEqual(
    report.offline.map(({ partition }) => partition),
    ['orders-1'],
  )
  assert.match(report.offline[0]!.reason, /wrong checksum/)
  assert.deepEqual(await contents(t, target), { ...wanted, 'orders-1': 'offline' })
  assert.deepEqual(sources.map(look), before)
})

test('missing space is detected immediately', async t => {
  const sources = await kafka(t)
  const target = join(temporaryDirectory(t), 'new')
  const { files } = realSystem()
  const copyFile: FileSystem['copyFile'] = (from, to) => files.copyFile(from, to).then(() => 'copied')
  await assert.rejects(run(sources, target, { files: { copyFile, freeBytes: () => 10 } }), /the copy needs \d+ bytes/)
  await run(sources, target, { files: { copyFile: (from, to) => files.copyFile(from, to).then(() => 'cloned'), freeBytes: () => 10 } })
})
