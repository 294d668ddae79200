/** The state of a partition that a checkpoint stores. */
import type { PartitionState } from '../journal/state-record.ts'
import type { Segment } from '../segments/segment.ts'
import type { Partition } from './partition.ts'

/** Right after `flush`. `synced`: the active segment is, or will be before this is written. */
export function stateOf(partition: Partition, synced: boolean): PartitionState {
  const { topic, topicId, partition: number, leaderEpoch, producerStates } = partition
  const { active } = partition.segments
  return {
    topic,
    topicId,
    partition: number,
    logStartOffset: partition.askedLogStart,
    endOffset: partition.logEndOffset,
    synced,
    leaderEpoch,
    epochs: [...partition.epochs.entries],
    active: active === undefined ? null : activeState(active),
    producers: producerStates === null || producerStates.size === 0 ? null : producerStates.encodeRetained(),
  }
}

function activeState(active: Segment): PartitionState['active'] {
  const state = active.checkpoint()
  return { baseOffset: active.baseOffset, state, abortedChecksum: active.transactions.checksum }
}
