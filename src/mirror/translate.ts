/** Which offset of the target stands for one of the source: never one behind records that its reader has not had. */
import type { Client } from '../client.ts'
import { type Chunk, placeOf, readState } from './state.ts'

/** Source offsets that groups have committed, by topic and partition. */
export type Wanted = Map<string, Set<bigint>>

export interface Translation {
  /** null: nothing of the partition was copied. */
  of(place: { topic: string; partition: number }, offset: bigint): bigint | null
}

/** Reads the state once, and keeps only what is wanted. */
export async function translation(
  target: Client,
  source: string,
  wanted: Wanted,
  isCurrent: (chunk: Chunk) => boolean,
): Promise<Translation> {
  const found = new Map<string, Chunk>()
  for await (const chunk of readState(target, source)) {
    if ('isClean' in chunk || !isCurrent(chunk)) continue
    for (const offset of wanted.get(placeOf(chunk)) ?? []) {
      const key = `${placeOf(chunk)} ${offset}`
      // The last chunk that begins at or before it; before the first one, the first.
      if (chunk.from <= offset || !found.has(key)) found.set(key, chunk)
    }
  }
  return {
    of(place, offset) {
      const chunk = found.get(`${placeOf(place)} ${offset}`)
      return chunk === undefined ? null : within(chunk, offset)
    },
  }
}

/** Exact, but in batches whose holes are not told: there it may be too low. Exported for tests. */
export function within({ at, batches }: Chunk, offset: bigint): bigint {
  let base = at
  for (const { count, next, runs } of batches) {
    if (offset >= next) {
      base += BigInt(count)
      continue
    }
    let before = 0n
    for (const run of runs) {
      if (offset <= run.start) break
      const inRun = offset - run.start
      before += inRun < BigInt(run.count) ? inRun : BigInt(run.count)
    }
    return base + before
  }
  return base
}
