/**
 * Removes the rows of partitions, in steps, each with a frame of this session. Their objects become garbage in the same transactions, where no
 * other row names them.
 */
import type { Database, PartitionKey, SegmentRow } from '../../../store.ts'
import { keyOfRow } from './ports.ts'
import type { RowWriter } from './row-writer.ts'

/** In one transaction. */
const mostRows = 500
const mostPartitions = 100

/** Takes those that are done from `keys`. What fails can be tried again. */
export async function removePartitionRows(database: Database, rows: RowWriter, keys: PartitionKey[]): Promise<void> {
  while (keys.length > 0) {
    const some: PartitionKey[] = []
    let found = 0
    while (some.length < Math.min(keys.length, mostPartitions)) {
      const key = keys[some.length]!
      const segments = await database.segments([key])
      if (some.length > 0 && found + segments.length > mostRows) break
      found += await allButSome(rows, segments)
      some.push(key)
    }
    await rows.commit(
      () => ({ removePartitions: some }),
      () => {},
    )
    keys.splice(0, some.length)
  }
}

/** Removes the first ones until a single transaction can take the rest. Returns how many those are. */
async function allButSome(rows: RowWriter, segments: readonly SegmentRow[]): Promise<number> {
  let at = 0
  for (; segments.length - at > mostRows; at += mostRows) {
    const removeSegments = segments.slice(at, at + mostRows).map(keyOfRow)
    await rows.commit(
      () => ({ removeSegments }),
      () => {},
    )
  }
  return segments.length - at
}
