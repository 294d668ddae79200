/**
 * Rebuilds the aborted transactions of a segment when its `.txnindex` is damaged: from the producers at the beginning of this or an
 * earlier segment, and the batches since. Kafka does the same at its next start.
 */
import type { FileSystem } from '../../base.ts'
import { type BatchInfo, emptyBatchInfo, readBatchInfo } from '../partition/batch-info.ts'
import { ProducerStates } from '../partition/producer-state.ts'
import type { AbortedTransaction } from './aborted-entries.ts'
import { type Segment, segmentName } from './segment.ts'

/** Of the last of the segments, which follow one another. Rejects when the log itself cannot be read. */
export async function abortedAgain(files: FileSystem, directory: string, segments: readonly Segment[]): Promise<AbortedTransaction[]> {
  const producers = new ProducerStates(directory)
  let first = segments.length - 1
  while (!load(files, `${directory}/${segmentName(segments[first]!.baseOffset)}.snapshot`, producers) && first > 0) first--
  let aborted: AbortedTransaction[] = []
  const info = emptyBatchInfo()
  for (const segment of segments.slice(first)) {
    aborted = []
    const end = await segment.scan(0, 'whole', (buffer, at) => {
      const completed = ended(producers, readBatchInfo(buffer, at, info))
      if (completed !== null) aborted.push(completed)
      return undefined
    })
    if (end.problem !== null) throw new Error(`${segment.path}: ${end.problem} at position ${end.position}`)
  }
  return aborted
}

function ended(producers: ProducerStates, batch: BatchInfo): AbortedTransaction | null {
  if (batch.producerId < 0) return null
  const completed = producers.apply(batch)
  producers.settle(producers.mark())
  producers.highWatermarkMoved(batch.lastOffset + 1)
  return completed?.aborted === true ? completed : null
}

/** False if there is none, or a damaged one: earlier data contains the same information. */
function load(files: FileSystem, path: string, producers: ProducerStates): boolean {
  try {
    const snapshot = files.readFile(path)
    if (snapshot !== null) producers.loadSnapshot(snapshot, [], Number.POSITIVE_INFINITY)
    return snapshot !== null
  } catch {
    return false
  }
}
