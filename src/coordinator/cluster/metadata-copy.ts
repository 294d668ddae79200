/**
 * The metadata of one home, to be written into another: from Kafka or a cluster into a new data directory, from a data directory into a
 * cluster.
 *
 * Hides what belongs to the place and stays behind (registered brokers, who leads), and how a partition gets its new leader: with an epoch
 * above the one that clients have seen, because they ignore a lower one.
 */
import type { FileSystem } from '../../base.ts'
import type { Offset, Uuid } from '../../protocol.ts'
import type { LogRecord } from '../shard.ts'
import type { ClusterImage } from './image.ts'
import { clusterMetadataTopic } from './internal-topics.ts'
import { encodeMetadataRecord, type MetadataRecord, newPartitionRecord, type PartitionRecord } from './metadata-records.ts'
import { encodeSnapshot, snapshotName } from './snapshot-file.ts'

export interface CopiedPartition {
  topic: string
  topicId: Uuid
  partition: number
  leaderEpoch: number
  /** Brokers, those most likely to have all records first: the leader, in-sync replicas, those that were last in sync. */
  mostComplete: readonly number[]
  /** Brokers that hold it, and at the same index the id of the directory in which each does. */
  replicas: readonly number[]
  directories: readonly Uuid[]
}

/** How much there is of each kind. */
export interface MetadataCounts {
  topics: number
  configs: number
  acls: number
  scramUsers: number
  delegationTokens: number
  quotas: number
}

/** What becomes of an import into a cluster. `done`: all topics are there, from an earlier import. `occupied`: the cluster has other content. */
type MetadataImport = { kind: 'new'; records: readonly LogRecord[] } | { kind: 'done' } | { kind: 'occupied'; by: string }

interface Place {
  /** The broker that leads everything. */
  nodeId: number
  /** Those in whose place it comes. */
  nodes: ReadonlySet<number>
}

export class MetadataCopy {
  /** Next offset of its log: grows for as long as a broker runs, so that the same end means the same state. */
  readonly endOffset: Offset
  readonly #image: ClusterImage
  readonly #withFeatures: boolean

  constructor(image: ClusterImage, endOffset: Offset, { withFeatures }: { withFeatures: boolean }) {
    this.#image = image
    this.endOffset = endOffset
    this.#withFeatures = withFeatures
  }

  *partitions(): Generator<CopiedPartition> {
    for (const { name, id, partitions } of this.#image.topics.byId.values())
      for (const record of partitions) {
        const { partitionId, leader, leaderEpoch, isr, eligibleLeaderReplicas, lastKnownElr, replicas, directories } = record
        // After a shutdown there is no leader and no in-sync replica.
        const mostComplete = [leader, ...isr, ...(eligibleLeaderReplicas ?? []), ...(lastKnownElr ?? [])]
        yield { topic: name, topicId: id, partition: partitionId, leaderEpoch, mostComplete, replicas, directories }
      }
  }

  topicConfigs(topic: string): ReadonlyMap<string, string> {
    return this.#image.configs.of('TOPIC', topic)
  }

  counts(): MetadataCounts {
    const { topics, configs, security, quotas } = this.#image
    return {
      topics: topics.byId.size,
      configs: Array.from(configs.records()).length,
      acls: security.acls.size,
      scramUsers: security.scramUsers.size,
      delegationTokens: security.tokens.size,
      quotas: Array.from(quotas.records()).length,
    }
  }

  /** As the first snapshot of a broker that is alone. */
  async writeFor({
    files,
    directory,
    timestamp,
    ...place
  }: Place & { files: FileSystem; directory: string; timestamp: number }): Promise<void> {
    const own = `${directory}/${clusterMetadataTopic}-0`
    files.makeDirectory(own)
    await files.replaceFile(`${own}/${snapshotName(0, 0)}`, encodeSnapshot(this.#recordsFor(place), timestamp))
  }

  /** What has to be appended to the metadata log of the cluster that `target` shows. */
  into(target: MetadataCopy, place: Place): MetadataImport {
    const [ours, theirs] = [this.#image.topics.byId, target.#image.topics.byId]
    if (ours.size > 0 && [...ours.keys()].every(id => theirs.has(id))) return { kind: 'done' }
    const by = target.#content()
    if (by !== null) return { kind: 'occupied', by }
    const records: LogRecord[] = []
    for (const record of this.#recordsFor(place)) {
      if (record.type === 'ProducerIdsRecord' && record.nextProducerId < target.#image.nextProducerId) continue
      records.push(encodeMetadataRecord(record))
    }
    return { kind: 'new', records }
  }

  /** What is in it beside brokers, features, and producer ids that were given out. */
  #content(): string | null {
    const { topics, configs, security, quotas } = this.#image
    const [topic] = topics.byName.keys()
    if (topic !== undefined) return topics.byId.size > 1 ? `${topics.byId.size} topics (${topic}, …)` : `topic ${topic}`
    if (security.acls.size > 0) return `ACLs (${security.acls.size})`
    const [user] = security.scramUsers.keys()
    if (user !== undefined) return `SCRAM users (${user}${security.scramUsers.size > 1 ? ', …' : ''})`
    if (security.tokens.size > 0) return `delegation tokens (${security.tokens.size})`
    if (quotas.records().next().done !== true) return 'client quotas'
    if (configs.records().next().done !== true) return 'stored configs'
    return null
  }

  *#recordsFor({ nodeId, nodes }: Place): Generator<MetadataRecord> {
    for (const record of this.#image.records()) {
      if (record.type === 'PartitionRecord') yield partitionFor(record, nodeId)
      else if (record.type === 'ProducerIdsRecord') yield { ...record, brokerId: nodeId, brokerEpoch: 0 }
      else if (record.type === 'ConfigRecord' && record.resourceType === 'BROKER' && record.resourceName !== '') {
        if (nodes.has(Number(record.resourceName))) yield { ...record, resourceName: String(nodeId) }
      } else if (record.type === 'FeatureLevelRecord') {
        if (this.#withFeatures) yield record
      } else if (record.type !== 'RegisterBrokerRecord') yield record
    }
  }
}

/** A new leader, as clients see it. */
function partitionFor(record: PartitionRecord, nodeId: number): PartitionRecord {
  const { topicId, partitionId, leaderEpoch, partitionEpoch } = record
  return {
    ...newPartitionRecord(topicId, partitionId, [nodeId]),
    leaderEpoch: leaderEpoch + 1,
    partitionEpoch: partitionEpoch + 1,
  }
}
