/** Frames with rows, metadata among them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError } from '../../protocol.ts'
import { frameKind, type Writes } from '../../store.ts'
import type { CarriedShare } from './journal.ts'
import { steadySession, type TestPartition, type TestSession } from './session.testing.ts'

const shareOf = (partition: TestPartition, bytes: number): CarriedShare => ({
  share: {
    topicId: partition.topicId,
    partition: partition.partition,
    leaderEpoch: 3,
    baseOffset: 0,
    endOffset: 1,
    length: bytes,
    logStart: -1,
    released: true,
  },
  bytes: [Buffer.alloc(bytes, 7)],
})

const none = (): Writes => ({})
const rowOf = ({ session }: TestSession, seq: number): Writes => ({
  partitions: [
    {
      topicId: '00000000-0000-4000-8000-00000000000a',
      partition: 0,
      session,
      fromSeq: seq,
      flushedEnd: 0,
      logStart: 0,
      state: Buffer.alloc(0),
    },
  ],
})

test('a frame with rows comes after what was gathered, and knows its seq', async () => {
  const { world, journal, partitions, openDatabase, opened, log, stream } = await steadySession()
  const [a, , , d] = partitions
  const before = a.append(journal, 100)
  let sentBefore: string[] = []
  const written = journal.write(frameKind.checkpoint, [shareOf(d, 100)], seq => {
    sentBefore = [...log]
    return rowOf(opened, seq)
  })
  const after = a.append(journal, 100)
  assert.deepEqual(await world.run(Promise.all([before, written, after])), [true, 'committed', true])
  assert.deepEqual(sentBefore, ['sent 0:1 in 2'])
  const found = await stream()
  assert.deepEqual(
    found.map(({ kind, shares }) => [kind, shares.length]),
    [
      [frameKind.heartbeat, 0],
      [frameKind.heartbeat, 0],
      [frameKind.data, 1],
      [frameKind.checkpoint, 1],
      [frameKind.data, 1],
    ],
  )
  assert.deepEqual(found[3]!.shares[0], { share: { ...shareOf(d, 100).share, object: -1, position: 0 }, bytes: Buffer.alloc(100, 7) })
  const [row] = await world.run(openDatabase().partitionsOf(opened.session))
  assert.equal(row!.fromSeq, 3)
})

test('much that a frame with rows carries goes into an object first, and nobody waits for that', async () => {
  const { world, s3, journal, partitions, stream } = await steadySession()
  const [a, b, c] = partitions
  s3.stop()
  const carried = [shareOf(a, 200_000), shareOf(b, 0), shareOf(b, 100_000)].map((each, nth) =>
    nth === 1 ? { ...each, share: { ...each.share, endOffset: 0 } } : each,
  )
  const written = journal.write(frameKind.carry, carried, none)
  assert.equal(await world.run(c.append(journal, 10)), true)
  await world.pass(3_000)
  s3.start()
  assert.equal(await world.run(written), 'committed')
  const frame = (await stream()).find(each => each.kind === frameKind.carry)!
  assert.deepEqual(
    frame.shares.map(({ share, bytes }) => [share.object, share.position, share.released, bytes.length]),
    [
      [0, 0, true, 200_000],
      [-1, 0, true, 0],
      [0, 200_000, true, 100_000],
    ],
  )
  assert.equal(journal.unsettledBytes, 0)
})

test('S3 away: a frame with rows that needs an object is given up, and nothing has happened', async () => {
  const { world, s3, journal, partitions } = await steadySession()
  s3.stop()
  const refused = (error: unknown) =>
    error instanceof KafkaError && error.name === 'KAFKA_STORAGE_ERROR' && /object 1\/1-\w+ could/.test(error.message)
  await world.run(assert.rejects(journal.write(frameKind.carry, [shareOf(partitions[0], 300_000)], none), refused))
  assert.deepEqual([journal.ended, journal.unsettledBytes], [null, 0])
})

test('metadata that was taken: the seq is free, and what waited behind it gets it', async () => {
  const { world, journal, partitions, openDatabase, check } = await steadySession()
  const other = openDatabase()
  const append = (offset: number): Writes => ({ metadata: { offset, count: 1, records: Buffer.from('record') } })
  assert.equal(await world.run(other.appendMetadata({ offset: 0, count: 1, records: Buffer.from('first') }, 99)), true)
  const seqs: number[] = []
  const write = (offset: number) =>
    journal.write(frameKind.carry, [], seq => {
      seqs.push(seq)
      return append(offset)
    })
  const first = write(0)
  const behind = partitions[0].append(journal, 10)
  assert.deepEqual(await world.run(Promise.all([first, behind])), ['metadata-taken', true])
  assert.equal(await world.run(write(1)), 'committed')
  assert.deepEqual([seqs, journal.lastSeq], [[2, 3], 3])
  assert.deepEqual((await check()).map(frame => frame.kind).slice(2), [frameKind.data, frameKind.carry])
  assert.equal(await world.run(other.metadataEnd()), 2)
})

test('nothing follows a frame with metadata before its outcome is known, also when one before it is settled first', async () => {
  const { world, journal, partitions, handed, opened, check } = await steadySession()
  const [a] = partitions
  const all: Promise<unknown>[] = [a.append(journal, 10)]
  all.push(journal.write(frameKind.carry, [], () => ({ metadata: { offset: 7, count: 1, records: Buffer.from('too far') } })))
  for (let turn = 0; turn < 20; turn++) {
    all.push(a.append(journal, 10))
    await world.pass(0.3)
  }
  const [, taken] = await world.run(Promise.all(all))
  assert.deepEqual([taken, journal.ended, opened.mostUnsettled], ['metadata-taken', null, 2])
  assert.deepEqual(handed.slice(0, 4), [1, 2, 3, 3])
  await check()
})

test('rows that cannot be made: nothing was sent, and the session goes on', async () => {
  const { world, journal, partitions, check } = await steadySession()
  const bug = () => {
    throw new Error('no rows')
  }
  const all = [partitions[0].append(journal, 10), journal.write(frameKind.checkpoint, [], bug), partitions[0].append(journal, 10)]
  const results = await world.run(Promise.allSettled(all))
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.deepEqual([journal.ended, journal.unsettledBytes, journal.lastSeq], [null, 0, 3])
  await check()
})
