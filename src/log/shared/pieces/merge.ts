/**
 * Merges neighbouring pieces, so that a partition has few rows and a reader few objects. Only reads and writes objects; the caller commits the rows.
 *
 * A byte is written again a few times at most: neighbours are merged when they fill a piece of the wanted size, or when there are so many of
 * similar size that one piece of them is several times as large as each.
 */
import type { Turns } from '../../../base.ts'
import type { SegmentRow } from '../../../store.ts'
import { AbortedEntries } from '../../segments/aborted-entries.ts'
import { uuidOf } from '../topic-id.ts'
import type { PieceRange } from './piece.ts'
import { abortedAtOnce } from './piece-index.ts'
import type { PieceStore } from './piece-store.ts'

/** Rows that go, all neighbours, and those in their place: same first base offset, same last end offset. */
export interface Rewritten {
  readonly removed: readonly SegmentRow[]
  readonly added: readonly SegmentRow[]
}

const leastSimilar = 8
/** The largest of similar ones has at most this part of all. */
const largestPart = 1 / 4

/** Groups of neighbours each of which should be one piece. `rows`: neighbours of one partition, in order. */
export function mergeable(rows: readonly SegmentRow[], mergedBytes: number): SegmentRow[][] {
  const groups: SegmentRow[][] = []
  let run: SegmentRow[] = []
  let bytes = 0
  const end = () => {
    const similar = similarOf(run)
    if (similar !== null) groups.push(similar)
    run = []
    bytes = 0
  }
  for (const row of rows) {
    if (row.bytes >= mergedBytes) {
      end()
      continue
    }
    run.push(row)
    bytes += row.bytes
    if (bytes < mergedBytes) continue
    if (run.length > 1) groups.push(run)
    run = []
    bytes = 0
  }
  end()
  return groups
}

/** The longest end of the run whose pieces are of similar size, if they are enough. */
function similarOf(run: readonly SegmentRow[]): SegmentRow[] | null {
  let found: SegmentRow[] | null = null
  let bytes = 0
  let largest = 0
  for (let first = run.length - 1; first >= 0; first--) {
    bytes += run[first]!.bytes
    largest = Math.max(largest, run[first]!.bytes)
    if (run.length - first >= leastSimilar && largest <= bytes * largestPart) found = run.slice(first)
  }
  return found
}

/** One piece with all batches of the rows, which are neighbours. */
export async function merge(store: PieceStore, turns: Turns, rows: readonly SegmentRow[], nameObject?: () => string): Promise<Rewritten> {
  const range = rangeOf(rows)
  const aborted = new AbortedEntries(range.baseOffset)
  const batches = async function* () {
    for (const row of rows) {
      yield* store.batches(row)
      const { aborted: more } = await store.index(row)
      for (let nth = 0; nth < more.count; nth += abortedAtOnce) {
        if (turns.over) await turns.next()
        aborted.appendOf(more, nth, abortedAtOnce)
      }
    }
  }
  const { lastStableOffset } = await store.index(rows.at(-1)!)
  const row = await store.writeStream(range, batches(), () => ({ aborted, lastStableOffset }), nameObject)
  return { removed: rows, added: [row] }
}

/** What one piece in the place of these neighbours covers. */
export function rangeOf(rows: readonly SegmentRow[]): PieceRange {
  const { topicId, partition, baseOffset } = rows[0]!
  return { topicId: uuidOf(topicId), partition, baseOffset, endOffset: rows.at(-1)!.endOffset }
}
