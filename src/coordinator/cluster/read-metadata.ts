/** What a metadata log says now: for programs that are no broker, and change nothing. */
import { KafkaError, type Offset } from '../../protocol.ts'
import { ClusterImage } from './image.ts'
import { MetadataCopy } from './metadata-copy.ts'
import { type MetadataLog, newImage } from './metadata-log.ts'
import { decodeMetadataRecord } from './metadata-records.ts'
import type { BrokerRegistration } from './types.ts'

const mostAttempts = 10

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
  const { image } = await readImage(log)
  return { brokers: image.brokers.sorted(), topics: [...image.topics.byId.values()] }
}

/** To be written into another home. */
export async function readMetadataCopy(log: MetadataLog): Promise<MetadataCopy> {
  const { image, end } = await readImage(log)
  return new MetadataCopy(image, end, { withFeatures: true })
}

interface ReadImage {
  image: ClusterImage
  end: Offset
}

/** From the beginning each time that the log turns out to be another one, or that it cannot be seen whether it is. */
export async function readImage(log: MetadataLog): Promise<ReadImage> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await readFromBeginning(log)
    } catch (error) {
      const again = error instanceof KafkaError && error.name === 'OFFSET_OUT_OF_RANGE' && attempt < mostAttempts
      if (!again) throw error
    }
  }
}

async function readFromBeginning(log: MetadataLog): Promise<ReadImage> {
  let image = new ClusterImage()
  let end = newImage
  for (;;) {
    const slice = await log.read(end)
    // What was read before may be gone from the log meanwhile.
    if (slice.isSnapshot) image = new ClusterImage()
    for (const { record } of slice.records) if (record.value !== null) image.replay(decodeMetadataRecord(record.value))
    if (!slice.isSnapshot && slice.end === end) return { image, end }
    end = slice.end
  }
}
