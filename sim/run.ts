/**
 * `npm run sim`: the storage engine, and a whole broker with its clients, on simulated machines that crash, lose power and break.
 *
 *   npm run sim                       the default number of crash states and worlds, a new seed
 *   npm run sim -- --seed 7           the same run again
 *   npm run sim -- --states 20000     longer
 *   npm run sim -- exactly-once       consume–transform–produce only; --seeds 5000 for more worlds, --seed 7 --seeds 1 for one, --verbose
 *   npm run sim -- kill               kill -9 of a real broker process under load
 *
 * Ends with a code other than 0 and the seed to replay when a promise was broken, or when a planted bug was not found.
 */
import { parseArgs } from 'node:util'
import { killLoop } from './kill.ts'
import { diskFaults } from './scenarios/disk-faults.ts'
import { type ExactlyOnceResult, exactlyOnce } from './scenarios/exactly-once.ts'
import { plants } from './scenarios/exactly-once-plants.ts'
import { Finding } from './scenarios/finding.ts'
import { powerCuts } from './scenarios/power-cuts.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' },
    states: { type: 'string', default: '8000' },
    seeds: { type: 'string', default: '1000' },
    verbose: { type: 'boolean', default: false },
    kills: { type: 'string', default: '50' },
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

/** Worlds of exactly-once, after the proof that it is not blind and that a seed can be replayed. */
async function simulateExactlyOnce(seeds: number): Promise<void> {
  if (seeds > 1) {
    for (const [name, found] of await findPlants(firstSeed)) console.log(`planted: ${name}: ${found}`)
    const [first, second] = [await exactlyOnce({ seed: firstSeed }), await exactlyOnce({ seed: firstSeed })]
    if (first.trace !== second.trace) throw new Finding(`exactly-once: seed ${firstSeed} told two stories`)
    console.log(`meta: one seed twice has the trace ${first.trace.slice(0, 16)}`)
  }
  const log = values.verbose ? (line: string) => console.log(line) : () => {}
  const sum = { crashes: 0, committed: 0, aborted: 0, records: 0 }
  const add = (result: ExactlyOnceResult) => {
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += result[key]
  }
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    add(await withSeed(seed, () => exactlyOnce({ seed, log }), 'exactly-once --seeds 1 --verbose '))
  }
  const { crashes, committed, aborted, records } = sum
  console.log(
    `exactly-once: ${seeds} worlds, ${crashes} crashes, ${committed} transactions committed and ${aborted} aborted, ${records} records`,
  )
}

/** Where each bug on purpose was found; throws when one was not. */
async function findPlants(from: number): Promise<[name: string, found: string][]> {
  const found: [string, string][] = []
  for (const [name, plant] of Object.entries(plants)) {
    const seed = await seedThatFinds(from, seed => exactlyOnce({ seed, plant }))
    if (seed === null) throw new Finding(`the planted bug "${name}" was not found: the simulation is blind`)
    found.push([name, seed])
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

try {
  if (positionals[0] === 'kill') await killLoop({ seed: firstSeed, kills: Number(values.kills) })
  else {
    if (positionals[0] !== 'exactly-once') await simulate()
    await simulateExactlyOnce(Number(values.seeds))
  }
} catch (error) {
  console.error(error instanceof Finding ? `FINDING: ${error.message}` : error)
  process.exit(1)
}
