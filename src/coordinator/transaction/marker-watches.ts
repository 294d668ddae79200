/**
 * Notices when a marker of a producer is written, while another broker is asked whether the producer may write in its transaction: an answer
 * from before the marker no longer counts (Kafka's VerificationGuard). A batch that was appended on it would never be ended.
 */
import type { Int64 } from '../../base.ts'

export interface MarkerWatch {
  readonly ended: boolean
  stop(): void
}

class Watch implements MarkerWatch {
  ended = false
  readonly stop: () => void

  constructor(stop: (watch: Watch) => void) {
    this.stop = () => stop(this)
  }
}

export class MarkerWatches {
  readonly #watches = new Map<Int64, Set<Watch>>()

  begin(producerId: Int64): MarkerWatch {
    let watches = this.#watches.get(producerId)
    if (watches === undefined) this.#watches.set(producerId, (watches = new Set()))
    const watch = new Watch(stopped => {
      watches.delete(stopped)
      if (watches.size === 0 && this.#watches.get(producerId) === watches) this.#watches.delete(producerId)
    })
    watches.add(watch)
    return watch
  }

  notice(producerId: Int64): void {
    if (this.#watches.size === 0) return
    for (const watch of this.#watches.get(producerId) ?? []) watch.ended = true
  }
}
