/** Shared by the tests of pieces: a store over a simulated S3, random pieces, and what a naive list answers. */
import assert from 'node:assert/strict'
import { Process } from '../../../../sim/world/process.ts'
import type { SeededRandom } from '../../../../sim/world/random.ts'
import { type RequestFate, SimulatedS3 } from '../../../../sim/world/s3.ts'
import { simulatedWorld } from '../../../../sim/world/world.ts'
import type { System } from '../../../base.ts'
import { buildBatch, buildMarkerBatch, header, KafkaError, type Offset, randomUuid, type Uuid } from '../../../protocol.ts'
import { openObjectStore, type SegmentRow } from '../../../store.ts'
import type { AbortedTransaction } from '../../segments/aborted-entries.ts'
import { type SharedSettings, sharedDefaults } from '../settings.ts'
import type { Piece } from './piece.ts'
import { PieceStore } from './piece-store.ts'

const fates: readonly RequestFate[] = ['lost-before', 'lost-after', 'late', 'slow-down', 'internal-error', 'broken-off']

export type StageOptions = Partial<SharedSettings> & { faults?: number; system?: System }

/** In a simulated world; with a real system only the randomness is of it. */
export function newStage(seed: number, { faults = 0, system: given, ...shared }: StageOptions = {}) {
  const world = simulatedWorld({ seed })
  const system = given ?? world.system
  const random = world.random.fork()
  const s3 = new SimulatedS3({
    ...system,
    random: world.random.fork(),
    bucket: 'bucket',
    fate: () => (random.chance(faults) ? random.pick(fates) : 'well'),
    listingDelayMs: () => 0,
  })
  const objects = openObjectStore({
    system,
    url: 's3://bucket/cluster?endpoint=https://s3.test',
    environment: { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' },
    transport: s3.transport(new Process(system.timers)),
  })
  const reports: string[] = []
  let number = 0
  const options = {
    system,
    objects,
    settings: { ...sharedDefaults, ...shared },
    nameObject: () => `7/p${++number}`,
    report: (what: string) => void reports.push(what),
  }
  const contentOf = (row: SegmentRow) => s3.objects.get(`cluster/${row.object}`)!
  const another = () => new PieceStore(options)
  return { world, system, random: world.random.fork(), s3, objects, reports, contentOf, store: another(), another }
}

export type Stage = ReturnType<typeof newStage>

/** What is left when these pieces are read one after the other. */
export async function batchesOf(store: PieceStore, rows: readonly SegmentRow[]): Promise<Known[]> {
  const known: Known[] = []
  for (const row of rows)
    for await (const buffer of store.batches(row))
      for (let at = 0; at < buffer.length; at += header.sizeBytes(buffer, at))
        known.push(knownOf(Buffer.from(buffer.subarray(at, at + header.sizeBytes(buffer, at)))))
  return known
}

/** A batch as the naive list knows it. */
export interface Known {
  base: Offset
  last: Offset
  bytes: Buffer
}

export function knownOf(bytes: Buffer): Known {
  return { base: header.baseOffset(bytes, 0), last: header.lastOffset(bytes, 0), bytes }
}

export interface Shape {
  topicId: Uuid
  partition: number
  base: Offset
  batches: number
  /** Of a value, at most. */
  valueBytes: number
  /** Probability that offsets are missing before a batch, as after compaction. */
  holes?: number
  timestamp?: (nth: number) => number
}

/** A piece, and its batches one by one. Several batches may share a buffer. */
export function randomPiece(random: SeededRandom, shape: Shape): { piece: Piece; known: Known[] } {
  const { topicId, partition, base, holes = 0 } = shape
  const known: Known[] = []
  let next = base
  for (let nth = 0; nth < shape.batches; nth++) {
    if (random.chance(holes)) next += 1 + random.below(20)
    const timestamp = shape.timestamp?.(nth) ?? 1_000 + random.below(1_000)
    const records = Array.from({ length: 1 + random.below(4) }, (_, at) => ({
      key: null,
      value: Buffer.alloc(random.below(shape.valueBytes + 1), nth),
      timestamp: timestamp + at,
    }))
    known.push(knownOf(buildBatch({ baseOffset: next, records, partitionLeaderEpoch: 4 })))
    next += records.length
  }
  if (random.chance(holes)) next += 1 + random.below(20)
  const piece = pieceOf({ topicId, partition, base, end: Math.max(next, base + 1) }, grouped(random, known))
  return { piece, known }
}

export function pieceOf(
  range: { topicId: Uuid; partition: number; base: Offset; end: Offset },
  batches: readonly Buffer[],
  more: { aborted?: AbortedTransaction[]; lastStableOffset?: Offset } = {},
): Piece {
  const { topicId, partition, base, end } = range
  return { topicId, partition, baseOffset: base, endOffset: end, batches, aborted: [], lastStableOffset: end, ...more }
}

function grouped(random: SeededRandom, known: readonly Known[]): Buffer[] {
  const groups: Buffer[] = []
  for (let at = 0; at < known.length; ) {
    const count = 1 + random.below(3)
    groups.push(Buffer.concat(known.slice(at, at + count).map(each => each.bytes)))
    at += count
  }
  return groups
}

export function newTopic(random: SeededRandom): Uuid {
  return randomUuid(random)
}

export function abortMarker(producerId: number, baseOffset: Offset): Buffer {
  return buildMarkerBatch({ committed: false, coordinatorEpoch: 1, producerId, producerEpoch: 0, timestamp: 5_000, baseOffset })
}

/** What a reader may be answered at most: whole batches from the one with `from` on. */
export function naiveRead(known: readonly Known[], from: Offset, maxBytes: number, atLeastOne: boolean, end: Offset): Buffer {
  const taken: Buffer[] = []
  let bytes = 0
  for (const each of known) {
    if (each.last < from) continue
    const fits = bytes + each.bytes.length <= maxBytes || (atLeastOne && bytes === 0)
    if (each.last >= end || !fits) break
    taken.push(each.bytes)
    bytes += each.bytes.length
  }
  return Buffer.concat(taken)
}

/** Reads on until there is nothing more; each answer is checked against the naive list. */
export async function readAll(store: PieceStore, row: SegmentRow, known: readonly Known[], from: Offset, maxBytes: number, end: Offset) {
  const all: Buffer[] = []
  for (let next = from; ; ) {
    const slice = await store.read(row, next, maxBytes, true, end)
    const most = naiveRead(known, next, maxBytes, true, end)
    const got = Buffer.concat(slice.chunks)
    assert.equal(got.length, slice.bytes)
    assert.ok(got.equals(most.subarray(0, got.length)), `a prefix of what may be read from ${next}`)
    if (got.length === 0) {
      assert.equal(most.length, 0, `an empty answer from ${next}`)
      return { bytes: Buffer.concat(all), next: slice.next }
    }
    assert.ok(slice.next > next)
    all.push(got)
    next = slice.next
  }
}

export function storageErrorOf(row: SegmentRow) {
  return (error: unknown) => {
    assert.ok(error instanceof KafkaError, String(error))
    assert.equal(error.name, 'KAFKA_STORAGE_ERROR')
    assert.match(error.message, new RegExp(row.object))
    return true
  }
}
