/** Which other broker leads a partition, as the metadata says. */
import type { ClusterMetadata } from '../../coordinator.ts'
import { KafkaError } from '../../protocol.ts'

export class Leaders {
  readonly #metadata: Pick<ClusterMetadata, 'topicId' | 'leaderOf'>
  readonly #self: number

  constructor(metadata: Pick<ClusterMetadata, 'topicId' | 'leaderOf'>, self: number) {
    this.#metadata = metadata
    this.#self = self
  }

  /**
   * null: this broker leads the partition, or there is no such partition, as this broker then says itself. Throws LEADER_NOT_AVAILABLE when
   * nobody leads it.
   */
  elsewhere(topic: string, partition: number): number | null {
    const topicId = this.#metadata.topicId(topic)
    const leader = topicId === undefined ? undefined : this.#metadata.leaderOf(topicId, partition)
    if (leader === undefined || leader === this.#self) return null
    if (leader < 0) throw new KafkaError('LEADER_NOT_AVAILABLE', `${topic}-${partition} has no leader now`)
    return leader
  }

  /** null: no other broker leads it now. */
  elsewhereNow(topic: string, partition: number): number | null {
    try {
      return this.elsewhere(topic, partition)
    } catch (error) {
      if (error instanceof KafkaError) return null
      throw error
    }
  }
}
