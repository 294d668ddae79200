/**
 * Something that goes on beside the clients of a scenario, on topics of its own, and is judged at the end by itself: what a broker has to keep
 * beyond that scenario.
 */
import type { SeededRandom } from '../../world/random.ts'
import type { Wire } from '../../world/wire.ts'
import type { Cast, Play } from '../play.ts'

export interface SideShow {
  /** Until the faults are over. */
  run(): Promise<void>
  /** All is well again. Throws a Finding when a promise was broken. */
  judge(): Promise<void>
}

/** The clients of a scenario, with some shows beside them. */
export class WithSideShows<C extends Cast> implements Cast {
  readonly main: C
  readonly #run: Play
  readonly #shows: readonly SideShow[]
  #running: Promise<void>[] = []

  constructor(run: Play, main: C, shows: readonly SideShow[]) {
    this.#run = run
    this.main = main
    this.#shows = shows
  }

  begin(): Promise<Promise<void>[]> {
    this.#running = this.#shows.map(show => this.#run.background(show.run()))
    return this.main.begin()
  }

  disturb(random: SeededRandom): void {
    this.main.disturb(random)
  }

  said(message: string): void {
    this.main.said?.(message)
  }

  unfinished(wire: Wire, ends: ReadonlyMap<string, number>): Promise<readonly unknown[] | null> {
    return this.main.unfinished(wire, ends)
  }

  async finish(): Promise<void> {
    await Promise.all(this.#running)
    await this.main.finish?.()
    for (const show of this.#shows) await show.judge()
  }

  anomalies(): ReturnType<Cast['anomalies']> {
    return this.main.anomalies()
  }

  seen(): unknown {
    return this.main.seen()
  }
}
