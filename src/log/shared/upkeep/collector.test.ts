/** What is nobody's in particular, each by itself; all of it together is in `upkeep.test.ts`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulatedWorld } from '../../../../sim/world/world.ts'
import { type Uuid, uuidFromBytes } from '../../../protocol.ts'
import { type Database, ObjectError, type ObjectStore, type PartitionKey, type SegmentRow, type Writes } from '../../../store.ts'
import { topicIdOf } from '../topic-id.ts'
import { Collector } from './collector.ts'
import type { RowJournal } from './ports.ts'

const topic = (nth: number): Uuid => uuidFromBytes(Buffer.alloc(16, nth))
const keyOf = (nth: number, partition = 0): PartitionKey => ({ topicId: topicIdOf(topic(nth)), partition })

function setting() {
  const world = simulatedWorld({ seed: 1 })
  const state = {
    garbage: [] as string[],
    /** Objects with their names; those of `named` are named by a row. */
    there: new Set<string>(),
    named: new Set<string>(),
    sweepable: [] as number[],
    sessions: [] as { session: number; ended: boolean }[],
    rows: new Map<number, PartitionKey[]>(),
    segments: [] as SegmentRow[],
    topics: new Set<Uuid>(),
    undeletable: new Set<string>(),
    isAway: false,
  }
  const calls: string[] = []
  const reports: string[] = []
  const frames: Writes[] = []
  const database: Partial<Database> = {
    dueGarbage: async most => state.garbage.slice(0, most),
    forgetGarbage: async names => {
      state.garbage = state.garbage.filter(each => !names.includes(each))
    },
    sweepable: async endedForMs => {
      calls.push(`sweepable ${endedForMs / 3_600_000} h`)
      return state.sweepable
    },
    unreferenced: async names => names.filter(name => !state.named.has(name)),
    markSwept: async session => {
      calls.push(`swept ${session}`)
      state.sweepable = state.sweepable.filter(each => each !== session)
    },
    sessions: async () => state.sessions.map(each => ({ ...each, brokerId: 1, incarnation: '', info: {} })),
    partitionsOf: async session =>
      (state.rows.get(session) ?? []).map(key => ({ ...key, session, fromSeq: 1, flushedEnd: 0, logStart: 0, state: Buffer.alloc(0) })),
    segments: async keys =>
      state.segments.filter(each => keys.some(key => each.topicId === key.topicId && each.partition === key.partition)),
  }
  const objects: Partial<ObjectStore> = {
    delete: async names => {
      if (state.isAway) throw new ObjectError('away', 'Unreachable', null, true)
      if (names.some(name => state.undeletable.has(name))) throw new ObjectError('no', 'AccessDenied', 403, false)
      calls.push(`delete ${names.length}`)
      for (const name of names) state.there.delete(name)
    },
    list: async (prefix, after) => {
      const found = [...state.there].filter(name => name.startsWith(prefix) && name > (after ?? '')).sort()
      return { objects: found.slice(0, 3).map(name => ({ name, bytes: 1 })), more: found.length > 3 }
    },
  }
  const journal: RowJournal = {
    session: 9,
    ended: null,
    lastSeq: 0,
    liveBrokers: 1,
    counts: { bytes: 0, objectBytes: 0 },
    write: async (_, __, make) => {
      frames.push(make(1))
      return 'committed'
    },
  }
  const topics = async () => {
    calls.push('topics')
    return (topicId: Uuid) => state.topics.has(topicId)
  }
  const report = (what: string) => void reports.push(what)
  const { system } = world
  const collector = new Collector({
    system,
    database: database as Database,
    objects: objects as ObjectStore,
    journal: () => journal,
    topics,
    report,
  })
  const run = (goOn = () => true) => world.run(collector.run(goOn))
  return { world, state, calls, reports, frames, run }
}

const names = (count: number, prefix = '1/') => Array.from({ length: count }, (_, nth) => `${prefix}${String(nth).padStart(5, '0')}`)

test('garbage goes in steps, object first; an object that cannot be deleted stops no other', async () => {
  const { state, calls, reports, run, world } = setting()
  state.garbage = names(2_500)
  state.there = new Set(state.garbage)
  state.undeletable.add('1/00007')
  await run()
  assert.deepEqual([state.garbage, [...state.there]], [['1/00007'], ['1/00007']])
  assert.ok(calls.length < 20, `${calls}`)
  assert.deepEqual(reports, ['deleting 1/00007 failed; it is tried again'])
  await run()
  assert.equal(reports.length, 1, 'said once')
  state.undeletable.clear()
  await world.pass(1_000)
  await run()
  assert.deepEqual(state.garbage, [])
})

test('while the store is away nothing is forgotten, and it is said once', async () => {
  const { state, reports, run, world } = setting()
  state.garbage = names(10)
  state.isAway = true
  for (let round = 0; round < 5; round++) {
    await run()
    await world.pass(30_000)
  }
  assert.equal(state.garbage.length, 10)
  assert.deepEqual(reports, ['deleting garbage failed; it is tried again'])
  state.isAway = false
  await world.pass(60_000)
  await run()
  assert.equal(state.garbage.length, 0)
})

test('of an ended session all goes that no row names, page by page', async () => {
  const { state, calls, run } = setting()
  const [own, others] = [names(10, '4/'), names(3, '44/')]
  state.there = new Set([...own, ...others])
  state.named = new Set([own[2]!, own[9]!])
  state.sweepable = [4]
  await run()
  assert.deepEqual([...state.there].sort(), [own[2]!, own[9]!, ...others].sort())
  assert.deepEqual(
    calls.filter(each => each.startsWith('swe')),
    ['sweepable 1 h', 'sweepable 24 h', 'swept 4'],
  )
})

test('what was stopped is swept by a later round', async () => {
  const { state, calls, run } = setting()
  state.there = new Set(names(10, '4/'))
  state.sweepable = [4]
  let steps = 0
  await run(() => ++steps < 5)
  assert.ok(state.there.size > 0 && !calls.includes('swept 4'), `${calls}`)
  await run()
  assert.deepEqual([state.there.size, calls.includes('swept 4')], [0, true])
})

test('rows go whose topic is not in the metadata, which is asked after they were read', async () => {
  const { state, frames, calls, run, world } = setting()
  state.sessions = [
    { session: 3, ended: true },
    { session: 5, ended: false },
  ]
  state.rows.set(3, [keyOf(1), keyOf(2)])
  state.rows.set(5, [keyOf(3)])
  state.topics.add(topic(1))
  await run()
  assert.deepEqual(frames, [{ removePartitions: [keyOf(2)] }, { removePartitions: [keyOf(3)] }])
  assert.equal(calls.filter(each => each === 'topics').length, 2)
  state.rows.delete(3)
  await world.pass(500_000)
  await run()
  assert.equal(frames.length, 2, 'those of the living are looked at seldom')
  await world.pass(200_000)
  await run()
  assert.equal(frames.length, 3)
})

test('a partition of many pieces goes in steps', async () => {
  const { state, frames, run } = setting()
  state.sessions = [{ session: 3, ended: true }]
  state.rows.set(3, [keyOf(2), keyOf(2, 1), keyOf(2, 2)])
  const row = { position: 0, bytes: 1, indexBytes: 1, maxTimestamp: 1, object: 'x' }
  const rowsOf = (key: PartitionKey, count: number) =>
    Array.from({ length: count }, (_, nth): SegmentRow => ({ ...key, ...row, baseOffset: nth, endOffset: nth + 1 }))
  state.segments = [...rowsOf(keyOf(2), 1_200), ...rowsOf(keyOf(2, 1), 400), ...rowsOf(keyOf(2, 2), 50)]
  await run()
  assert.deepEqual(
    frames.map(({ removeSegments, removePartitions }) => [removeSegments?.length ?? 0, removePartitions?.map(key => key.partition) ?? []]),
    [
      [500, []],
      [500, []],
      [0, [0]],
      [0, [1, 2]],
    ],
  )
})
