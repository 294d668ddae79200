/**
 * `npm run sim`: the storage engine, and a whole broker with its clients, on simulated machines that crash, lose power and break.
 *
 *   npm run sim                       the default number of crash states and worlds, a new seed
 *   npm run sim -- --seed 7           the same run again
 *   npm run sim -- --states 20000     longer
 *   npm run sim -- exactly-once       consume–transform–produce only; --seeds 5000 for more worlds, --seed 7 --seeds 1 for one, --verbose
 *   npm run sim -- share-groups       share groups only, in the same way
 *   npm run sim -- kill               kill -9 of a real broker process under load
 *   npm run sim -- worst              each API's worst requests while another client works; --elements 20000, --only Fetch, --verbose
 *
 * Ends with a code other than 0 and the seed to replay when a promise was broken, or when a planted bug was not found.
 */
import { parseArgs } from 'node:util'
import { killLoop } from './kill.ts'
import { diskFaults } from './scenarios/disk-faults.ts'
import { exactlyOnce } from './scenarios/exactly-once.ts'
import { type Plant, plants } from './scenarios/exactly-once-plants.ts'
import { Finding } from './scenarios/finding.ts'
import { powerCuts } from './scenarios/power-cuts.ts'
import { shareGroups } from './scenarios/share-groups.ts'
import { sharePlants } from './scenarios/share-plants.ts'
import { worst } from './worst.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' },
    states: { type: 'string', default: '8000' },
    seeds: { type: 'string', default: '1000' },
    verbose: { type: 'boolean', default: false },
    kills: { type: 'string', default: '50' },
    elements: { type: 'string', default: '100000' },
    only: { type: 'string', default: '' },
  },
})
const firstSeed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const statesPerWorld = 200

/** A bug on purpose: the disk lies about syncs. A simulation that does not notice proves nothing. */
async function canary(): Promise<string> {
  for (let seed = firstSeed; seed < firstSeed + 20; seed++) {
    try {
      await powerCuts({ seed, states: statesPerWorld, lieAboutSyncs: true })
    } catch (error) {
      if (error instanceof Finding) return error.message
      throw error
    }
  }
  throw new Finding('the canary (a disk whose syncs do nothing) was not found: the simulation is blind')
}

/** Two runs of a seed must tell the same story, or no finding could be replayed. */
async function meta(): Promise<number> {
  const [first, second] = [await powerCuts({ seed: firstSeed, states: 50 }), await powerCuts({ seed: firstSeed, states: 50 })]
  const at = first.history.findIndex((line, index) => line !== second.history[index])
  if (at !== -1 || first.history.length !== second.history.length)
    throw new Finding(`one seed told two stories, from line ${at}: "${first.history[at]}" against "${second.history[at]}"`)
  return first.history.length
}

async function simulate(): Promise<void> {
  console.log(`seed ${firstSeed}`)
  console.log(`canary found: ${await canary()}`)
  console.log(`meta: one seed twice told the same ${await meta()} events`)
  let [states, appended] = [0, 0]
  for (let seed = firstSeed; states < Number(values.states); seed++) {
    const result = await withSeed(seed, () => powerCuts({ seed, states: Math.min(statesPerWorld, Number(values.states) - states) }))
    states += result.states
    appended += result.appended
  }
  console.log(`power cuts: ${states} crash states, ${appended} records appended: every promise kept`)
  const faults = await withSeed(firstSeed, () => diskFaults(firstSeed))
  console.log(`disk faults: ${faults.join(', ')}: every promise kept`)
}

/** A whole broker with its clients, one world for each seed. */
interface Scenario {
  name: string
  run(options: { seed: number; plant?: Plant; log?: (line: string) => void }): Promise<{ trace: string }>
  plants: Readonly<Record<string, Plant>>
  /** What is summed up over all worlds, and its words. */
  sums: Readonly<Record<string, string>>
}

const scenarios: readonly Scenario[] = [
  {
    name: 'exactly-once',
    run: exactlyOnce,
    plants,
    sums: { crashes: 'crashes', committed: 'transactions committed', aborted: 'aborted', records: 'records' },
  },
  {
    name: 'share-groups',
    run: shareGroups,
    plants: sharePlants,
    sums: { crashes: 'crashes', deliveries: 'deliveries', acknowledged: 'acknowledgements' },
  },
]

/** The worlds of a scenario, after the proof that it is not blind and that a seed can be replayed. */
async function simulateWorlds(scenario: Scenario, seeds: number): Promise<void> {
  const { name, run, sums } = scenario
  if (seeds > 1) {
    for (const [bug, found] of await findPlants(scenario)) console.log(`planted: ${bug}: ${found}`)
    const [first, second] = [await run({ seed: firstSeed }), await run({ seed: firstSeed })]
    if (first.trace !== second.trace) throw new Finding(`${name}: seed ${firstSeed} told two stories`)
    console.log(`meta: one seed twice has the trace ${first.trace.slice(0, 16)}`)
  }
  const log = values.verbose ? (line: string) => console.log(line) : () => {}
  const total: Record<string, number> = {}
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const result = await withSeed(seed, () => run({ seed, log }), `${name} --seeds 1 --verbose `)
    for (const key of Object.keys(sums)) total[key] = (total[key] ?? 0) + (result as unknown as Record<string, number>)[key]!
  }
  console.log(
    `${name}: ${seeds} worlds, ${Object.entries(sums)
      .map(([key, words]) => `${total[key]} ${words}`)
      .join(', ')}`,
  )
}

/** Where each bug on purpose was found; throws when one was not. */
async function findPlants({ name, run, plants: bugs }: Scenario): Promise<[bug: string, found: string][]> {
  const found: [string, string][] = []
  for (const [bug, plant] of Object.entries(bugs)) {
    const seed = await seedThatFinds(firstSeed, seed => run({ seed, plant }))
    if (seed === null) throw new Finding(`the planted bug "${bug}" was not found: the simulation of ${name} is blind`)
    found.push([bug, seed])
  }
  return found
}

async function seedThatFinds(from: number, run: (seed: number) => Promise<unknown>): Promise<string | null> {
  for (let seed = from; seed < from + 40; seed++) {
    try {
      await run(seed)
    } catch (error) {
      if (error instanceof Finding) return `seed ${seed}, ${error.message.split('\n')[0]}`
      throw error
    }
  }
  return null
}

async function withSeed<T>(seed: number, work: () => Promise<T>, how = ''): Promise<T> {
  try {
    return await work()
  } catch (error) {
    console.error(`replay with: npm run sim -- ${how}--seed ${seed}`)
    throw error
  }
}

async function worstRequests(): Promise<void> {
  const log = values.verbose ? { log: (line: string) => console.log(line) } : {}
  const { only, elements } = values
  const { requests, longestMs } = await worst({ elements: Number(elements), only, victim: true, mostTurnMs: 50, ...log })
  console.log(`worst requests: ${requests}, the longest turn of the event loop took ${longestMs.toFixed(0)} ms of processor time`)
}

try {
  if (positionals[0] === 'worst') await worstRequests()
  else if (positionals[0] === 'kill') await killLoop({ seed: firstSeed, kills: Number(values.kills) })
  else {
    const only = scenarios.filter(({ name }) => name === positionals[0])
    if (only.length === 0) await simulate()
    for (const scenario of only.length === 0 ? scenarios : only) await simulateWorlds(scenario, Number(values.seeds))
  }
} catch (error) {
  console.error(error instanceof Finding ? `FINDING: ${error.message}` : error)
  process.exit(1)
}
