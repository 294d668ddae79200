/** `millrace import`: creates a new data directory from the data of a stopped Kafka. */
import { realSystem } from '../base.ts'
import { type ImportProgress, type ImportReport, importKafka } from '../broker.ts'
import { jsonLogger } from '../logger.ts'
import { CommandFailed, plural, show, size } from './output.ts'
import { type Progress, ProgressLine } from './progress-line.ts'
import { configFrom, explain, type StartFlags } from './start.ts'

export type ImportFlags = Pick<StartFlags, 'config' | 'set' | 'data'> & { json?: boolean }

export async function importData(sources: readonly string[], flags: ImportFlags): Promise<void> {
  const system = realSystem()
  const config = configFrom(flags, system)
  // As log.dirs has them.
  const directories = sources.flatMap(each => each.split(',')).filter(each => each !== '')
  const progress = new ProgressLine(system)
  let report: ImportReport
  try {
    report = await importKafka({
      system,
      config,
      logger: jsonLogger('error'),
      sources: directories,
      onProgress: each => progress.show(each.step, () => progressOf(each)),
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

function progressOf({ step, bytes, totalBytes, partitions, totalPartitions }: ImportProgress): Progress {
  if (step === 'checking') return { part: null, text: `checking ${plural(totalPartitions, 'partition')}` }
  const part = totalBytes === 0 ? 1 : bytes / totalBytes
  return { part, text: `copied ${size(BigInt(bytes))} of ${size(BigInt(totalBytes))}, ${partitions} of ${totalPartitions} partitions` }
}
