/**
 * Markers for a log that does not keep the order of appends to several partitions: in the shared home, a small append to one partition is
 * durable before a large, earlier one to another. There a marker must not be written before its decision is durable, nor the end of the
 * transaction before its markers are: so this broker's partitions are treated as those of others are.
 */
import { type KafkaError, toKafkaError } from '../../protocol.ts'
import type { ProducerMarker } from '../shard.ts'
import type { Place, RemoteMarker, RemoteMarkers } from './remote-markers.ts'

export class DurableMarkers implements RemoteMarkers {
  /** Settles when the marker is durable, or not needed; null: another broker leads the partition. Throws if it cannot be written now. */
  readonly #own: (place: Place, marker: ProducerMarker) => Promise<void> | null
  readonly #remote: RemoteMarkers | null

  constructor(own: (place: Place, marker: ProducerMarker) => Promise<void> | null, remote: RemoteMarkers | null) {
    this.#own = own
    this.#remote = remote
  }

  write(marker: RemoteMarker, places: readonly Place[], done: (place: Place, failure: KafkaError | null) => void): void {
    const elsewhere = places.filter(place => !this.#write(marker, place, done))
    if (elsewhere.length > 0) this.#remote?.write(marker, elsewhere, done)
  }

  /** False: another broker leads it. */
  #write(marker: RemoteMarker, place: Place, done: (place: Place, failure: KafkaError | null) => void): boolean {
    let durable: Promise<void> | null
    try {
      durable = this.#own(place, marker)
    } catch (error) {
      durable = Promise.reject(error)
    }
    if (durable === null) return false
    durable.then(
      () => done(place, null),
      error => done(place, toKafkaError(error)),
    )
    return true
  }
}
