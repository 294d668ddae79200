import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError } from '../protocol.ts'
import type { ProducerSession } from './shard.ts'
import { transactionRecord } from './transaction/transaction.ts'
import { World } from './transaction.testing.ts'
import { transactionTopicName } from './transaction.ts'

const id = 'tx'
const anew = { principal: 'User:ann', transactionalId: id, transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 }
const some = new Map([
  ['a', new Set([0, 1])],
  ['b', new Set([0])],
])
const maxEpoch = 32_766

const init = (world: World, more = {}) => world.run(world.coordinator.initProducerId({ ...anew, ...more }))
const producer = (producerId: number, producerEpoch: number) => ({ transactionalId: id, producerId, producerEpoch })
const add = (world: World, producerId: number, producerEpoch: number, version = 2, partitions = some) =>
  world.run(world.coordinator.addPartitions(producer(producerId, producerEpoch), partitions, version))
const end = (world: World, producerId: number, producerEpoch: number, committed = true, clientVersion = 2) =>
  world.run(world.coordinator.endTransaction({ ...producer(producerId, producerEpoch), committed, clientVersion }))

/** An id whose producer has nearly used up its epochs. */
async function worn(world: World, producerEpoch = maxEpoch): Promise<void> {
  await init(world)
  const { encodeBatch } = await import('./runtime-records.ts')
  const state = { ...world.states(id).at(-1)!, producerEpoch }
  world.log(`${transactionTopicName}-0`).append(encodeBatch([transactionRecord(state, 2)], 0), { origin: 'coordinator' })
  await world.crash(all => all)
}

test('a transactional id gets a producer id, and each new producer a higher epoch', async () => {
  const world = new World()
  assert.deepEqual(await init(world), { producerId: 1000, producerEpoch: 0 })
  assert.deepEqual(await init(world), { producerId: 1000, producerEpoch: 1 })
  await world.crash(all => all)
  assert.deepEqual(await init(world, { transactionTimeoutMs: 5 }), { producerId: 1000, producerEpoch: 2 })
  assert.deepEqual(
    world.states(id).map(state => [state?.status, state?.producerEpoch, state?.timeoutMs, state?.startMs, state?.partitions.size]),
    [
      ['Empty', 0, 60_000, -1, 0],
      ['Empty', 1, 60_000, -1, 0],
      ['Empty', 2, 5, -1, 0],
    ],
  )
})

test('timeouts have bounds, and the id must not be empty', async () => {
  const world = new World()
  await assert.rejects(init(world, { transactionTimeoutMs: 900_001 }), { name: 'INVALID_TRANSACTION_TIMEOUT' })
  await assert.rejects(init(world, { transactionTimeoutMs: 0 }), { name: 'INVALID_TRANSACTION_TIMEOUT' })
  await assert.rejects(init(world, { transactionalId: '' }), { name: 'INVALID_REQUEST' })
  assert.equal(world.journal.length, 0)
})

test('a producer may raise its own epoch, once per request, and only with the newest (KIP-360)', async () => {
  const world = new World()
  await init(world)
  const own = { producerId: 1000, producerEpoch: 0 }
  assert.deepEqual(await init(world, own), { producerId: 1000, producerEpoch: 1 })
  assert.deepEqual(await init(world, own), { producerId: 1000, producerEpoch: 1 }, 'a repetition')
  await init(world)
  await assert.rejects(init(world, own), { name: 'PRODUCER_FENCED' })
  await assert.rejects(init(world, { producerId: 7, producerEpoch: 0 }), { name: 'PRODUCER_FENCED' })
})

test('when the epochs are used up there is a new producer id, also for a repetition', async () => {
  const world = new World()
  await worn(world)
  const own = { producerId: 1000, producerEpoch: maxEpoch }
  assert.deepEqual(await init(world, own), { producerId: 1001, producerEpoch: 0 })
  assert.deepEqual(await init(world, own), { producerId: 1001, producerEpoch: 0 })
  assert.equal(world.states(id).at(-1)?.previousProducerId, 1000)
})

test('version 2: a commit raises the epoch; the markers are between the decision and its completion', async () => {
  const world = new World()
  await init(world)
  await add(world, 1000, 0)
  world.coordinator.verify(producer(1000, 0), 'a', 1)
  assert.throws(() => world.coordinator.verify(producer(1000, 0), 'c', 0), { name: 'TRANSACTION_ABORTABLE' })
  const from = world.journal.length
  assert.deepEqual(await end(world, 1000, 0), { producerId: 1000, producerEpoch: 1 })
  assert.deepEqual(
    world.journal.slice(from).map(([name]) => name),
    [`${transactionTopicName}-0`, 'a-0', 'a-1', 'b-0', `${transactionTopicName}-0`],
  )
  for (const name of ['a-0', 'a-1', 'b-0']) {
    assert.deepEqual(world.markers(name), [{ producerId: 1000, producerEpoch: 1, committed: true }])
  }
  assert.deepEqual(world.statuses(id), ['Empty', 'Ongoing', 'PrepareCommit', 'CompleteCommit'])
  assert.deepEqual(await end(world, 1000, 0), { producerId: 1000, producerEpoch: 1 }, 'a repetition')
  await assert.rejects(end(world, 1000, 0, false), { name: 'INVALID_TXN_STATE' })
})

test('version 2: an EndTxn that was delayed never touches a later transaction', async () => {
  const world = new World()
  await init(world)
  await add(world, 1000, 0)
  await end(world, 1000, 0)
  await add(world, 1000, 1)
  for (const committed of [true, false]) await assert.rejects(end(world, 1000, 0, committed), { name: 'PRODUCER_FENCED' })
  await assert.rejects(add(world, 1000, 0), { name: 'PRODUCER_FENCED' })
  assert.equal(world.statuses(id).at(-1), 'Ongoing')
})

test('version 2: an abort without partitions raises the epoch; a commit without them is a mistake', async () => {
  const world = new World()
  await init(world)
  await assert.rejects(end(world, 1000, 0), { name: 'INVALID_TXN_STATE' })
  assert.deepEqual(await end(world, 1000, 0, false), { producerId: 1000, producerEpoch: 1 })
  assert.deepEqual(await end(world, 1000, 1, false), { producerId: 1000, producerEpoch: 2 })
  assert.deepEqual(await end(world, 1000, 1, false), { producerId: 1000, producerEpoch: 2 }, 'a repetition')
  assert.deepEqual(world.statuses(id), ['Empty', 'PrepareAbort', 'CompleteAbort', 'PrepareAbort', 'CompleteAbort'])
})

test('version 2: the last epoch leads to a new producer id, whose markers still have the old one', async () => {
  const world = new World()
  await worn(world)
  await add(world, 1000, maxEpoch)
  assert.deepEqual(await end(world, 1000, maxEpoch), { producerId: 1001, producerEpoch: 0 })
  assert.deepEqual(world.markers('a-0'), [{ producerId: 1000, producerEpoch: maxEpoch + 1, committed: true }])
  assert.deepEqual(await end(world, 1000, maxEpoch), { producerId: 1001, producerEpoch: 0 }, 'a repetition')
  await add(world, 1001, 0)
  assert.deepEqual(await end(world, 1001, 0), { producerId: 1001, producerEpoch: 1 })
})

test('version 0: the epoch stays, and the answer to a repetition depends on the state alone', async () => {
  const world = new World({ transactionVersion: 0 })
  await init(world)
  await assert.rejects(end(world, 1000, 0, false, 0), { name: 'INVALID_TXN_STATE' })
  await add(world, 1000, 0, 0)
  assert.deepEqual(await end(world, 1000, 0, false, 0), { producerId: 1000, producerEpoch: 0 })
  assert.deepEqual(world.markers('b-0'), [{ producerId: 1000, producerEpoch: 0, committed: false }])
  assert.deepEqual(await end(world, 1000, 0, false, 0), { producerId: 1000, producerEpoch: 0 })
  await assert.rejects(end(world, 1000, 0, true, 0), { name: 'INVALID_TXN_STATE' })
  for (const { value } of world.log(`${transactionTopicName}-0`).records()) assert.equal(value!.readInt16BE(0), 0, 'no tagged fields')
})

test('a new producer aborts the transaction of the old one, which can do nothing more', async () => {
  const world = new World()
  await init(world)
  await add(world, 1000, 0)
  await assert.rejects(init(world), { name: 'CONCURRENT_TRANSACTIONS' })
  assert.deepEqual(world.markers('a-0'), [{ producerId: 1000, producerEpoch: 1, committed: false }])
  for (const committed of [true, false]) await assert.rejects(end(world, 1000, 0, committed), { name: 'PRODUCER_FENCED' })
  assert.deepEqual(await init(world), { producerId: 1000, producerEpoch: 2 })
  for (const epoch of [0, 1]) {
    await assert.rejects(add(world, 1000, epoch), { name: 'PRODUCER_FENCED' })
    await assert.rejects(init(world, { producerId: 1000, producerEpoch: epoch }), { name: 'PRODUCER_FENCED' })
  }
  await add(world, 1000, 2)
  await assert.rejects(init(world, { producerId: 1000, producerEpoch: 0 }), { name: 'PRODUCER_FENCED' })
  assert.equal(world.statuses(id).at(-1), 'Ongoing', 'a zombie does not abort its successor')
})

async function timedOut(version: number, producerEpoch = 0): Promise<World> {
  const world = new World()
  if (producerEpoch === 0) await init(world, { transactionTimeoutMs: 15_000 })
  else await worn(world, producerEpoch)
  await add(world, 1000, producerEpoch, version)
  await world.system.advance(14_000)
  assert.equal(world.statuses(id).at(-1), 'Ongoing')
  await world.system.advance(56_000)
  assert.deepEqual(world.statuses(id).slice(-2), ['PrepareAbort', 'CompleteAbort'])
  assert.equal(world.markers('a-1').length, 1)
  return world
}

test('a transaction that takes too long is aborted, and its producer fenced', async () => {
  for (const committed of [true, false]) {
    await assert.rejects(end(await timedOut(0), 1000, 0, committed, 0), { name: 'PRODUCER_FENCED' })
    await assert.rejects(end(await timedOut(2, maxEpoch), 1000, maxEpoch, committed), { name: 'PRODUCER_FENCED' })
  }
})

test('version 2: a producer whose transaction timed out cannot commit it, but can abort it and continue', async () => {
  const world = await timedOut(2)
  await assert.rejects(end(world, 1000, 0), { name: 'INVALID_TXN_STATE' })
  await assert.rejects(add(world, 1000, 0), { name: 'PRODUCER_FENCED' })
  for (let repeated = 0; repeated < 2; repeated++)
    assert.deepEqual(await end(world, 1000, 0, false), { producerId: 1000, producerEpoch: 1 })
  assert.equal(world.markers('a-1').length, 1)
  await add(world, 1000, 1)
  assert.deepEqual(await end(world, 1000, 1), { producerId: 1000, producerEpoch: 2 })
  assert.deepEqual(
    world.markers('a-1').map(({ producerEpoch, committed }) => [producerEpoch, committed]),
    [
      [1, false],
      [2, true],
    ],
  )
  // A successor that came in between has an epoch of its own.
  const other = await timedOut(2)
  assert.deepEqual(await init(other), { producerId: 1000, producerEpoch: 2 })
  await assert.rejects(end(other, 1000, 0, false), { name: 'PRODUCER_FENCED' })
})

test('unused ids expire, except with an open transaction', async () => {
  const world = new World({ transactionalIdExpirationMs: 3_600_000, abortTimedOutIntervalMs: 2 ** 30, removeExpiredIntervalMs: 600_000 })
  await init(world)
  await world.run(world.coordinator.initProducerId({ ...anew, transactionalId: 'open' }))
  await world.run(world.coordinator.addPartitions({ transactionalId: 'open', producerId: 1001, producerEpoch: 0 }, some, 2))
  await world.system.advance(3_500_000)
  assert.equal(world.statuses(id).at(-1), 'Empty')
  await world.system.advance(1_000_000)
  assert.equal(world.statuses(id).at(-1), null)
  assert.equal(world.statuses('open').at(-1), 'Ongoing')
  await assert.rejects(add(world, 1000, 0), { name: 'INVALID_PRODUCER_ID_MAPPING' })
  await world.crash(all => all)
  assert.deepEqual(await init(world), { producerId: 1002, producerEpoch: 0 })
})

test('a marker that cannot be written is tried again; meanwhile the transaction is not complete', async () => {
  const world = new World()
  await init(world)
  await add(world, 1000, 0)
  world.refuse = name => (name === 'a-1' ? new KafkaError('KAFKA_STORAGE_ERROR', 'offline') : null)
  assert.deepEqual(await end(world, 1000, 0), { producerId: 1000, producerEpoch: 1 })
  await world.system.advance(1_000)
  assert.equal(world.statuses(id).at(-1), 'PrepareCommit')
  await assert.rejects(add(world, 1000, 1), { name: 'CONCURRENT_TRANSACTIONS' })
  await assert.rejects(init(world), { name: 'CONCURRENT_TRANSACTIONS' })
  // Epoch 1 ends the next transaction, of which nothing was added.
  for (const epoch of [0, 1])
    for (const committed of [true, false]) await assert.rejects(end(world, 1000, epoch, committed), { name: 'CONCURRENT_TRANSACTIONS' })
  world.refuse = () => null
  await world.system.advance(1_000)
  assert.equal(world.statuses(id).at(-1), 'CompleteCommit')
  for (const name of ['a-0', 'a-1', 'b-0']) assert.equal(world.markers(name).length, 1, name)
  assert.ok(world.reports.some(what => /cannot write the transaction marker of tx to a-1 yet/.test(what)))
})

test('partitions of deleted topics need no marker', async () => {
  const world = new World()
  await init(world)
  await add(world, 1000, 0, 2, new Map([['deleted', new Set([0])]]))
  await end(world, 1000, 0)
  assert.equal(world.statuses(id).at(-1), 'CompleteCommit')
})

test('nothing is answered before it is durable', async () => {
  const world = new World()
  await init(world)
  await add(world, 1000, 0)
  world.autoSync = false
  let answered = false
  const ending = world.coordinator.endTransaction({ ...producer(1000, 0), committed: true, clientVersion: 2 }).then(() => {
    answered = true
  })
  await world.system.settle()
  assert.equal(answered, false)
  assert.equal(world.statuses(id).at(-1), 'CompleteCommit', 'all is written in one go')
  world.sync()
  await ending
})

test('after a crash at any point of an EndTxn the transaction is committed everywhere, or still open', async () => {
  for (let kept = 0; kept <= 5; kept++) {
    const world = new World()
    await init(world)
    await add(world, 1000, 0)
    world.autoSync = false
    end(world, 1000, 0).catch(() => {})
    await world.system.settle()
    await world.crash(unsynced => {
      assert.equal(unsynced, 5, 'the decision, three markers, the completion')
      return kept
    })
    world.autoSync = true
    await world.system.settle()
    const committed = kept > 0
    assert.equal(world.statuses(id).at(-1), committed ? 'CompleteCommit' : 'Ongoing', `${kept} kept`)
    for (const name of ['a-0', 'a-1', 'b-0']) {
      const markers = world.markers(name)
      assert.ok(committed ? markers.length > 0 && markers.every(marker => marker.committed) : markers.length === 0, `${kept} kept: ${name}`)
    }
    assert.deepEqual(await end(world, 1000, 0), { producerId: 1000, producerEpoch: 1 }, 'what the client does')
  }
})

test('transactions can be listed and described', async () => {
  const world = new World()
  await init(world)
  await add(world, 1000, 0)
  await world.run(world.coordinator.initProducerId({ ...anew, transactionalId: 'other' }))
  await world.system.advance(1_000)
  const all = { states: new Set<string>(), producerIds: new Set<number>(), durationMs: -1 }
  const list = async (more: Partial<typeof all>) =>
    (await world.run(world.coordinator.list({ ...all, ...more }))).map(({ transactionalId }) => transactionalId)
  assert.deepEqual(await list({}), [id, 'other'])
  assert.deepEqual(await list({ states: new Set(['Ongoing']) }), [id])
  assert.deepEqual(await list({ producerIds: new Set([1001]) }), ['other'])
  assert.deepEqual(await list({ states: new Set(['Ongoing']), durationMs: 999 }), [id])
  assert.deepEqual(await list({ states: new Set(['Ongoing']), durationMs: 1_000 }), [])
  const described = await world.run(world.coordinator.describe(id))
  assert.deepEqual([described.status, described.producerId, [...described.partitions.keys()]], ['Ongoing', 1000, ['a', 'b']])
  await assert.rejects(world.run(world.coordinator.describe('none')), { name: 'TRANSACTIONAL_ID_NOT_FOUND' })
})

/** What a seed does to a coordinator, and what its clients were told. */
class Chaos {
  readonly world = new World({ abortTimedOutIntervalMs: 50 })
  readonly #random: () => number
  /** What the producer was told, by `transactional id:producer id:epoch of its records`. */
  readonly told = new Map<string, boolean>()
  /** Partitions that were entered, by the same key. */
  readonly entered = new Map<string, Set<string>>()
  readonly #sessions = new Map<string, ProducerSession>()
  /** What an EndTxn that was long under way may bring. */
  readonly #former: [transactionalId: string, session: ProducerSession][] = []

  constructor(seed: number) {
    let state = seed * 2654435761 + 1
    this.#random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return state / 2 ** 32
    }
  }

  below(bound: number): number {
    return Math.floor(this.#random() * bound)
  }

  async step(): Promise<void> {
    const { world } = this
    const transactionalId = `tx${this.below(3)}`
    const session = this.#sessions.get(transactionalId)
    const dice = this.below(20)
    if (dice === 0) return this.#crash()
    if (dice === 1) return world.system.advance(this.below(120))
    if (dice === 2) {
      const broken = `p-${this.below(3)}`
      world.refuse = this.below(2) === 0 ? () => null : name => (name === broken ? new KafkaError('KAFKA_STORAGE_ERROR') : null)
      return
    }
    if (dice === 3) {
      world.autoSync = this.below(2) === 0
      return
    }
    if (session === undefined || dice === 4) {
      const initialized = world.coordinator.initProducerId({ ...anew, transactionalId, transactionTimeoutMs: 100 })
      return this.#wait(initialized.then(given => void this.#sessions.set(transactionalId, given)).catch(error => void this.#failed(error)))
    }
    const key = `${transactionalId}:${session.producerId}:${session.producerEpoch}`
    if (dice === 5 && this.#former.length > 0) {
      const [delayedId, delayed] = this.#former[this.below(this.#former.length)]!
      return this.#wait(this.#end(delayedId, delayed, `${delayedId}:${delayed.producerId}:${delayed.producerEpoch}`, false))
    }
    if (dice < 13) return this.#wait(this.#add(transactionalId, session, key))
    return this.#wait(this.#end(transactionalId, session, key))
  }

  async #add(transactionalId: string, session: ProducerSession, key: string): Promise<void> {
    const partition = this.below(3)
    const partitions = new Map([['p', new Set([partition])]])
    try {
      await this.world.coordinator.addPartitions({ transactionalId, ...session }, partitions, 2)
      const names = this.entered.get(key) ?? new Set()
      this.entered.set(key, names.add(`p-${partition}`))
    } catch (error) {
      this.#failed(error)
    }
  }

  async #end(transactionalId: string, session: ProducerSession, key: string, current = true): Promise<void> {
    const committed = this.below(2) === 0
    try {
      const next = await this.world.coordinator.endTransaction({ transactionalId, ...session, committed, clientVersion: 2 })
      if (this.entered.has(key)) this.told.set(key, committed)
      if (current) this.#sessions.set(transactionalId, next)
      this.#former.push([transactionalId, session])
    } catch (error) {
      if (this.#failed(error) === 'PRODUCER_FENCED' && current) this.#sessions.delete(transactionalId)
    }
  }

  /** Only what Kafka's producers know how to take. */
  readonly #failed = (error: unknown): string => {
    const { name } = error as Error
    assert.ok(expected.has(name), String((error as Error).stack))
    return name
  }

  async #wait(operation: Promise<void>): Promise<void> {
    await this.world.system.settle()
    // Without a sync it may be parked, and a crash take its answer away.
    if (this.below(4) > 0) this.world.sync()
    await this.world.system.settle()
    operation.catch(() => {})
  }

  async #crash(): Promise<void> {
    await this.world.crash(unsynced => this.below(unsynced + 1))
    // Clients whose answer was lost begin anew or repeat themselves; both happen.
    if (this.below(2) === 0) this.#sessions.clear()
  }
}

const expected = new Set([
  'CONCURRENT_TRANSACTIONS',
  'PRODUCER_FENCED',
  'INVALID_TXN_STATE',
  'INVALID_PRODUCER_ID_MAPPING',
  'NOT_COORDINATOR',
  'COORDINATOR_LOAD_IN_PROGRESS',
])

test('20 seeds of producers, crashes, lost responses and broken partitions: every confirmed outcome holds in all partitions', async () => {
  let ended = 0
  for (let seed = 0; seed < 20; seed++) {
    const chaos = new Chaos(seed)
    for (let step = 0; step < 60; step++) await chaos.step()
    const { world } = chaos
    world.refuse = () => null
    world.autoSync = true
    await world.system.advance(2_000)
    for (const transactionalId of ['tx0', 'tx1', 'tx2']) {
      const last = world.statuses(transactionalId).at(-1)
      assert.ok(last === undefined || ['Empty', 'CompleteCommit', 'CompleteAbort'].includes(last!), `seed ${seed}: ${last}`)
    }
    for (const [key, names] of chaos.entered) {
      const [, producerId, epoch] = key.split(':').map(Number)
      const outcomes = new Set<boolean>()
      for (const name of names) {
        // The marker of an end has the epoch after that of the records, whoever ended it.
        const own = world.markers(name).filter(marker => marker.producerId === producerId && marker.producerEpoch === epoch! + 1)
        assert.ok(own.length > 0, `seed ${seed}: ${key} hangs in ${name}`)
        for (const { committed } of own) outcomes.add(committed)
      }
      assert.equal(outcomes.size, 1, `seed ${seed}: ${key} is committed here and aborted there`)
      const told = chaos.told.get(key)
      if (told === undefined) continue
      assert.equal(outcomes.has(told), true, `seed ${seed}: ${key} was told ${told}`)
      ended++
    }
  }
  assert.ok(ended > 30, `${ended} transactions ended as their producers were told`)
})

test('the number of transactional ids is bounded: the longest idle go, those in use stay, and a principal loses its own first', async () => {
  const world = new World({ maxTransactionalIds: 6, maxTransactionalIdsPerPrincipal: 4 })
  const initAs = (principal: string, transactionalId: string) => init(world, { principal, transactionalId })
  const known = async () => {
    const all = await world.coordinator.list({ states: new Set(), producerIds: new Set(), durationMs: -1 })
    return all.map(({ transactionalId }) => transactionalId).sort()
  }
  await initAs('User:bob', 'b1')
  await init(world)
  await add(world, 1001, 0)
  for (const name of ['a1', 'a2', 'a3']) await initAs('User:ann', name)
  assert.deepEqual(await known(), ['a1', 'a2', 'a3', 'b1', id])
  await initAs('User:ann', 'a1')
  await initAs('User:ann', 'a4')
  assert.deepEqual(await known(), ['a1', 'a3', 'a4', 'b1', id], 'the longest idle of her own, though b1 has been idle for longer')
  await initAs('User:bob', 'b2')
  await initAs('User:bob', 'b3')
  assert.deepEqual(await known(), ['a1', 'a3', 'a4', 'b2', 'b3', id], 'the longest idle of all')
  await end(world, 1001, 0)
  assert.deepEqual(world.statuses('b1'), ['Empty', null])
  // Durable like everything else.
  await world.crash(all => all)
  assert.deepEqual(await known(), ['a1', 'a3', 'a4', 'b2', 'b3', id])
})

test('when all transactional ids are in use, no more are accepted until one is free', async () => {
  const world = new World({ maxTransactionalIds: 1 })
  await init(world)
  await add(world, 1000, 0)
  await assert.rejects(init(world, { transactionalId: 'more' }), { name: 'POLICY_VIOLATION', message: /max.transactional.ids/ })
  assert.deepEqual(world.statuses('more'), [])
  await end(world, 1000, 0)
  await init(world, { transactionalId: 'more' })
  assert.deepEqual(world.statuses(id).at(-1), null)
})
