/**
 * `npm run sim`: the storage engine on simulated machines that crash, lose power and break, seed by seed.
 *
 *   npm run sim                       the default number of crash states, a new seed
 *   npm run sim -- --seed 7           the same run again
 *   npm run sim -- --states 20000     longer
 *   npm run sim -- kill               kill -9 of a real broker process under load
 *
 * Ends with a code other than 0 and the seed to replay when a promise was broken, or when the planted bug was not found.
 */
import { parseArgs } from 'node:util'
import { killLoop } from './kill.ts'
import { diskFaults } from './scenarios/disk-faults.ts'
import { Finding } from './scenarios/finding.ts'
import { powerCuts } from './scenarios/power-cuts.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' },
    states: { type: 'string', default: '8000' },
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

async function withSeed<T>(seed: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    console.error(`replay with: npm run sim -- --seed ${seed}`)
    throw error
  }
}

try {
  if (positionals[0] === 'kill') await killLoop({ seed: firstSeed, kills: Number(values.kills) })
  else await simulate()
} catch (error) {
  console.error(error instanceof Finding ? `FINDING: ${error.message}` : error)
  process.exit(1)
}
