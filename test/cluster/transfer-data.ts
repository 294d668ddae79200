/**
 * For tests of moving data into a cluster and out of it: a data directory that has something of everything, and all that a broker says of what
 * it has, so that two of them can be compared.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type FileSystem, type Int64, memoryFileSystem, realSystem } from '../../src/base.ts'
import { loadBrokerConfig, type RunningBroker, startBroker } from '../../src/broker.ts'
import { openClient } from '../../src/client.ts'
import type { PartitionLog } from '../../src/log.ts'
import { silentLogger } from '../../src/logger.ts'
import { apis, buildBatch, errorName } from '../../src/protocol.ts'
import { connect, coordinates, createTopic, findCoordinator, produce, type RawClient } from '../support/client.ts'
import { eventually } from './two-brokers.ts'

export const dataDirectory = '/data'

export const brokerSettings = {
  listeners: 'PLAINTEXT://127.0.0.1:0',
  'http.listen': 'none',
  'offsets.topic.num.partitions': '3',
  'transaction.state.log.num.partitions': '3',
  'group.initial.rebalance.delay.ms': '0',
}

/** A broker that is alone, on a directory of these files. */
export function startAlone(files: FileSystem, nodeId = 1, set: Record<string, string> = {}): Promise<RunningBroker> {
  return startBroker({
    system: realSystem(files),
    config: loadBrokerConfig({ set: { ...brokerSettings, 'log.dirs': dataDirectory, 'node.id': nodeId, ...set } }),
    logger: silentLogger,
    onThisMachine: false,
    onFatal: assert.fail,
  })
}

export interface Filled {
  /** A batch that is there already, of an idempotent producer. */
  batch: Buffer
  baseOffset: number
  /** Of the transactional id `open`, whose transaction is. */
  open: { producerId: Int64; producerEpoch: number }
}

/** Several segments, a compacted topic, deleted records, transactions of each outcome, groups, users, ACLs, quotas, tokens, configs. */
export async function fill({ broker, ports }: RunningBroker): Promise<Filled> {
  const port = ports.get('PLAINTEXT')!
  const { metadata } = broker
  const raw = await connect(port)
  const client = openClient({ bootstrap: `127.0.0.1:${port}` })
  try {
    await createTopic(raw, 'orders', 3, { 'segment.bytes': '1048576', 'retention.ms': '-1' })
    await createTopic(raw, 'prices', 1, { 'cleanup.policy': 'compact', 'segment.bytes': '1048576', 'min.cleanable.dirty.ratio': '0.01' })
    await createTopic(raw, 'empty', 2)
    const log = (topic: string, partition: number) => metadata.partitionByName(topic, partition)!
    await fillSegments(log('orders', 0))
    await log('orders', 0).deleteBefore(2)
    // All of it is deleted: only the end of the log is known.
    await log('orders', 2).append(batchOf('gone'), { origin: 'client' }).durable
    await log('orders', 2).deleteBefore(1)
    await fillCompacted(log('prices', 0))
    await client.setGroupOffsets('workers', [
      { topic: 'orders', partition: 0, offset: 3n },
      { topic: 'prices', partition: 0, offset: 1n },
    ])
    const open = await fillTransactions(raw)
    await fillSecurity(broker)
    return { ...(await fillIdempotent(raw)), open }
  } finally {
    raw.close()
    await client.close()
  }
}

function batchOf(value: string | Buffer, key: string | null = null, more: Partial<Parameters<typeof buildBatch>[0]> = {}): Buffer {
  const records = [{ key: key === null ? null : Buffer.from(key), value: Buffer.from(value) }]
  return buildBatch({ records, timestamp: 1_700_000_000_000, ...more })
}

async function fillSegments(log: PartitionLog): Promise<void> {
  for (let nth = 0; nth < 7; nth++) await log.append(batchOf(Buffer.alloc(400_000, nth)), { origin: 'client' }).durable
}

/** Most of what was written is compacted away, so that offsets are missing. */
async function fillCompacted(log: PartitionLog): Promise<void> {
  for (let nth = 0; nth < 8; nth++) await log.append(batchOf(Buffer.alloc(400_000, nth), `key ${nth % 2}`), { origin: 'client' }).durable
  await eventually(() => log.sizeBytes() < 2_500_000, 1_000)
}

async function fillTransactions(raw: RawClient): Promise<Filled['open']> {
  let open: Filled['open'] | null = null
  for (const [id, outcome] of [
    ['committed', true],
    ['aborted', false],
    ['open', null],
  ] as const) {
    await findCoordinator(raw, id, coordinates.transaction)
    const begun = await raw.request(apis.initProducerId, 5, { transactionalId: id, transactionTimeoutMs: 600_000 })
    assert.equal(errorName(begun.errorCode), 'NONE')
    const { producerId, producerEpoch } = begun
    const session = { producerId, producerEpoch }
    for (const baseSequence of [0, 1]) {
      const records = batchOf(`${id} ${baseSequence}`, null, { ...session, baseSequence, isTransactional: true })
      const written = await produce(raw, 'orders', records, { partition: 1, version: 12, transactionalId: id })
      assert.equal(errorName(written.errorCode), 'NONE')
    }
    if (outcome === null) {
      open = session
      continue
    }
    const ended = await raw.request(apis.endTxn, 5, { transactionalId: id, ...session, committed: outcome })
    assert.equal(errorName(ended.errorCode), 'NONE')
  }
  return open!
}

async function fillSecurity({ metadata }: RunningBroker['broker']): Promise<void> {
  const acl = {
    resourceType: 2,
    resourceName: 'orders',
    patternType: 3,
    principal: 'User:alice',
    host: '*',
    operation: 3,
    permissionType: 3,
  }
  await metadata.security.createAcls([acl])
  const credential = { salt: Buffer.from('salt'), storedKey: Buffer.from('stored'), serverKey: Buffer.from('server'), iterations: 4_096 }
  await metadata.security.alterScramCredentials([], [{ name: 'alice', mechanism: 1, credential }])
  await metadata.security.storeToken({
    tokenId: 'token',
    owner: 'User:alice',
    requester: 'User:alice',
    renewers: ['User:bob'],
    issueTimestamp: 1,
    maxTimestamp: 9_000_000_000_000,
    expirationTimestamp: 8_000_000_000_000,
  })
  const entity = [{ entityType: 'user', entityName: 'alice' }]
  await metadata.quotas.alter([{ entity, ops: [{ key: 'producer_byte_rate', value: 1_000_000 }] }], false)
  await metadata.applyConfigs([{ type: 'BROKER', name: '', edit: () => new Map([['log.retention.hours', '100']]) }], false)
}

/** Its five last batches are known, also after everything; the first of these may be sent again. */
async function fillIdempotent(raw: RawClient): Promise<Omit<Filled, 'open'>> {
  const { producerId, producerEpoch } = await raw.request(apis.initProducerId, 5, { transactionalId: null, transactionTimeoutMs: 0 })
  // Producers without any recent batch expire.
  const session = { producerId, producerEpoch, timestamp: Date.now() }
  const batches = [0, 1, 2, 3].map(baseSequence => batchOf(`once ${baseSequence}`, null, { ...session, baseSequence }))
  let baseOffset = -1
  for (const [nth, records] of batches.entries()) {
    const written = await produce(raw, 'orders', records)
    assert.equal(errorName(written.errorCode), 'NONE')
    if (nth === 1) baseOffset = written.baseOffset
  }
  return { batch: batches[1]!, baseOffset }
}

/** What a broker says of all that it has. Leader epochs rise when the place changes, so they are only in the batches. */
export async function contentOf({ broker }: RunningBroker): Promise<Record<string, unknown>> {
  const { metadata } = broker
  const found: Record<string, unknown> = {}
  for (const { name, id, partitions } of metadata.topics()) {
    found[name] = { id, configs: [...metadata.configs('TOPIC', name)].sort() }
    for (const { index, log } of partitions) {
      assert.ok(log !== null, `${name}-${index} is here`)
      found[`${name}-${index}`] = await stateOf(log)
    }
  }
  const { acls, scramUsers, tokens } = metadata.security.state
  found['acls'] = [...acls]
  found['users'] = [...scramUsers].map(([user, credentials]) => [user, [...credentials]])
  found['tokens'] = [...tokens]
  found['quotas'] = metadata.quotas.entries.map(({ entity, values }) => [[...entity], [...values]])
  found['broker configs'] = [...metadata.configs('BROKER', '')]
  found['features'] = [...metadata.finalizedFeatures().levels].sort()
  return found
}

async function stateOf(log: PartitionLog): Promise<Record<string, unknown>> {
  assert.equal(log.offline, null)
  const hash = createHash('sha256')
  let bytes = 0
  for (let from = log.logStartOffset; from < log.logEndOffset; ) {
    const slice = await log.read(from, { maxBytes: 1 << 20, atLeastOne: true, upTo: 'log-end' })
    for (const chunk of slice.chunks) hash.update(chunk)
    const last = Buffer.concat(slice.chunks)
    slice.release()
    // Behind the last batch there may be nothing but what compaction has left.
    if (last.length === 0) break
    bytes += last.length
    from = nextOffset(last)
  }
  const producers = log.producers().toSorted((a, b) => Number(a.producerId) - Number(b.producerId))
  const aborted = await abortedIn(log)
  const { logStartOffset: start, logEndOffset: end, lastStableOffset: stable } = log
  const { endOffset: firstEpochEnd } = log.endOffsetForEpoch(0)
  return { start, end, stable, firstEpochEnd, bytes, hash: hash.digest('hex'), producers, aborted }
}

async function abortedIn(log: PartitionLog): Promise<unknown> {
  const found = new Set<string>()
  for (let from = log.logStartOffset; from < log.lastStableOffset; ) {
    const slice = await log.read(from, { maxBytes: 1 << 20, atLeastOne: true, upTo: 'last-stable' })
    for (const each of slice.abortedTransactions ?? []) found.add(JSON.stringify(each))
    const batches = Buffer.concat(slice.chunks)
    slice.release()
    if (batches.length === 0) break
    from = nextOffset(batches)
  }
  return [...found]
}

function nextOffset(batches: Buffer): number {
  let next = -1
  for (let at = 0; at < batches.length; at += 12 + batches.readInt32BE(at + 8))
    next = Number(batches.readBigInt64BE(at)) + batches.readInt32BE(at + 23) + 1
  return next
}

/** What lies on the disk at this moment: what a process leaves that is killed now. */
export function copyOf(files: FileSystem, directory = dataDirectory, to = memoryFileSystem()): FileSystem {
  to.makeDirectory(directory)
  for (const { name, kind } of files.list(directory)) {
    const path = `${directory}/${name}`
    if (kind === 'directory') copyOf(files, path, to)
    else {
      const file = to.open(path, 'rw')
      file.writeSync([files.readFile(path)!], 0)
      file.close()
    }
  }
  return to
}
