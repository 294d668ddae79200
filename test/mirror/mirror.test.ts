/** Copies between two brokers in this process; between the copy and its target stands somebody who cuts the line. */
import assert from 'node:assert/strict'
import net from 'node:net'
import { after, before, test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { type Client, ClientError, openClient, type ReceivedRecord } from '../../src/client.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { type MirrorOptions, type MirrorReport, mirror, stateTopic } from '../../src/mirror.ts'
import { apis, buildBatch } from '../../src/protocol.ts'
import { connect as connectRaw, findCoordinator } from '../support/client.ts'

let from: Millrace
let to: Millrace
let source: Client
let target: Client
let line: Line

/** Passes everything on until so many bytes have gone to the broker; then it cuts all connections and takes no more. */
class Line {
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()
  #port = 0
  left = Number.POSITIVE_INFINITY
  address = ''

  constructor() {
    this.#server = net.createServer(near => {
      if (this.left <= 0) {
        near.destroy()
        return
      }
      const far = net.connect(this.#port, '127.0.0.1')
      for (const socket of [near, far]) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => this.#sockets.delete(socket))
      }
      near.on('close', () => far.end())
      far.on('close', () => near.destroy())
      far.pipe(near)
      near.on('data', data => {
        far.write(data)
        this.left -= data.length
        // What was sent arrives; its answer does not.
        if (this.left <= 0) near.destroy()
      })
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    const { port } = this.#server.address() as net.AddressInfo
    this.address = `127.0.0.1:${port}`
    return port
  }

  to(port: number): void {
    this.#port = port
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

before(async () => {
  line = new Line()
  const port = await line.listen()
  from = await startBroker({ memory: true })
  to = await startBroker({ memory: true, config: { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}` } })
  line.to(to.port)
  source = openClient({ bootstrap: from.address })
  target = openClient({ bootstrap: line.address })
})
after(async () => {
  await source.close()
  await target.close()
  line.close()
  await from.close()
  await to.close()
})

function copy(topics: readonly string[], options: Partial<MirrorOptions> = {}): Promise<MirrorReport> {
  return mirror({
    ...{ source, target, system: realSystem(), isWanted: topic => topics.includes(topic), acls: true, groups: true, merge: false },
    ...{ dryRun: false, patienceMs: 5_000, signal: new AbortController().signal, onProgress() {}, onWaiting() {} },
    ...options,
  })
}

async function recordsOf(client: Client, topic: string, committedOnly = false): Promise<ReceivedRecord[]> {
  const [info] = await client.topics([topic])
  const numbers = info!.partitions.map(each => each.partition)
  const [start, until] = await Promise.all([client.offsets(topic, numbers, 'earliest'), client.offsets(topic, numbers, 'latest')])
  const all: ReceivedRecord[] = []
  for await (const records of client.read({ topic, from: start, until, committedOnly })) all.push(...records)
  return all.sort((a, b) => a.partition - b.partition || Number(a.offset - b.offset))
}

/** Without offsets, which may differ. */
function contents(records: readonly ReceivedRecord[]) {
  return records.map(({ partition, timestampMs, key, value, headers }) => ({
    ...{ partition, timestampMs, key: key?.toString('hex') ?? null, value: value?.toString('hex') ?? null },
    headers: headers.map(each => [String(each.key), each.value?.toString('hex') ?? null]),
  }))
}

async function assertSame(topic: string): Promise<void> {
  assert.deepEqual(contents(await recordsOf(target, topic)), contents(await recordsOf(source, topic, true)))
}

async function fill(topic: string, partitions: number, count: number, tag = ''): Promise<void> {
  const records = Array.from({ length: count }, (_, at) => ({
    ...{ partition: at % partitions, key: at % 5 === 0 ? null : Buffer.from(`k${at}`), timestampMs: 1_600_000_000_000n + BigInt(at) },
    value: at % 7 === 0 ? null : Buffer.from(`${tag}${at}`.repeat(20)),
    headers: at % 3 === 0 ? [] : [{ key: Buffer.from('h'), value: at % 2 === 0 ? null : Buffer.from([at % 256, 255]) }],
  }))
  for (let at = 0; at < count; at += 50) await source.send(topic, records.slice(at, at + 50), { compression: 'lz4' })
}

test('topics with configs, records and offsets of groups; a second run copies what is new', async () => {
  await source.createTopic({ name: 'orders', partitions: 3, replicas: 1, configs: new Map([['retention.ms', '123456789000']]) })
  await fill('orders', 3, 500)
  const offsets = [0, 1, 2].map(partition => ({
    topic: 'orders',
    partition,
    offset: BigInt(partition * 50 + 7),
    metadata: `m${partition}`,
  }))
  await source.commit('readers', offsets)
  const first = await copy(['orders'])
  assert.deepEqual(
    [first.created, first.records, first.offsetsLeft, first.failed, first.groups],
    [['orders'], 500, 0n, [], { copied: 1, offsets: 3 }],
  )
  assert.ok(first.left.some(({ what }) => what === 'ACLs: the source has no authorizer'))
  await assertSame('orders')
  const own = (await target.configs({ type: 'TOPIC', name: 'orders' })).filter(each => each.source === 'DYNAMIC_TOPIC_CONFIG')
  assert.deepEqual(own.find(each => each.name === 'retention.ms')?.value, '123456789000')
  const there = await target.groupOffsets('readers', 'classic')
  assert.deepEqual(
    there.sort((a, b) => a.partition - b.partition).map(({ offset, metadata }) => [offset, metadata]),
    offsets.map(({ offset, metadata }) => [offset, metadata]),
  )
  assert.equal((await copy(['orders'])).records, 0)
  await fill('orders', 3, 90, 'later')
  await source.setPartitions('orders', 4)
  const second = await copy(['orders'])
  assert.deepEqual([second.records, second.created, second.changed], [90, [], [{ topic: 'orders', change: '4 partitions (were 3)' }]])
  await assertSame('orders')
})

test('a copy that is cut off anywhere loses and doubles nothing', async () => {
  await source.createTopic({ name: 'cut', partitions: 4, configs: new Map() })
  await fill('cut', 4, 2_000)
  await source.commit(
    'cutters',
    [0, 1, 2, 3].map(partition => ({ topic: 'cut', partition, offset: 123n })),
  )
  let cuts = 0
  for (let bytes = 800; ; bytes += bytes >> 2) {
    line.left = bytes
    // A client of its own, as each run has.
    await using own = openClient({ bootstrap: line.address })
    const done = await copy(['cut'], { target: own, patienceMs: 0 }).then(
      // A group whose offsets could not be written is no reason to throw.
      ({ failed }) => failed.length === 0,
      () => false,
    )
    line.left = Number.POSITIVE_INFINITY
    if (done) break
    cuts++
  }
  assert.ok(cuts > 3, `${cuts} cuts`)
  await assertSame('cut')
  const [first] = await target.groupOffsets('cutters', 'classic')
  const translated = (await recordsOf(target, 'cut')).filter(
    ({ partition, offset }) => partition === first!.partition && offset >= first!.offset,
  )
  const untouched = (await recordsOf(source, 'cut')).filter(({ partition, offset }) => partition === first!.partition && offset >= 123n)
  assert.deepEqual(contents(translated), contents(untouched))
})

test('only committed records are copied, and the offsets of groups are those of the same records', async () => {
  await source.createTopic({ name: 'paid', partitions: 1, configs: new Map() })
  const raw = await connectRaw(from.port)
  const transactionalId = 'payer'
  await findCoordinator(raw, transactionalId, 1)
  const { producerId, producerEpoch } = await raw.request(apis.initProducerId, 4, { transactionalId, transactionTimeoutMs: 60_000 })
  let sequence = 0
  const write = async (value: string, outcome: boolean | null) => {
    const topics = [{ name: 'paid', partitions: [0] }]
    const asked = { v3AndBelowTransactionalId: transactionalId, v3AndBelowProducerId: producerId, v3AndBelowProducerEpoch: producerEpoch }
    await raw.request(apis.addPartitionsToTxn, 3, { ...asked, v3AndBelowTopics: topics })
    const records = [{ key: null, value: Buffer.from(value), timestamp: 1_700_000_000_000 }]
    const batch = buildBatch({ records, producerId, producerEpoch, baseSequence: sequence++, isTransactional: true })
    const topicData = [{ name: 'paid', partitionData: [{ index: 0, records: batch }] }]
    const { responses } = await raw.request(apis.produce, 9, { transactionalId, acks: -1, timeoutMs: 1_000, topicData })
    assert.equal(responses[0]!.partitionResponses[0]!.errorCode, 0)
    if (outcome !== null) await raw.request(apis.endTxn, 3, { transactionalId, producerId, producerEpoch, committed: outcome })
  }
  // The answer to EndTxn may come before the marker.
  const settled = async (end: bigint) => {
    while ((await source.offsets('paid', [0], 'stable')).get(0)! < end) await new Promise(resolve => setTimeout(resolve, 20))
  }
  for (const [at, isCommitted] of [true, false, true, false, true].entries()) {
    await write(`${at}`, isCommitted)
    await settled(BigInt(2 * at + 2))
  }
  await write('open', null)
  const values = async () => (await recordsOf(target, 'paid')).map(({ value }) => String(value))
  // Offsets 0 to 9 are a record and a marker each.
  await source.commit('payees', [{ topic: 'paid', partition: 0, offset: 5n }])
  const report = await copy(['paid'])
  assert.deepEqual(await values(), ['0', '2', '4'])
  assert.ok(report.left.some(({ what, names }) => /transactions that are open now/.test(what) && names[0] === 'paid'))
  assert.deepEqual(
    (await target.groupOffsets('payees', 'classic')).map(each => each.offset),
    [2n],
  )
  await raw.request(apis.endTxn, 3, { transactionalId, producerId, producerEpoch, committed: true })
  await settled(12n)
  await copy(['paid'])
  assert.deepEqual(await values(), ['0', '2', '4', 'open'])
  raw.close()
})

test('a topic that is there: fewer partitions, another cleanup policy, the time of the broker', async () => {
  await source.createTopic({ name: 'there', partitions: 3, configs: new Map([['message.timestamp.type', 'LogAppendTime']]) })
  await fill('there', 3, 60)
  const configs = new Map([
    ['cleanup.policy', 'compact'],
    ['message.timestamp.type', 'LogAppendTime'],
  ])
  await target.createTopic({ name: 'there', partitions: 1, configs })
  const { changed, left } = await copy(['there'])
  assert.deepEqual(changed.map(({ change }) => change).sort(), [
    '3 partitions (were 1)',
    'cleanup.policy=delete (was compact)',
    'message.timestamp.type=CreateTime (was LogAppendTime)',
  ])
  assert.ok(left.some(({ what }) => /^config message.timestamp.type=LogAppendTime, so that records keep their times/.test(what)))
  await assertSame('there')
})

test('records of others are not mixed with those of the source, unless that is wanted', async () => {
  await source.createTopic({ name: 'mixed', partitions: 1, configs: new Map() })
  await fill('mixed', 1, 3)
  await target.send('mixed', [{ key: null, value: Buffer.from('own') }])
  const { failed, records } = await copy(['mixed'])
  assert.deepEqual([failed.length, failed[0]!.name, records], [1, 'mixed', 0])
  assert.match(failed[0]!.reason, /^the topic in the target has records that are not from this source/)
  assert.equal((await copy(['mixed'], { merge: true })).records, 3)
  assert.equal((await recordsOf(target, 'mixed')).length, 4)
  // From now on it is known.
  assert.deepEqual((await copy(['mixed'])).failed, [])
})

test('a topic that was made again in the target is copied from its beginning', async () => {
  await source.createTopic({ name: 'again', partitions: 1, configs: new Map() })
  await fill('again', 1, 10)
  await copy(['again'])
  await target.deleteTopics(['again'])
  assert.equal((await copy(['again'])).records, 10)
  await assertSame('again')
})

test('what one topic cannot take does not keep others from being copied', async () => {
  for (const name of ['fine', 'large']) await source.createTopic({ name, partitions: 1, configs: new Map() })
  await fill('fine', 1, 10)
  await source.send('large', [{ key: null, value: Buffer.from('small') }])
  await source.send('large', [{ key: null, value: Buffer.alloc(300_000) }])
  await target.createTopic({ name: 'large', configs: new Map([['max.message.bytes', '1000']]) })
  await source.alterConfigs({ type: 'TOPIC', name: 'large' }, new Map([['max.message.bytes', '1000']]))
  const { failed, offsetsLeft } = await copy(['fine', 'large'])
  assert.deepEqual(
    failed.map(each => each.name),
    ['large-0'],
  )
  assert.match(
    failed[0]!.reason,
    /^MESSAGE_TOO_LARGE: the target takes no batch of this size: millrace topic alter large --set max\.message\.bytes=/,
  )
  assert.equal(offsetsLeft, 1n)
  await assertSame('fine')
  await source.alterConfigs({ type: 'TOPIC', name: 'large' }, new Map([['max.message.bytes', '1000000']]))
  assert.deepEqual((await copy(['large'])).failed, [])
  await assertSame('large')
})

test('a config that the target refuses does not keep the others of its topic back', async () => {
  const configs = new Map([
    ['retention.ms', '123456789000'],
    ['segment.bytes', '7777777'],
    ['max.message.bytes', '2000000'],
  ])
  await source.createTopic({ name: 'choosy', partitions: 1, configs })
  await fill('choosy', 1, 10)
  await target.createTopic({ name: 'choosy', partitions: 1, configs: new Map() })
  const choosy: Client = {
    ...target,
    async alterConfigs(resource, changes, ...more) {
      if (changes.has('segment.bytes')) throw new ClientError('INVALID_CONFIG', 'no')
      await target.alterConfigs(resource, changes, ...more)
    },
  }
  const { changed, left, failed } = await copy(['choosy'], { target: choosy })
  assert.deepEqual(failed, [])
  assert.deepEqual(changed.map(({ change }) => change.split(' ')[0]).sort(), ['max.message.bytes=2000000', 'retention.ms=123456789000'])
  assert.ok(left.some(({ what, names }) => what === 'config segment.bytes=7777777, which the target refuses' && names[0] === 'choosy'))
  await assertSame('choosy')
})

test('a topic that is made again in the source while it is copied is not mixed with the one before', async () => {
  const remake = async (tag: string) => {
    await source.createTopic({ name: 'remade', partitions: 1, configs: new Map() })
    await fill('remade', 1, 60, tag)
  }
  await remake('old')
  let remaking: Promise<void> | null = null
  const slow: Client = {
    ...source,
    openBatchReader() {
      const reader = source.openBatchReader()
      return {
        async poll(options) {
          remaking ??= source.deleteTopics(['remade']).then(() => remake('new'))
          await remaking
          return reader.poll(options)
        },
        close: () => reader.close(),
      }
    },
  }
  const { failed } = await copy(['remade'], { source: slow })
  assert.deepEqual(failed, [{ name: 'remade-0', reason: 'the topic was made again in the source while it was copied' }])
  await copy(['remade'])
  await assertSame('remade')
})

test('a second copy ends the first one, and none copies a cluster into itself', async () => {
  await source.createTopic({ name: 'raced', partitions: 1, configs: new Map() })
  await fill('raced', 1, 10)
  let second: Promise<MirrorReport> | null = null
  const first = copy(['raced'], {
    onProgress: () => {
      second ??= copy(['raced'])
    },
  })
  const outcomes = await Promise.allSettled([first, first.catch(() => {}).then(() => second)])
  await assertSame('raced')
  const refused = outcomes.filter(each => each.status === 'rejected')
  for (const { reason } of refused)
    assert.match(String(reason), /MirrorError: another copy from this source to this target has been started/)
  assert.ok(refused.length <= 1)
  await assert.rejects(copy(['raced'], { target: source }), /source and target are the same cluster/)
})

test('a dry run changes nothing', async () => {
  await source.createTopic({ name: 'planned', partitions: 2, configs: new Map() })
  await fill('planned', 2, 20)
  const before = (await target.offsets(stateTopic, [0], 'latest')).get(0)
  const { created, offsetsLeft, dryRun } = await copy(['planned'], { dryRun: true })
  assert.deepEqual([created, offsetsLeft, dryRun], [['planned'], 20n, true])
  assert.equal((await target.topicNames()).includes('planned'), false)
  assert.equal((await target.offsets(stateTopic, [0], 'latest')).get(0), before)
})
