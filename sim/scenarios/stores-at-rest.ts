/** What a database and an object store must look like when nobody works with them, and everything has had its time to be removed. */
import { type Frame, frameKind, type PartitionRow, type SegmentRow } from '../../src/store.ts'
import type { SimulatedPostgres } from '../world/postgres.ts'
import type { SimulatedS3 } from '../world/s3.ts'
import { Finding } from './finding.ts'

export interface AtRest {
  sessions: number
  segments: number
  objects: number
  /** Frames that the sessions still have. */
  frames: number
}

/** Throws a Finding if a partition has a hole, a session wrote after it was fenced, or the objects are not those that somebody needs. */
export function storesAtRest(postgres: SimulatedPostgres, s3: SimulatedS3): AtRest {
  if (s3.finding !== null) throw new Finding(`objects: ${s3.finding.message}`)
  const frames = postgres.rows<Frame>('frame/')
  const segments = postgres.rows<SegmentRow>('segment/')
  const partitions = postgres.rows<PartitionRow>('partition/')
  checkFences(frames)
  const byPartition = Map.groupBy(segments, nameOf)
  for (const row of partitions) {
    checkPartition(row, byPartition.get(nameOf(row)) ?? [])
    byPartition.delete(nameOf(row))
  }
  for (const name of byPartition.keys()) throw new Finding(`${name} has segments, and no row of its own`)
  checkFrom(partitions, frames)
  checkObjects(postgres, s3, [...segments.map(({ object }) => object), ...frames.flatMap(({ objects }) => objects)])
  return { sessions: postgres.rows('session/').length, segments: segments.length, objects: s3.objects.size, frames: frames.length }
}

function checkFences(frames: readonly Frame[]): void {
  for (const [session, stream] of Map.groupBy(frames, frame => frame.session)) {
    const fence = stream.findIndex(({ kind }) => kind === frameKind.fence)
    if (fence !== -1 && fence !== stream.length - 1) throw new Finding(`session ${session} wrote frames behind its fence`)
    stream.forEach(({ seq }, nth) => {
      if (seq !== stream[0]!.seq + nth) throw new Finding(`session ${session} has no frame ${stream[0]!.seq + nth}`)
    })
  }
}

function checkPartition(row: PartitionRow, segments: readonly SegmentRow[]): void {
  const name = nameOf(row)
  let end: number | null = null
  for (const { baseOffset, endOffset } of segments) {
    if (end !== null && baseOffset !== end) throw new Finding(`${name}: a segment ends at ${end}, and the next begins at ${baseOffset}`)
    end = endOffset
  }
  const first = segments[0]?.baseOffset ?? row.flushedEnd
  if (first > row.logStart) throw new Finding(`${name} starts at ${row.logStart}, its first segment at ${first}`)
  if ((end ?? row.flushedEnd) !== row.flushedEnd)
    throw new Finding(`${name} is flushed up to ${row.flushedEnd}, its segments end at ${end}`)
}

/** The stream has every frame from where a partition begins in it. */
function checkFrom(partitions: readonly PartitionRow[], frames: readonly Frame[]): void {
  const firstOf = new Map<number, number>()
  for (const { session, seq } of frames) if (!firstOf.has(session)) firstOf.set(session, seq)
  for (const row of partitions) {
    const first = firstOf.get(row.session)
    if (first === undefined || first > row.fromSeq)
      throw new Finding(`${nameOf(row)} begins in frame ${row.fromSeq} of session ${row.session}, whose first one is ${first}`)
  }
}

function checkObjects(postgres: SimulatedPostgres, s3: SimulatedS3, inUse: readonly string[]): void {
  // One says which cluster's all others are.
  const named = new Set([...inUse, 'cluster'])
  for (const { object } of postgres.rows<{ object: string }>('snapshot/')) named.add(object)
  const there = new Set([...s3.objects.keys()].map(key => key.slice(key.indexOf('/') + 1)))
  for (const object of named) if (!there.has(object)) throw new Finding(`rows name ${object}, which is not there`)
  for (const { object } of postgres.rows<{ object: string }>('garbage/')) named.add(object)
  // A session is swept when nothing begins in it any more.
  const holding = new Set(postgres.rows<PartitionRow>('partition/').map(({ session }) => String(session)))
  for (const object of there)
    if (!named.has(object) && !holding.has(object.split('/')[0]!)) throw new Finding(`nobody needs ${object}, and it is there`)
}

function nameOf({ topicId, partition }: Pick<PartitionRow, 'topicId' | 'partition'>): string {
  return `${topicId}/${partition}`
}
