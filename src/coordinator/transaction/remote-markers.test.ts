/** Markers for partitions that other brokers lead: never without a durable decision, and retried until they are written. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError } from '../../protocol.ts'
import { World } from '../transaction.testing.ts'
import type { Place, RemoteMarker } from './remote-markers.ts'

const id = 'tx'
const producer = { transactionalId: id, producerId: 1000, producerEpoch: 0 }

interface Sent {
  marker: RemoteMarker
  place: Place
  answer(failure: KafkaError | null): void
}

/** A transaction of `a-0`, which is here, and `b-0` and `b-1`, which another broker leads. */
async function begun({ keepsOrder = true } = {}): Promise<{ world: World; sent: Sent[]; end(): Promise<unknown> }> {
  const sent: Sent[] = []
  const world = new World()
  if (!keepsOrder) {
    world.keepsOrder = false
    await world.crash(() => 0)
  }
  world.elsewhere = {
    names: new Set(['b-0', 'b-1']),
    write: (marker, places, done) => {
      for (const place of places) sent.push({ marker, place, answer: failure => done(place, failure) })
    },
  }
  const anew = { principal: 'User:ann', transactionalId: id, transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 }
  await world.run(world.coordinator.initProducerId(anew))
  const partitions = new Map([
    ['a', new Set([0])],
    ['b', new Set([0, 1])],
  ])
  await world.run(world.coordinator.addPartitions(producer, partitions, 2))
  return { world, sent, end: () => world.coordinator.endTransaction({ ...producer, committed: true, clientVersion: 2 }) }
}

const status = (world: World) => world.statuses(id).at(-1)

test('they are sent when the decision is durable, and the transaction completes with the last of them', async () => {
  const { world, sent, end } = await begun()
  world.autoSync = false
  const ended = end()
  await world.system.advance(1_000)
  assert.equal(world.markers('a-0').length, 1, 'the journal keeps the order')
  assert.equal(sent.length, 0)
  world.autoSync = true
  await world.run(ended)
  assert.deepEqual(
    sent.map(({ place, marker }) => [place.join('-'), marker.producerEpoch, marker.committed, marker.transactionVersion]),
    [
      ['b-0', 1, true, 2],
      ['b-1', 1, true, 2],
    ],
  )
  await assert.rejects(world.run(world.coordinator.addPartitions({ ...producer, producerEpoch: 1 }, new Map([['a', new Set([0])]]), 2)), {
    name: 'CONCURRENT_TRANSACTIONS',
  })
  sent[0]!.answer(null)
  await world.system.advance(1_000)
  assert.equal(status(world), 'PrepareCommit')
  sent[1]!.answer(null)
  await world.system.advance(1)
  assert.equal(status(world), 'CompleteCommit')
  assert.equal(sent.length, 2)
})

test('where the log does not keep the order, own markers too wait for the decision, and the transaction completes behind them', async () => {
  const { world, sent, end } = await begun({ keepsOrder: false })
  world.autoSync = false
  const ended = end()
  await world.system.advance(1_000)
  assert.deepEqual([world.markers('a-0').length, sent.length], [0, 0])
  world.autoSync = true
  await world.run(ended)
  assert.equal(sent.length, 2)
  await world.system.advance(1)
  world.autoSync = false
  assert.equal(world.markers('a-0').length, 1)
  for (const { answer } of sent) answer(null)
  await world.system.advance(1_000)
  assert.equal(status(world), 'CompleteCommit')
})

test('one whose decision is lost is never sent', async () => {
  const { world, sent, end } = await begun()
  world.autoSync = false
  end().catch(() => {})
  await world.system.advance(100)
  world.autoSync = false
  await world.crash(() => 0)
  world.autoSync = true
  await world.system.advance(1_000)
  assert.equal(sent.length, 0)
  assert.equal(status(world), 'Ongoing')
})

test('one that failed is sent again, or written here when its partition has come here; a crash sends all again', async () => {
  const { world, sent, end } = await begun()
  await world.run(end())
  sent[0]!.answer(new KafkaError('NETWORK_EXCEPTION'))
  sent[1]!.answer(null)
  await world.system.advance(1_000)
  assert.deepEqual(
    sent.map(({ place }) => place.join('-')),
    ['b-0', 'b-1', 'b-0'],
  )
  assert.equal(status(world), 'PrepareCommit')
  sent[2]!.answer(new KafkaError('NOT_LEADER_OR_FOLLOWER'))
  world.elsewhere!.names.delete('b-0')
  await world.system.advance(1_000)
  assert.equal(status(world), 'CompleteCommit')
  assert.equal(world.markers('b-0').length, 1)
  assert.equal(sent.length, 3)
  assert.equal(world.reports.filter(report => report.includes('transaction marker')).length, 1)
})

test('an answer that comes after a crash is of no use, and does not hurt', async () => {
  const { world, sent, end } = await begun()
  await world.run(end())
  assert.equal(sent.length, 2)
  await world.crash(all => all)
  assert.equal(sent.length, 4)
  for (const { answer } of sent.slice(0, 2)) answer(null)
  await world.system.advance(1_000)
  assert.equal(status(world), 'PrepareCommit')
  for (const { answer } of sent.slice(2)) answer(null)
  await world.system.advance(1)
  assert.equal(status(world), 'CompleteCommit')
})

test('a watch notices markers of its producer only, until it stops', async () => {
  const { world } = await begun()
  const own = world.coordinator.watchMarkers(1000)
  const other = world.coordinator.watchMarkers(2000)
  const stopped = world.coordinator.watchMarkers(1000)
  stopped.stop()
  const marker = { producerId: 1000, producerEpoch: 1, committed: false, coordinatorEpoch: 0 }
  await world.run(world.coordinator.writeMarker('a', 0, marker))
  assert.deepEqual([own.ended, other.ended, stopped.ended], [true, false, false])
})
