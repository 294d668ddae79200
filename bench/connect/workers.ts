/**
 * `npm run bench -- connect [targets or rows…] [--rounds N] [--quick]`: Kafka Connect's worker and ours side by side, over one Millrace.
 *
 * For each target both start anew and run all the time. For each row they are warmed with a whole pass each; then they take turns (A B A B …), each pass with a
 * new connector. Without `--quick` the results are kept, as page.ts says.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectClassPath, Worker } from '../../compat/connect/worker.ts'
import { type Properties, type RunningBroker, startMillrace } from '../../compat/support/brokers.ts'
import { Missing, repository } from '../../compat/support/cache.ts'
import { openClient } from '../../src/client.ts'
import { costOf } from '../measure.ts'
import { keep, lineOf, middle, type Pass, words } from './page.ts'
import { pluginPath } from './plugins.ts'
import { type Row, type Side, sides, type Target } from './target.ts'
import { files } from './targets/files.ts'
import { jdbc } from './targets/jdbc.ts'
import { opensearch } from './targets/opensearch.ts'
import { s3 } from './targets/s3.ts'

const targets: readonly Target[] = [files, jdbc, opensearch, s3]

/** As connect-distributed.sh starts it. */
const jvm = ['-Xms256M', '-Xmx2G', '-server', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35']

interface Flags {
  readonly rounds: number
  readonly quick: boolean
}

export async function compareWorkers(names: readonly string[], flags: Flags): Promise<number> {
  const all = targets.flatMap(({ name, rows }) => [name, ...rows])
  const unknown = names.filter(name => !all.includes(name))
  if (unknown.length > 0) throw new Missing(`no target or row ${unknown.join(', ')}; there are: ${all.join(', ')}`)
  const lines: string[] = []
  let missing = 0
  for (const target of targets) {
    const rows = target.rows.filter(row => names.length === 0 || names.includes(target.name) || names.includes(row))
    if (rows.length === 0) continue
    try {
      lines.push(...(await compareWith(target, rows, flags)))
    } catch (error) {
      if (!(error instanceof Missing)) throw error
      console.error(`${target.name} is not measured: ${error.message}`)
      missing++
    }
  }
  console.log(`\n| Millrace / Kafka Connect | records/s | µs of CPU per record | MiB of memory |\n|---|---|---|---|\n${lines.join('\n')}`)
  return missing === 0 ? 0 : 1
}

async function compareWith(target: Target, names: readonly string[], flags: Flags): Promise<string[]> {
  const classPath = await connectClassPath()
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-connect-'))
  // Groups do not wait for more members: with Kafka's default that would be several seconds of each pass of a sink, whoever runs it.
  const broker = await startMillrace({ 'group.initial.rebalance.delay.ms': '0' })
  const client = openClient({ bootstrap: broker.bootstrap })
  const ends: (() => Promise<void>)[] = []
  try {
    const { plugin, properties = {} } = target
    const plugins = plugin === undefined ? {} : { 'plugin.path': await pluginPath(plugin, classPath, directory) }
    const more = { millrace: properties, kafka: { ...properties, ...plugins } }
    const opened = await target.open({ client, directory, scale: flags.quick ? 0.1 : 1 })
    ends.push(() => opened.close())
    const workers = {} as Record<Side, Worker>
    for (const side of sides) {
      workers[side] = await startWorker(side, { broker, classPath, directory, more: more[side] })
      ends.unshift(() => workers[side].stop())
    }
    const lines: string[] = []
    for (const row of opened.rows.filter(({ name }) => names.includes(name))) lines.push(await compareIn(row, workers, flags))
    return lines
  } finally {
    for (const end of ends) await end()
    await client.close()
    await broker.remove()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The line of the table. */
async function compareIn(row: Row, workers: Readonly<Record<Side, Worker>>, { rounds, quick }: Flags): Promise<string> {
  const passes: Record<Side, Pass[]> = { millrace: [], kafka: [] }
  for (const side of sides) console.log(`  ${row.name} ${side} warming: ${words(await measured(workers[side], row, side, 'warm'))}`)
  for (let round = 0; round < rounds; round++)
    for (const side of sides) {
      const pass = await measured(workers[side], row, side, String(round))
      passes[side].push(pass)
      console.log(`  ${row.name} ${side} ${words(pass)}`)
    }
  const figures = { millrace: middle(passes.millrace), kafka: middle(passes.kafka) }
  if (!quick) await keep(row, figures, rounds, targets)
  const line = lineOf(row, figures)
  console.log(line)
  return line
}

interface Setting {
  readonly broker: RunningBroker
  readonly classPath: string
  readonly directory: string
  readonly more: Properties
}

function startWorker(side: Side, { broker, classPath, directory, more }: Setting): Promise<Worker> {
  const properties = {
    ...{ 'bootstrap.servers': broker.bootstrap, 'group.id': `bench-${side}`, 'offset.flush.interval.ms': '10000' },
    ...Object.fromEntries(
      ['config', 'offset', 'status'].flatMap(kind => [
        [`${kind}.storage.topic`, `bench-${side}-${kind}`],
        [`${kind}.storage.replication.factor`, '1'],
      ]),
    ),
    ...more,
  }
  if (side === 'kafka') return Worker.start(classPath, directory, 'kafka', properties, [], jvm)
  // For a profile: BENCH_NODE_FLAGS='--cpu-prof --cpu-prof-dir=DIR'.
  const flags = (process.env['BENCH_NODE_FLAGS'] ?? '').split(' ').filter(Boolean)
  return Worker.startMillrace(directory, 'millrace', properties, ['--max-semi-space-size=2', ...flags, join(repository, 'dist/cli.js')])
}

async function measured(worker: Worker, row: Row, side: Side, round: string): Promise<Pass> {
  const id = `${row.name}-${side}-${round}`
  let seconds = 0
  const { cost } = await costOf(worker.pid, async () => {
    const began = performance.now()
    await row.pass(worker, side, id)
    seconds = (performance.now() - began) / 1_000
  })
  await worker.rest('DELETE', `/connectors/${id}`)
  await row.after?.(id)
  return { recordsPerSecond: row.records / seconds, cpuMicros: (cost.cpuSeconds * 1e6) / row.records, rssMib: cost.rssBytes / 2 ** 20 }
}
