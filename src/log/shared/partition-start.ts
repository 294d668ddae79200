/** What a partition is up to where its pieces end, from the rows that the database has of it. */
import type { ClockHistory } from '../../base.ts'
import type { LogSettings, PartitionSpec } from '../../log.ts'
import type { Offset } from '../../protocol.ts'
import type { PartitionRow, SegmentRow } from '../../store.ts'
import { decodePartition } from '../journal/state-record.ts'
import { LeaderEpochs } from '../partition/leader-epochs.ts'
import { ProducerStates } from '../partition/producer-state.ts'

export interface SharedStart {
  readonly flushedEnd: Offset
  readonly logStart: Offset
  /** In order, touching each other, up to `flushedEnd`. */
  readonly segments: readonly SegmentRow[]
  readonly leaderEpoch: number
  readonly epochs: LeaderEpochs
  /** At `flushedEnd`. */
  readonly producers: ProducerStates | null
}

export function emptyStart(): SharedStart {
  return { flushedEnd: 0, logStart: 0, segments: [], leaderEpoch: 0, epochs: new LeaderEpochs(), producers: null }
}

/** Throws if the state is damaged. */
export function startOf(
  row: PartitionRow,
  segments: readonly SegmentRow[],
  { topic, partition }: PartitionSpec,
  settings: LogSettings,
  history: ClockHistory,
): SharedStart {
  const { flushedEnd, logStart } = row
  const state = decodePartition(Buffer.from(row.state))
  if (state.endOffset !== flushedEnd) throw new Error(`its state is that at offset ${state.endOffset}, and its pieces end at ${flushedEnd}`)
  let producers: ProducerStates | null = null
  if (state.producers !== null) {
    producers = new ProducerStates(`${topic}-${partition}`, settings)
    producers.loadSnapshot(state.producers, history, settings.producerIdExpirationMs)
  }
  return { flushedEnd, logStart, segments, leaderEpoch: state.leaderEpoch, epochs: new LeaderEpochs(state.epochs), producers }
}

/** Why the pieces are not all offsets from `logStart` to `flushedEnd`, each once; null if they are. */
export function gapIn(segments: readonly SegmentRow[], logStart: Offset, flushedEnd: Offset): string | null {
  const first = segments[0]
  if (first === undefined) return logStart >= flushedEnd ? null : `the pieces with the offsets ${logStart} to ${flushedEnd} are missing`
  if (first.baseOffset > logStart) return `the log starts at ${logStart}, and its first piece at ${first.baseOffset}`
  let end = first.baseOffset
  for (const { baseOffset, endOffset } of segments) {
    if (baseOffset !== end || endOffset < baseOffset) return `a piece with the offsets ${baseOffset} to ${endOffset} follows offset ${end}`
    end = endOffset
  }
  return end === flushedEnd ? null : `the pieces end at ${end}, but should end at ${flushedEnd}`
}
