/** `millrace cluster import` and `export`: a data directory into a cluster, and a cluster into a new data directory. */
import { realSystem } from '../base.ts'
import { type ClusterExportReport, type ClusterImportReport, exportCluster, importIntoCluster, jsonLogger } from '../broker.ts'
import { KafkaError } from '../protocol.ts'
import { type ClusterFlags, type Stores, toldDatabase, toldObjects, withStores } from './cluster.ts'
import { CommandFailed, plural, show, size, UsageError } from './output.ts'
import { ProgressLine } from './progress-line.ts'
import { explain } from './start.ts'

interface ImportFlags extends ClusterFlags {
  dryRun?: boolean
}

interface ExportFlags extends ImportFlags {
  nodeId: number
}

/** Both may take hours: database and object store may be away for a while. */
const patience = { objectsMs: 300_000, databaseMs: 120_000 }

export async function importDirectory(directory: string, flags: ImportFlags): Promise<void> {
  const system = realSystem()
  const progress = new ProgressLine(system)
  const dryRun = flags.dryRun ?? false
  const what = dryRun ? 'checked' : 'copied'
  const work = ({ database, objects }: Stores) =>
    importIntoCluster({
      system,
      logger: jsonLogger('error'),
      directory,
      database,
      objects,
      dryRun,
      onProgress: ({ bytes, totalBytes, partitions, totalPartitions }) =>
        progress.show(what, () => {
          const percent = totalBytes === 0 ? 100 : Math.min(100, Math.floor((100 * bytes) / totalBytes))
          return `${percent} % ${what} (${size(BigInt(bytes))} of ${size(BigInt(totalBytes))}, ${partitions} of ${totalPartitions} partitions)`
        }),
    })
  const report = await told('import', flags, work, progress)
  await show(flags.json, report, () => describeImport(report))
}

export async function exportDirectory(directory: string, flags: ExportFlags): Promise<void> {
  const system = realSystem()
  const progress = new ProgressLine(system)
  const dryRun = flags.dryRun ?? false
  const what = dryRun ? 'checked' : 'copied'
  const work = ({ database, objects }: Stores) =>
    exportCluster({
      system,
      logger: jsonLogger('error'),
      directory,
      nodeId: flags.nodeId,
      database,
      objects,
      dryRun,
      onProgress: ({ bytes, partitions, totalPartitions }) =>
        progress.show(what, () => `${size(BigInt(bytes))} ${what}, ${partitions} of ${totalPartitions} partitions complete`),
    })
  const report = await told('export', flags, work, progress)
  await show(flags.json, report, () => describeExport(report))
}

async function told<T>(what: string, flags: ClusterFlags, work: (stores: Stores) => Promise<T>, progress: ProgressLine): Promise<T> {
  try {
    // What is wrong from the beginning is said at once.
    await toldDatabase(() => withStores(flags, reach))
    return await toldDatabase(() => withStores(flags, work, patience))
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
  if (outcome === 'there') return `${directory} is in cluster ${clusterId} already: an earlier import was complete\n`
  const isChecked = outcome === 'checked'
  return [
    isChecked ? `${directory} can be imported into cluster ${clusterId}:` : `Imported ${directory} into cluster ${clusterId}:`,
    ...contentsOf(report),
    ...(clusterId === sourceClusterId ? [] : [`  the cluster keeps its id; that of the directory is ${sourceClusterId}`]),
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
    `  ${plural(batches, 'batch').replace(/batchs$/, 'batches')} with ${plural(records, 'record')}, ${size(BigInt(bytes))}`,
    `  ${plural(groups, 'group')} with ${plural(groupOffsets, 'committed offset')}`,
    `  ${plural(transactionalIds, 'transactional id')}, ${plural(openTransactions, 'open transaction')}`,
    `  ${plural(configs, 'config')}, ${plural(acls, 'ACL')}, ${plural(scramUsers, 'SCRAM user')}, ${plural(quotas, 'quota')}, ${plural(delegationTokens, 'delegation token')}`,
  ]
}
