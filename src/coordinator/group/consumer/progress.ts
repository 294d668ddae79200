/**
 * The effects of every member request, in either protocol: its description is stored; a change of subscriptions or of
 * their topics starts a new epoch; the new epoch gets a target assignment; and the member moves towards it. Only produces records.
 */
import { ageOf } from '../../../base.ts'
import { KafkaError, type Uuid } from '../../../protocol.ts'
import type { LogRecord, ShardContext } from '../../shard.ts'
import { type GroupTopics, topicsHash } from '../group-topics.ts'
import { type GroupSettings, nextAssignmentInMs } from '../settings.ts'
import { checkTold } from '../told.ts'
import { type Assignor, type AssignorMember, assignorsNamed } from './assignor.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import {
  currentRecord,
  epochRecord,
  memberRecord,
  type ResolvedRegex,
  regexRecord,
  regexTombstone,
  targetEpochRecord,
  targetRecord,
} from './consumer-records.ts'
import { bytesTold, type ConsumerMember, sameNames, saysTheSame, subscribesTheSame } from './member.ts'
import { noTarget, sameTarget, type Target, type TopicPartitionList } from './partitions.ts'
import { reconcile } from './reconcile.ts'
import { compileRegex } from './regex.ts'

/** A group with so many topics takes a step for each of its epoch, its target assignment, and what its member gets of it. */
const manyTopics = 500
/** Topics may come by the thousand: their names are matched again no more often than this. */
const regexPauseMs = 1_000

/** What a regular expression finds. Throws {@link NotMatched} when that has yet to be looked for: it may take long, a step must not. */
export type TopicsLike = (regex: string) => MatchedTopics

export interface MatchedTopics {
  readonly names: readonly string[]
  /** Of the topics among which it was looked. */
  readonly version: number
}

/** The step is not possible before the topics that match the expression are known. */
export class NotMatched extends Error {
  readonly regex: string

  constructor(regex: string) {
    super(`${regex} has to be matched first`)
    this.regex = regex
  }
}

/** For members that have no expression, and for a first try. */
export const notMatched: TopicsLike = regex => {
  throw new NotMatched(regex)
}

export interface MemberStep {
  group: ConsumerGroup
  /** As it is, or as it begins. */
  before: ConsumerMember
  /** As it describes itself now. */
  after: ConsumerMember
  /** The partitions that it reports; null if it reports none. */
  owned: readonly TopicPartitionList[] | null
  topicsLike: TopicsLike
  /** Whether the step may end early, to be repeated: see {@link Advanced.again}. */
  mayPause: boolean
  /** Those that the step writes are added. */
  records: LogRecord[]
}

export interface ProgressOptions {
  context: ShardContext
  settings: GroupSettings
  topics: GroupTopics
  /** Arms the timer after which {@link Progress.assignLater} is due. */
  assignIn(groupId: string, delayMs: number): void
}

interface Assignment {
  epoch: number
  target: Target
  /** When a newer one comes; null: it is the newest. */
  dueInMs: number | null
}

export interface Advanced {
  member: ConsumerMember
  dueInMs: number | null
  /** The rest takes long: the same request has to be processed again, in another turn of the event loop. */
  again: boolean
}

export class Progress {
  readonly #context: ShardContext
  readonly #settings: GroupSettings
  readonly #topics: GroupTopics
  readonly #assignIn: ProgressOptions['assignIn']
  readonly assignors: ReadonlyMap<string, Assignor>
  /** By list of names, because hundreds of members may each name thousands of topics, and their lists rarely change. */
  readonly #existingOf = new WeakMap<readonly string[], Existing>()
  #lastExisting: Existing | null = null

  constructor(options: ProgressOptions) {
    this.#context = options.context
    this.#settings = options.settings
    this.#topics = options.topics
    this.#assignIn = options.assignIn
    this.assignors = assignorsNamed(options.settings.consumer.assignors)
  }

  get defaultAssignor(): string {
    return this.assignors.keys().next().value!
  }

  /** The member as it is after the step, and when the next assignment comes if that was put off. */
  advance(step: MemberStep): Advanced {
    const { group, before, after, owned, records } = step
    const subscriptionChanged = !subscribesTheSame(before, after)
    if (!saysTheSame(before, after)) {
      checkTold(group.toldBytes, bytesTold(before), bytesTold(after), this.#settings.groupMaxMetadataBytes)
      records.push(memberRecord(group.groupId, after))
    }
    const newRegexes = this.#resolve(step)
    const regexes = newRegexes ?? group.regexes
    const groupEpoch = this.#bump(step, regexes, subscriptionChanged || newRegexes !== null)
    const waitMs = groupEpoch > group.assignmentEpoch ? this.#waitMs(group) : null
    const pauses = step.mayPause && waitMs === 0 && group.hasTopics(manyTopics, after, regexes)
    if (pauses && records.length > 0) return { member: after, dueInMs: null, again: true }
    const { epoch, target, dueInMs } = this.#assignment(step, regexes, groupEpoch, waitMs)
    if (pauses) return { member: after, dueInMs, again: true }
    const existing = (names = noNames) => this.#existing(names, name => this.#topics.topic(name)?.id)
    const named = existing(after.subscribedTopicNames)
    const matched = existing(regexes.get(after.subscribedTopicRegex)?.topics)
    const moved = reconcile(
      after,
      {
        epoch,
        target,
        isSubscribed: topicId => named.has(topicId) || matched.has(topicId),
        isOwned: (topicId, partition) => group.isOwned(topicId, partition),
      },
      owned,
      subscriptionChanged,
    )
    if (moved !== after) records.push(currentRecord(group.groupId, moved))
    return { member: moved, dueInMs, again: false }
  }

  /** Records of the epoch that follows when these members are gone. */
  without(group: ConsumerGroup, leaving: readonly ConsumerMember[]): LogRecord[] {
    const gone = new Set(leaving.map(({ memberId }) => memberId))
    const records: LogRecord[] = []
    const kept = [...group.members.values()].filter(({ memberId }) => !gone.has(memberId))
    for (const regex of group.regexes.keys()) {
      if (!kept.some(member => member.subscribedTopicRegex === regex)) records.push(regexTombstone(group.groupId, regex))
    }
    records.push(epochRecord(group.groupId, group.groupEpoch + 1, topicsHash(group.topicsOfAll(group.regexes, leaving), this.#topics)))
    return records
  }

  /** The target assignment that was put off. */
  assignLater(group: ConsumerGroup): LogRecord[] {
    if (group.groupEpoch <= group.assignmentEpoch || group.isEmpty) return []
    const records: LogRecord[] = []
    this.#assign(group, null, group.regexes, group.groupEpoch, records)
    return records
  }

  /**
   * The group's regular expressions after the step, when something about them changed: the member's is new, the topics are other ones, or
   * nobody uses one any more.
   */
  #resolve({ group, before, after, topicsLike, records }: MemberStep): ReadonlyMap<string, ResolvedRegex> | null {
    const { subscribedTopicRegex: regex } = after
    const { subscribedTopicRegex: old } = before
    const dropped = old !== '' && old !== regex && group.regexes.has(old) && !group.usesRegex(old, before.memberId)
    const resolved = regex !== '' && this.#isStale(group, regex) ? this.#match(topicsLike(regex)) : null
    if (!dropped && resolved === null) return null
    const regexes = new Map(group.regexes)
    if (dropped) {
      regexes.delete(old)
      records.push(regexTombstone(group.groupId, old))
    }
    if (resolved !== null) {
      regexes.set(regex, resolved)
      records.push(regexRecord(group.groupId, regex, resolved))
      const known = group.regexes.get(regex)
      if (!dropped && known !== undefined && sameNames(known.topics, resolved.topics)) return null
    }
    return regexes
  }

  #isStale(group: ConsumerGroup, regex: string): boolean {
    const known = group.regexes.get(regex)
    if (known === undefined) return true
    const ageMs = ageOf(known.timestampMs, this.#context.clock.history())
    if (ageMs >= this.#settings.consumer.regexRefreshIntervalMs) return true
    return known.version !== this.#topics.version && ageMs >= regexPauseMs
  }

  #match({ names, version }: MatchedTopics): ResolvedRegex {
    return { topics: names.toSorted(), version, timestampMs: this.#context.clock.now() }
  }

  /** The group's epoch after the step: the next one when subscriptions or their topics changed. */
  #bump({ group, after, records }: MemberStep, regexes: ReadonlyMap<string, ResolvedRegex>, changed: boolean): number {
    const { version } = this.#topics
    const { comparedWith } = group
    const compared = comparedWith.topicsVersion === version && group.groupEpoch >= comparedWith.groupEpoch
    // Epoch 0 is not valid: its members would join for ever. So the first member starts epoch 1, even one that subscribes to nothing.
    const begins = group.groupEpoch === 0
    if (!changed && compared && !begins) return group.groupEpoch
    const hash = topicsHash(group.topicsOfAll(regexes, [], after), this.#topics)
    const bumped = changed || begins || hash !== group.metadataHash
    const groupEpoch = bumped ? group.groupEpoch + 1 : group.groupEpoch
    if (bumped) records.push(epochRecord(group.groupId, groupEpoch, hash))
    group.comparedWith = { topicsVersion: version, groupEpoch }
    return groupEpoch
  }

  /** Until the group may get its next target assignment. */
  #waitMs(group: ConsumerGroup): number {
    // No member has partitions that would move.
    if (group.isEmpty) return 0
    const { assignmentIntervalMs } = this.#settings.consumer.of(group.groupId)
    return nextAssignmentInMs(group.assignmentTimestampMs, assignmentIntervalMs, this.#context.clock.now())
  }

  /** The target that the member moves to: the newest, or the last one when it is too early for another. `waitMs` is null if none is due. */
  #assignment(step: MemberStep, regexes: ReadonlyMap<string, ResolvedRegex>, groupEpoch: number, waitMs: number | null): Assignment {
    const { group, after, records } = step
    const old = { epoch: group.assignmentEpoch, target: group.targetOf(after.memberId, after.instanceId), dueInMs: null }
    if (waitMs === null) return old
    if (waitMs === 0) {
      const targets = this.#assign(group, after, regexes, groupEpoch, records)
      return { epoch: groupEpoch, target: targets.get(after.memberId) ?? noTarget, dueInMs: null }
    }
    this.#assignIn(group.groupId, waitMs)
    return { ...old, dueInMs: waitMs }
  }

  /** `after`: a member that is about to join or change. */
  #assign(
    group: ConsumerGroup,
    after: ConsumerMember | null,
    regexes: ReadonlyMap<string, ResolvedRegex>,
    epoch: number,
    records: LogRecord[],
  ): ReadonlyMap<string, Target> {
    const members = after === null ? [...group.members.values()] : group.members.after(after)
    const counts = new Map<Uuid, number>()
    const ids = new Map<string, Uuid>()
    for (const name of group.topicsOfAll(regexes, [], after)) {
      const topic = this.#topics.topic(name)
      if (topic === undefined) continue
      ids.set(name, topic.id)
      counts.set(topic.id, topic.partitionCount)
    }
    const existing = (names = noNames) => this.#existing(names, name => ids.get(name))
    const topicsOf = ({ subscribedTopicNames, subscribedTopicRegex }: ConsumerMember) =>
      union(existing(subscribedTopicNames), existing(regexes.get(subscribedTopicRegex)?.topics))
    const asked = members.map((member): AssignorMember => {
      const { memberId, instanceId } = member
      return { memberId, instanceId, topics: topicsOf(member), target: group.targetOf(memberId, instanceId) }
    })
    const homogeneous = asked.every(({ topics }) => topics.size === counts.size)
    const assignor = this.assignors.get(group.preferredAssignor(members) ?? '') ?? this.assignors.get(this.defaultAssignor)!
    const targets = counts.size === 0 ? noTargets : assignor.assign(asked, counts, homogeneous)
    for (const { memberId } of members) {
      const target = targets.get(memberId) ?? noTarget
      const old = group.targets.get(memberId)
      if (old === undefined || !sameTarget(old, target)) records.push(targetRecord(group.groupId, memberId, target))
    }
    records.push(targetEpochRecord(group.groupId, epoch, this.#context.clock.now()))
    return targets
  }

  /** The ids of those topics that exist. Equal lists that come one after the other get the same set. */
  #existing(names: readonly string[], idOf: (name: string) => Uuid | undefined): ReadonlySet<Uuid> {
    const topicsVersion = this.#topics.version
    const known = this.#existingOf.get(names)
    if (known?.topicsVersion === topicsVersion) return known.ids
    const last = this.#lastExisting
    if (last?.topicsVersion === topicsVersion && sameNames(last.names, names)) {
      this.#existingOf.set(names, last)
      return last.ids
    }
    const ids = new Set<Uuid>()
    for (const name of names) {
      const id = idOf(name)
      if (id !== undefined) ids.add(id)
    }
    const existing = { topicsVersion, names, ids }
    this.#existingOf.set(names, existing)
    if (names.length > 0) this.#lastExisting = existing
    return ids
  }
}

/** One of the sets itself if it contains the other. */
function union(one: ReadonlySet<Uuid>, other: ReadonlySet<Uuid>): ReadonlySet<Uuid> {
  if (other.size === 0) return one
  const lacking = [...one].filter(id => !other.has(id))
  return lacking.length === 0 ? other : new Set([...other, ...lacking])
}

/** The topics of a list that exist, in that version of the topics. */
interface Existing {
  topicsVersion: number
  names: readonly string[]
  ids: ReadonlySet<Uuid>
}

const noNames: readonly string[] = []
const noTargets: ReadonlyMap<string, Target> = new Map()

/** Throws INVALID_REGULAR_EXPRESSION. */
export function checkRegex(regex: string): void {
  try {
    compileRegex(regex)
  } catch (error) {
    throw invalidRegex(regex, error)
  }
}

/** Those of the names that the expression matches. Throws INVALID_REGULAR_EXPRESSION, also beyond `mostSteps`. */
export function* namesLike(regex: string, names: Iterable<string>, mostSteps: number): Generator<void, string[]> {
  try {
    return yield* compileRegex(regex).select(names, mostSteps)
  } catch (error) {
    throw invalidRegex(regex, error)
  }
}

function invalidRegex(regex: string, error: unknown): KafkaError {
  const reason = error instanceof Error ? error.message : String(error)
  return new KafkaError('INVALID_REGULAR_EXPRESSION', `SubscribedTopicRegex \`${regex}\` is not a valid regular expression: ${reason}.`)
}
