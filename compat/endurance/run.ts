/**
 * `npm run endurance -- [--kills N] [--seconds N] [--seed N] [--only NAME …] [--kafka VERSION | --cluster] [--plant] [--keep]`: the endurance
 * run with other numbers than `npm run compat -- endurance`; `--plant` loses data on purpose, and succeeds if that is found.
 */
import { parseArgs } from 'node:util'
import { endure } from './endure.ts'
import { workloads } from './workloads.ts'

const { values: flags } = parseArgs({
  options: {
    kills: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '90' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string', multiple: true },
    kafka: { type: 'string' },
    cluster: { type: 'boolean', default: false },
    plant: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})

const chosen = workloads.filter(({ name }) => flags.only?.includes(name) ?? true)
console.log(`seed ${flags.seed}: ${chosen.map(({ name }) => name).join(', ')}`)
const results = await endure({
  workloads: chosen,
  seed: Number(flags.seed),
  kills: Number(flags.kills),
  seconds: Number(flags.seconds),
  kafka: flags.kafka,
  cluster: flags.cluster,
  rollback: flags.plant,
  keep: flags.keep,
  log: console.log,
})
for (const { outcome, name, detail } of results) console.log(`${outcome.padEnd(4)} ${name}: ${detail}`)
const failed = results.filter(({ outcome }) => outcome === 'FAIL').map(({ name }) => name)
// A rollback cannot make a broker let somebody in, and the broker itself cannot know of it; Connect's offsets go back together with its
// topic, and its file is there to be read again.
const unmoved = ['denied', 'broker', 'connect-files']
const found = results.every(({ name, outcome }) => unmoved.includes(name) || outcome === 'FAIL')
process.exit(flags.plant ? (found ? 0 : 1) : failed.length === 0 ? 0 : 1)
