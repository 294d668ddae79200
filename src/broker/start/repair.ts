/** Repairs partitions while the broker is stopped: keeps what can be read and gives up the rest (`docs/repair.md`). */
import { repairFile } from '../../log.ts'
import { dataDirectory } from '../config.ts'
import { openDataDirectory } from './data-directory.ts'
import { type OfflineOptions, withMetadata } from './offline.ts'

export interface Repaired {
  partition: string
  firstOffset: number
  endOffset: number
  /** Why it is still offline; null if it is repaired. */
  offline: string | null
}

/** How many of these partitions have not been gone through yet by a repair that runs. */
export function leftToRepair({ config, system: { files } }: OfflineOptions, partitions: readonly string[]): number {
  const directory = dataDirectory(config)
  return partitions.filter(name => files.exists(`${directory}/${name}/${repairFile}`)).length
}

/** `partitions`: names such as `orders-3`. Losses are reported to the logger. */
export async function repairPartitions(options: OfflineOptions, partitions: readonly string[]): Promise<Repaired[]> {
  const { config } = options
  const { files } = options.system
  const directory = dataDirectory(config)
  // Checked before the directory is opened, which would create a missing one.
  for (const name of partitions)
    if (!/^[^/]+-\d+$/.test(name) || !files.exists(`${directory}/${name}`))
      throw new Error(`${directory} contains no partition ${name}`, { cause: name })
  const { system, close } = await openDataDirectory({ ...options, directory, nodeId: config.get('node.id') })
  try {
    for (const name of partitions) await files.replaceFile(`${directory}/${name}/${repairFile}`, Buffer.alloc(0))
    const repaired: Repaired[] = []
    await withMetadata({ ...options, system }, directory, async metadata => {
      for (const partition of partitions) {
        const at = partition.lastIndexOf('-')
        const log = metadata.partitionByName(partition.slice(0, at), Number(partition.slice(at + 1)))
        if (log === undefined) throw new Error(`${partition} belongs to no topic of this broker`, { cause: partition })
        repaired.push({ partition, firstOffset: log.logStartOffset, endOffset: log.logEndOffset, offline: log.offline })
      }
    })
    return repaired
  } finally {
    await close()
  }
}
