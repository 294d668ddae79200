/** Loads what moves data into a cluster and out of it only when it is used: a broker never does. */
import type { ClusterExportOptions, ClusterExportReport } from './export-cluster.ts'
import type { ClusterImportOptions, ClusterImportReport } from './import-cluster.ts'

export async function importIntoCluster(options: ClusterImportOptions): Promise<ClusterImportReport> {
  const loaded = await import('./import-cluster.ts')
  return await loaded.importIntoCluster(options)
}

export async function exportCluster(options: ClusterExportOptions): Promise<ClusterExportReport> {
  const loaded = await import('./export-cluster.ts')
  return await loaded.exportCluster(options)
}
