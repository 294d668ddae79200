/**
 * What the metadata of a database needs that was restored to a point in time, because clients and brokers have seen what came after that point.
 *
 * Producer ids that were given out since would be given to others, and a producer that takes records of another one for its own repetitions loses them.
 * Leader epochs would begin again below those that clients know, and clients ignore what they are told with a lower one.
 */
import { addInt64, type System } from '../../base.ts'
import { KafkaError } from '../../protocol.ts'
import type { LogRecord } from '../shard.ts'
import type { ClusterImage } from './image.ts'
import type { MetadataLog } from './metadata-log.ts'
import { encodeMetadataRecord, type MetadataRecord } from './metadata-records.ts'
import { readImage } from './read-metadata.ts'

/** More than are given out, and than leaders change, in any time that is restored. */
const skippedProducerIds = 1_000_000_000
const skippedEpochs = 10_000
const recordsAtOnce = 1_000
const mostAttempts = 10
const idBytes = 16

/** Others may append meanwhile. Returns how many partitions there are. */
export async function markRestored(log: MetadataLog, random: System['random']): Promise<number> {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const { image, end } = await readImage(log)
    // What was done before another broker was faster is done again, and skips more.
    if (await appendAll(log, random, end, [...changes(image)].map(encodeMetadataRecord))) return image.topics.partitionCount
  }
  throw new KafkaError('REQUEST_TIMED_OUT', `brokers changed the metadata first, ${mostAttempts} times`)
}

async function appendAll(log: MetadataLog, random: System['random'], from: number, records: readonly LogRecord[]): Promise<boolean> {
  for (let at = 0; at < records.length; at += recordsAtOnce) {
    const id = Buffer.alloc(idBytes)
    random.fill(id)
    if (!(await log.append(from + at, records.slice(at, at + recordsAtOnce), id))) return false
  }
  return true
}

function* changes({ topics, nextProducerId }: ClusterImage): Generator<MetadataRecord> {
  const next = addInt64(nextProducerId, skippedProducerIds)
  yield { type: 'ProducerIdsRecord', brokerId: -1, brokerEpoch: -1, nextProducerId: next }
  for (const { partitions } of topics.byId.values())
    for (const { leaderEpoch, partitionEpoch, ...partition } of partitions)
      yield { ...partition, leaderEpoch: leaderEpoch + skippedEpochs, partitionEpoch: partitionEpoch + skippedEpochs }
}
