/**
 * `npm run sim`: runs the storage engine, and a whole broker with its clients, on simulated machines that crash, lose power and break.
 *
 *   npm run sim                       the default number of crash states and worlds, with a new seed
 *   npm run sim -- --seed 7           the same run again
 *   npm run sim -- --states 20000     longer
 *   npm run sim -- exactly-once       consume–transform–produce only; --seeds 5000 for more worlds, --seed 7 --seeds 1 for one, --verbose
 *   npm run sim -- share-groups       share groups only, with the same options
 *   npm run sim -- cluster            brokers of a cluster over a PostgreSQL and an object store that fail, with the same options; then
 *                                     a quarter as many with a share group, and some in which PostgreSQL fails over to a standby that lags (only
 *                                     these: cluster-share-groups, cluster-lagging-standby)
 *   npm run sim -- … --processes 1    for the worlds of all these; default: one for each core
 *   npm run sim -- kill               kill -9 of a real broker process under load
 *   npm run sim -- worst              each API's worst requests while another client works; --elements 20000, --only Fetch, --verbose
 *   npm run sim -- worst-services     the worst requests to registry, REST proxy and console; --only v3, --verbose
 *
 * If a guarantee is broken or a planted bug is not found, it prints the seed to replay and exits with a nonzero code.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { playWithCrew } from './crew.ts'
import { killLoop } from './kill.ts'
import { diskFaults } from './scenarios/disk-faults.ts'
import { Finding } from './scenarios/finding.ts'
import { movePlants, moves } from './scenarios/moves.ts'
import { powerCuts } from './scenarios/power-cuts.ts'
import {
  addNumbers,
  clusterScenario,
  clusterShareGroupScenario,
  exactlyOnceScenario,
  findPlants,
  laggingStandbyScenario,
  numbersOf,
  type Scenario,
  seedThatFinds,
  shareGroupScenario,
  tellsOneStory,
} from './scenarios.ts'
import { worst } from './worst.ts'
import { worstServices } from './worst-services.ts'

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
    processes: { type: 'string', default: String(availableParallelism()) },
  },
})
const firstSeed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const statesPerWorld = 200

async function simulate(): Promise<void> {
  console.log(`seed ${firstSeed}`)
  const canary = (seed: number) => powerCuts({ seed, states: statesPerWorld, lieAboutSyncs: true })
  console.log(`canary found: ${await seedThatFinds('syncs do nothing', firstSeed, canary)}`)
  const { history } = await tellsOneStory(firstSeed, seed => powerCuts({ seed, states: 50 }))
  console.log(`meta: one seed twice told the same ${history.length} events`)
  let [states, appended] = [0, 0]
  for (let seed = firstSeed; states < Number(values.states); seed++) {
    const result = await withSeed(seed, () => powerCuts({ seed, states: Math.min(statesPerWorld, Number(values.states) - states) }))
    states += result.states
    appended += result.appended
  }
  console.log(`power cuts: ${states} crash states, ${appended} records appended, all guarantees held`)
  for (let seed = firstSeed; seed < firstSeed + Number(values.states) / 400; seed++)
    await withSeed(seed, () => powerCuts({ seed, states: statesPerWorld, refusals: true }))
  console.log('power cuts on disks that refuse things: all guarantees held')
  await simulateMoves(Number(values.states) / 4)
  const faults = await withSeed(firstSeed, () => diskFaults(firstSeed))
  console.log(`disk faults: ${faults.join(', ')}: all guarantees held`)
}

async function simulateMoves(wanted: number): Promise<void> {
  for (const plant of movePlants) {
    const found = await seedThatFinds(plant, firstSeed, seed => moves({ seed, states: statesPerWorld, plant }))
    console.log(`planted: moves: ${plant}: ${found}`)
  }
  let [states, moved] = [0, 0]
  for (let seed = firstSeed; states < wanted; seed++) {
    const result = await withSeed(seed, () => moves({ seed, states: Math.min(statesPerWorld, wanted - states) }))
    states += result.states
    moved += result.moves
  }
  console.log(`moves: ${states} crash states, ${moved} partitions moved between two logs, all guarantees held`)
}

/** Runs the worlds of a scenario, after checking that it finds planted bugs and that a seed can be replayed. */
async function simulateWorlds<P>(scenario: Scenario<P>, seeds: number): Promise<void> {
  const { name, run, sums } = scenario
  if (seeds > 1) {
    for (const [bug, found] of await findPlants(scenario, firstSeed)) console.log(`planted: ${bug}: ${found}`)
    const { trace } = await tellsOneStory(firstSeed, seed => run({ seed }))
    console.log(`meta: one seed twice has the trace ${trace.slice(0, 16)}`)
  }
  const total: Record<string, number> = {}
  if (values.verbose || Number(values.processes) === 1) {
    const log = values.verbose ? (line: string) => console.log(line) : () => {}
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const result = await withSeed(seed, () => run({ seed, log }), `${name} --seeds 1 --verbose `)
      addNumbers(numbersOf(scenario, result), total)
    }
  } else await withCrew(name, seeds, total)
  console.log(
    `${name}: ${seeds} worlds, ${Object.entries(sums)
      .map(([key, words]) => `${total[key]} ${words}`)
      .join(', ')}`,
  )
}

async function withCrew(scenario: string, seeds: number, total: Record<string, number>): Promise<void> {
  const played = (numbers: Readonly<Record<string, number>>) => addNumbers(numbers, total)
  try {
    await playWithCrew({ scenario, firstSeed, seeds, processes: Number(values.processes), played })
  } catch (error) {
    const { seed } = error as { seed?: number }
    if (seed !== undefined) console.error(`replay with: npm run sim -- ${scenario} --seeds 1 --verbose --seed ${seed}`)
    throw error
  }
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
  const { requests, longestMs } = await worst({ elements: Number(elements), only, victim: true, mostTurnMs: 30, ...log })
  console.log(`worst requests: ${requests}, the longest turn of the event loop took ${longestMs.toFixed(0)} ms of processor time`)
}

async function worstOfServices(): Promise<void> {
  const log = values.verbose ? { log: (line: string) => console.log(line) } : {}
  const { requests, longestMs } = await worstServices({ only: values.only, mostTurnMs: 30, ...log })
  console.log(
    `worst requests to services: ${requests}, the longest turn of the event loop took ${longestMs.toFixed(0)} ms of processor time`,
  )
}

try {
  if (positionals[0] === 'worst') await worstRequests()
  else if (positionals[0] === 'worst-services') await worstOfServices()
  else if (positionals[0] === 'kill') await killLoop({ seed: firstSeed, kills: Number(values.kills) })
  else {
    const seeds = Number(values.seeds)
    const worlds: Record<string, () => Promise<void>> = {
      cluster: () => simulateWorlds(clusterScenario, seeds),
      'cluster-share-groups': () => simulateWorlds(clusterShareGroupScenario, Math.ceil(seeds / 4)),
      'cluster-lagging-standby': () => simulateWorlds(laggingStandbyScenario, Math.ceil(seeds / 20)),
      'exactly-once': () => simulateWorlds(exactlyOnceScenario, seeds),
      'share-groups': () => simulateWorlds(shareGroupScenario, seeds),
    }
    const [asked = ''] = positionals
    const chosen = Object.keys(worlds).filter(name => name === asked || (asked === 'cluster' && name.startsWith('cluster')))
    if (asked === '') await simulate()
    else if (chosen.length === 0)
      throw new Error(`unknown simulation ${asked}; the simulations are kill, worst, ${Object.keys(worlds).join(', ')}`)
    for (const name of asked === '' ? Object.keys(worlds) : chosen) await worlds[name]!()
  }
} catch (error) {
  console.error(error instanceof Finding ? `FINDING: ${error.message}` : error)
  process.exit(1)
}
