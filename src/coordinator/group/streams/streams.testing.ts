/** For tests of streams groups: clients that say only what matters, and records as text. */
import { type TestGroups, testGroups } from '../group.testing.ts'
import { defaultGroupSettings, type StreamsGroupConfig } from '../settings.ts'
import type { StreamsHeartbeatRequest, StreamsHeartbeatResponse } from './heartbeat-request.ts'
import { decodeStreamsRecord, type StreamsRecord, type Topology } from './streams-records.ts'
import { type HeldTasks, listOf, type TaskSets } from './tasks.ts'

type Info = Topology['subtopologies'][number]['stateChangelogTopics'][number]

export function info(name: string, partitions = 0): Info {
  return { name, partitions, replicationFactor: 0, topicConfigs: [] }
}

export function subtopology(subtopologyId: string, sourceTopics: string[], more: Partial<Topology['subtopologies'][number]> = {}) {
  const none = {
    sourceTopicRegex: [],
    stateChangelogTopics: [],
    repartitionSinkTopics: [],
    repartitionSourceTopics: [],
    copartitionGroups: [],
  }
  return { subtopologyId, sourceTopics, ...none, ...more }
}

/** `t` is read, grouped by another key and counted. */
export const wordCount: Topology = {
  epoch: 0,
  subtopologies: [
    subtopology('0', ['t'], { repartitionSinkTopics: ['rep'] }),
    subtopology('1', [], { repartitionSourceTopics: [info('rep')], stateChangelogTopics: [info('log')] }),
  ],
}
export const stateless: Topology = { epoch: 0, subtopologies: [subtopology('0', ['t'])] }

/** What a member sends to join, alone in its process and without state. */
export const joining: StreamsHeartbeatRequest = {
  groupId: 'g',
  memberId: 'm',
  memberEpoch: 0,
  endpointInformationEpoch: 0,
  instanceId: null,
  rackId: null,
  rebalanceTimeoutMs: 60_000,
  topology: stateless,
  activeTasks: [],
  standbyTasks: [],
  warmupTasks: [],
  processId: 'p',
  userEndpoint: null,
  clientTags: [],
  taskOffsets: null,
  taskEndOffsets: null,
  shutdownApplication: false,
}

/** A client of the protocol that says only what matters, and gives tasks back as soon as it is told to. */
export class Client {
  epoch = 0
  endpointEpoch = 0
  active: string[] = []
  standby: string[] = []
  missing: string[] = []
  readonly id: string
  readonly #groups: TestGroups
  readonly #more: Partial<StreamsHeartbeatRequest>

  constructor(groups: TestGroups, id: string, more: Partial<StreamsHeartbeatRequest> = {}) {
    this.#groups = groups
    this.id = id
    this.#more = { topology: stateless, processId: `p-${id}`, ...more }
  }

  async beat(more: Partial<StreamsHeartbeatRequest> = {}, apiVersion = 1): Promise<StreamsHeartbeatResponse> {
    const joins = (more.memberEpoch ?? this.epoch) === 0
    const request: StreamsHeartbeatRequest = {
      ...joining,
      memberId: this.id,
      memberEpoch: this.epoch,
      endpointInformationEpoch: this.endpointEpoch,
      instanceId: this.#more.instanceId ?? null,
      rebalanceTimeoutMs: joins ? 60_000 : -1,
      topology: null,
      activeTasks: joins ? [] : parse(this.active),
      standbyTasks: joins ? [] : parse(this.standby),
      processId: null,
      clientTags: joins ? [] : null,
      ...(joins ? this.#more : {}),
      ...more,
    }
    const answer = this.#groups.coordinator.streamsHeartbeat(request, { apiVersion, clientId: 'c', clientHost: '/h' })
    answer.catch(() => {})
    await this.#groups.system.settle()
    const { response, missingInternalTopics } = await answer
    this.missing = missingInternalTopics.map(({ name, numPartitions }) => `${name}:${numPartitions}`)
    this.epoch = response.memberEpoch
    this.endpointEpoch = response.endpointInformationEpoch
    if (response.activeTasks != null) this.active = print(response.activeTasks)
    if (response.standbyTasks != null) this.standby = print(response.standbyTasks)
    return response
  }

  leave(memberEpoch = -1): Promise<StreamsHeartbeatResponse> {
    return this.beat({ memberEpoch, activeTasks: null, standbyTasks: null, warmupTasks: null })
  }
}

function print(lists: readonly { subtopologyId: string; partitions: readonly number[] }[]): string[] {
  return lists.flatMap(({ subtopologyId, partitions }) => partitions.map(partition => `${subtopologyId}_${partition}`))
}

export function parse(tasks: readonly string[]): { subtopologyId: string; partitions: number[] }[] {
  return [...Map.groupBy(tasks, task => task.slice(0, task.lastIndexOf('_')))].map(([subtopologyId, ofIt]) => ({
    subtopologyId,
    partitions: ofIt.map(task => Number(task.slice(task.lastIndexOf('_') + 1))),
  }))
}

export async function fails(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'NONE'
  } catch (error) {
    return (error as Error).name
  }
}

/** Writes are durable only once the system has had its turn. */
export async function settled<T>(groups: TestGroups, work: Promise<T>): Promise<T> {
  work.catch(() => {})
  await groups.system.settle()
  return work
}

export function statuses(response: StreamsHeartbeatResponse): number[] {
  return (response.status ?? []).map(({ statusCode }) => statusCode)
}

export function groupsWith(config: Partial<StreamsGroupConfig> = {}, maxSize = 100, log?: TestGroups['log']): TestGroups {
  const defaults = { ...defaultGroupSettings.streams.of('g'), initialRebalanceDelayMs: 0, ...config }
  return testGroups({ streams: { maxSize, of: () => defaults } }, log)
}

/** Records written since the last call, as text. */
export function written(groups: TestGroups, seen: { count: number }): string[] {
  const records = groups.log.records().slice(seen.count)
  seen.count += records.length
  return records.map(({ key, value }) => describeRecord(decodeStreamsRecord(key!, value)))
}

function describeRecord(record: StreamsRecord | null): string {
  if (record === null) return 'other'
  const member = 'memberId' in record ? ` ${record.memberId}` : ''
  if (record.value === null) return `${record.type}${member} gone`
  switch (record.type) {
    case 'metadata':
      return `metadata ${record.value.epoch} validated ${record.value.validatedTopologyEpoch} ${[...record.value.assignmentConfigs]}`
    case 'topology':
      return `topology ${record.value.epoch} [${record.value.subtopologies.map(({ subtopologyId }) => subtopologyId)}]`
    case 'member':
      return `member${member} ${record.value.processId} topology ${record.value.topologyEpoch}`
    case 'target':
      return `target${member} ${printSets(record.value)}`
    case 'target-epoch':
      return `target-epoch ${record.value.epoch}`
    case 'current': {
      const { memberEpoch, previousMemberEpoch, state, assigned, pendingRevocation } = record.value
      return `current${member} ${previousMemberEpoch}>${memberEpoch} ${state} ${printSets(assigned)} revokes ${printSets(pendingRevocation)}`
    }
  }
}

function printSets({ active, standby }: TaskSets | HeldTasks): string {
  return `[${print(listOf(active))}|${print(listOf(standby))}]`
}
