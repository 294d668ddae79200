/** Loads what moves partitions into a cluster and out of it only when it is used. */
import type { System } from '../../base.ts'
import type { PartitionSpec } from '../../log.ts'
import type { ClusterExportOptions } from './cluster-export.ts'
import type { ClusterImport, ClusterImportOptions, ReleasedDirectory, Seen } from './cluster-import.ts'
import type { Counted } from './tally.ts'

export async function openClusterImport(options: ClusterImportOptions): Promise<ClusterImport> {
  const { ClusterImport } = await import('./cluster-import.ts')
  return new ClusterImport(options)
}

/** Of the directory of a partition that was released: reads all of it. Rejects with an error that says what is wrong. */
export async function readThrough(system: System, of: ReleasedDirectory, seen: Seen): Promise<Counted> {
  const loaded = await import('./cluster-import.ts')
  return await loaded.readThrough(system, of, seen)
}

export async function exportPartitions(specs: readonly PartitionSpec[], options: ClusterExportOptions): Promise<void> {
  const loaded = await import('./cluster-export.ts')
  await loaded.exportPartitions(specs, options)
}
