/**
 * A client that asks one broker, whoever leads: as clients do whose metadata is old. It never asks anybody else, and does not wait for what the
 * broker has not committed yet, so it is there when a broker that was cut off or paused still answers although others have taken its place.
 */
import { apis, errorName } from '../../../src/protocol.ts'
import type { Process } from '../../world/process.ts'
import type { SeededRandom } from '../../world/random.ts'
import { NoAnswer, type Wire } from '../../world/wire.ts'
import type { Stage } from '../exactly-once-stage.ts'

export class Onlooker {
  readonly #broker: number
  readonly #process: Process
  readonly #wire: Wire

  constructor(stage: Stage, broker: number, random: SeededRandom) {
    this.#broker = broker
    this.#process = stage.process()
    this.#wire = stage.wire(this.#process, random)
  }

  /** Whether this broker says that the partition ends at `offset` or behind it. null: it says neither. */
  async reaches(topic: string, partition: number, offset: number): Promise<boolean | null> {
    const topics = [{ topic, partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: 1 }] }]
    const request = { maxWaitMs: 0, minBytes: 0, isolationLevel: 0, topics, forgottenTopicsData: [] }
    try {
      const { responses } = await this.#wire.callAt(this.#broker, apis.fetch, 12, request)
      const { errorCode, highWatermark } = responses[0]!.partitions[0]!
      if (errorCode === 0) return highWatermark >= offset
      return errorName(errorCode) === 'OFFSET_OUT_OF_RANGE' ? false : null
    } catch (error) {
      if (error instanceof NoAnswer) return null
      throw error
    }
  }

  sleep(ms: number): Promise<void> {
    return this.#process.sleep(ms)
  }

  close(): void {
    this.#process.kill()
    this.#wire.close()
  }
}
