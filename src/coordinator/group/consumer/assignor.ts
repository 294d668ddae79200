/**
 * The assignors of the broker (KIP-848) by name. They decide which member should have which partition.
 *
 * They ignore racks, as Kafka's do: in 4.3.1 and 4.4.0 neither UniformAssignor nor RangeAssignor nor their builders
 * (UniformHomogeneousAssignmentBuilder, UniformHeterogeneousAssignmentBuilder), nor SimpleAssignor of share groups, use a member's rackId or
 * SubscribedTopicDescriber.racksForPartition; these exist for custom assignors. With one broker, a partition has one rack, which
 * never changes, so the hash of a subscription's metadata (KIP-1101) does not include it either. Members' racks are stored and described.
 */
import { rangeAssignor } from './assignor-range.ts'
import type { Assignor } from './assignor-types.ts'
import { uniformAssignor } from './assignor-uniform.ts'

export type { Assignor, AssignorMember } from './assignor-types.ts'

const assignors: ReadonlyMap<string, Assignor> = new Map([
  ['uniform', uniformAssignor],
  // Kafka lets operators name its own assignors by class too.
  ['org.apache.kafka.coordinator.group.assignor.UniformAssignor', uniformAssignor],
  ['range', rangeAssignor],
  ['org.apache.kafka.coordinator.group.assignor.RangeAssignor', rangeAssignor],
])

/** `names` as in `group.consumer.assignors`; the first is the default. */
export function assignorsNamed(names: readonly string[]): ReadonlyMap<string, Assignor> {
  const chosen = new Map<string, Assignor>()
  for (const name of names) {
    const assignor = assignors.get(name)
    if (assignor !== undefined) chosen.set(assignor.name, assignor)
  }
  if (chosen.size === 0) chosen.set(uniformAssignor.name, uniformAssignor)
  return chosen
}
