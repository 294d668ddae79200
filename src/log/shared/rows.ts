/** Reads the rows of partitions, each by {@link nameOf}. */
import { chunks } from '../../base.ts'
import type { Database, PartitionKey, PartitionRow, SegmentRow } from '../../store.ts'

/** Whose segments are asked for at once. */
const partitionsAtOnce = 250

export async function partitionRows(database: Database, keys: readonly PartitionKey[]): Promise<Map<string, PartitionRow>> {
  const rows = await database.partitions(keys)
  return new Map(rows.map(row => [nameOf(row), row]))
}

/** Those of each partition in the order of their offsets. */
export async function segmentRows(database: Database, keys: readonly PartitionKey[]): Promise<Map<string, SegmentRow[]>> {
  const rows = new Map<string, SegmentRow[]>()
  for (const some of chunks(keys, partitionsAtOnce))
    for (const [name, of] of Map.groupBy(await database.segments(some), nameOf)) rows.set(name, of)
  return rows
}

export function nameOf({ topicId, partition }: PartitionKey): string {
  return `${topicId}/${partition}`
}
