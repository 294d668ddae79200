/** `millrace cluster import` and `export`: a data directory into a cluster, and a cluster into a new data directory. */
import { realSystem, type System } from '../base.ts'
import { type ClusterExportReport, type ClusterImportReport, exportCluster, importIntoCluster } from '../broker.ts'
import { jsonLogger, type Logger } from '../logger.ts'
import { KafkaError } from '../protocol.ts'
import { type ClusterFlags, type Stores, toldDatabase, toldObjects, withStores } from './cluster.ts'
import { CommandFailed, plural, show, size, UsageError } from './output.ts'
import { type Progress, ProgressLine } from './progress-line.ts'
import { explain } from './start.ts'

interface TransferFlags extends ClusterFlags {
  dryRun?: boolean
}

/** Both may take hours: database and object store may be away for a while. */
const patience = { objectsMs: 300_000, databaseMs: 120_000 }

export async function importDirectory(directory: string, flags: TransferFlags): Promise<void> {
  const report = await transfer('import', flags, (options, tell) =>
    importIntoCluster({
      ...options,
      directory,
      onProgress: ({ bytes, totalBytes, partitions, totalPartitions }) =>
        tell(done => ({
          part: totalBytes === 0 ? 1 : bytes / totalBytes,
          text: `${done} ${size(BigInt(bytes))} of ${size(BigInt(totalBytes))}, ${partitions} of ${totalPartitions} partitions`,
        })),
    }),
  )
  await show(flags.json, report, () => describeImport(report))
}

export async function exportDirectory(directory: string, { nodeId, ...flags }: TransferFlags & { nodeId: number }): Promise<void> {
  const report = await transfer('export', flags, (options, tell) =>
    exportCluster({
      ...options,
      directory,
      nodeId,
      onProgress: ({ bytes, partitions, totalPartitions }) =>
        tell(done => ({
          part: totalPartitions === 0 ? 1 : partitions / totalPartitions,
          text: `${done} ${size(BigInt(bytes))}, ${partitions} of ${totalPartitions} partitions complete`,
        })),
    }),
  )
  await show(flags.json, report, () => describeExport(report))
}

type Options = Stores & { system: System; logger: Logger; dryRun: boolean }
/** Called with what has been done to the bytes: `copied`, or `checked` in a dry run. */
type ProgressOf = (done: string) => Progress

async function transfer<T>(
  what: string,
  flags: TransferFlags,
  work: (options: Options, tell: (progressOf: ProgressOf) => void) => Promise<T>,
): Promise<T> {
  const system = realSystem()
  const progress = new ProgressLine(system)
  const dryRun = flags.dryRun ?? false
  const done = dryRun ? 'checked' : 'copied'
  const options = { system, logger: jsonLogger('error'), dryRun }
  const transferBetween = (stores: Stores) => work({ ...options, ...stores }, progressOf => progress.show(done, () => progressOf(done)))
  try {
    // What is wrong from the beginning is said at once.
    await toldDatabase(() => withStores(flags, reach))
    return await toldDatabase(() => withStores(flags, transferBetween, patience))
  } catch (error) {
    if (error instanceof CommandFailed || error instanceof UsageError) throw error
    const reason = error instanceof KafkaError ? error.message : explain(error as Error)
    throw new CommandFailed(`cannot ${what}: ${reason}`)
  } finally {
    progress.end()
  }
}

async function reach({ database, objects }: Stores): Promise<void> {
  await database.check()
  await toldObjects(() => objects.list('check/'))
}

function describeImport(report: ClusterImportReport): string {
  const { outcome, directory, clusterId, sourceClusterId } = report
  if (outcome === 'there') return `${directory} is already in cluster ${clusterId}: an earlier import was complete\n`
  const isChecked = outcome === 'checked'
  return [
    isChecked ? `${directory} can be imported into cluster ${clusterId}:` : `Imported ${directory} into cluster ${clusterId}:`,
    ...contentsOf(report),
    ...(clusterId === sourceClusterId ? [] : [`  the cluster keeps its id; the id in the directory is ${sourceClusterId}`]),
    isChecked
      ? 'Nothing was written.'
      : 'Each object was read again and compared. Start brokers with: millrace start --cluster … --objects …',
    '',
  ].join('\n')
}

function describeExport(report: ClusterExportReport): string {
  const { outcome, directory, clusterId, nodeId, kept } = report
  const isChecked = outcome === 'checked'
  const settings = nodeId === 1 ? '' : ` --set node.id=${nodeId}`
  return [
    isChecked ? `Cluster ${clusterId} can be exported:` : `Exported cluster ${clusterId} into ${directory}, for node ${nodeId}:`,
    ...contentsOf(report),
    ...(kept === 0
      ? []
      : [`  ${plural(kept, 'partition')} had been exported before; their batches, groups and transactions are not counted`]),
    isChecked ? 'Nothing was written.' : `Each file was read again and compared. Start with: millrace start${settings} --data ${directory}`,
    '',
  ].join('\n')
}

function contentsOf(report: ClusterImportReport | ClusterExportReport): string[] {
  const { topics, partitions, batches, records, bytes, configs, acls, scramUsers, quotas, delegationTokens } = report
  const { groups, groupOffsets, transactionalIds, openTransactions } = report
  return [
    `  ${plural(topics, 'topic')}, ${plural(partitions, 'partition')} with data`,
    `  ${plural(batches, 'batch')} with ${plural(records, 'record')}, ${size(BigInt(bytes))}`,
    `  ${plural(groups, 'group')} with ${plural(groupOffsets, 'committed offset')}`,
    `  ${plural(transactionalIds, 'transactional id')}, ${plural(openTransactions, 'open transaction')}`,
    `  ${plural(configs, 'config')}, ${plural(acls, 'ACL')}, ${plural(scramUsers, 'SCRAM user')}, ${plural(quotas, 'quota')}, ${plural(delegationTokens, 'delegation token')}`,
  ]
}
