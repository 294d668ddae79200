/**
 * The port behind which partitions change their broker, one implementation for each home of the log.
 *
 * Only the broker that leads a partition can give it away: it alone knows when its last append is durable. Everybody else asks that broker
 * (`elections.ts`).
 */
import type { PartitionKey } from '../../coordinator.ts'
import type { KafkaError } from '../../protocol.ts'

/** So many partitions are moved together: clients wait for all of them. */
export const mostAtOnce = 16

export interface Mover {
  /**
   * Gives these partitions, of which this broker leads each, to the broker `to`; at most {@link mostAtOnce}. From a moment on they refuse appends with
   * NOT_LEADER_OR_FOLLOWER; what they took before becomes as durable as was promised. One outcome per partition, in order: null when the
   * metadata says that `to` leads; otherwise it stays here, and goes on as before. Never rejects.
   */
  move(partitions: readonly PartitionKey[], to: number): Promise<(KafkaError | null)[]>
}
