/**
 * The shard behind one partition of `__share_group_state`: how far share groups are in partitions (KIP-932). A change is a ShareUpdate; after
 * a number of them a ShareSnapshot says everything anew, and what lies before the oldest snapshot that counts can be deleted.
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

const { shareSnapshot, shareUpdate } = shareStateRecords
const version = 0

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

interface Stored extends ShareState {
  snapshotEpoch: number
  createdMs: Int64
  updates: number
  /** Where the snapshot lies: everything before may go. */
  snapshotOffset: number
}

/** States of all shards. Any group name in a fetch begins one for each partition, so their number needs a bound. */
export interface StateCount {
  readonly most: number
  states: number
}

export class ShareStateShard implements Shard {
  readonly #context: ShardContext
  readonly #updatesPerSnapshot: number
  readonly #count: StateCount
  readonly #states = new Map<string, Stored>()
  /** How many of its states are counted; none before it is loaded. */
  #counted: number | null = null

  constructor(context: ShardContext, updatesPerSnapshot: number, count: StateCount) {
    this.#context = context
    this.#updatesPerSnapshot = updatesPerSnapshot
    this.#count = count
  }

  replay(record: LogRecord, offset: number): void {
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
      const name = sharePartitionName(decodeRecordKey(shareSnapshot, key))
      if (value === null) {
        this.#states.delete(name)
        return
      }
      const { snapshotEpoch, stateEpoch, leaderEpoch, startOffset, deliveryCompleteCount, createTimestamp, stateBatches } =
        decodeRecordValue(shareSnapshot, value)
      const state = { stateEpoch, leaderEpoch, startOffset, deliveryCompleteCount, stateBatches }
      this.#states.set(name, { ...state, snapshotEpoch, createdMs: createTimestamp, updates: 0, snapshotOffset: offset })
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
  }

  unload(): void {
    this.#recount(0)
  }

  /** Everything before this offset is of no use; null when nothing is stored. */
  get neededFrom(): number | null {
    let first: number | null = null
    for (const { snapshotOffset } of this.#states.values()) first = first === null ? snapshotOffset : Math.min(first, snapshotOffset)
    return first
  }

  read(key: SharePartitionKey): ShareState | null {
    return this.#states.get(sharePartitionName(key)) ?? null
  }

  initialize(key: SharePartitionKey, stateEpoch: number, startOffset: Int64): Decision<void> {
    const before = this.#states.get(sharePartitionName(key))
    if (before !== undefined && stateEpoch < before.stateEpoch) throw fenced('state', stateEpoch, before.stateEpoch)
    const { most, states } = this.#count
    if (before === undefined && states >= most) {
      throw new KafkaError('POLICY_VIOLATION', `Share groups have state of ${most} partitions in all; no other can be added.`)
    }
    const snapshotEpoch = before === undefined ? 0 : before.snapshotEpoch + 1
    const state = { stateEpoch, leaderEpoch: before?.leaderEpoch ?? 0, startOffset, deliveryCompleteCount: 0, stateBatches: [] }
    return { records: [this.#snapshot(key, state, snapshotEpoch, this.#context.clock.now())], response: undefined }
  }

  write(key: SharePartitionKey, change: ShareState): Decision<void> {
    const state = this.#states.get(sharePartitionName(key))
    if (state === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `Group ${key.groupId} has no state for this partition.`)
    if (change.stateEpoch !== -1 && change.stateEpoch < state.stateEpoch) throw fenced('state', change.stateEpoch, state.stateEpoch)
    if (change.leaderEpoch !== -1 && change.leaderEpoch < state.leaderEpoch) throw fenced('leader', change.leaderEpoch, state.leaderEpoch)
    const leaderEpoch = Math.max(change.leaderEpoch, state.leaderEpoch)
    if (state.updates < this.#updatesPerSnapshot) return { records: [update(key, state, { ...change, leaderEpoch })], response: undefined }
    const next = { ...state, ...merged(state, change), leaderEpoch }
    return { records: [this.#snapshot(key, next, state.snapshotEpoch + 1, state.createdMs)], response: undefined }
  }

  delete(key: SharePartitionKey): Decision<void> {
    const records = this.#states.has(sharePartitionName(key)) ? [{ key: encodeRecordKey(shareSnapshot, key), value: null }] : []
    return { records, response: undefined }
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
  let batches = state.stateBatches
  for (const newer of change.stateBatches) batches = overlaid(batches, newer)
  const stateBatches: StoredBatch[] = []
  for (const batch of batches) {
    if (batch.lastOffset < startOffset) continue
    const last = stateBatches.at(-1)
    const joins = last !== undefined && addInt64(last.lastOffset, 1) === batch.firstOffset && last.deliveryState === batch.deliveryState
    if (joins && last.deliveryCount === batch.deliveryCount) last.lastOffset = batch.lastOffset
    else stateBatches.push({ ...batch, firstOffset: larger(batch.firstOffset, startOffset) })
  }
  return { startOffset, deliveryCompleteCount: change.deliveryCompleteCount, stateBatches }
}

function overlaid(batches: readonly StoredBatch[], newer: StoredBatch): StoredBatch[] {
  const before: StoredBatch[] = []
  const after: StoredBatch[] = []
  for (const batch of batches) {
    if (batch.firstOffset < newer.firstOffset)
      before.push({ ...batch, lastOffset: smaller(batch.lastOffset, addInt64(newer.firstOffset, -1)) })
    if (batch.lastOffset > newer.lastOffset) after.push({ ...batch, firstOffset: larger(batch.firstOffset, addInt64(newer.lastOffset, 1)) })
  }
  return [...before, newer, ...after]
}

const larger = (a: Int64, b: Int64): Int64 => (a > b ? a : b)
const smaller = (a: Int64, b: Int64): Int64 => (a < b ? a : b)

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
