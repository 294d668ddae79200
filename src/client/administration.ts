/** The part of the client's interface for users, permissions and quotas; see `../client.ts`. */
import type { Int64 } from '../base.ts'
import type { Reassignment, TopicState } from './types.ts'

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512'

export interface ScramUser {
  user: string
  credentials: { mechanism: ScramMechanism; iterations: number }[]
}

export interface NewScramCredential {
  user: string
  password: string
  mechanism: ScramMechanism
  iterations: number
}

export const aclResourceTypes = ['TOPIC', 'GROUP', 'CLUSTER', 'TRANSACTIONAL_ID', 'DELEGATION_TOKEN', 'USER'] as const
export type AclResourceType = (typeof aclResourceTypes)[number]

export const aclOperations = [
  'ALL',
  'READ',
  'WRITE',
  'CREATE',
  'DELETE',
  'ALTER',
  'DESCRIBE',
  'CLUSTER_ACTION',
  'DESCRIBE_CONFIGS',
  'ALTER_CONFIGS',
  'IDEMPOTENT_WRITE',
  'CREATE_TOKENS',
  'DESCRIBE_TOKENS',
  'TWO_PHASE_COMMIT',
] as const
export type AclOperation = (typeof aclOperations)[number]

export interface Acl {
  resourceType: AclResourceType
  resourceName: string
  patternType: 'LITERAL' | 'PREFIXED'
  /** `User:alice`. */
  principal: string
  host: string
  operation: AclOperation
  permission: 'ALLOW' | 'DENY'
}

/** An omitted field matches everything. `MATCH` finds all patterns that apply to the resource of that name. */
export type AclFilter = Partial<Omit<Acl, 'patternType'>> & { patternType?: Acl['patternType'] | 'MATCH' }

export type QuotaEntityType = 'user' | 'client-id' | 'ip'
/** null: the default for all entities without their own quota. */
export type QuotaEntity = ReadonlyMap<QuotaEntityType, string | null>

export interface Quota {
  entity: QuotaEntity
  values: ReadonlyMap<string, number>
}

export interface TransactionListing {
  transactionalId: string
  producerId: Int64
  state: string
}

export interface TransactionFilter {
  states?: readonly string[]
  producerIds?: readonly Int64[]
  /** Only transactions open for longer than this. */
  longerThanMs?: number
}

export interface TransactionInfo extends TransactionListing {
  producerEpoch: number
  timeoutMs: number
  /** null: none is open. */
  startTimeMs: Int64 | null
  partitions: { topic: string; partition: number }[]
}

export interface ProducerPlace {
  producerId: Int64
  producerEpoch: number
  /** -1: none. */
  lastSequence: number
}

export interface ProducerInfo extends ProducerPlace {
  lastTimestampMs: Int64
  coordinatorEpoch: number
  /** The first offset of the open transaction; null: none is open. */
  transactionStartOffset: Int64 | null
}

export interface Feature {
  name: string
  /** 0: off. */
  level: number
  /** The levels that this broker supports. */
  minLevel: number
  maxLevel: number
}

export interface FeatureChange {
  name: string
  level: number
  kind: 'upgrade' | 'safe downgrade' | 'unsafe downgrade'
}

/** Principals as text: `User:alice`. */
export interface DelegationToken {
  tokenId: string
  owner: string
  requester: string
  renewers: string[]
  issuedMs: Int64
  expiresMs: Int64
  /** The latest time to which it can be renewed. */
  maxMs: Int64
  /** The secret, in base64. */
  hmac: string
}

export interface PartitionName {
  topic: string
  partition: number
}

/** Of these topics, to ask about all at once. */
export function everyPartition(topics: readonly Pick<TopicState, 'name' | 'partitions'>[]): PartitionName[] {
  return topics.flatMap(({ name, partitions }) => Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition })))
}

export interface PartitionPlace extends PartitionName {
  /** The first is preferred as leader. */
  replicas: readonly number[]
}

export interface Administration {
  /** In the order of their names. */
  scramUsers(names?: readonly string[]): Promise<ScramUser[]>
  setScramCredential(credential: NewScramCredential): Promise<void>
  deleteScramCredential(user: string, mechanism: ScramMechanism): Promise<void>

  acls(filter: AclFilter): Promise<Acl[]>
  createAcls(acls: readonly Acl[]): Promise<void>
  /** Returns the deleted entries. */
  deleteAcls(filters: readonly AclFilter[]): Promise<Acl[]>

  quotas(): Promise<Quota[]>
  /** null: remove the quota of this key. */
  alterQuota(entity: QuotaEntity, changes: ReadonlyMap<string, number | null>, validateOnly?: boolean): Promise<void>

  transactions(filter?: TransactionFilter): Promise<TransactionListing[]>
  transaction(transactionalId: string): Promise<TransactionInfo>
  producers(topic: string, partition: number): Promise<ProducerInfo[]>
  /** Writes an abort marker to one partition, for a transaction that no coordinator knows any more. */
  abortOnPartition(
    topic: string,
    partition: number,
    producer: Pick<ProducerInfo, 'producerId' | 'producerEpoch' | 'coordinatorEpoch'>,
  ): Promise<void>
  /** Fences the producer with this id and aborts its open transaction. */
  fenceProducer(transactionalId: string): Promise<void>

  features(): Promise<Feature[]>
  /** All of them or none. */
  updateFeatures(changes: readonly FeatureChange[], validateOnly?: boolean): Promise<void>

  reassign(places: readonly PartitionPlace[]): Promise<void>
  /** Those under way. */
  reassignments(): Promise<Reassignment[]>
  /** The first replica that is alive leads from now on. Resolves when it does, or does so already. */
  electPreferred(partitions: readonly PartitionName[]): Promise<void>

  createToken(options: { owner?: string; renewers: readonly string[]; maxLifetimeMs?: number }): Promise<DelegationToken>
  /** Returns the new expiry time. */
  renewToken(hmac: string, periodMs?: number): Promise<Int64>
  /** Expires immediately without a period. */
  expireToken(hmac: string, periodMs?: number): Promise<Int64>
  tokens(owners?: readonly string[]): Promise<DelegationToken[]>
}
