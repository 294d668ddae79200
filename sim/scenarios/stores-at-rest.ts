/** What a database and an object store must look like when nobody works with them. */
import { type Database, frameKind } from '../../src/store.ts'
import type { SimulatedS3 } from '../world/s3.ts'
import { Finding } from './finding.ts'

export interface AtRest {
  sessions: number
  segments: number
  objects: number
  /** Frames that the sessions still have. */
  frames: number
}

/** Throws a Finding if a row names what is not there, a partition has a hole, or a session wrote after it was fenced. */
export async function storesAtRest(database: Database, s3: SimulatedS3): Promise<AtRest> {
  if (s3.finding !== null) throw new Finding(`objects: ${s3.finding.message}`)
  const there = new Set([...s3.objects.keys()].map(key => key.slice(key.indexOf('/') + 1)))
  const found: AtRest = { sessions: 0, segments: 0, objects: there.size, frames: 0 }
  for (const { session } of await database.sessions()) {
    found.sessions++
    const frames = await database.frames(session, 0, 64 << 20)
    found.frames += frames.length
    const fence = frames.findIndex(({ kind }) => kind === frameKind.fence)
    if (fence !== -1 && fence !== frames.length - 1) throw new Finding(`session ${session} wrote frames behind its fence`)
    for (const row of await database.partitionsOf(session)) {
      const name = `${row.topicId}/${row.partition}`
      const segments = await database.segments([row])
      found.segments += segments.length
      let end: number | null = null
      for (const { baseOffset, endOffset, object } of segments) {
        if (!there.has(object)) throw new Finding(`${name}: the segment at ${baseOffset} is in ${object}, which is not there`)
        if (end !== null && baseOffset !== end) throw new Finding(`${name}: a segment ends at ${end}, and the next begins at ${baseOffset}`)
        end = endOffset
      }
      const first = segments[0]?.baseOffset ?? row.flushedEnd
      if (first > row.logStart) throw new Finding(`${name} starts at ${row.logStart}, its first segment at ${first}`)
      if ((end ?? row.flushedEnd) !== row.flushedEnd)
        throw new Finding(`${name} is flushed up to ${row.flushedEnd}, its segments end at ${end}`)
      for (const frame of await database.frames(row.session, row.fromSeq, 64 << 20))
        for (const object of frame.objects)
          if (!there.has(object)) throw new Finding(`frame ${frame.seq} names ${object}, which is not there`)
    }
  }
  return found
}
