/**
 * Exactly-once consume–transform–produce against brokers of one cluster, over a PostgreSQL and an object store that fail, too.
 *
 * The clients and the checker are those of one broker (exactly-once.ts): a cluster has to keep the same promises. At the end the stores are
 * judged as well: every row's object is there, the segments of each partition are contiguous, and nothing was written twice in different ways.
 */
import type { SeededRandom } from '../world/random.ts'
import type { ClusterPlant } from './cluster-plants.ts'
import { ClusterTrouble } from './cluster-trouble.ts'
import { type ExactlyOnceResult, exactlyOnceConfig, losses, resultOf, Workers } from './exactly-once.ts'
import type { Assignment } from './exactly-once-stage.ts'
import { Noise } from './noise.ts'
import { type HardwareOptions, type Play, type PlayOptions, play } from './play.ts'

export interface ClusterOptions extends Omit<PlayOptions, 'plant'> {
  plant?: ClusterPlant
}

export interface ClusterResult extends ExactlyOnceResult {
  /** Starts of brokers. */
  starts: number
  sessions: number
  segments: number
}

const config = {
  ...exactlyOnceConfig,
  'offsets.topic.replication.factor': '2',
  'transaction.state.log.replication.factor': '2',
  'default.replication.factor': '2',
}

let loaded: Promise<unknown> | null = null

/**
 * A broker loads the modules of the cluster when it first needs them. That takes real time, of which a simulated world knows nothing, so the first
 * world is one that nobody looks at.
 */
async function loadModules(): Promise<void> {
  await import('../../src/channel.ts')
  await simulate({ seed: 0 })
}

/** Throws a Finding when a promise was broken. */
export async function cluster(options: ClusterOptions): Promise<ClusterResult> {
  loaded ??= loadModules()
  await loaded
  return simulate(options)
}

async function simulate({ plant = {}, ...options }: ClusterOptions): Promise<ClusterResult> {
  let slots = 0
  let trouble: ClusterTrouble | null = null
  const setting = (random: SeededRandom) => {
    const assignment = random.pick<Assignment>(['assigned', 'classic', 'consumer'])
    slots = 2 + random.below(2)
    const brokers = 2 + random.below(3)
    const hardware = (parts: HardwareOptions) => {
      trouble = new ClusterTrouble(parts, brokers, plant)
      return trouble
    }
    return { config, assignment, inputs: 60, losses, brokers, hardware }
  }
  const { stage, result } = await play(options, setting, run => new NoisyWorkers(run, slots))
  const { starts, atRest } = trouble!
  return { ...resultOf(stage, result), starts, sessions: atRest!.sessions, segments: atRest!.segments }
}

/** The clients of one broker, and some that keep its frames close together. */
class NoisyWorkers extends Workers {
  readonly #run: Play
  readonly #noise: Noise
  #made: Promise<void> = Promise.resolve()

  constructor(run: Play, slots: number) {
    super(run, slots)
    this.#run = run
    this.#noise = new Noise(run.stage, run.random.fork())
  }

  override async begin(): Promise<Promise<void>[]> {
    this.#made = this.#run.background(this.#noise.make())
    return super.begin()
  }

  override async finish(): Promise<void> {
    await this.#made
    await super.finish()
    await this.#noise.judge()
  }
}
