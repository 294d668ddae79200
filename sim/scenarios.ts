/**
 * The scenarios in which a whole broker serves clients in a seeded world, and the proof that each is effective: it finds planted bugs, and
 * a seed that found one can be replayed.
 */
import { cluster, clusterShareGroups } from './scenarios/cluster.ts'
import { type ClusterPlant, clusterPlants, clusterSharePlants, lossPlants } from './scenarios/cluster-plants.ts'
import { exactlyOnce } from './scenarios/exactly-once.ts'
import { type Plant, plants } from './scenarios/exactly-once-plants.ts'
import { Finding } from './scenarios/finding.ts'
import { laggingStandby } from './scenarios/lagging-standby.ts'
import type { PlayOptions, PlayResult } from './scenarios/play.ts'
import { shareGroups } from './scenarios/share-groups.ts'
import { sharePlants } from './scenarios/share-plants.ts'

export interface Scenario<P = Plant> {
  name: string
  run(options: Omit<PlayOptions, 'plant'> & { plant?: P }): Promise<PlayResult>
  plants: Readonly<Record<string, P>>
  /** Numbers in the result that are summed up over all worlds, and what they count. */
  sums: Readonly<Record<string, string>>
}

export const exactlyOnceScenario: Scenario = {
  name: 'exactly-once',
  run: exactlyOnce,
  plants,
  sums: { crashes: 'crashes', committed: 'transactions committed', aborted: 'aborted', records: 'records' },
}

export const shareGroupScenario: Scenario = {
  name: 'share-groups',
  run: shareGroups,
  plants: sharePlants,
  sums: { crashes: 'crashes', deliveries: 'deliveries', acknowledged: 'acknowledgements' },
}

export const clusterScenario: Scenario<ClusterPlant> = {
  name: 'cluster',
  run: cluster,
  plants: clusterPlants,
  sums: {
    starts: 'starts of brokers',
    sessions: 'sessions',
    committed: 'transactions committed',
    aborted: 'aborted',
    records: 'records',
    segments: 'segments',
  },
}

export const clusterShareGroupScenario: Scenario<ClusterPlant> = {
  name: 'cluster-share-groups',
  run: clusterShareGroups,
  plants: clusterSharePlants,
  sums: {
    starts: 'starts of brokers',
    sessions: 'sessions',
    deliveries: 'deliveries',
    acknowledged: 'acknowledgements',
    segments: 'segments',
  },
}

export const laggingStandbyScenario: Scenario<ClusterPlant> = {
  name: 'cluster-lagging-standby',
  run: laggingStandby,
  plants: lossPlants,
  sums: { acknowledged: 'records acknowledged', reports: 'losses reported' },
}

type Playable = Pick<Scenario<never>, 'name' | 'run' | 'sums'>
const all: readonly Playable[] = [
  exactlyOnceScenario,
  shareGroupScenario,
  clusterScenario,
  clusterShareGroupScenario,
  laggingStandbyScenario,
]

export function scenarioNamed(name: string): Playable {
  const found = all.find(each => each.name === name)
  if (found === undefined) throw new Error(`there is no scenario ${name}; there are ${all.map(each => each.name).join(', ')}`)
  return found
}

/** Those of one world's result that are summed up. */
export function numbersOf({ sums }: Pick<Scenario, 'sums'>, result: PlayResult): Record<string, number> {
  return Object.fromEntries(Object.keys(sums).map(key => [key, (result as unknown as Record<string, number>)[key]!]))
}

export function addNumbers(numbers: Readonly<Record<string, number>>, total: Record<string, number>): void {
  for (const [key, number] of Object.entries(numbers)) total[key] = (total[key] ?? 0) + number
}

/** Where each planted bug was found. Throws a Finding when one was not. */
export async function findPlants<P>({ name, run, plants: bugs }: Scenario<P>, from: number): Promise<[bug: string, found: string][]> {
  const found: [string, string][] = []
  for (const [bug, plant] of Object.entries(bugs))
    found.push([bug, await seedThatFinds(`${name}: ${bug}`, from, seed => run({ seed, plant }))])
  return found
}

/** A rare plant is found in one world of twenty: a run begins at any seed, and must not take that for blindness. */
const mostSeeds = 200

/** The first seed with which `run` finds the planted bug, and what it says. A simulation that does not notice proves nothing. */
export async function seedThatFinds(bug: string, from: number, run: (seed: number) => Promise<unknown>): Promise<string> {
  for (let seed = from; seed < from + mostSeeds; seed++) {
    try {
      await run(seed)
    } catch (error) {
      if (error instanceof Finding) return `seed ${seed}, ${error.message.split('\n')[0]}`
      throw error
    }
  }
  throw new Finding(`the planted bug "${bug}" was not found: the simulation is blind`)
}

/** Plays a seed twice. Throws a Finding when the stories differ: then no finding could be replayed. */
export async function tellsOneStory<R extends { history: readonly string[]; trace?: string }>(
  seed: number,
  run: (seed: number) => Promise<R>,
): Promise<R> {
  const [first, second] = [await run(seed), await run(seed)]
  const at = first.history.findIndex((line, index) => line !== second.history[index])
  if (at === -1 && first.history.length === second.history.length && first.trace === second.trace) return first
  throw new Finding(`seed ${seed} told two stories, from line ${at}: "${first.history[at]}" against "${second.history[at]}"`)
}
