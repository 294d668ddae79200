/**
 * The shard of one partition of `__share_group_state`: the progress of share groups in partitions (KIP-932). A change is a ShareUpdate. After
 * a number of updates, a ShareSnapshot contains the complete state, and records before the oldest snapshot in use can be deleted. A partition
 * without traffic would prevent that forever, so its snapshot is repeated from time to time.
 */
import { addInt64, type Int64 } from '../../base.ts'
import {
  decodeRecordKey,
  decodeRecordValue,
  encodeRecordKey,
  encodeRecordValue,
  KafkaError,
  recordId,
  shareStateRecords,
  type Uuid,
} from '../../protocol.ts'
import type { Decision, LogRecord, Shard, ShardContext } from '../shard.ts'
import { timerKey } from '../timer-key.ts'
import { deliveryStates } from './in-flight.ts'

const { shareSnapshot, shareUpdate } = shareStateRecords
const version = 0
const coldKey = timerKey('cold-snapshots')
/** States that are checked in one step. */
const coldStepStates = 5_000
/** Snapshots that are written in one step. */
const coldStepRecords = 500
/** More than a share partition can have: of 10,000 records in delivery each has another state, and as many are hidden between them. */
const mostBatches = 25_000

export interface SharePartitionKey {
  groupId: string
  topicId: Uuid
  partition: number
}

/** As another broker may have written it: the offsets need not be such that a log can have them. */
export interface StoredBatch {
  firstOffset: Int64
  lastOffset: Int64
  deliveryState: number
  deliveryCount: number
}

export interface ShareState {
  stateEpoch: number
  leaderEpoch: number
  /** -1: not known yet; the first fetch decides, as `share.auto.offset.reset` says. */
  startOffset: Int64
  /** -1: not known. */
  deliveryCompleteCount: number
  stateBatches: readonly StoredBatch[]
}

export interface ShareStateSettings {
  updatesPerSnapshot: number
  /** How often the snapshots of partitions without traffic are looked for. */
  coldSnapshotIntervalMs: number
}

interface Stored extends ShareState {
  key: SharePartitionKey
  snapshotEpoch: number
  createdMs: Int64
  updates: number
  /** Where the snapshot lies: everything before may go. */
  snapshotOffset: number
}

/** States of all shards. Any group name in a fetch creates one for each partition, so their number needs a limit. */
export interface StateCount {
  readonly most: number
  states: number
}

export class ShareStateShard implements Shard {
  readonly #context: ShardContext
  readonly #settings: ShareStateSettings
  readonly #count: StateCount
  readonly #states = new Map<string, Stored>()
  /** How many of its states are counted; none before it is loaded. */
  #counted: number | null = null
  #nextOffset = 0
  /** Where the log ended after the last round of cold snapshots. */
  #coldRoundEnd = 0

  constructor(context: ShardContext, settings: ShareStateSettings, count: StateCount) {
    this.#context = context
    this.#settings = settings
    this.#count = count
  }

  replay(record: LogRecord, offset: number): void {
    this.#nextOffset = offset + 1
    this.#replay(record, offset)
    if (this.#counted !== null) this.#recount(this.#states.size)
  }

  #recount(counted: number): void {
    this.#count.states += counted - (this.#counted ?? 0)
    this.#counted = counted
  }

  #replay({ key, value }: LogRecord, offset: number): void {
    if (key === null) return
    const id = recordId(key)
    if (id === shareSnapshot.id) {
      const { groupId, topicId, partition } = decodeRecordKey(shareSnapshot, key)
      const place = { groupId, topicId, partition }
      const name = sharePartitionName(place)
      if (value === null) {
        this.#states.delete(name)
        return
      }
      const { snapshotEpoch, stateEpoch, leaderEpoch, startOffset, deliveryCompleteCount, createTimestamp, stateBatches } =
        decodeRecordValue(shareSnapshot, value)
      const state = { stateEpoch, leaderEpoch, startOffset, deliveryCompleteCount, stateBatches: layered(stateBatches) }
      this.#states.set(name, { ...state, key: place, snapshotEpoch, createdMs: createTimestamp, updates: 0, snapshotOffset: offset })
    } else if (id === shareUpdate.id && value !== null) {
      const name = sharePartitionName(decodeRecordKey(shareUpdate, key))
      const state = this.#states.get(name)
      // The snapshot before it is gone, because a later one has taken its place.
      if (state === undefined) return
      const update = decodeRecordValue(shareUpdate, value)
      this.#states.set(name, { ...state, ...merged(state, update), leaderEpoch: update.leaderEpoch, updates: state.updates + 1 })
    }
  }

  loaded(): void {
    this.#recount(this.#states.size)
    this.#coldSnapshotsLater()
  }

  unload(): void {
    this.#recount(0)
  }

  /** Records before this offset are no longer needed. */
  get neededFrom(): number {
    let first = this.#nextOffset
    for (const { snapshotOffset } of this.#states.values()) first = Math.min(first, snapshotOffset)
    return first
  }

  read(key: SharePartitionKey): ShareState | null {
    return this.#states.get(sharePartitionName(key)) ?? null
  }

  /** For a leader of the partition with that epoch: from now on, what earlier ones still have under way is refused. */
  readFor(key: SharePartitionKey, leaderEpoch: number): Decision<ShareState | null> {
    const state = this.#states.get(sharePartitionName(key)) ?? null
    if (state === null || leaderEpoch === state.leaderEpoch) return { records: [], response: state }
    const { records } = this.write(key, { ...state, stateEpoch: -1, leaderEpoch, startOffset: -1, stateBatches: [] })
    return { records, response: state }
  }

  initialize(key: SharePartitionKey, stateEpoch: number, startOffset: Int64): Decision<void> {
    const before = this.#states.get(sharePartitionName(key))
    if (before !== undefined && stateEpoch < before.stateEpoch) throw fenced('state', stateEpoch, before.stateEpoch)
    // Two leaders, one after the other, may both find that nothing is there: what the first has begun goes on.
    if (before !== undefined && stateEpoch === before.stateEpoch && before.startOffset !== -1) return { records: [], response: undefined }
    const { most, states } = this.#count
    if (before === undefined && states >= most) {
      throw new KafkaError('POLICY_VIOLATION', `Share groups already have state for ${most} partitions, the maximum.`)
    }
    const snapshotEpoch = before === undefined ? 0 : before.snapshotEpoch + 1
    const state = { stateEpoch, leaderEpoch: before?.leaderEpoch ?? 0, startOffset, deliveryCompleteCount: 0, stateBatches: [] }
    return { records: [this.#snapshot(key, state, snapshotEpoch, this.#context.clock.now())], response: undefined }
  }

  write(key: SharePartitionKey, change: ShareState): Decision<void> {
    const state = this.#states.get(sharePartitionName(key))
    if (state === undefined) throw new KafkaError('INVALID_REQUEST', 'Write operation on uninitialized share partition not allowed.')
    if (change.stateEpoch !== -1 && change.stateEpoch < state.stateEpoch) throw fenced('state', change.stateEpoch, state.stateEpoch)
    if (change.leaderEpoch !== -1 && change.leaderEpoch < state.leaderEpoch) throw fenced('leader', change.leaderEpoch, state.leaderEpoch)
    checkBatches(change)
    if (state.stateBatches.length + change.stateBatches.length > mostBatches) checkBatches({ ...change, ...merged(state, change) })
    const leaderEpoch = Math.max(change.leaderEpoch, state.leaderEpoch)
    if (state.updates < this.#settings.updatesPerSnapshot)
      return { records: [update(key, state, { ...change, leaderEpoch })], response: undefined }
    const next = { ...state, ...merged(state, change), leaderEpoch }
    return { records: [this.#snapshot(key, next, state.snapshotEpoch + 1, state.createdMs)], response: undefined }
  }

  delete(key: SharePartitionKey): Decision<void> {
    const records = this.#states.has(sharePartitionName(key)) ? [tombstone(key)] : []
    return { records, response: undefined }
  }

  /** The state of groups in a deleted topic. */
  topicDeleted(topicId: Uuid): Decision<void> {
    const gone = [...this.#states.values()].filter(({ key }) => key.topicId === topicId)
    return { records: gone.map(({ key }) => tombstone(key)), response: undefined, atomic: false }
  }

  #coldSnapshotsLater(): void {
    this.#context.schedule(coldKey, this.#settings.coldSnapshotIntervalMs, () => {
      const before = this.#coldRoundEnd
      if (this.#nextOffset > before) return this.#coldSnapshots(this.#states.values(), before)
      // Nothing was written: there is nothing that could be deleted.
      this.#coldSnapshotsLater()
      return { records: [], response: undefined }
    })
  }

  /** One step over the states: those without a snapshot since `before` get one. A Map's iterator tolerates additions and deletions meanwhile. */
  #coldSnapshots(states: Iterator<Stored>, before: number): Decision<void> {
    const records: LogRecord[] = []
    for (let count = 0; count < coldStepStates && records.length < coldStepRecords; count++) {
      const next = states.next()
      if (next.done) {
        this.#coldRoundEnd = this.#nextOffset + records.length
        this.#coldSnapshotsLater()
        return { records, response: undefined, atomic: false }
      }
      const { key, snapshotEpoch, createdMs, snapshotOffset } = next.value
      if (snapshotOffset < before) records.push(this.#snapshot(key, next.value, snapshotEpoch + 1, createdMs))
    }
    this.#context.schedule(coldKey, 1, () => this.#coldSnapshots(states, before))
    return { records, response: undefined, atomic: false }
  }

  #snapshot(key: SharePartitionKey, state: ShareState, snapshotEpoch: number, createTimestamp: Int64): LogRecord {
    const { stateEpoch, leaderEpoch, startOffset, deliveryCompleteCount, stateBatches } = state
    const written = { snapshotEpoch, stateEpoch, leaderEpoch, startOffset, deliveryCompleteCount, createTimestamp }
    return {
      key: encodeRecordKey(shareSnapshot, key),
      value: encodeRecordValue(shareSnapshot, version, {
        ...written,
        writeTimestamp: this.#context.clock.now(),
        stateBatches: [...stateBatches],
      }),
    }
  }
}

function tombstone(key: SharePartitionKey): LogRecord {
  return { key: encodeRecordKey(shareSnapshot, key), value: null }
}

function update(key: SharePartitionKey, { snapshotEpoch }: Stored, change: ShareState): LogRecord {
  const { leaderEpoch, startOffset, deliveryCompleteCount, stateBatches } = change
  return {
    key: encodeRecordKey(shareUpdate, key),
    value: encodeRecordValue(shareUpdate, version, {
      snapshotEpoch,
      leaderEpoch,
      startOffset,
      deliveryCompleteCount,
      stateBatches: [...stateBatches],
    }),
  }
}

type Change = Pick<ShareState, 'startOffset' | 'deliveryCompleteCount' | 'stateBatches'>

/** The newer state of a record counts; what lies before the start offset is finished. */
function merged(state: ShareState, change: Change): Change {
  const startOffset = change.startOffset === -1 ? state.startOffset : change.startOffset
  const stateBatches: StoredBatch[] = []
  for (const batch of overlaid(state.stateBatches, layered(change.stateBatches))) {
    if (batch.lastOffset < startOffset) continue
    const last = stateBatches.at(-1)
    const joins = last !== undefined && addInt64(last.lastOffset, 1) === batch.firstOffset && last.deliveryState === batch.deliveryState
    if (joins && last.deliveryCount === batch.deliveryCount) stateBatches.splice(-1, 1, { ...last, lastOffset: batch.lastOffset })
    else stateBatches.push(batch.firstOffset < startOffset ? { ...batch, firstOffset: startOffset } : batch)
  }
  return { startOffset, deliveryCompleteCount: change.deliveryCompleteCount, stateBatches }
}

/** In offset order, and of those that overlap the later one counts. In whatever order they are, it takes little more than to sort them. */
function layered(batches: readonly StoredBatch[]): readonly StoredBatch[] {
  const sound = batches.filter(({ firstOffset, lastOffset }) => firstOffset <= lastOffset)
  if (areInOrder(sound)) return sound
  const sorted = sound.toSorted((a, b) => (a.firstOffset < b.firstOffset ? -1 : a.firstOffset > b.firstOffset ? 1 : 0))
  return areInOrder(sorted) ? sorted : stacked(sound)
}

function stacked(batches: readonly StoredBatch[]): readonly StoredBatch[] {
  if (areInOrder(batches)) return batches
  const half = batches.length >>> 1
  return overlaid(stacked(batches.slice(0, half)), stacked(batches.slice(half)))
}

/** None overlaps another one. */
function areInOrder(batches: readonly StoredBatch[]): boolean {
  return batches.every(({ firstOffset }, nth) => nth === 0 || batches[nth - 1]!.lastOffset < firstOffset)
}

/** What is in `newer` counts. Both are in offset order, and there may be thousands. */
function overlaid(older: readonly StoredBatch[], newer: readonly StoredBatch[]): StoredBatch[] {
  const batches: StoredBatch[] = []
  let at = 0
  let rest = older[at]
  for (const each of newer) {
    for (; rest !== undefined && rest.lastOffset < each.firstOffset; rest = older[++at]) batches.push(rest)
    if (rest !== undefined && rest.firstOffset < each.firstOffset) batches.push({ ...rest, lastOffset: addInt64(each.firstOffset, -1) })
    batches.push(each)
    while (rest !== undefined && rest.lastOffset <= each.lastOffset) rest = older[++at]
    if (rest !== undefined && rest.firstOffset <= each.lastOffset) rest = { ...rest, firstOffset: addInt64(each.lastOffset, 1) }
  }
  for (; rest !== undefined; rest = older[++at]) batches.push(rest)
  return batches
}

const knownStates: ReadonlySet<number> = new Set(Object.values(deliveryStates))

/** A state that nobody knows would never be finished. */
function checkBatches({ stateBatches }: ShareState): void {
  const odd = stateBatches.find(({ deliveryState }) => !knownStates.has(deliveryState))
  if (odd !== undefined)
    throw new KafkaError('INVALID_REQUEST', `The delivery state ${odd.deliveryState} is not one of ${[...knownStates].join(', ')}.`)
  if (stateBatches.length > mostBatches)
    throw new KafkaError(
      'INVALID_REQUEST',
      `The state of a share partition has at most ${mostBatches} batches, not ${stateBatches.length}.`,
    )
}

/** As Kafka's coordinator key. */
export function sharePartitionName({ groupId, topicId, partition }: SharePartitionKey): string {
  return `${groupId}:${topicId}:${partition}`
}

function fenced(what: 'state' | 'leader', received: number, known: number): KafkaError {
  return new KafkaError(
    what === 'state' ? 'FENCED_STATE_EPOCH' : 'FENCED_LEADER_EPOCH',
    `The ${what} epoch ${received} is older than ${known}.`,
  )
}
