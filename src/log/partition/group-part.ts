/**
 * A partition's share of the gathered group, or of a separate group for appends that bypass the journal: the state of the partition when it
 * joined, so that all changes since then can be undone.
 *
 * A group is never undone across a segment roll, so only one segment has to be restored.
 */
import type { Offset } from '../../protocol.ts'
import type { GroupCommit } from '../journal/commit.ts'
import type { Group } from '../journal/group.ts'
import type { Segment } from '../segments/segment.ts'
import type { SegmentState } from '../segments/segment-state.ts'
import type { EpochStart } from './leader-epochs.ts'
import type { Partition } from './partition.ts'

export class GroupPart {
  readonly group: Group
  readonly endOffset: Offset
  /** What is gathered to be written past the journal; null in a group that goes through it. */
  readonly gathered: Buffer[] | null
  /** Bytes of the group may be in the segment file. */
  direct = false
  /** Appended in the group. */
  bytes = 0
  readonly #partition: Partition
  readonly #segment: Segment
  readonly #segmentState: SegmentState
  readonly #producerMark: number
  readonly #askedLogStart: Offset
  /** null: they have not changed. */
  #epochs: readonly EpochStart[] | null = null

  /** Joins. Throws KAFKA_STORAGE_ERROR, and then has not, when the partition's first segment cannot be made. */
  constructor(partition: Partition, commit: GroupCommit, pastJournal: boolean) {
    const { segments, files, logEndOffset, producerStates, context } = partition
    this.#partition = partition
    this.#segment = segments.active ?? files.begin(logEndOffset, context.system.clock.now())
    this.#segmentState = this.#segment.state()
    this.#producerMark = producerStates?.mark() ?? 0
    this.#askedLogStart = partition.askedLogStart
    this.endOffset = logEndOffset
    this.group = pastJournal ? commit.joinDirect(partition) : commit.join(partition)
    this.gathered = pastJournal ? [] : null
    files.tail.hold(this.#segment, this.#segment.size)
  }

  /** To be called before the leader epochs change. */
  keepEpochs(): void {
    this.#epochs ??= [...this.#partition.epochs.entries]
  }

  /** Throws KAFKA_STORAGE_ERROR. */
  writeOut(): void {
    this.direct = true
    this.#partition.files.write(this.gathered!, this.#segment, this.#segmentState.size)
  }

  undo(): void {
    const partition = this.#partition
    partition.producerStates?.rollback(this.#producerMark)
    if (this.#epochs !== null) partition.epochs.restore(this.#epochs)
    partition.files.takeBack(this.#segment, this.#segmentState, this.endOffset, this.direct)
    partition.askedLogStart = this.#askedLogStart
    partition.logEndOffset = this.endOffset
  }
}
