/**
 * `npm run bench -- [cluster | services | console | triggers | connect] [rows…] [--rounds N] [--quick] [--only millrace|kafka] [--noise | --before DIR]`: Millrace
 * and a real Apache Kafka side by side; with `cluster`, three brokers of each; with `services`, `console` and `triggers`, what Kafka does not have, alone; with
 * `connect`, the workers of Kafka Connect, as connect/workers.ts says.
 *
 * For each row both peers are started, and warmed with requests of the measured kind until 30,000 are done and the brokers' CPU per request
 * has levelled out: a JVM that is still compiling is not Kafka. Then the rounds, as rounds.ts has them. Rows about starting, or about memory
 * at rest, have new processes in each round.
 *
 * `--quick` is a tenth of the work and writes nothing; `--noise` measures Kafka against itself, to see how far from 1 a ratio is by
 * chance; `--before DIR` puts the Millrace of another checkout in Kafka's place, to see what a change costs. Only a run without these
 * options is kept in the results.json of the suite, from which its page of docs/ is written.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Missing, repository } from '../compat/support/cache.ts'
import { must } from '../compat/support/run.ts'
import { cluster } from './cluster/suite.ts'
import { compareWorkers } from './connect/workers.ts'
import { holdMemory } from './memory.ts'
import { oneBroker } from './one-broker.ts'
import { page, type Result, type Suite } from './report.ts'
import { measureRow, type Plan } from './rounds.ts'
import { consoleAtSize, services, triggers } from './services/suites.ts'

const quickScale = 0.1
const suites: Readonly<Record<string, Suite>> = { cluster, services, console: consoleAtSize, triggers }

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    noise: { type: 'boolean', default: false },
    before: { type: 'string' },
  },
})

const writes = !flags.quick && !flags.noise && flags.only === undefined && flags.before === undefined

function keep(suite: Suite, result: Result): void {
  const { rows, resultsFile, document } = suite
  const all = (existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, 'utf8')) : []) as Result[]
  const results = [...all.filter(each => each.name !== result.name), result]
  const ordered = rows.flatMap(row => results.filter(each => each.name === row.name))
  writeFileSync(resultsFile, `${JSON.stringify(ordered, null, 2)}\n`)
  writeFileSync(join(repository, document), page(suite, ordered))
}

async function runSuite(suite: Suite, names: readonly string[]): Promise<number> {
  const { rows } = suite
  const chosen = names.length === 0 ? rows : rows.filter(row => names.includes(row.name))
  const unknown = names.filter(name => !rows.some(row => row.name === name))
  if (unknown.length > 0) throw new Missing(`no row ${unknown.join(', ')}; there are: ${rows.map(row => row.name).join(', ')}`)
  await suite.prepare?.()
  // It takes nearly all of memory for a moment, which a run whose figures are not kept is not worth.
  if (!flags.quick && !(await holdMemory())) console.log('free memory is not held (that needs root): rounds may have to be measured again')
  const commit = (await must('git', ['-C', repository, 'rev-parse', '--short', 'HEAD'])).trim()
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  const machine = `${cpus().length} × ${cpus()[0]!.model}, ${memory}, Linux, Node ${process.versions.node}`
  const origin = { date: new Date().toISOString().slice(0, 10), commit, machine }
  const sides = (['millrace', 'kafka'] as const).filter(side => flags.only === undefined || flags.only === side)
  const peers = {
    millrace: flags.noise ? ('kafka' as const) : { checkout: repository },
    kafka: flags.before === undefined ? ('kafka' as const) : { checkout: flags.before },
  }
  const plan: Plan = { sides, peers, rounds: Number(flags.rounds), scale: flags.quick ? quickScale : 1 }
  let failures = 0
  for (const row of chosen) {
    const { result, failed } = await measureRow(row, origin, plan)
    if (failed) failures++
    else if (writes) keep(suite, result)
  }
  console.log(`\n${chosen.length - failures} rows measured, ${failures} failed`)
  return failures === 0 ? 0 : 1
}

try {
  if (positionals[0] === 'connect')
    process.exit(await compareWorkers(positionals.slice(1), { rounds: Number(flags.rounds), quick: flags.quick }))
  const suite = suites[positionals[0] ?? '']
  process.exit(await (suite === undefined ? runSuite(oneBroker, positionals) : runSuite(suite, positionals.slice(1))))
} catch (error) {
  if (!(error instanceof Missing)) throw error
  console.error(error.message)
  process.exit(2)
}
