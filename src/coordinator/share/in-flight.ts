/**
 * The records of one share partition between its start and end offset: which member has acquired them, how often they were delivered, and
 * their state (KIP-932). Consecutive records in the same state are one entry; acknowledging part of it splits it. Only keeps state: reading,
 * storing and timing are decided elsewhere.
 */
import type { Int64 } from '../../base.ts'
import { KafkaError } from '../../protocol.ts'
import type { StoredBatch } from './state-shard.ts'

/** Kafka's numbers. */
export const deliveryStates = { available: 0, acquired: 1, acknowledged: 2, archiving: 3, archived: 4 } as const
export type DeliveryState = (typeof deliveryStates)[keyof typeof deliveryStates]

export const acknowledgeTypes = { gap: 0, accept: 1, release: 2, reject: 3, renew: 4 } as const

export interface StateBatch {
  firstOffset: number
  lastOffset: number
  deliveryState: number
  deliveryCount: number
}

/** What happened to records that will not be delivered again; Kafka's words. */
const deadLetterCauses = {
  rejected: 'Offset rejected by client.',
  exhausted: 'Offset delivery count exceeded the threshold.',
} as const

/** What has become of a run; it is to be stored. */
export interface Change extends StateBatch {
  /** Why it is being archived; empty unless it is. */
  cause: string
}

/** What becomes of records that are given back or rejected. */
export interface DeliveryRule {
  /** So often a record is delivered at most. */
  most: number
  /** Whether those that are not delivered again go to a dead-letter queue first. */
  deadLetters: boolean
}

export interface AcquiredRange {
  firstOffset: number
  lastOffset: number
  deliveryCount: number
}

interface Run extends StateBatch {
  deliveryState: DeliveryState
  /** Empty unless acquired. */
  memberId: string
  /** On the monotonic clock; when the lock ends. */
  deadlineMs: number
  /** Why it is being archived. */
  cause: string
  /** There is nothing that a member could see: it takes none of the room for records in flight. */
  hidden: boolean
}

export class InFlight {
  startOffset: number
  readonly #runs: Run[] = []
  /** Offsets of the hidden runs. */
  #hiddenCount = 0

  constructor(startOffset: Int64, batches: readonly StoredBatch[]) {
    let next = (this.startOffset = inLog(startOffset))
    for (const { deliveryState, deliveryCount, ...stored } of batches) {
      const [firstOffset, lastOffset] = [inLog(stored.firstOffset), inLog(stored.lastOffset)]
      if (lastOffset < next || lastOffset < firstOffset) continue
      // What lies between was not stored, so it is still to be delivered.
      if (firstOffset > next) this.#runs.push(run(next, firstOffset - 1, deliveryStates.available, 0))
      const isKnown = deliveryState >= deliveryStates.acknowledged && deliveryState <= deliveryStates.archived
      const state = isKnown ? (deliveryState as DeliveryState) : deliveryStates.available
      const each = run(Math.max(next, firstOffset), lastOffset, state, deliveryCount)
      // Records archived without a delivery were hidden.
      each.hidden = state === deliveryStates.archived && deliveryCount === 0
      if (each.hidden) this.#hiddenCount += sizeOf(each)
      this.#runs.push(each)
      next = lastOffset + 1
    }
    this.#dropFinished()
  }

  /** The first offset that has not been looked at yet. */
  get endOffset(): number {
    const last = this.#runs.at(-1)
    return last === undefined ? this.startOffset : last.lastOffset + 1
  }

  /** Where to read next. */
  get nextOffset(): number {
    for (const { deliveryState, firstOffset } of this.#runs) if (deliveryState === deliveryStates.available) return firstOffset
    return this.endOffset
  }

  get inFlightCount(): number {
    return this.endOffset - this.startOffset - this.#hiddenCount
  }

  /** Finished records above the start offset: they count no more towards the lag. */
  get completeCount(): number {
    let count = 0
    for (const each of this.#runs) if (isFinished(each)) count += sizeOf(each)
    return count
  }

  /** The member acquires the available records of the range; returns them. */
  acquire(firstOffset: number, lastOffset: number, most: number, memberId: string, deadlineMs: number): AcquiredRange[] {
    this.#extendTo(lastOffset)
    const acquired: AcquiredRange[] = []
    let left = most
    for (let index = this.#split(Math.max(firstOffset, this.startOffset)); index < this.#runs.length && left > 0; index++) {
      const each = this.#runs[index]!
      if (each.firstOffset > lastOffset) break
      if (each.deliveryState !== deliveryStates.available) continue
      this.#split(Math.min(lastOffset, each.firstOffset + left - 1) + 1)
      left -= sizeOf(each)
      each.deliveryState = deliveryStates.acquired
      each.deliveryCount++
      each.memberId = memberId
      each.deadlineMs = deadlineMs
      acquired.push({ firstOffset: each.firstOffset, lastOffset: each.lastOffset, deliveryCount: each.deliveryCount })
    }
    return acquired
  }

  /** Hides offsets that are never delivered: control batches, aborted transactions, gaps left by compaction. Returns the changes to store. */
  hide(firstOffset: number, lastOffset: number): Change[] {
    const tail = this.#runs.at(-1)
    if (tail?.hidden && firstOffset === tail.lastOffset + 1) {
      tail.lastOffset = lastOffset
      this.#hiddenCount += lastOffset - firstOffset + 1
      return [{ ...changeOf(tail), firstOffset }]
    }
    this.#extendTo(lastOffset)
    const changed = this.#change(firstOffset, lastOffset, each => {
      if (each.deliveryState !== deliveryStates.available) return false
      each.deliveryState = deliveryStates.archived
      each.hidden = true
      this.#hiddenCount += sizeOf(each)
      return true
    })
    this.#dropFinished()
    return changed
  }

  /**
   * `types`: one for all records, or one for each. Returns what there is to store; throws INVALID_RECORD_STATE, and changes nothing then,
   * when a record is not the member's.
   */
  acknowledge(
    firstOffset: number,
    lastOffset: number,
    types: readonly number[],
    memberId: string,
    rule: DeliveryRule,
    renewedMs: number,
  ): Change[] {
    this.#requireAcquired(firstOffset, lastOffset, memberId)
    const changed: Change[] = []
    for (let offset = Math.max(firstOffset, this.startOffset); offset <= lastOffset; ) {
      const type = types.length === 1 ? types[0]! : types[offset - firstOffset]!
      let end = offset
      while (end < lastOffset && (types.length === 1 || types[end + 1 - firstOffset] === type)) end++
      changed.push(...this.#change(offset, end, each => settle(each, type, rule, renewedMs)))
      offset = end + 1
    }
    this.#dropFinished()
    return changed
  }

  /** Gives back what is the member's, or what has been locked too long. */
  release(isDue: (memberId: string, deadlineMs: number) => boolean, rule: DeliveryRule, undeliver: boolean): Change[] {
    const changed: Change[] = []
    for (const each of this.#runs) {
      if (each.deliveryState !== deliveryStates.acquired || !isDue(each.memberId, each.deadlineMs)) continue
      // A member that leaves has not passed these records on to the application.
      if (undeliver) each.deliveryCount--
      settle(each, acknowledgeTypes.release, rule, 0)
      changed.push(changeOf(each))
    }
    this.#dropFinished()
    return changed
  }

  /** Of what was stored: runs that are still on their way to the dead-letter queue. Why is not stored; `most` lets guess it, as Kafka does. */
  dying(most: number): Change[] {
    const dying = this.#runs.filter(({ deliveryState }) => deliveryState === deliveryStates.archiving)
    return dying.map(each => ({
      ...changeOf(each),
      cause: each.deliveryCount >= most ? deadLetterCauses.exhausted : deadLetterCauses.rejected,
    }))
  }

  /** Their dead letters are written, or cannot be. Returns what there is to store. */
  buried(firstOffset: number, lastOffset: number): Change[] {
    const changed = this.#change(firstOffset, lastOffset, each => {
      if (each.deliveryState !== deliveryStates.archiving) return false
      each.deliveryState = deliveryStates.archived
      return true
    })
    this.#dropFinished()
    return changed
  }

  /** The log start offset was raised. True if that changed anything. */
  advanceTo(logStartOffset: number): boolean {
    if (logStartOffset <= this.startOffset) return false
    this.#split(logStartOffset)
    let gone = 0
    while (gone < this.#runs.length && this.#runs[gone]!.lastOffset < logStartOffset) gone++
    this.#drop(gone)
    this.startOffset = logStartOffset
    this.#dropFinished()
    return true
  }

  #requireAcquired(firstOffset: number, lastOffset: number, memberId: string): void {
    if (lastOffset >= this.endOffset && lastOffset >= this.startOffset) {
      const reason = `offset ${lastOffset} was never acquired`
      const first = this.#runs[0]
      // As in Kafka: a range that begins with acquired records but extends beyond them is an error.
      throw first !== undefined && first.firstOffset <= firstOffset ? new KafkaError('INVALID_REQUEST', reason) : invalidState(reason)
    }
    for (let index = this.#indexOf(firstOffset); index < this.#runs.length; index++) {
      const each = this.#runs[index]!
      if (each.firstOffset > lastOffset) break
      if (each.deliveryState !== deliveryStates.acquired) throw invalidState(`offset ${each.firstOffset} is not acquired`)
      if (each.memberId !== memberId) throw invalidState(`offset ${each.firstOffset} is acquired by another member`)
    }
  }

  /** Applies `change` to all runs of the range; those for which it says true are returned. */
  #change(firstOffset: number, lastOffset: number, change: (each: Run) => boolean): Change[] {
    const changed: Change[] = []
    this.#split(lastOffset + 1)
    for (let index = this.#split(Math.max(firstOffset, this.startOffset)); index < this.#runs.length; index++) {
      const each = this.#runs[index]!
      if (each.firstOffset > lastOffset) break
      if (change(each)) changed.push(changeOf(each))
    }
    return changed
  }

  #extendTo(lastOffset: number): void {
    const { endOffset } = this
    if (lastOffset >= endOffset) this.#runs.push(run(endOffset, lastOffset, deliveryStates.available, 0))
  }

  /** The index of the run that contains the offset, or the next one; the number of runs if all are before it. */
  #indexOf(offset: number): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#runs[middle]!.lastOffset < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Makes a run start at the offset; returns its index, or the number of runs if the offset is beyond them. */
  #split(offset: number): number {
    const index = this.#indexOf(offset)
    const each = this.#runs[index]
    if (each === undefined || each.firstOffset >= offset) return index
    this.#runs.splice(index + 1, 0, { ...each, firstOffset: offset })
    each.lastOffset = offset - 1
    return index + 1
  }

  #dropFinished(): void {
    let finished = 0
    while (finished < this.#runs.length && isFinished(this.#runs[finished]!)) finished++
    if (finished === 0) return
    this.startOffset = this.#runs[finished - 1]!.lastOffset + 1
    this.#drop(finished)
  }

  #drop(count: number): void {
    for (const each of this.#runs.splice(0, count)) if (each.hidden) this.#hiddenCount -= sizeOf(each)
  }
}

/** Returns whether there is anything to store. */
function settle(each: Run, type: number, { most, deadLetters }: DeliveryRule, renewedMs: number): boolean {
  if (type === acknowledgeTypes.renew) {
    each.deadlineMs = renewedMs
    return false
  }
  each.memberId = ''
  if (type === acknowledgeTypes.accept) each.deliveryState = deliveryStates.acknowledged
  else if (type === acknowledgeTypes.release && each.deliveryCount < most) each.deliveryState = deliveryStates.available
  else {
    const dies = deadLetters && type !== acknowledgeTypes.gap
    each.deliveryState = dies ? deliveryStates.archiving : deliveryStates.archived
    each.cause = type === acknowledgeTypes.reject ? deadLetterCauses.rejected : deadLetterCauses.exhausted
  }
  return true
}

/** No log begins or ends beyond. */
const farthest = 2 ** 52

/** What is stored may lie where no log has an offset: then the nearest end will do, as nothing is ever acquired there. */
function inLog(offset: Int64): number {
  return Math.max(-farthest, Math.min(Number(offset), farthest))
}

function run(firstOffset: number, lastOffset: number, deliveryState: DeliveryState, deliveryCount: number): Run {
  return { firstOffset, lastOffset, deliveryState, deliveryCount, memberId: '', deadlineMs: 0, cause: '', hidden: false }
}

function changeOf({ firstOffset, lastOffset, deliveryState, deliveryCount, cause }: Run): Change {
  return { firstOffset, lastOffset, deliveryState, deliveryCount, cause: deliveryState === deliveryStates.archiving ? cause : '' }
}

function sizeOf({ firstOffset, lastOffset }: StateBatch): number {
  return lastOffset - firstOffset + 1
}

function isFinished({ deliveryState }: Run): boolean {
  return deliveryState === deliveryStates.acknowledged || deliveryState === deliveryStates.archived
}

function invalidState(reason: string): KafkaError {
  return new KafkaError('INVALID_RECORD_STATE', `The record state is invalid: ${reason}.`)
}
