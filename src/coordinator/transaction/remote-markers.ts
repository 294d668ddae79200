/** How the transaction coordinator has markers written to partitions that other brokers lead. */
import type { KafkaError } from '../../protocol.ts'
import type { ProducerMarker } from '../shard.ts'

export type Place = readonly [topic: string, partition: number]

export interface RemoteMarker extends ProducerMarker {
  /** `transaction.version` as the client uses it: with 2, the epoch of the marker is higher than that of the records it ends. */
  transactionVersion: number
}

export interface RemoteMarkers {
  /**
   * One attempt for each place. Calls back later, never at once: null if the marker is durable there or not needed any more; otherwise it
   * may have been written, and must be tried again.
   */
  write(marker: RemoteMarker, places: readonly Place[], done: (place: Place, failure: KafkaError | null) => void): void
}
