/**
 * `npm run bench -- connect [rows…] [--rounds N] [--quick]`: Kafka Connect's worker and ours side by side, over one Millrace, with connectors for files, which cost
 * little themselves.
 *
 * Both run all the time, and are warmed with a whole pass each; then they take turns (A B A B …). A pass of the sink reads a topic into a file with a new
 * connector, one of the source a file into a new topic. Times are from the request that makes the connector to the last record. Only a complete run without
 * `--quick` writes docs/benchmarks-connect.md.
 */
import { createWriteStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { connectClassPath, connectVersion, fileSink, fileSource, Worker } from '../../compat/connect/worker.ts'
import { startMillrace } from '../../compat/support/brokers.ts'
import { repository } from '../../compat/support/cache.ts'
import { must } from '../../compat/support/run.ts'
import { type Client, openClient } from '../../src/client.ts'
import { costOf, pause, quantile } from '../measure.ts'

interface Pass {
  readonly recordsPerSecond: number
  readonly cpuMicros: number
  readonly rssMib: number
}

interface Row {
  readonly name: string
  readonly what: string
  /** Resolves when every record is where it has to be. */
  pass(worker: Worker, id: string): Promise<void>
}

const sides = ['millrace', 'kafka'] as const
type Side = (typeof sides)[number]

/** As connect-distributed.sh starts it. */
const jvm = ['-Xms256M', '-Xmx2G', '-server', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35']
const lineBytes = 100
const partitions = 4
const lookMs = 20
const mostMs = 240_000
const fullCount = 1_000_000

const line = (at: number) => String(at).padEnd(lineBytes - 1, 'abcdefghij')

export async function compareWorkers(
  names: readonly string[],
  flags: { readonly rounds: number; readonly quick: boolean },
): Promise<number> {
  const count = flags.quick ? fullCount / 10 : fullCount
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-connect-'))
  // Groups do not wait for more members: with Kafka's default that would be several seconds of each pass of the sink, whoever runs it.
  const broker = await startMillrace({ 'num.partitions': String(partitions), 'group.initial.rebalance.delay.ms': '0' })
  const client = openClient({ bootstrap: broker.bootstrap })
  const classPath = await connectClassPath()
  const rows = [sinkRow(count, directory), sourceRow(client, count, directory)].filter(
    ({ name }) => names.length === 0 || names.includes(name),
  )
  const workers = await startWorkers(broker.bootstrap, classPath, directory)
  const report: string[] = []
  try {
    await fill(client, count, join(directory, 'lines'))
    for (const row of rows) {
      const passes: Record<Side, Pass[]> = { millrace: [], kafka: [] }
      for (const side of sides) await measured(workers[side], row, `${row.name}-${side}-warm`, count)
      for (let round = 0; round < flags.rounds; round++)
        for (const side of sides) {
          const pass = await measured(workers[side], row, `${row.name}-${side}-${round}`, count)
          passes[side].push(pass)
          console.log(`  ${row.name} ${side} ${words(pass)}`)
        }
      report.push(...linesOf(row, passes))
      console.log(report.slice(-1).join('\n'))
    }
  } finally {
    for (const side of sides) await workers[side].stop()
    await client.close()
    await broker.remove()
    rmSync(directory, { recursive: true, force: true })
  }
  if (!flags.quick && names.length === 0) await writePage(report, count, flags.rounds)
  return 0
}

async function startWorkers(bootstrap: string, classPath: string, directory: string): Promise<Record<Side, Worker>> {
  const properties = (side: Side) => ({
    ...{ 'bootstrap.servers': bootstrap, 'group.id': `bench-${side}`, 'offset.flush.interval.ms': '10000' },
    ...Object.fromEntries(
      ['config', 'offset', 'status'].flatMap(kind => [
        [`${kind}.storage.topic`, `bench-${side}-${kind}`],
        [`${kind}.storage.replication.factor`, '1'],
      ]),
    ),
  })
  const kafka = await Worker.start(classPath, directory, 'kafka', properties('kafka'), [], jvm)
  const program = ['--max-semi-space-size=2', join(repository, 'dist/cli.js')]
  return { kafka, millrace: await Worker.startMillrace(directory, 'millrace', properties('millrace'), program) }
}

async function measured(worker: Worker, row: Row, id: string, count: number): Promise<Pass> {
  let seconds = 0
  const { cost } = await costOf(worker.pid, async () => {
    const began = performance.now()
    await row.pass(worker, id)
    seconds = (performance.now() - began) / 1_000
  })
  await worker.rest('DELETE', `/connectors/${id}`)
  return { recordsPerSecond: count / seconds, cpuMicros: (cost.cpuSeconds * 1e6) / count, rssMib: cost.rssBytes / 2 ** 20 }
}

function sinkRow(count: number, directory: string): Row {
  return {
    name: 'sink',
    what: 'topic of 4 partitions to a file, 2 tasks',
    async pass(worker, id) {
      const file = join(directory, id)
      const { name: _, ...config } = fileSink(id, file, 'lines', { 'tasks.max': '2' })
      await worker.rest('PUT', `/connectors/${id}/config`, config)
      await becomes(id, () => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= count * lineBytes)
      rmSync(file)
    },
  }
}

function sourceRow(client: Client, count: number, directory: string): Row {
  return {
    name: 'source',
    what: 'file to a topic of 1 partition, 1 task',
    async pass(worker, id) {
      const { name: _, ...config } = fileSource(id, join(directory, 'lines'), id)
      await client.createTopic({ name: id, partitions: 1 })
      await worker.rest('PUT', `/connectors/${id}/config`, config)
      await becomes(id, async () => ((await client.offsets(id, [0], 'latest')).get(0) ?? 0n) >= BigInt(count))
    },
  }
}

async function becomes(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await isSo()); waited += lookMs) {
    if (waited > mostMs) throw new Error(`${what} has not come to its end`)
    await pause(lookMs)
  }
}

/** The same lines as a file and as a topic. */
async function fill(client: Client, count: number, file: string): Promise<void> {
  const stream = createWriteStream(file)
  await client.createTopic({ name: 'lines', partitions })
  const together = 5_000
  for (let from = 0; from < count; from += together) {
    const some = Array.from({ length: Math.min(together, count - from) }, (_, at) => line(from + at))
    stream.write(`${some.join('\n')}\n`)
    await client.send(
      'lines',
      some.map((value, at) => ({ key: null, value: Buffer.from(value), partition: at % partitions })),
    )
  }
  stream.end()
  await finished(stream)
}

const words = ({ recordsPerSecond, cpuMicros, rssMib }: Pass) =>
  `${Math.round(recordsPerSecond).toLocaleString('en')} records/s, ${cpuMicros.toFixed(2)} µs of CPU per record, ${Math.round(rssMib)} MiB`

function linesOf({ name, what }: Row, passes: Record<Side, readonly Pass[]>): string[] {
  const of = (side: Side, value: (pass: Pass) => number) =>
    quantile(
      passes[side].map(value).sort((a, b) => a - b),
      0.5,
    )
  const number = (value: number) => Math.round(value).toLocaleString('en')
  const cells = (value: (pass: Pass) => number, shown: (value: number) => string) => {
    const [ours, theirs] = [of('millrace', value), of('kafka', value)]
    return `${shown(ours)} / ${shown(theirs)} (${(ours / theirs).toFixed(2)} ×)`
  }
  return [
    `| ${name}: ${what} | ${cells(({ recordsPerSecond }) => recordsPerSecond, number)} | ${cells(
      ({ cpuMicros }) => cpuMicros,
      value => value.toFixed(2),
    )} | ${cells(({ rssMib }) => rssMib, number)} |`,
  ]
}

async function writePage(report: readonly string[], count: number, rounds: number): Promise<void> {
  const commit = (await must('git', ['-C', repository, 'rev-parse', '--short', 'HEAD'])).trim()
  const machine = `${cpus().length} × ${cpus()[0]!.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`
  const text = `# Benchmarks of connectors

\`npm run bench -- connect\` measures our worker and Kafka Connect ${connectVersion}'s side by side, over one Millrace, with Kafka's connectors for files and ours: ${count.toLocaleString('en')} records of
${lineBytes} bytes, ${rounds} rounds in turns, the middle one of each. The JVM has the settings of connect-distributed.sh; both are warmed with a whole pass;
groups do not wait for more members (\`group.initial.rebalance.delay.ms=0\`). ${new Date().toISOString().slice(0, 10)}, ${commit}, ${machine}.

| Millrace / Kafka Connect | records/s | µs of CPU per record | MiB of memory |
|---|---|---|---|
${report.join('\n')}
`
  writeFileSync(join(repository, 'docs/benchmarks-connect.md'), text)
}
