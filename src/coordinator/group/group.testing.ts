/** For tests of groups: a coordinator over one partition in memory, and clients that take only the relevant fields. */
import {
  classicGroupRecords,
  consumerProtocol,
  decodeRecordKey,
  decodeRecordValue,
  encodeVersioned,
  recordId,
  type Uuid,
  zeroUuid,
} from '../../protocol.ts'
import { GroupCoordinator, offsetsTopicName } from '../group.ts'
import { type MemoryPartitionLog, memoryPartitionLog, type TestSystem, testSystem } from '../runtime.testing.ts'
import type { LogRecord } from '../shard.ts'
import type { GroupTopics } from './group-topics.ts'
import type { Caller, JoinGroupRequest, JoinGroupResponse, SyncGroupResponse } from './requests.ts'
import { defaultGroupSettings, type GroupSettings } from './settings.ts'

export interface Joining extends Partial<JoinGroupRequest> {
  version?: number
  clientId?: string
}

export interface TestGroups {
  system: TestSystem
  log: MemoryPartitionLog
  topics: TestTopics
  coordinator: GroupCoordinator
  settings: GroupSettings
  join(joining?: Joining): Promise<JoinGroupResponse>
  sync(member: JoinGroupResponse, assignments?: Record<string, string>): Promise<SyncGroupResponse>
  heartbeat(member: JoinGroupResponse): Promise<string>
  commit(
    member: JoinGroupResponse | null,
    offsets: Record<number, number>,
    more?: { version?: number; retentionTimeMs?: number },
  ): Promise<string>
  fetch(groupId?: string): Promise<string>
  /** Another coordinator over the same log, as after a restart. */
  restart(): TestGroups
  /** Records written since the last call, as text. */
  written(): string[]
}

export function testGroups(changes: Partial<GroupSettings> = {}, log = memoryPartitionLog(), system = testSystem()): TestGroups {
  const settings = { ...defaultGroupSettings, ...changes }
  const topic = { name: offsetsTopicName, partitionCount: () => 1, partitionLog: () => log, ensure: async () => {} }
  const topics = testTopics()
  const coordinator = new GroupCoordinator({ system, settings, topic, topics })
  void coordinator.start()
  let seen = log.records().length
  return {
    system,
    log,
    topics,
    coordinator,
    settings,
    join: ({ version = 9, clientId = 'client', ...request } = {}) =>
      coordinator.join({ ...joinDefaults, ...request }, caller(version, clientId)),
    sync: (member, assignments = {}) =>
      coordinator.sync({
        ...identity(member),
        protocolType: 'consumer',
        protocolName: member.protocolName ?? null,
        assignments: Object.entries(assignments).map(([memberId, text]) => ({ memberId, assignment: Buffer.from(text) })),
      }),
    heartbeat: member => outcome(coordinator.heartbeat(identity(member))),
    commit: (member, offsets, { version = 8, retentionTimeMs = -1 } = {}) =>
      outcome(
        coordinator.commitOffsets(
          { ...(member === null ? nobody : identity(member)), retentionTimeMs, topics: [topicOf(offsets)] },
          version,
        ),
      ),
    async fetch(groupId = 'g') {
      const topics = await coordinator.fetchOffsets(groupId, null, true)
      return topics
        .map(({ name, partitions }) => `${name} ${partitions.map(p => `${p.partitionIndex}:${p.committedOffset}`).join(' ')}`)
        .join()
    },
    restart: () => testGroups(changes, log, system),
    written() {
      const records = log.records().slice(seen)
      seen += records.length
      return records.map(describeRecord)
    },
  }
}

export interface TestTopics extends GroupTopics {
  /** Creates the topic, or changes its partitions; 0 deletes it. */
  set(name: string, partitionCount: number): Uuid
}

export function testTopics(): TestTopics {
  const topics = new Map<string, { id: Uuid; partitionCount: number }>()
  let version = 1
  let created = 0
  return {
    get version() {
      return version
    },
    topic: name => topics.get(name),
    name: id => [...topics].find(([, topic]) => topic.id === id)?.[0],
    names: () => topics.keys(),
    set(name, partitionCount) {
      const id = topics.get(name)?.id ?? (`${String(created++).padStart(21, '0')}A` as Uuid)
      if (partitionCount === 0) topics.delete(name)
      else topics.set(name, { id, partitionCount })
      version++
      return id
    },
  }
}

const joinDefaults: JoinGroupRequest = {
  groupId: 'g',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  memberId: '',
  groupInstanceId: null,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: subscription('t') }],
  reason: null,
}

const nobody = { groupId: 'g', memberId: '', groupInstanceId: null, generationId: -1 }

export function subscription(...topics: string[]): Buffer {
  return encodeVersioned(consumerProtocol.subscription, 1, { topics })
}

function identity(member: JoinGroupResponse) {
  return { groupId: 'g', memberId: member.memberId, groupInstanceId: null, generationId: member.generationId ?? -1 }
}

function caller(apiVersion: number, clientId: string): Caller {
  return { apiVersion, clientId, clientHost: '/127.0.0.1' }
}

function topicOf(offsets: Record<number, number>) {
  const partitions = Object.entries(offsets).map(([index, committedOffset]) => ({
    partitionIndex: Number(index),
    committedOffset,
    committedLeaderEpoch: -1,
    committedMetadata: null,
    commitTimestamp: -1,
  }))
  return { name: 't', topicId: zeroUuid, partitions }
}

async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'NONE'
  } catch (error) {
    return (error as Error).name
  }
}

function describeRecord({ key, value }: LogRecord): string {
  const { groupMetadata, offsetCommit } = classicGroupRecords
  if (recordId(key!) === groupMetadata.id) {
    const { group } = decodeRecordKey(groupMetadata, key!)
    if (value === null) return `group ${group} gone`
    const { generation, protocol, members } = decodeRecordValue(groupMetadata, value)
    return `group ${group} v${value.readInt16BE(0)} generation ${generation} ${protocol} [${members.map(m => m.assignment.toString()).join()}]`
  }
  const { group, topic, partition } = decodeRecordKey(offsetCommit, key!)
  if (value === null) return `offset ${group} ${topic}-${partition} gone`
  return `offset ${group} ${topic}-${partition} v${value.readInt16BE(0)} ${decodeRecordValue(offsetCommit, value).offset}`
}

/** Joins `count` dynamic members to an empty group and brings it to Stable, all assignments being the member's number. */
export async function stableGroup(groups: TestGroups, count: number): Promise<JoinGroupResponse[]> {
  const joins = Array.from({ length: count }, () => groups.join({ version: 3 }))
  await groups.system.advance(groups.settings.groupInitialRebalanceDelayMs * 3)
  const members = await Promise.all(joins)
  const assignments = Object.fromEntries(members.map(({ memberId }, index) => [memberId, `${index}`]))
  const syncs = members.map(member => groups.sync(member, member.leader === member.memberId ? assignments : {}))
  await groups.system.settle()
  await Promise.all(syncs)
  return members
}
