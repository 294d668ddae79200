/** Puts rewritten pieces in the place of others, if these are still there. */
import type { SegmentRow } from '../../../store.ts'
import type { Rewritten } from '../pieces/merge.ts'
import type { Leftovers } from './leftovers.ts'
import { type FlushedPartition, keyOfRow } from './ports.ts'
import type { RowWriter } from './row-writer.ts'

/** False: the partition is being given away, or retention was faster. Rejects when the session has ended. Then what was written is not needed. */
export async function replaceRows(
  rows: RowWriter,
  leftovers: Leftovers,
  partition: FlushedPartition,
  { removed, added }: Rewritten,
): Promise<boolean> {
  let done = false
  const make = () => {
    done = partition.writable && hasRun(partition.segments, removed)
    return done ? { removeSegments: removed.map(keyOfRow), addSegments: added } : {}
  }
  const apply = () => {
    if (done) partition.replaceSegments(removed, added)
  }
  await rows.commit(make, apply)
  if (!done) leftovers.discard(added.map(each => each.object))
  return done
}

function hasRun(all: readonly SegmentRow[], run: readonly SegmentRow[]): boolean {
  const start = all.indexOf(run[0]!)
  return start >= 0 && run.every((row, nth) => all[start + nth] === row)
}
