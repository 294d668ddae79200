/** What was measured of the workers, kept in results.json, and docs/benchmarks-connect.md, which is written from it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { connectVersion } from '../../compat/connect/worker.ts'
import { repository } from '../../compat/support/cache.ts'
import { must } from '../../compat/support/run.ts'
import { quantile } from '../measure.ts'
import { type Row, type Side, sides, type Target } from './target.ts'

export interface Pass {
  readonly recordsPerSecond: number
  readonly cpuMicros: number
  readonly rssMib: number
}

interface Result extends Readonly<Record<Side, Pass>> {
  readonly name: string
  readonly what: string
  readonly records: number
  readonly rounds: number
  readonly origin: string
}

const resultsFile = join(import.meta.dirname, 'results.json')

/** The middle one of each figure. */
export function middle(passes: readonly Pass[]): Pass {
  const of = (value: (pass: Pass) => number) =>
    quantile(
      passes.map(value).sort((a, b) => a - b),
      0.5,
    )
  return {
    recordsPerSecond: Math.round(of(pass => pass.recordsPerSecond)),
    cpuMicros: Number(of(pass => pass.cpuMicros).toFixed(2)),
    rssMib: Math.round(of(pass => pass.rssMib)),
  }
}

export const words = ({ recordsPerSecond, cpuMicros, rssMib }: Pass) =>
  `${Math.round(recordsPerSecond).toLocaleString('en')} records/s, ${cpuMicros.toFixed(2)} µs of CPU per record, ${Math.round(rssMib)} MiB`

export function lineOf({ name, what, records }: Pick<Row, 'name' | 'what' | 'records'>, figures: Readonly<Record<Side, Pass>>): string {
  const cells = (value: (pass: Pass) => number, shown: (value: number) => string) => {
    const [ours, theirs] = sides.map(side => value(figures[side])) as [number, number]
    return `${shown(ours)} / ${shown(theirs)} (${(ours / theirs).toFixed(2)} ×)`
  }
  const number = (value: number) => value.toLocaleString('en')
  const columns = [
    `${name}: ${what}, ${number(records)} records`,
    cells(({ recordsPerSecond }) => recordsPerSecond, number),
    cells(
      ({ cpuMicros }) => cpuMicros,
      value => value.toFixed(2),
    ),
    cells(({ rssMib }) => rssMib, number),
  ]
  return `| ${columns.join(' | ')} |`
}

export async function keep(row: Row, figures: Readonly<Record<Side, Pass>>, rounds: number, targets: readonly Target[]): Promise<void> {
  const commit = (await must('git', ['-C', repository, 'rev-parse', '--short', 'HEAD'])).trim()
  const machine = `${cpus().length} × ${cpus()[0]!.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`
  const origin = `${new Date().toISOString().slice(0, 10)}, ${commit}, ${machine}`
  const { name, what, records } = row
  const all = existsSync(resultsFile) ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as Result[]) : []
  const results = [...all.filter(each => each.name !== name), { name, what, records, rounds, origin, ...figures }]
  const order = targets.flatMap(each => each.rows)
  results.sort((one, other) => order.indexOf(one.name) - order.indexOf(other.name))
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 2)}\n`)
  writeFileSync(join(repository, 'docs/benchmarks-connect.md'), page(results, targets))
}

function page(results: readonly Result[], targets: readonly Target[]): string {
  const origins = [...new Set(results.map(({ origin }) => origin))].map(
    origin =>
      `- ${results
        .filter(each => each.origin === origin)
        .map(({ name }) => `\`${name}\``)
        .join(', ')}: ${origin}`,
  )
  return `# Benchmarks of connectors

\`npm run bench -- connect [rows…]\` measures our worker and Kafka Connect ${connectVersion}'s side by side, over one Millrace, in turns: A B A B A B, the middle one of
each figure. The JVM has the settings of connect-distributed.sh; both are warmed with a whole pass. Groups do not wait for more members
(\`group.initial.rebalance.delay.ms=0\`). Times are from the request that makes the connector to the last record in its place; CPU is that of the worker's process with its
threads, memory the most that was resident.

| Millrace / Kafka Connect | records/s | µs of CPU per record | MiB of memory |
|---|---|---|---|
${results.map(each => lineOf(each, each)).join('\n')}

${origins.join('\n')}

## Connectors and settings

${targets
  .filter(({ rows }) => results.some(({ name }) => rows.includes(name)))
  .map(({ rows, about }) => `- ${rows.map(name => `\`${name}\``).join(', ')}: ${about}`)
  .join('\n')}
`
}
