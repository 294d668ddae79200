/** Transactions with very many partitions, and very many transactions: no step of the coordinator may take long. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Turns } from '../../base.ts'
import { KafkaError } from '../../protocol.ts'
import { World } from '../transaction.testing.ts'

const id = 'tx'
const wide = (partitions: number) => new Map([['wide', new Set(Array.from({ length: partitions }, (_, index) => index))]])

async function begin(world: World, transactionalId: string, partitions: Map<string, Set<number>>) {
  const anew = { principal: 'User:ann', transactionalId, transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 }
  const session = { transactionalId, ...(await world.run(world.coordinator.initProducerId(anew))) }
  await world.run(world.coordinator.addPartitions(session, partitions, 2))
  return session
}

/** Turns that are over whenever somebody has asked ten times. */
function shortTurns(): Turns {
  let asked = 0
  return {
    get over() {
      return ++asked % 10 === 0
    },
    next: () => Promise.resolve(),
  } as Turns
}

/** The most that any single step wrote from now on. */
function longestStep(world: World): () => number {
  let most = 0
  const { timers } = world.system
  const counted = (callback: () => void) => () => {
    const before = world.journal.length
    callback()
    most = Math.max(most, world.journal.length - before)
  }
  const { after, soon } = timers
  timers.after = (delayMs, callback) => after(delayMs, counted(callback))
  timers.soon = callback => soon(counted(callback))
  return () => most
}

test('very many markers, of one transaction or of many whose time is up together, are written in steps', async () => {
  const world = new World({ abortTimedOutIntervalMs: 1_000 }, shortTurns())
  const session = await begin(world, id, wide(3_000))
  const ofOne = longestStep(world)
  await world.run(world.coordinator.endTransaction({ ...session, committed: true, clientVersion: 2 }))
  await world.system.advance(100)
  assert.equal(world.statuses(id).at(-1), 'CompleteCommit')
  for (const index of [0, 999, 1_000, 2_999])
    assert.deepEqual(
      world.markers(`wide-${index}`).map(({ committed }) => committed),
      [true],
    )
  assert.ok(ofOne() >= 50 && ofOne() <= 1_011, `${ofOne()} in one step`)

  const many = new World({ abortTimedOutIntervalMs: 1_000 }, shortTurns())
  for (let n = 0; n < 40; n++) {
    await begin(many, `tx-${n}`, new Map([[`t${n}`, wide(100).get('wide')!]]))
  }
  const ofMany = longestStep(many)
  await many.system.advance(70_000)
  for (let n = 0; n < 40; n++) {
    assert.equal(many.statuses(`tx-${n}`).at(-1), 'CompleteAbort', `tx-${n}`)
    assert.equal(many.markers(`t${n}-99`).length, 1)
  }
  assert.ok(ofMany() >= 50 && ofMany() <= 620, `${ofMany()} in one step`)
})

test('a marker that cannot be written among very many is tried again with the others of its kind only', async () => {
  const world = new World({}, shortTurns())
  const session = await begin(world, id, wide(1_200))
  world.refuse = name => (/wide-(3|700)$/.test(name) ? new KafkaError('KAFKA_STORAGE_ERROR', 'offline') : null)
  await world.run(world.coordinator.endTransaction({ ...session, committed: true, clientVersion: 2 }))
  await world.system.advance(1_000)
  assert.equal(world.statuses(id).at(-1), 'PrepareCommit')
  assert.equal(world.markers('wide-1199').length, 1)
  world.refuse = () => null
  await world.system.advance(1_000)
  assert.equal(world.statuses(id).at(-1), 'CompleteCommit')
  for (const index of [0, 3, 700, 1_199]) assert.equal(world.markers(`wide-${index}`).length, 1)
})
