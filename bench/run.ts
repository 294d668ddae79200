/**
 * `npm run bench -- [rows…] [--rounds N] [--quick] [--only millrace|kafka] [--noise]`: Millrace and a real Apache Kafka side by side.
 *
 * Each round starts one peer afresh, measures one row, removes it, and does the same with the other. `--quick` is a tenth of the work
 * and writes nothing; `--noise` measures Kafka against itself, to see how far from 1 a ratio is by chance. Results of rows are kept in
 * bench/results.json, from which docs/benchmarks.md is written, so that rows can be measured one by one.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type RunningBroker, startKafka, startMillrace } from '../compat/support/brokers.ts'
import { Missing, repository } from '../compat/support/cache.ts'
import { must } from '../compat/support/run.ts'
import { prepareClients } from './clients.ts'
import { type Floor, measureFloor } from './floor.ts'
import { page, type Result, sentence, verdicts } from './report.ts'
import type { Measured, Row } from './row.ts'
import { rows } from './rows.ts'
import { serverSettings } from './secured.ts'

const resultsFile = join(import.meta.dirname, 'results.json')
const quickScale = 0.1

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '2' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    noise: { type: 'boolean', default: false },
  },
})

type Peer = 'millrace' | 'kafka'

async function startPeer(peer: Peer, row: Row): Promise<RunningBroker> {
  const { properties, listeners } = await serverSettings(row.secured)
  if (peer === 'kafka') return startKafka({ properties, listeners })
  return startMillrace(row.durability === 'os' ? { ...properties, durability: 'os' } : properties, listeners)
}

async function measureOnce(peer: Peer, row: Row): Promise<Measured> {
  const broker = await startPeer(peer, row)
  try {
    return await row.measure(broker, flags.quick ? quickScale : 1)
  } finally {
    await broker.remove()
  }
}

async function measureRow(row: Row, about: Pick<Result, 'date' | 'commit' | 'machine'>): Promise<{ result: Result; failed: boolean }> {
  const result: Result = { name: row.name, settings: row.settings, ...about, millrace: [], kafka: [], floor: null }
  let failed = false
  console.log(`\n${row.name}: ${row.settings}`)
  for (let round = 1; round <= (row.once ? 1 : Number(flags.rounds)); round++) {
    for (const side of ['millrace', 'kafka'] as const) {
      if (flags.only !== undefined && flags.only !== side) continue
      const peer = flags.noise ? 'kafka' : side
      try {
        const measured = await measureOnce(peer, row)
        result[side].push(measured)
        console.log(
          `  round ${round}, ${peer}: ${JSON.stringify(measured, (_, value) => (typeof value === 'number' ? +value.toPrecision(4) : value))}`,
        )
      } catch (error) {
        failed = true
        console.log(`  round ${round}, ${peer}: FAILED: ${(error as Error).message}`)
      }
    }
  }
  result.floor = await floorFor(row)
  for (const verdict of verdicts(row, result)) console.log(sentence(verdict))
  return { result, failed }
}

async function floorFor(row: Row): Promise<Floor | null> {
  if (!row.goals.some(goal => goal.against.endsWith('sink'))) return null
  const floor = await measureFloor(flags.quick ? 200e6 : 1e9)
  console.log(`  sinks: plain ${floor.plain.toFixed(3)} s/GB, best ${floor.best.toFixed(3)} s/GB`)
  return floor
}

function keep(result: Result): void {
  const all = (existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, 'utf8')) : []) as Result[]
  const results = [...all.filter(each => each.name !== result.name), result]
  const ordered = rows.flatMap(row => results.filter(each => each.name === row.name))
  writeFileSync(resultsFile, `${JSON.stringify(ordered, null, 2)}\n`)
  writeFileSync(join(repository, 'docs/benchmarks.md'), page(rows, ordered))
}

async function main(): Promise<number> {
  const chosen = positionals.length === 0 ? rows : rows.filter(row => positionals.includes(row.name))
  const unknown = positionals.filter(name => !rows.some(row => row.name === name))
  if (unknown.length > 0) throw new Missing(`no row ${unknown.join(', ')}; there are: ${rows.map(row => row.name).join(', ')}`)
  await prepareClients()
  const commit = (await must('git', ['-C', repository, 'rev-parse', '--short', 'HEAD'])).trim()
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  const machine = `${cpus().length} × ${cpus()[0]!.model}, ${memory}, Linux, Node ${process.versions.node}`
  let failures = 0
  for (const row of chosen) {
    const { result, failed } = await measureRow(row, { date: new Date().toISOString().slice(0, 10), commit, machine })
    if (failed) failures++
    else if (!flags.quick && !flags.noise && flags.only === undefined) keep(result)
  }
  console.log(`\n${chosen.length - failures} rows measured, ${failures} failed`)
  return failures === 0 ? 0 : 1
}

try {
  process.exit(await main())
} catch (error) {
  if (!(error instanceof Missing)) throw error
  console.error(error.message)
  process.exit(2)
}
