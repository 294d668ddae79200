/** What is done from time to time while a session lives, and at its end; with real partitions and under faults it is in `story.test.ts`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulatedWorld } from '../../../../sim/world/world.ts'
import {
  type Database,
  DatabaseUnavailable,
  type ObjectStore,
  type PartitionKey,
  type PartitionRow,
  type SegmentRow,
  type Writes,
} from '../../../store.ts'
import { settings, topicConfig } from '../../log.testing.ts'
import type { Piece } from '../pieces/piece.ts'
import type { PieceStore } from '../pieces/piece-store.ts'
import { sharedDefaults } from '../settings.ts'
import type { FlushedPartition, RowJournal } from './ports.ts'
import { Upkeep } from './upkeep.ts'

const topicId = '00000000-0000-4000-8000-000000000001'
const keyOf = (partition: number): PartitionKey => ({ topicId, partition })

/** One partition with something unflushed. */
function setting() {
  const world = simulatedWorld({ seed: 1 })
  const { system } = world
  const frames: Writes[] = []
  const reports: string[] = []
  const state = { isAway: false, vacuums: 0, putFails: false }
  const journal = {
    session: 1,
    ended: null as string | null,
    lastSeq: 5,
    liveBrokers: 3,
    counts: { bytes: 0 },
    async write(_: unknown, __: unknown, make: (seq: number) => Writes) {
      if (journal.ended !== null) throw new Error(journal.ended)
      frames.push(make(++journal.lastSeq))
      return 'committed' as const
    },
  }
  const away = () => {
    if (state.isAway) throw new DatabaseUnavailable('away')
  }
  const database: Partial<Database> = {
    segments: async () => {
      away()
      return []
    },
    vacuum: async () => {
      away()
      state.vacuums++
    },
  }
  const pieces: Partial<PieceStore> = {
    write: async (all: readonly Piece[]): Promise<SegmentRow[]> => {
      if (state.putFails) throw new Error('away')
      const where = { object: '1/p1', position: 0, bytes: 9, indexBytes: 1, maxTimestamp: 1 }
      return all.map(({ partition, baseOffset, endOffset }) => ({ topicId, partition, baseOffset, endOffset, ...where }))
    },
  }
  const partition = {
    name: 't-0',
    key: keyOf(0),
    config: topicConfig(),
    writable: true,
    unflushedBytes: 9,
    fromSeq: 1,
    segments: [] as SegmentRow[],
    expireProducers() {},
    takeForFlush: () => ({ piece: { partition: 0, baseOffset: 0, endOffset: 3 } as Piece, end: 3, state: Buffer.alloc(0) }),
    rowAt: (seq: number): PartitionRow => ({ ...keyOf(0), session: 1, fromSeq: seq, flushedEnd: 3, logStart: 0, state: Buffer.alloc(0) }),
    flushed(row: PartitionRow, rows: readonly SegmentRow[]) {
      partition.fromSeq = row.fromSeq
      partition.unflushedBytes = 0
      partition.segments.push(...rows)
    },
  }
  const upkeep = new Upkeep({
    system,
    database: database as Database,
    objects: {} as ObjectStore,
    journal: journal as unknown as RowJournal,
    pieces: pieces as PieceStore,
    settings: { ...settings, retentionCheckIntervalMs: 1_000, cleanerBackoffMs: 1_000 },
    shared: { ...sharedDefaults, flushMs: 60_000 },
    useThread: false,
    partitions: () => [partition as unknown as FlushedPartition],
    report: what => void reports.push(what),
  })
  return { world, frames, reports, state, journal, partition, upkeep }
}

test('rows of deleted partitions go in the background, and again when the database was away', async () => {
  const { world, frames, reports, state, upkeep } = setting()
  state.isAway = true
  upkeep.drop([keyOf(1), keyOf(2)])
  await world.pass(5_000)
  upkeep.drop([keyOf(3)])
  await world.pass(10_000)
  assert.deepEqual([frames, reports], [[], ['removing rows of deleted partitions failed; it is tried again']])
  state.isAway = false
  await world.pass(20_000)
  assert.deepEqual(frames, [{ removePartitions: [keyOf(1), keyOf(2), keyOf(3)] }])
})

test('the journal is vacuumed while it is trimmed, and no more often', async () => {
  const { world, state, upkeep, partition, journal } = setting()
  await world.pass(30_000)
  assert.equal(state.vacuums, 0)
  await world.run(upkeep.flush([partition as unknown as FlushedPartition]))
  await world.pass(10_000)
  assert.equal(state.vacuums, 1)
  await world.pass(20_000)
  assert.equal(state.vacuums, 1)
  journal.lastSeq = 50
  await world.pass(60_000)
  assert.equal(state.vacuums, 2, 'after the flush of all')
  assert.deepEqual([upkeep.counts.flushes, upkeep.counts.pieces, upkeep.counts.flushedBytes, upkeep.counts.trims], [1, 1, 9, 2])
})

test('at the end all is flushed once more, and nothing is done any more', async () => {
  const { world, frames, upkeep, partition } = setting()
  await world.run(upkeep.close({ flush: true }))
  assert.deepEqual([frames.length, partition.unflushedBytes], [1, 0])
  upkeep.drop([keyOf(1)])
  partition.unflushedBytes = 1 << 30
  await world.pass(600_000)
  assert.equal(frames.length, 1)
})

test('what cannot be flushed at the end stays in the journal, and that is said; a session that has ended is left alone', async () => {
  const first = setting()
  first.state.putFails = true
  await first.world.run(first.upkeep.close({ flush: true }))
  assert.deepEqual(first.reports, ['the last flush failed; the journal keeps what is unflushed'])
  const second = setting()
  second.journal.ended = 'fenced'
  await second.world.run(second.upkeep.close({ flush: true }))
  await second.world.pass(600_000)
  assert.deepEqual([second.frames, second.reports], [[], []])
})
