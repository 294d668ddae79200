/** What a metadata log says now: for programs that are no broker, and change nothing. */
import { ClusterImage } from './image.ts'
import { type MetadataLog, newImage } from './metadata-log.ts'
import { decodeMetadataRecord } from './metadata-records.ts'
import type { BrokerRegistration } from './types.ts'

export interface MetadataView {
  /** By id. */
  readonly brokers: readonly BrokerRegistration[]
  readonly topics: readonly {
    readonly name: string
    readonly id: string
    /** By index. */
    readonly partitions: readonly { readonly leader: number; readonly leaderEpoch: number; readonly replicas: readonly number[] }[]
  }[]
}

export async function readMetadata(log: MetadataLog): Promise<MetadataView> {
  let image = new ClusterImage()
  let end = newImage
  for (;;) {
    const slice = await log.read(end)
    // What was read before may be gone from the log meanwhile.
    if (slice.isSnapshot) image = new ClusterImage()
    for (const { record } of slice.records) if (record.value !== null) image.replay(decodeMetadataRecord(record.value))
    if (!slice.isSnapshot && slice.end === end) break
    end = slice.end
  }
  return { brokers: image.brokers.sorted(), topics: [...image.topics.byId.values()] }
}
