/**
 * `npm run bench -- [rows…] [--rounds N] [--quick] [--only millrace|kafka] [--noise | --before DIR]`: Millrace and a real Apache
 * Kafka side by side.
 *
 * For each row both peers are started, and warmed with requests of the measured kind until 30,000 are done and the broker's CPU per request
 * has levelled out: a JVM that is still compiling is not Kafka. Then the rounds, A B A B. While one is measured the other is idle. Before each
 * measurement memory is probed (memory.ts); what was measured on dear memory is measured again. Rows about starting, or about memory at rest,
 * have new processes in each round.
 *
 * `--quick` is a tenth of the work and writes nothing; `--noise` measures Kafka against itself, to see how far from 1 a ratio is by
 * chance; `--before DIR` puts the Millrace of another checkout in Kafka's place, to see what a change costs. Only a run without these
 * options is kept in bench/results.json, from which docs/benchmarks.md is written.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type RunningBroker, startKafka, startMillrace } from '../compat/support/brokers.ts'
import { Missing, repository } from '../compat/support/cache.ts'
import { must } from '../compat/support/run.ts'
import { prepareClients } from './clients.ts'
import { measureFloor } from './floor.ts'
import { costOf, pause } from './measure.ts'
import { dearMemory, holdMemory, probeMemory } from './memory.ts'
import { page, type Result, sentence, verdicts } from './report.ts'
import type { Measured, Row } from './row.ts'
import { rows } from './rows.ts'
import { serverSettings } from './secured.ts'

const resultsFile = join(import.meta.dirname, 'results.json')
const quickScale = 0.1
const warmth = { requests: 30_000, steps: 12, levelWithin: 0.1 }
const roundAttempts = 12

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

type Side = 'millrace' | 'kafka'
const scale = flags.quick ? quickScale : 1
const writes = !flags.quick && !flags.noise && flags.only === undefined && flags.before === undefined
let topics = 0

async function startPeer(side: Side, row: Row): Promise<RunningBroker> {
  const { properties, listeners } = await serverSettings(row.secured)
  if ((side === 'kafka' && flags.before === undefined) || flags.noise) return startKafka({ properties, listeners })
  const checkout = side === 'kafka' ? flags.before : undefined
  return startMillrace(row.durability === 'os' ? { ...properties, durability: 'os' } : properties, listeners, checkout)
}

const stage = (broker: RunningBroker) => ({ broker, scale, topic: `bench-${++topics}` })

/** Returns how many requests it took. */
async function warmUp(row: Row, broker: RunningBroker): Promise<number> {
  if (row.warm === undefined) return 0
  let requests = 0
  let last = Number.POSITIVE_INFINITY
  for (let step = 0; step < (row.warmSteps ?? warmth.steps); step++) {
    const { result, cost } = await costOf(broker.pid, () => row.warm!(stage(broker)))
    requests += result
    const price = cost.cpuSeconds / result
    const level = Math.abs(price - last) <= warmth.levelWithin * price
    last = price
    if (level && requests >= warmth.requests * scale) break
  }
  return Math.round(requests)
}

async function measureOnce(row: Row, live: RunningBroker | null, side: Side): Promise<Measured> {
  const broker = live ?? (await startPeer(side, row))
  try {
    return await row.measure(stage(broker))
  } finally {
    if (live === null) await broker.remove()
  }
}

/** Measures again, and says so, while memory is dear; gives up after some attempts. */
async function onCheapMemory(what: string, measure: () => Promise<Measured>): Promise<Measured> {
  for (let attempt = 1; ; attempt++) {
    const before = probeMemory()
    if (before > dearMemory && attempt < roundAttempts) {
      console.log(`  ${what}: memory costs ${before.toFixed(2)} s/GB; waiting`)
      await pause(5000)
      continue
    }
    if (before > dearMemory) throw new Error(`memory costs ${before.toFixed(2)} s/GB (at most ${dearMemory}) after ${attempt} probes`)
    const measured = await measure()
    const list = JSON.stringify(measured, (_, value) => (typeof value === 'number' ? +value.toPrecision(4) : value))
    console.log(`  ${what}, memory ${before.toFixed(2)} s/GB: ${list}`)
    return { ...measured, memoryProbe: before }
  }
}

async function measureRow(row: Row, about: Pick<Result, 'date' | 'commit' | 'machine'>): Promise<{ result: Result; failed: boolean }> {
  const result: Result = { name: row.name, settings: row.settings, ...about, warmed: {}, millrace: [], kafka: [], floor: [] }
  const sides = (['millrace', 'kafka'] as const).filter(side => flags.only === undefined || flags.only === side)
  const live = new Map<Side, RunningBroker>()
  console.log(`\n${row.name}: ${row.settings}`)
  let failed = false
  try {
    if (row.cold === undefined)
      for (const side of sides) {
        const broker = await startPeer(side, row)
        live.set(side, broker)
        result.warmed[side] = await warmUp(row, broker)
        console.log(`  ${side}: warm after ${result.warmed[side]} requests`)
      }
    for (let round = 1; round <= Number(flags.rounds); round++) {
      for (const side of sides)
        result[side].push(await onCheapMemory(`round ${round}, ${side}`, () => measureOnce(row, live.get(side) ?? null, side)))
      if (row.goals.some(goal => goal.against === 'sink')) result.floor.push(await measureFloor(flags.quick ? 200e6 : 2e9))
    }
  } catch (error) {
    failed = true
    console.log(`  FAILED: ${(error as Error).message}`)
  } finally {
    for (const broker of live.values()) await broker.remove()
  }
  for (const verdict of verdicts(row, result)) console.log(sentence(verdict))
  return { result, failed }
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
  if (!(await holdMemory())) console.log('free memory is not held (that needs root): rounds may have to be measured again')
  const commit = (await must('git', ['-C', repository, 'rev-parse', '--short', 'HEAD'])).trim()
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  const machine = `${cpus().length} × ${cpus()[0]!.model}, ${memory}, Linux, Node ${process.versions.node}`
  let failures = 0
  for (const row of chosen) {
    const { result, failed } = await measureRow(row, { date: new Date().toISOString().slice(0, 10), commit, machine })
    if (failed) failures++
    else if (writes) keep(result)
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
