/** `millrace import`: creates a new data directory from the data of a stopped Kafka. */
import { realSystem, type System } from '../base.ts'
import { type ImportProgress, type ImportReport, importKafka, jsonLogger } from '../broker.ts'
import { CommandFailed, plural, show, size } from './output.ts'
import { configFrom, explain, type StartFlags } from './start.ts'

export type ImportFlags = Pick<StartFlags, 'config' | 'set' | 'data'> & { json?: boolean }

export async function importData(sources: readonly string[], flags: ImportFlags): Promise<void> {
  const system = realSystem()
  const config = configFrom(flags, system)
  // As log.dirs has them.
  const directories = sources.flatMap(each => each.split(',')).filter(each => each !== '')
  const progress = new Progress(system)
  let report: ImportReport
  try {
    report = await importKafka({
      system,
      config,
      logger: jsonLogger('error'),
      sources: directories,
      onProgress: each => progress.show(each),
    })
  } catch (error) {
    progress.end()
    throw new CommandFailed(`cannot import: ${explain(error as Error)}`)
  }
  progress.end()
  await show(flags.json, report, () => describe(report, flags.config))
  if (report.offline.length > 0)
    throw new CommandFailed(`${plural(report.offline.length, 'partition')} could not be read completely: see above`)
}

function describe(report: ImportReport, config: string | undefined): string {
  const { directory, clusterId, nodeId, offline, leftOut, wasShutDownCleanly, delegationTokens } = report
  const lines = [
    `Imported into ${directory}: cluster ${clusterId}, node ${nodeId}`,
    `  ${plural(report.topics, 'topic')}, ${plural(report.partitions, 'partition')}, ${size(BigInt(report.bytes))}`,
    `  ${plural(report.configs, 'config')}, ${plural(report.acls, 'ACL')}, ${plural(report.scramUsers, 'SCRAM user')}, ${plural(report.quotas, 'quota')}`,
    '  group offsets and transaction state: unchanged, in the internal topics',
    ...offline.map(({ partition, reason }) => `  offline: ${partition}: ${reason} (docs/repair.md)`),
    ...leftOut.map(path => `  skipped, because it belongs to no topic: ${path}`),
  ]
  if (!wasShutDownCleanly) lines.push('  Kafka was not shut down cleanly: incomplete batches at the ends of its logs were skipped')
  if (delegationTokens > 0)
    lines.push(`  ${plural(delegationTokens, 'delegation token')}: valid if this broker uses the same delegation.token.secret.key as Kafka`)
  lines.push('')
  if (config === undefined)
    lines.push(
      "Settings of Kafka's server.properties are not in its data: import and start read that file with --config server.properties.",
    )
  const settings = config === undefined ? (nodeId === 1 ? '' : ` --set node.id=${nodeId}`) : ` --config ${config}`
  lines.push(`Start with: millrace start${settings} --data ${directory}`, '')
  return lines.join('\n')
}

const redrawMs = 200
const lineMs = 10_000

/** A progress line that is redrawn on a terminal; elsewhere a new line from time to time. On standard error, because the report is the output. */
class Progress {
  readonly #system: System
  readonly #live = process.stderr.isTTY
  #toldMs = Number.NEGATIVE_INFINITY
  #step = ''

  constructor(system: System) {
    this.#system = system
  }

  show({ step, bytes, totalBytes, partitions, totalPartitions }: ImportProgress): void {
    const nowMs = this.#system.clock.monotonic()
    if (step === this.#step && nowMs - this.#toldMs < (this.#live ? redrawMs : lineMs)) return
    this.#step = step
    this.#toldMs = nowMs
    const percent = totalBytes === 0 ? 100 : Math.floor((100 * bytes) / totalBytes)
    const copied = `${percent} % (${size(BigInt(bytes))} of ${size(BigInt(totalBytes))}, ${partitions} of ${totalPartitions} partitions)`
    const text = step === 'copying' ? `copying ${copied}` : `checking ${plural(totalPartitions, 'partition')}`
    process.stderr.write(this.#live ? `\r\x1b[K${text}` : `${text}\n`)
  }

  end(): void {
    if (this.#live && this.#step !== '') process.stderr.write('\n')
  }
}
