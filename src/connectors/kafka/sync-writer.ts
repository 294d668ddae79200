/**
 * Writes which records of the source are which ones of the target, beside the copy: what is lost of it makes translations coarser, and never wrong.
 *
 * A round is written at most once a second, with a bounded number of runs of each partition.
 */
import { pause } from '../../base.ts'
import type { Client } from '../../client.ts'
import type { SourceContext } from '../../connector.ts'
import { encodeOffsetSync, nameOf, type Place, type Run } from './formats.ts'
import { extend } from './translation.ts'

const everyMs = 1_000
/** Of one partition in a round. */
const mostRuns = 16

export class SyncWriter {
  readonly #client: Client
  readonly #topic: string
  readonly #context: Pick<SourceContext, 'system' | 'signal' | 'log'>
  readonly #waiting = new Map<string, { place: Place; runs: Run[] }>()
  /** Of rounds that have failed since one has succeeded. */
  #failures = 0
  #isClosed = false
  #writing: Promise<void> | null = null

  constructor(client: Client, topic: string, context: Pick<SourceContext, 'system' | 'signal' | 'log'>) {
    this.#client = client
    this.#topic = topic
    this.#context = context
  }

  add(place: Place, runs: readonly Run[]): void {
    this.#put(place, runs)
    this.#writing ??= this.#write().finally(() => (this.#writing = null))
  }

  /** Of too many, the first one and the newest ones are kept. */
  #put(place: Place, runs: readonly Run[]): void {
    const name = nameOf(place)
    const all = this.#waiting.get(name)?.runs ?? []
    for (const run of runs) extend(all, run)
    if (all.length > mostRuns) all.splice(1, all.length - mostRuns)
    this.#waiting.set(name, { place, runs: all })
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#writing
    await this.#round()
  }

  async #write(): Promise<void> {
    const { system, signal } = this.#context
    while (this.#waiting.size > 0 && !this.#isClosed) {
      await this.#round()
      await pause(system, everyMs * Math.min(1 + this.#failures, 30), signal)
      if (signal.aborted) return
    }
  }

  async #round(): Promise<void> {
    const round = [...this.#waiting.values()]
    if (round.length === 0) return
    this.#waiting.clear()
    const records = round.flatMap(({ place, runs }) => runs.map(run => ({ partition: 0, ...encodeOffsetSync(place, run) })))
    try {
      await this.#client.send(this.#topic, records)
      this.#failures = 0
    } catch (error) {
      if (this.#failures++ === 0)
        this.#context.log.warn(
          { topic: this.#topic, err: error },
          'offset syncs could not be written: until they are, offsets of groups are translated up to the last ones',
        )
      const since = [...this.#waiting.values()]
      this.#waiting.clear()
      for (const { place, runs } of [...round, ...since]) this.#put(place, runs)
    }
  }
}
