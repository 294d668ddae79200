/**
 * The group coordinator of a broker: one shard per partition of `__consumer_offsets`.
 *
 * Hides which shard holds a group, and the checks of each request before its shard is called. Methods throw KafkaError for errors of the
 * whole request.
 */
import { filterInSlices, inSlices, runInSlices, type System, Turns } from '../base.ts'
import { errorCode, KafkaError, toKafkaError, type Uuid } from '../protocol.ts'
import {
  type AskedTopic,
  type FetchedTopic,
  type OffsetCommit,
  type OffsetReader,
  type PreparedCommit,
  prepareCommit,
  type TopicPartitions,
  type TopicResult,
} from './group/commits.ts'
import type { ConsumerHeartbeatRequest, ConsumerHeartbeatResponse } from './group/consumer/consumer-groups.ts'
import type { DescribedConsumerGroup } from './group/consumer/describe.ts'
import { type MatchedTopics, NotMatched, namesLike, notMatched } from './group/consumer/progress.ts'
import type { GroupTopics } from './group/group-topics.ts'
import { inPieces } from './group/in-pieces.ts'
import type {
  Caller,
  DeletedGroup,
  DescribedGroup,
  HeartbeatRequest,
  JoinGroupRequest,
  JoinGroupResponse,
  LeaveGroupResponse,
  LeavingMember,
  ListedGroup,
  SyncGroupRequest,
  SyncGroupResponse,
} from './group/requests.ts'
import type { GroupSettings } from './group/settings.ts'
import { GroupShard } from './group/shard.ts'
import type { DescribedShareGroup, ShareHeartbeatRequest, ShareHeartbeatResponse } from './group/share/share-groups.ts'
import type { InitializedTopics } from './group/share/share-records.ts'
import type { DescribedStreamsGroup } from './group/streams/describe.ts'
import type { StreamsHeartbeatRequest, StreamsHeartbeatResult } from './group/streams/heartbeat-request.ts'
import type { Coordinator, ProducerMarker, ProducerSession } from './shard.ts'
import { type InternalTopic, type RecordSkipped, type Report, ShardedTopic } from './sharded-topic.ts'

export const offsetsTopicName = '__consumer_offsets'

/** Of one heartbeat: after its group's epoch, and after the assignment. */
const mostPauses = 2
const nobody: OffsetReader = { memberId: null, memberEpoch: -1 }

export interface GroupCoordinatorOptions {
  system: System
  /** For work that may take long. */
  turns?: Turns
  /** Read each time: values may change while the broker runs. */
  settings: GroupSettings
  /** {@link offsetsTopicName}. */
  topic: InternalTopic
  topics: GroupTopics
  report?: Report
  recordSkipped?: RecordSkipped
}

export class GroupCoordinator {
  readonly #options: GroupCoordinatorOptions
  readonly #turns: Turns
  readonly #groups: ShardedTopic<GroupShard>
  /** Groups that are deleted in several steps. Requests for them are refused: nobody may see or change what is left of one. */
  readonly #deleting = new Set<string>()

  constructor(options: GroupCoordinatorOptions) {
    this.#options = options
    this.#turns = options.turns ?? new Turns(options.system)
    const { system, settings, topics, topic, report, recordSkipped } = options
    this.#groups = new ShardedTopic({
      system,
      topic,
      futurePartitions: () => settings.offsetsTopicNumPartitions,
      makeShard: context => new GroupShard({ system, context, settings, topics }),
      turns: this.#turns,
      report,
      recordSkipped,
    })
  }

  /** Loads every shard that the log holds; resolves when the first attempt at each has ended. Requests may come before. */
  start(): Promise<void> {
    return this.#groups.start()
  }

  close(): void {
    this.#groups.close()
  }

  /** Which partition of `__consumer_offsets` holds the group: Kafka's rule. */
  partitionFor(groupId: string): number {
    return this.#groups.partitionFor(groupId)
  }

  /** The same, and makes sure that the partition exists; throws COORDINATOR_NOT_AVAILABLE when that is not possible. */
  locate(groupId: string): Promise<number> {
    return this.#groups.place(groupId)
  }

  async join(request: JoinGroupRequest, caller: Caller): Promise<JoinGroupResponse> {
    requireGroupId(request.groupId)
    const { groupMinSessionTimeoutMs: min, groupMaxSessionTimeoutMs: max } = this.#options.settings
    if (request.sessionTimeoutMs < min || request.sessionTimeoutMs > max) {
      throw new KafkaError('INVALID_SESSION_TIMEOUT', `session.timeout.ms=${request.sessionTimeoutMs}; it must be from ${min} to ${max}`)
    }
    return this.#shardFor(request.groupId, request.memberId === '').write(shard => shard.join(request, caller))
  }

  async sync(request: SyncGroupRequest): Promise<SyncGroupResponse> {
    requireGroupId(request.groupId)
    return this.#shardOf(request.groupId).write(shard => shard.sync(request))
  }

  async heartbeat(request: HeartbeatRequest): Promise<void> {
    requireGroupId(request.groupId)
    try {
      await this.#shardOf(request.groupId).write(shard => shard.heartbeat(request))
    } catch (error) {
      // Sessions restart when the group is loaded; an error would only make the client look for another coordinator.
      if (toKafkaError(error).name !== 'COORDINATOR_LOAD_IN_PROGRESS') throw error
    }
  }

  async leave(groupId: string, leaving: readonly LeavingMember[]): Promise<LeaveGroupResponse['members']> {
    requireGroupId(groupId)
    try {
      return await this.#shardOf(groupId).write(shard => shard.leave(groupId, leaving))
    } catch (error) {
      const { name } = toKafkaError(error)
      if (name !== 'UNKNOWN_MEMBER_ID') throw error
      return leaving.map(({ memberId, groupInstanceId }) => ({ memberId, groupInstanceId, errorCode: errorCode(name) }))
    }
  }

  async commitOffsets(request: OffsetCommit, apiVersion: number): Promise<TopicResult[]> {
    const { groupId, generationId } = request
    const prepared = await this.#prepare(request)
    return this.#shardFor(groupId, generationId < 0).write(shard => shard.commits.commit(request, apiVersion, prepared))
  }

  /** The offsets count when the producer's transaction commits. `check`: called just before they are written, and throws to refuse them. */
  async commitTransactionalOffsets(producer: ProducerSession, request: OffsetCommit, check?: () => void): Promise<TopicResult[]> {
    requireGroupId(request.groupId)
    const { groupId, generationId } = request
    const prepared = await this.#prepare(request)
    const shard = this.#shardFor(groupId, generationId < 0)
    check?.()
    return shard.writeTransactional(producer, ({ commits }) => commits.commitTransactional(request, prepared))
  }

  /** A short commit does not wait for a slice. */
  #prepare(request: OffsetCommit): PreparedCommit | Promise<PreparedCommit> {
    const { system, settings } = this.#options
    const steps = prepareCommit(request, system.clock.now(), settings.offsetMetadataMaxBytes)
    const first = steps.next()
    return first.done ? first.value : runInSlices(this.#turns, steps)
  }

  /** Ends the producer's transaction on a partition of `__consumer_offsets`: throws at once when it cannot be; settles when durable. */
  endTransaction(partition: number, marker: ProducerMarker): Promise<void> {
    const shard = this.#groups.open(partition)
    if (shard === null) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `${offsetsTopicName}-${partition} does not exist`)
    return shard.endTransaction(marker)
  }

  /** `topics: null`: all that the group has. */
  async fetchOffsets(
    groupId: string,
    topics: readonly AskedTopic[] | null,
    requireStable: boolean,
    reader: OffsetReader = nobody,
  ): Promise<FetchedTopic[]> {
    const fetch = (some: readonly AskedTopic[] | null) =>
      this.#shardOf(groupId).read(({ commits }) => commits.fetch(groupId, some, requireStable, reader))
    return topics === null ? fetch(null) : inPieces(this.#turns, topics, fetch)
  }

  /** How many `fetchOffsets` returns for all topics. */
  async countOffsets(groupId: string): Promise<number> {
    return this.#shardOf(groupId).read(shard => shard.commits.count(groupId))
  }

  async deleteOffsets(groupId: string, topics: readonly TopicPartitions[]): Promise<TopicResult[]> {
    requireGroupId(groupId)
    return inPieces(this.#turns, topics, some => this.#shardOf(groupId).write(({ commits }) => commits.delete(groupId, some)))
  }

  /** Filters are lower-case; empty ones let everything pass. */
  async listGroups(statesFilter: ReadonlySet<string>, typesFilter: ReadonlySet<string>): Promise<ListedGroup[]> {
    return this.#groups.collect(shard => shard.list(statesFilter, typesFilter))
  }

  /** A classic group. Throws GROUP_ID_NOT_FOUND. */
  async describeGroup(groupId: string): Promise<DescribedGroup> {
    const { group, exists } = await this.#shardOf(groupId).read(shard => ({ group: shard.describe(groupId), exists: shard.has(groupId) }))
    if (group !== null) return group
    throw new KafkaError('GROUP_ID_NOT_FOUND', exists ? `Group ${groupId} is not a classic group.` : `Group ${groupId} not found.`)
  }

  /** KIP-848: a member's whole life. `mayDescribe`: which topics its regular expression may find, in how many steps. */
  async consumerHeartbeat(
    request: ConsumerHeartbeatRequest,
    caller: Caller,
    mayDescribe: (topic: string) => boolean,
    mostSteps = Number.POSITIVE_INFINITY,
  ): Promise<ConsumerHeartbeatResponse> {
    requireGroupId(request.groupId)
    const { groupId, memberEpoch } = request
    const matched = new Map<string, MatchedTopics>()
    for (let pauses = 0; ; ) {
      try {
        const topicsLike = (regex: string) => matched.get(regex) ?? notMatched(regex)
        const shard = this.#shardFor(groupId, memberEpoch === 0)
        // A member whose id is made by the shard would get another one.
        const mayPause = pauses < mostPauses && request.memberId !== ''
        const response = await shard.write(({ consumers }) => consumers.heartbeat(request, caller, topicsLike, mayPause))
        if (response !== null) return response
        pauses++
        await this.#turns.next()
      } catch (error) {
        if (!(error instanceof NotMatched)) throw error
        matched.set(error.regex, await this.#match(error.regex, mayDescribe, mostSteps))
      }
    }
  }

  /** Only topics that may be described are checked, so that neither timing nor errors reveal others. */
  async #match(regex: string, mayDescribe: (topic: string) => boolean, mostSteps: number): Promise<MatchedTopics> {
    const { topics } = this.#options
    const { version } = topics
    const names = await filterInSlices(this.#turns, topics.names(), mayDescribe)
    return { names: await runInSlices(this.#turns, namesLike(regex, names, mostSteps)), version }
  }

  /** Of a group of any protocol. */
  async memberCount(groupId: string): Promise<number> {
    return this.#shardOf(groupId).read(shard => shard.memberCount(groupId))
  }

  /** KIP-932: a member's whole life. */
  async shareHeartbeat(request: ShareHeartbeatRequest, caller: Caller): Promise<ShareHeartbeatResponse> {
    requireGroupId(request.groupId)
    return this.#shardFor(request.groupId, request.memberEpoch === 0).write(shard => shard.shares.heartbeat(request, caller))
  }

  /** Throws GROUP_ID_NOT_FOUND. */
  async describeShareGroup(groupId: string): Promise<DescribedShareGroup> {
    return this.#shardOf(groupId).read(shard => shard.shares.describe(groupId))
  }

  /** KIP-1071: a member's whole life. */
  async streamsHeartbeat(request: StreamsHeartbeatRequest, caller: Caller): Promise<StreamsHeartbeatResult> {
    return this.#shardFor(request.groupId, request.memberEpoch === 0).write(shard => shard.streams.heartbeat(request, caller))
  }

  /** Throws GROUP_ID_NOT_FOUND. */
  async describeStreamsGroup(groupId: string): Promise<DescribedStreamsGroup> {
    requireGroupId(groupId)
    return this.#shardOf(groupId).read(shard => shard.streams.describe(groupId))
  }

  /** The topics of which the share group has state; none for a group of another kind. */
  async shareGroupTopics(groupId: string): Promise<InitializedTopics> {
    return this.#shardOf(groupId).read(shard => shard.shares.topicsOf(groupId))
  }

  /** Whether the partition was ever assigned to the share group. Waits while the group is being loaded. */
  async isShared(groupId: string, topicId: Uuid, partition: number): Promise<boolean> {
    const shard = this.#shardOf(groupId)
    await shard.loaded
    return shard.read(({ shares }) => shares.topicsOf(groupId).get(topicId)?.partitions.has(partition) ?? false)
  }

  /** The same of one that may be deleted: throws GROUP_ID_NOT_FOUND and NON_EMPTY_GROUP. */
  async emptyShareGroupTopics(groupId: string): Promise<InitializedTopics> {
    return this.#shardOf(groupId).read(shard => {
      const group = shard.shares.require(groupId)
      group.validateDelete()
      return group.initialized
    })
  }

  /** The state of the empty share group in these partitions is about to be reset; returns its epoch. */
  async beginAlterShareOffsets(groupId: string, topics: InitializedTopics): Promise<number> {
    return this.#shardOf(groupId).write(shard => shard.shares.beginAlter(groupId, topics))
  }

  async forgetShareTopics(groupId: string, topicIds: ReadonlySet<Uuid>): Promise<InitializedTopics> {
    return this.#shardOf(groupId).write(shard => shard.shares.forget(groupId, topicIds))
  }

  /** Throws GROUP_ID_NOT_FOUND. */
  async describeConsumerGroup(groupId: string): Promise<DescribedConsumerGroup> {
    requireGroupId(groupId)
    const { group, exists } = await this.#shardOf(groupId).read(shard => ({
      group: shard.describeConsumer(groupId),
      exists: shard.has(groupId),
    }))
    if (group !== null) return group
    throw new KafkaError('GROUP_ID_NOT_FOUND', exists ? `Group ${groupId} is not a consumer group.` : `Group ${groupId} not found.`)
  }

  /** One result per name, in order; each group takes one step or several, because it may have thousands of offsets. */
  deleteGroups(groupIds: readonly string[]): Promise<DeletedGroup[]> {
    return inSlices(this.#turns, groupIds, async groupId => {
      try {
        await this.#deleteGroup(groupId)
        return { groupId, errorCode: 0, errorMessage: null }
      } catch (error) {
        const { name, message } = toKafkaError(error)
        return { groupId, errorCode: errorCode(name), errorMessage: message }
      }
    })
  }

  async #deleteGroup(groupId: string): Promise<void> {
    if (this.#turns.over) await this.#turns.next()
    const coordinator = this.#shardOf(groupId)
    let isPartial = false
    const step = () =>
      coordinator.write(shard => {
        const decision = shard.delete(groupId)
        isPartial = decision.response === false
        return decision
      })
    // `write` takes a step at once: no other request comes between the first one and the mark.
    const first = step()
    if (!isPartial) {
      await first
      return
    }
    this.#deleting.add(groupId)
    try {
      await first
      while (isPartial) {
        // The first steps of many groups may have become durable together.
        if (this.#turns.over) await this.#turns.next()
        await step()
      }
    } finally {
      this.#deleting.delete(groupId)
    }
  }

  /** Its offsets are worth nothing any more, even if a topic of that name is created again. */
  async onTopicDeleted(topic: { name: string; id: Uuid }): Promise<void> {
    if (topic.name === offsetsTopicName) {
      this.close()
      return
    }
    for (const { coordinator } of this.#groups.shards()) {
      try {
        await coordinator.loaded
        for (let isLast = false; !isLast; ) {
          if (this.#turns.over) await this.#turns.next()
          isLast = await coordinator.write(shard => shard.topicDeleted(topic))
        }
      } catch (error) {
        this.#options.report?.(`cannot remove the offsets of the deleted topic ${topic.name}`, error)
      }
    }
  }

  /** `begins`: the request creates the group if it does not exist. Throws POLICY_VIOLATION if there are too many. */
  #shardFor(groupId: string, begins: boolean): Coordinator<GroupShard> {
    const shard = this.#shardOf(groupId)
    if (!begins || shard.shard.has(groupId)) return shard
    let count = 0
    for (const { coordinator } of this.#groups.shards()) if (coordinator.state === 'active') count += coordinator.shard.groupCount
    const { maxGroups } = this.#options.settings
    if (count < maxGroups) return shard
    throw new KafkaError('POLICY_VIOLATION', `Cannot create group ${groupId}: the limit max.groups=${maxGroups} is reached`)
  }

  #shardOf(groupId: string): Coordinator<GroupShard> {
    if (this.#deleting.has(groupId)) throw new KafkaError('COORDINATOR_LOAD_IN_PROGRESS', `Group ${groupId} is being deleted`)
    return this.#groups.shardOf(groupId)
  }
}

function requireGroupId(groupId: string): void {
  if (groupId === '') throw new KafkaError('INVALID_GROUP_ID', 'The group id is empty')
}
