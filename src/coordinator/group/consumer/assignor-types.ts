/** The input and output of an assignor. */
import type { Uuid } from '../../../protocol.ts'
import type { Target } from './partitions.ts'

export interface AssignorMember {
  memberId: string
  instanceId: string | null
  /** Ids of the topics it subscribes to; all exist. */
  topics: ReadonlySet<Uuid>
  /** What it should have had so far. */
  target: Target
}

export interface Assignor {
  readonly name: string
  /** `partitionCounts` has every subscribed topic. All members subscribe to the same when `homogeneous`. */
  assign(members: readonly AssignorMember[], partitionCounts: ReadonlyMap<Uuid, number>, homogeneous: boolean): ReadonlyMap<string, Target>
}
