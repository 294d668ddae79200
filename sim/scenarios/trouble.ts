/** The faults of a run: the broker crashes, loses power, pauses, a sync of its disk fails, its connections break; and it comes back. */
import type { Machine } from '../world/machine.ts'
import { cuts } from '../world/power-cut.ts'
import type { SeededRandom } from '../world/random.ts'
import type { Plant } from './exactly-once-plants.ts'
import type { Stage } from './exactly-once-stage.ts'

/** What serves the clients of a scenario, and what goes wrong with it. */
export interface Hardware {
  readonly crashes: number
  /** Resolves when the machine that somebody watches is down. */
  readonly down: Promise<void>
  /** Starts what is down, until the end. */
  keepUp(): Promise<void>
  /** Faults, until the virtual time for them is over; then all is up, or soon will be. */
  spoil(random: SeededRandom): Promise<void>
  /** As an operator stops it; then what is left is judged. */
  shutDown(): Promise<void>
  /** Takes a planted bug out again. */
  uproot(): void
}

export interface TroubleOptions {
  stage: Stage
  machine: Machine
  random: SeededRandom
  /** A bug on purpose. */
  plant?: Plant | undefined
  /** Something happens to a client. */
  disturb(random: SeededRandom): void
}

export class Trouble implements Hardware {
  readonly #options: TroubleOptions
  #upSinceMs = 0
  /** Takes the planted bug out again. */
  #uproot: (() => void) | null = null
  #closing = false

  constructor(options: TroubleOptions) {
    this.#options = options
  }

  get crashes(): number {
    return this.#options.machine.crashes
  }

  get down(): Promise<void> {
    return this.#options.machine.down
  }

  /** Starts the broker whenever it is down, until the end. */
  async keepUp(): Promise<void> {
    const { stage, machine, random, plant } = this.#options
    const operator = stage.process()
    while (!this.#closing) {
      await machine.boot()
      const { broker } = machine
      if (broker !== null) {
        stage.world.note('up')
        if (this.#uproot !== null) this.#upSinceMs = stage.nowMs
        else this.#uproot = plant?.(broker, () => this.#upSinceMs) ?? null
      }
      await machine.down
      await operator.sleep(random.fraction() * 400)
    }
  }

  /** Faults, until the virtual time for them is over; then the broker is up. */
  async spoil(random: SeededRandom): Promise<void> {
    const { stage, machine } = this.#options
    const demon = stage.process()
    const untilMs = stage.nowMs + 4000 + random.fraction() * 6000
    while (stage.nowMs < untilMs) {
      await demon.sleep(100 + random.fraction() * 900)
      this.#fault(random)
    }
    stage.healed = true
    stage.onEnd = null
    machine.calm()
    if (!machine.up) await stage.process().sleep(1000)
  }

  #fault(random: SeededRandom): void {
    const { stage, machine, disturb } = this.#options
    const fault = random.below(20)
    if (fault < 5) this.#crashAtEnd(random)
    else if (fault < 9) machine.crashAfter(1 + random.below(150), random.pick(cuts))
    else if (fault < 11) machine.pause(random.pick([100, 1000, 3500]) * (0.5 + random.fraction()))
    else if (fault < 13) machine.disk?.faults.fail('datasync', 'EIO', { nth: 1 + random.below(4) })
    else if (fault < 16) stage.network.breakOne()
    else disturb(random)
  }

  /** The power fails just when a client was told something that must last. */
  #crashAtEnd(random: SeededRandom): void {
    const { stage, machine } = this.#options
    const cut = random.pick(cuts)
    stage.onEnd = () => {
      stage.onEnd = null
      machine.crash(cut)
    }
  }

  async shutDown(): Promise<void> {
    this.#closing = true
    await this.#options.machine.shutDown()
  }

  uproot(): void {
    this.#uproot?.()
  }
}
