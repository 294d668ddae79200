/**
 * Brokers of one cluster, over a PostgreSQL and an object store that fail, too. They serve either exactly-once consume–transform–produce or a share
 * group, and beside it what keeps frames close together, and one of: a compacted topic, one whose beginning is deleted, one that is made again.
 *
 * The clients and the checkers are those of one broker (exactly-once.ts, share-groups.ts): a cluster has to keep the same promises. The stores are
 * judged as well, all the time (cross-check.ts) and at the end (stores-at-rest.ts).
 */
import type { SeededRandom } from '../world/random.ts'
import type { ClusterPlant } from './cluster-plants.ts'
import { type ClusterSetup, ClusterTrouble } from './cluster-trouble.ts'
import { type ExactlyOnceResult, exactlyOnceConfig, losses, resultOf, Workers } from './exactly-once.ts'
import { type Assignment, inputTopic, outputTopic } from './exactly-once-stage.ts'
import { type Cast, type HardwareOptions, type Play, type PlayOptions, play, type Setting } from './play.ts'
import { ShareGroup, type ShareGroupResult, shareSetting } from './share-groups.ts'
import { Compacted } from './side-shows/compacted.ts'
import { Noise } from './side-shows/noise.ts'
import { Recreated } from './side-shows/recreated.ts'
import { type SideShow, WithSideShows } from './side-shows/side-show.ts'
import { Trimmed } from './side-shows/trimmed.ts'

export interface ClusterOptions extends Omit<PlayOptions, 'plant'> {
  plant?: ClusterPlant
}

interface ClusterCounts {
  /** Starts of brokers. */
  starts: number
  sessions: number
  segments: number
}

export type ClusterResult = ExactlyOnceResult & ClusterCounts
export type ClusterShareGroupResult = ShareGroupResult & ClusterCounts

/** What is done now and then has to be done within a run. */
const upkeepConfig = {
  'offsets.topic.replication.factor': '2',
  'transaction.state.log.replication.factor': '2',
  'share.coordinator.state.topic.replication.factor': '2',
  'default.replication.factor': '2',
  'log.cleaner.backoff.ms': '1500',
  'log.retention.check.interval.ms': '1500',
}

/** Throws a Finding when a promise was broken. */
export async function cluster(options: ClusterOptions): Promise<ClusterResult> {
  const { counts, stage, result } = await inCluster(options, workers)
  return { ...resultOf(stage, result), ...counts }
}

/** The same with a share group. */
export async function clusterShareGroups(options: ClusterOptions): Promise<ClusterShareGroupResult> {
  const { counts, cast, result } = await inCluster(options, shareGroup)
  return { ...result, ...cast.counts(), ...counts }
}

/** What goes on in a cluster, as a seed decides it. */
export interface ClusterStory<C extends Cast> extends Pick<ClusterSetup, 'moved' | 'story'> {
  setting: Setting
  castOf(run: Play): C
  /** Default: two of them. */
  sideShows?(run: Play): readonly SideShow[]
  onCrash?(cast: C): void
}

function workers(random: SeededRandom): ClusterStory<Workers> {
  const assignment = random.pick<Assignment>(['assigned', 'classic', 'consumer'])
  const slots = 2 + random.below(2)
  return {
    setting: { config: exactlyOnceConfig, assignment, inputs: 60, losses },
    moved: [inputTopic, outputTopic, 'noise', '__consumer_offsets', '__transaction_state'],
    castOf: run => new Workers(run, slots),
  }
}

function shareGroup(random: SeededRandom): ClusterStory<ShareGroup> {
  const members = 2 + random.below(2)
  return {
    setting: { ...shareSetting, config: { ...shareSetting.config, 'transaction.state.log.num.partitions': '2' } },
    moved: [inputTopic, 'noise', '__consumer_offsets', '__share_group_state'],
    castOf: run => new ShareGroup(run, members),
    onCrash: group => group.releaseAll(),
  }
}

let loaded: Promise<unknown> | null = null

/**
 * A broker loads the modules of the cluster when it first needs them. That takes real time, of which a simulated world knows nothing, so the first
 * world is one that nobody looks at.
 */
async function loadModules(): Promise<void> {
  await import('../../src/channel.ts')
  await simulate({ seed: 0 }, workers)
}

export async function inCluster<C extends Cast>(options: ClusterOptions, storyOf: (random: SeededRandom) => ClusterStory<C>) {
  loaded ??= loadModules()
  await loaded
  return simulate(options, storyOf)
}

async function simulate<C extends Cast>({ plant = {}, ...options }: ClusterOptions, storyOf: (random: SeededRandom) => ClusterStory<C>) {
  const made: { trouble?: ClusterTrouble; told?: ClusterStory<C>; main?: C } = {}
  const settingOf = (random: SeededRandom): Setting => {
    const told = storyOf(random)
    made.told = told
    const brokers = 2 + random.below(3)
    const onCrash = () => {
      if (made.main !== undefined) told.onCrash?.(made.main)
    }
    const hardware = (parts: HardwareOptions) => {
      made.trouble = new ClusterTrouble(parts, { brokers, plant, moved: told.moved, story: told.story, onCrash })
      return made.trouble
    }
    return { ...told.setting, config: { ...told.setting.config, ...upkeepConfig }, brokers, hardware }
  }
  const { stage, result } = await play(options, settingOf, run => {
    made.main = made.told!.castOf(run)
    return new WithSideShows(run, made.main, made.told!.sideShows?.(run) ?? twoSideShows(run))
  })
  const { starts, atRest } = made.trouble!
  const counts: ClusterCounts = { starts, sessions: atRest!.sessions, segments: atRest!.segments }
  return { stage, result, cast: made.main!, counts }
}

function twoSideShows({ stage, random }: Play): readonly SideShow[] {
  const Second = random.pick([Compacted, Trimmed, Recreated])
  return [new Noise(stage, random.fork()), new Second(stage, random.fork())]
}
