/**
 * A whole broker and its clients in one seeded world: faults for a while, then none, until the clients have finished their work.
 *
 * Hides what all scenarios share: world, network, machine, input, faults, and the trace by which two runs of a seed are compared. A scenario
 * is a {@link Cast}: what its clients do, and the checker that judges what they saw.
 */
import { createHash } from 'node:crypto'
import type { Logger } from '../../src/logger.ts'
import { Machine } from '../world/machine.ts'
import { Network } from '../world/network.ts'
import type { SeededRandom } from '../world/random.ts'
import type { Wire } from '../world/wire.ts'
import { simulatedWorld, type World } from '../world/world.ts'
import { logEnds, persist, produceInput, setUp } from './exactly-once-clients.ts'
import type { Plant } from './exactly-once-plants.ts'
import { type Assignment, longestDelayMs, Stage } from './exactly-once-stage.ts'
import { Finding } from './finding.ts'
import { type Hardware, Trouble } from './trouble.ts'

export interface PlayOptions {
  seed: number
  /** A bug on purpose. */
  plant?: Plant
  /** What happened, when it ended badly. */
  log?: (line: string) => void
}

export interface PlayResult {
  /** Of all that happened: two runs of a seed must agree. */
  trace: string
  history: readonly string[]
  crashes: number
}

/** What is settled before anything happens. */
export interface Setting {
  config: Readonly<Record<string, string>>
  assignment: Assignment
  /** Records of input. */
  inputs: number
  /** How often a connection breaks at a request, and at a response; one of them is drawn. */
  losses: readonly (readonly [request: number, response: number])[]
  /** Default: one. */
  brokers?: number
  /** Default: a machine with a disk. */
  hardware?: (options: HardwareOptions) => Hardware
}

export interface HardwareOptions {
  stage: Stage
  random: SeededRandom
  /** A bug on purpose. */
  plant: Plant | undefined
  settings: Readonly<Record<string, string>>
  logger: Logger
  /** Something happens to a client. */
  disturb(random: SeededRandom): void
}

function oneMachine({ settings, logger, ...options }: HardwareOptions): Hardware {
  const { world, network } = options.stage
  const machine = new Machine({ world, network, random: options.random.fork(), settings: { ...settings }, logger })
  return new Trouble({ ...options, machine })
}

/** The clients of a scenario, and the judge of what they saw. */
export interface Cast {
  /** The clients begin. Resolves to those that must have ended before the history is complete; they end when the stage is over. */
  begin(): Promise<Promise<void>[]>
  /** Something happens to a client. */
  disturb(random: SeededRandom): void
  /** A broker said so, to inform or to warn. */
  said?(message: string): void
  /** What is left of the input; null when nobody could say. */
  unfinished(wire: Wire, ends: ReadonlyMap<string, number>): Promise<readonly unknown[] | null>
  /** The clients have ended, and the broker still serves. */
  finish?(): Promise<void>
  anomalies(): readonly { anomaly: string; witness: string }[]
  /** All that clients saw, for the trace. */
  seen(): unknown
}

/** Of simulated time. */
const longestMs = 20 * 60_000

/** Plays a seed to its end. Throws a Finding when a promise was broken. */
export async function play<C extends Cast>(
  options: PlayOptions,
  settingOf: (random: SeededRandom) => Setting,
  castOf: (run: Play) => C,
): Promise<{ result: PlayResult; cast: C; stage: Stage }> {
  const world = simulatedWorld({ seed: options.seed })
  const run = new Play(world, options, settingOf(world.random))
  const cast = castOf(run)
  try {
    const tooLong = run.stage
      .process()
      .sleep(longestMs)
      .then(() => run.stage.never(`the run has not ended after ${longestMs / 60_000} minutes of its time`))
    await world.run(Promise.race([run.perform(cast), run.stage.failure, tooLong]))
  } catch (error) {
    for (const line of world.history) options.log?.(line)
    throw error
  } finally {
    run.uproot()
  }
  const hash = createHash('sha256')
  for (const line of world.history) hash.update(`${line}\n`)
  hash.update(JSON.stringify(cast.seen()))
  const result = { trace: hash.digest('hex'), history: world.history, crashes: run.hardware.crashes }
  return { result, cast, stage: run.stage }
}

export class Play {
  readonly stage: Stage
  readonly hardware: Hardware
  readonly random: SeededRandom
  readonly #inputs: number
  #cast: Cast | null = null

  constructor(world: World, { plant }: PlayOptions, { config, assignment, inputs, losses, brokers = 1, hardware = oneMachine }: Setting) {
    const { random } = world
    this.random = random
    this.#inputs = inputs
    const networkRandom = random.fork()
    const [requests, responses] = random.pick(losses)
    const network = new Network({
      clock: world.system.clock,
      timers: world.system.timers,
      random: networkRandom,
      latency: () => 0.1 + networkRandom.fraction() * (networkRandom.chance(0.02) ? 80 : 1.5),
      breaks: direction => !this.stage.healed && networkRandom.chance(direction === 'request' ? requests : responses),
    })
    this.stage = new Stage(world, network, { partitions: 2 + random.below(2), assignment, brokers })
    const disturb = (chance: SeededRandom) => this.#cast!.disturb(chance)
    this.hardware = hardware({ stage: this.stage, random, plant, disturb, settings: config, logger: this.#logger() })
  }

  async perform(cast: Cast): Promise<void> {
    const { stage, random } = this
    this.#cast = cast
    this.background(this.hardware.keepUp())
    await setUp(stage, random.fork())
    const clients = await cast.begin()
    const producing = [0, 1].map(index => this.background(produceInput(stage, random.fork(), `p${index}`, this.#inputs >> 1)))
    await this.hardware.spoil(random.fork())
    await Promise.all(producing)
    // What a producer that died has left on the way is there by now.
    await stage.process().sleep(longestDelayMs)
    await this.#workDone(cast)
    stage.over = true
    await Promise.all(clients)
    await cast.finish?.()
    await this.hardware.shutDown()
    const found = cast.anomalies()
    if (found.length > 0) throw new Finding(summary(found))
  }

  /** What goes wrong in the background is the run's failure. */
  background(work: Promise<void>): Promise<void> {
    work.catch(error => this.stage.fail(error))
    return work
  }

  uproot(): void {
    this.hardware.uproot()
  }

  #logger(): Logger {
    const quiet = () => {}
    return {
      level: 'debug',
      debug: quiet,
      info: (_, message) => this.#cast?.said?.(message),
      warn: (details, message) => {
        this.stage.world.note(`warn ${message} ${String((details as { err?: Error }).err?.message)}`)
        this.#cast?.said?.(message)
      },
      error: (details, message) => {
        const { err } = details as { err?: Error }
        this.stage.fail(new Finding(`the broker logged an error: ${message}: ${err?.stack ?? JSON.stringify(details)}`))
      },
    }
  }

  async #workDone(cast: Cast): Promise<void> {
    const { stage } = this
    const process = stage.process()
    const wire = stage.wire(process, this.random.fork())
    const ends = await logEnds(stage, process, wire, 0)
    const limit = stage.nowMs + 60_000
    let left: readonly unknown[] | null = null
    await persist(
      stage,
      process,
      async () => {
        if (stage.nowMs > limit) stage.never(`the work does not come to its end: ${JSON.stringify(left)} is left`)
        left = await cast.unfinished(wire, ends)
        return left?.length === 0 ? true : null
      },
      5000,
    )
    wire.close()
  }
}

function summary(found: readonly { anomaly: string; witness: string }[]): string {
  const lines = found.slice(0, 8).map(({ anomaly, witness }) => `${anomaly}: ${witness}`)
  if (found.length > lines.length) lines.push(`… ${found.length} in all`)
  return lines.join('\n  ')
}
