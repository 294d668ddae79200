import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from '../base.ts'
import { buildBatch, buildMarkerBatch, header, KafkaError, markerOfBatch } from '../protocol.ts'
import { type MemoryPartitionLog, memoryPartitionLog, type TestSystem, testSystem } from './runtime.testing.ts'
import { openCoordinator } from './runtime.ts'
import type { Coordinator, LogRecord, Shard, ShardContext } from './shard.ts'
import { timerKey } from './timer-key.ts'

/** Keeps what was replayed, as text. */
class Journal implements Shard {
  readonly lines: string[] = []
  readonly context: ShardContext
  readonly parked: PromiseWithResolvers<string>[] = []
  unloaded = false

  constructor(context: ShardContext) {
    this.context = context
  }

  replay({ value }: LogRecord, offset: number, _timestampMs: number, producerId: number): void {
    this.lines.push(`${offset}:${value}${producerId === -1 ? '' : `@${producerId}`}`)
  }

  replayMarker(producerId: number, _epoch: number, committed: boolean): void {
    this.lines.push(`${committed ? 'commit' : 'abort'} ${producerId}`)
  }

  loaded(): void {
    this.lines.push('loaded')
  }

  unload(): void {
    this.unloaded = true
    for (const { reject } of this.parked) reject(new KafkaError('NOT_COORDINATOR'))
  }

  park(): Promise<string> {
    const parked = Promise.withResolvers<string>()
    this.parked.push(parked)
    return parked.promise
  }
}

function record(text: string): LogRecord {
  return { key: Buffer.from('k'), value: Buffer.from(text) }
}

interface Opened {
  system: TestSystem
  log: MemoryPartitionLog
  coordinator: Coordinator<Journal>
  reports: string[]
}

function open(log = memoryPartitionLog(), restore?: (shard: Journal) => number): Opened {
  const system = testSystem()
  const reports: string[] = []
  const coordinator = openCoordinator({
    system,
    partitionLog: log,
    makeShard: context => new Journal(context),
    report: (what, error) => void reports.push(`${what}: ${(error as Error).name}`),
    ...(restore && { restore }),
  })
  return { system, log, coordinator, reports }
}

test('an empty log is ready immediately; operations of one turn share a batch', async () => {
  const { system, log, coordinator } = open()
  assert.equal(coordinator.state, 'active')
  const first = coordinator.write(() => ({ records: [record('a'), record('b')], response: 1 }))
  const second = coordinator.write(shard => ({ records: [record('c')], response: shard.lines.join() }))
  assert.deepEqual(coordinator.shard.lines, ['loaded', '0:a', '1:b', '2:c'])
  assert.equal(log.logEndOffset, 0)
  await system.settle()
  assert.equal(await first, 1)
  assert.equal(await second, 'loaded,0:a,1:b')
  assert.equal(log.batches.length, 1)
  assert.deepEqual(
    log.records().map(({ value }) => String(value)),
    ['a', 'b', 'c'],
  )
})

test('responses and reads wait until what they saw is durable', async () => {
  const { system, log, coordinator } = open()
  log.durable = false
  const done: string[] = []
  void coordinator.write(() => ({ records: [record('a')], response: 'write' })).then(text => done.push(text))
  void coordinator.read(shard => shard.lines.length).then(count => done.push(`read ${count}`))
  void coordinator.write(() => ({ records: [], response: 'empty' })).then(text => done.push(text))
  await system.settle()
  assert.deepEqual(done, [])
  log.sync()
  await system.settle()
  assert.deepEqual(done.sort(), ['empty', 'read 2', 'write'])
  assert.equal(await coordinator.read(() => 'idle'), 'idle')
})

test('a parked response waits for the records of the operation that settled it', async () => {
  const { system, log, coordinator } = open()
  log.durable = false
  let answer: string | null = null
  void coordinator
    .write(shard => ({ records: [], response: shard.park() }))
    .then(text => {
      answer = text
    })
  await system.settle()
  void coordinator.write(shard => {
    shard.parked[0]!.resolve('woken')
    return { records: [record('a')], response: undefined }
  })
  await system.settle()
  assert.equal(answer, null)
  log.sync()
  await system.settle()
  assert.equal(answer, 'woken')
})

test('loads batches, transactions and markers, after a snapshot if there is one', async () => {
  const log = memoryPartitionLog()
  const options = { origin: 'coordinator' as const }
  log.append(buildBatch({ records: [record('a'), record('b')], timestamp: 5 }), { ...options, expectedOffset: 0 })
  log.append(buildBatch({ records: [record('t')], producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true }), {
    ...options,
    expectedOffset: 2,
  })
  const marker = { committed: true, coordinatorEpoch: 0, producerId: 7, producerEpoch: 0, timestamp: 6 }
  log.append(buildMarkerBatch(marker), { ...options, expectedOffset: 3 })

  const whole = open(log)
  assert.equal(whole.coordinator.state, 'loading')
  await assert.rejects(
    whole.coordinator.read(() => 0),
    { name: 'COORDINATOR_LOAD_IN_PROGRESS' },
  )
  await whole.system.settle()
  await whole.coordinator.loaded
  assert.deepEqual(whole.coordinator.shard.lines, ['0:a', '1:b', '2:t@7', 'commit 7', 'loaded'])

  const rest = open(log, shard => {
    shard.lines.push('snapshot')
    return 1
  })
  await rest.system.settle()
  assert.deepEqual(rest.coordinator.shard.lines, ['snapshot', '1:b', '2:t@7', 'commit 7', 'loaded'])
})

test('a failed append costs the shard: waiters get the mapped error, parked ones NOT_COORDINATOR, and it is loaded again', async () => {
  const { system, log, coordinator, reports } = open()
  const lost = coordinator.shard
  await Promise.all([coordinator.write(() => ({ records: [record('a')], response: 0 })), system.settle()])
  const parked = coordinator.write(shard => ({ records: [], response: shard.park() }))
  await system.settle()
  log.failNext = new KafkaError('KAFKA_STORAGE_ERROR', 'no space')
  const failed = coordinator.write(() => ({ records: [record('b')], response: 0 }))
  const outcomes = Promise.allSettled([failed, parked])
  await system.settle()
  assert.deepEqual(
    (await outcomes).map(outcome => outcome.status === 'rejected' && outcome.reason.name),
    ['NOT_COORDINATOR', 'NOT_COORDINATOR'],
  )
  assert.ok(lost.unloaded)
  assert.deepEqual(reports, ['append failed; reloading the shard: KAFKA_STORAGE_ERROR'])
  assert.deepEqual(coordinator.shard.lines, ['0:a', 'loaded'])
  await Promise.all([coordinator.write(() => ({ records: [record('c')], response: 0 })), system.settle()])
  assert.deepEqual(coordinator.shard.lines, ['0:a', 'loaded', '1:c'])
})

test('a record that cannot be replayed is not appended, nor what was decided on the state that it spoilt', async () => {
  const { system, log, coordinator, reports } = open()
  const { shard } = coordinator
  const before = assert.rejects(
    coordinator.write(() => ({ records: [record('before')], response: 0 })),
    { name: 'UNKNOWN_SERVER_ERROR' },
  )
  shard.replay = () => {
    throw new Error('bug')
  }
  await assert.rejects(
    coordinator.write(() => ({ records: [record('a')], response: 0 })),
    { name: 'UNKNOWN_SERVER_ERROR', message: 'bug' },
  )
  await before
  assert.equal(shard.unloaded, true)
  await system.settle()
  assert.deepEqual(log.records(), [])
  assert.deepEqual(reports, ['a record cannot be replayed; reloading the shard: Error'])
  const after = coordinator.write(() => ({ records: [record('b')], response: 1 }))
  await system.settle()
  assert.equal(await after, 1)
  assert.deepEqual(coordinator.shard.lines, ['loaded', '0:b'])
})

test('a partition that goes offline before the records are durable fails their waiters', async () => {
  const { system, log, coordinator, reports } = open()
  log.durable = false
  const write = coordinator.write(() => ({ records: [record('a')], response: 0 }))
  const outcome = assert.rejects(write, { name: 'NOT_COORDINATOR' })
  await system.settle()
  log.goOffline('EIO')
  await outcome
  assert.equal(coordinator.state, 'failed')
  await system.advance(60_000)
  assert.deepEqual([coordinator.state, reports], ['failed', ['records did not become durable: KAFKA_STORAGE_ERROR']])
  log.goOffline(null)
  await system.advance(500)
  assert.equal(coordinator.state, 'active')
})

test('a shard that could not be read for long is back within seconds when it can be', async () => {
  const log = memoryPartitionLog()
  log.append(buildBatch({ records: [record('a')] }), { origin: 'coordinator' })
  const read = log.read.bind(log)
  log.read = () => {
    throw new KafkaError('KAFKA_STORAGE_ERROR', 'the object store is away')
  }
  const { system, coordinator } = open(log)
  await system.advance(600_000)
  assert.equal(coordinator.state, 'failed')
  log.read = read
  await system.advance(5_000)
  assert.deepEqual(coordinator.shard.lines, ['0:a', 'loaded'])
})

test('records too large for a batch are refused before anything changes; those that may be spread are spread', async () => {
  const { system, log, coordinator } = open(memoryPartitionLog(400))
  const big = Array.from({ length: 10 }, (_, i) => record(`${i}`.repeat(50)))
  let rejected: string | null = null
  const refused = coordinator.write(() => ({
    records: big,
    response: 0,
    rejected: error => {
      rejected = error.name
    },
  }))
  await assert.rejects(refused, { name: 'UNKNOWN_SERVER_ERROR' })
  assert.equal(rejected, 'UNKNOWN_SERVER_ERROR')
  assert.deepEqual(coordinator.shard.lines, ['loaded'])
  const spread = coordinator.write(() => ({ records: big, response: 'done', atomic: false }))
  await system.settle()
  assert.equal(await spread, 'done')
  assert.equal(log.records().length, 10)
  assert.ok(log.batches.length > 2)
})

test('a step that always fails is retried at growing intervals, until its key is set again', async () => {
  const { system, coordinator } = open()
  await system.settle()
  const { context } = coordinator.shard
  let tries = 0
  const failing = () => {
    tries++
    throw new Error('always')
  }
  context.schedule(timerKey('bad'), 0, failing)
  await system.advance(600_000)
  assert.ok(tries > 10 && tries < 20, `${tries} tries in ten minutes`)
  tries = 0
  context.schedule(timerKey('bad'), 0, failing)
  await system.advance(3_500)
  assert.equal(tries, 4)
})

test('a step that is due while the log is offline is no failure, and runs as soon as the log is back', async () => {
  const { system, log, coordinator, reports } = open()
  await system.settle()
  coordinator.shard.context.schedule(timerKey('due'), 100, () => ({ records: [record('late')], response: undefined }))
  log.goOffline('the lease of this broker is not proven')
  await system.advance(600_000)
  assert.deepEqual([log.records().length, reports], [0, []])
  log.goOffline(null)
  await system.advance(500)
  assert.equal(log.records().length, 1)
})

test('timers run as operations, a later deadline moves them, and a lost shard takes them along', async () => {
  const { system, log, coordinator, reports } = open()
  const { context } = coordinator.shard
  const step = (text: string) => () => ({ records: [record(text)], response: undefined })
  context.schedule(timerKey('x'), 100, step('early'))
  await system.advance(50)
  context.schedule(timerKey('x'), 100, step('late'))
  await system.advance(60)
  assert.deepEqual(log.records(), [])
  await system.advance(40)
  assert.deepEqual(
    log.records().map(({ value }) => String(value)),
    ['late'],
  )
  context.schedule(timerKey('x'), 100, step('first'))
  context.schedule(timerKey('x'), 10, step('sooner'))
  context.schedule(timerKey('y'), 10, step('never'))
  context.cancel(timerKey('y'))
  await system.advance(1000)
  assert.equal(log.records().length, 2)

  context.schedule(timerKey('bad'), 5, () => {
    throw new Error('bug')
  })
  await system.advance(10)
  assert.deepEqual(reports, ['timer ["bad"] failed: Error'])
  await system.advance(500)
  assert.equal(reports.length, 2)

  coordinator.close()
  assert.equal(system.pendingTimers, 0)
  await assert.rejects(
    coordinator.write(() => ({ records: [], response: 0 })),
    { name: 'NOT_COORDINATOR' },
  )
})

test('a log that cannot be read is tried again', async () => {
  const log = memoryPartitionLog()
  log.append(buildBatch({ records: [record('a')] }), { origin: 'coordinator', expectedOffset: 0 })
  const { read } = log
  let failures = 2
  log.read = (from, limit) => {
    if (failures-- > 0) throw new KafkaError('KAFKA_STORAGE_ERROR', 'EIO')
    return read(from, limit)
  }
  const { system, coordinator, reports } = open(log)
  await assert.rejects(coordinator.loaded, { name: 'NOT_COORDINATOR' })
  assert.equal(coordinator.state, 'failed')
  await system.advance(1000)
  assert.equal(reports.length, 2)
  assert.equal(coordinator.state, 'active')
  assert.deepEqual(coordinator.shard.lines, ['0:a', 'loaded'])
})

const producer = { producerId: 7, producerEpoch: 3 }

test('records of a transaction are in separate batches, in order with the others, and are replayed only after they are appended', async () => {
  const { system, log, coordinator } = open()
  const before = coordinator.write(() => ({ records: [record('a')], response: 1 }))
  const within = coordinator.writeTransactional(producer, () => ({ records: [record('b'), record('c')], response: 2 }))
  const ended = coordinator.endTransaction({ ...producer, committed: true, coordinatorEpoch: 5 })
  assert.deepEqual(coordinator.shard.lines, ['loaded', '0:a', '1:b@7', '2:c@7', 'commit 7'])
  await system.settle()
  assert.deepEqual(await Promise.all([before, within, ended]), [1, 2, undefined])
  const [plain, transactional, marker] = log.batches
  assert.deepEqual(markerOfBatch(marker!, 0, marker!.length), { committed: true, coordinatorEpoch: 5 })
  assert.deepEqual(
    [plain!, transactional!, marker!].map(batch => [
      header.producerId(batch, 0),
      header.producerEpoch(batch, 0),
      header.isTransactional(batch, 0),
    ]),
    [
      [-1, -1, false],
      [7, 3, true],
      [7, 3, true],
    ],
  )
  const again = open(log)
  await again.system.settle()
  assert.deepEqual(again.coordinator.shard.lines, ['0:a', '1:b@7', '2:c@7', 'commit 7', 'loaded'])
})

test('what the log refuses of a transaction changes nothing', async () => {
  const { system, log, coordinator } = open()
  log.failNext = new KafkaError('INVALID_PRODUCER_EPOCH')
  await assert.rejects(
    coordinator.writeTransactional(producer, () => ({ records: [record('a')], response: 1 })),
    { name: 'INVALID_PRODUCER_EPOCH' },
  )
  log.failNext = new KafkaError('INVALID_PRODUCER_EPOCH')
  assert.throws(() => void coordinator.endTransaction({ ...producer, committed: false, coordinatorEpoch: 0 }), {
    name: 'INVALID_PRODUCER_EPOCH',
  })
  const written = coordinator.write(() => ({ records: [record('b')], response: 2 }))
  await system.settle()
  assert.equal(await written, 2)
  assert.deepEqual(coordinator.shard.lines, ['loaded', '0:b'])
})

test('what follows a record runs when it has its place, not before, and never when it has none', async () => {
  const { system, log, coordinator } = open()
  const ends: number[] = []
  const leading = (text: string) => () => ({
    records: [record(text)],
    response: undefined,
    appended: () => {
      ends.push(log.logEndOffset)
      return { records: [record(`after ${text}`)], response: undefined }
    },
  })
  void coordinator.write(leading('a'))
  assert.deepEqual(ends, [])
  await system.settle()
  assert.deepEqual(ends, [1])
  assert.deepEqual(coordinator.shard.lines, ['loaded', '0:a', '1:after a'])
  log.failNext = new KafkaError('KAFKA_STORAGE_ERROR')
  const lost = assert.rejects(coordinator.write(leading('b')), { name: 'NOT_COORDINATOR' })
  await system.settle()
  await lost
  assert.deepEqual(ends, [1])
})

test('a group commit that could not be written costs the shard', async () => {
  const { system, log, coordinator, reports } = open()
  const append = log.append.bind(log)
  log.append = (records, options) => ({ ...append(records, options), written: Promise.reject(new KafkaError('KAFKA_STORAGE_ERROR')) })
  log.durable = false
  const lost = assert.rejects(
    coordinator.write(() => ({ records: [record('a')], response: 1 })),
    { name: 'NOT_COORDINATOR' },
  )
  await system.settle()
  await lost
  assert.deepEqual(reports, ['records were not written; reloading the shard: KAFKA_STORAGE_ERROR'])
})

test('shards that load at the same time take turns: none of them holds the event loop for longer than its slice', async () => {
  const system = testSystem()
  let workedMs = 0
  // Each replay takes a millisecond.
  const clock = { ...system.clock, monotonic: () => system.clock.monotonic() + workedMs }
  const turns = new Turns({ clock, timers: system.timers })
  const perTurn: number[] = []
  const watch = () => {
    perTurn.push(workedMs - perTurn.reduce((sum, each) => sum + each, 0))
    if (perTurn.length < 400) system.timers.soon(watch)
  }
  class Slow extends Journal {
    override replay(...args: Parameters<Journal['replay']>): void {
      workedMs++
      super.replay(...args)
    }
  }
  const loading = Array.from({ length: 10 }, () => {
    const log = memoryPartitionLog()
    for (let count = 0; count < 20; count++) log.append(buildBatch({ records: [record('x')] }), { origin: 'coordinator' })
    return openCoordinator({ system, partitionLog: log, turns, makeShard: context => new Slow(context) })
  })
  system.timers.soon(watch)
  while (perTurn.length < 400) await system.settle()
  for (const { state, shard } of loading) assert.deepEqual([state, shard.lines.length], ['active', 21])
  assert.equal(workedMs, 200)
  assert.ok(Math.max(...perTurn) <= 8, `${Math.max(...perTurn)} ms in one turn`)
})

test('who waits until a shard is loaded is not told of an attempt that failed before', async () => {
  const log = memoryPartitionLog()
  log.goOffline('the lease of this broker is not proven')
  const { system, coordinator } = open(log)
  await assert.rejects(coordinator.loaded)
  log.goOffline(null)
  await system.advance(1_000)
  await coordinator.loaded
  assert.equal(coordinator.state, 'active')
})
