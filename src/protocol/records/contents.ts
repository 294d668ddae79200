/**
 * Determines what a batch really contains, whatever its header says, and whether the topic accepts it: Kafka's LogValidator.
 *
 * Compressed batches are always decompressed for this. Their headers cannot be trusted (some producers omit the largest timestamp
 * or send a wrong count), and a batch that cannot be decompressed would block every reader of the partition.
 */
import { addInt64, type Int64, nearestInt64, subtractInt64 } from '../../base.ts'
import { type Scratch, unpack } from '../compression.ts'
import * as header from './header.ts'
import { InvalidRecords, invalid, type RecordError } from './invalid.ts'
import { Cursor } from './varint.ts'
import { walkRecords } from './walk.ts'

export interface BatchRules {
  /** `coordinator`: several batches, control batches and any timestamps are fine. */
  origin: 'client' | 'coordinator'
  /** `topic-partition`, for messages. */
  name: string
  maxMessageBytes: number
  /** All batches of one append lie in one segment. */
  segmentBytes: number
  /** `cleanup.policy` has compact: every record needs a key. */
  compacted: boolean
  timestampType: header.TimestampType
  timestampBeforeMaxMs: number
  timestampAfterMaxMs: number
  nowMs: number
}

export interface Contents {
  /** Timestamps; `earliest` leaves out records without one (-1), unless all are without. */
  earliest: Int64
  latest: Int64
  keyless: boolean
  /** The time that the header claims for all records, by a flag that producers should not set; otherwise null. */
  claimedTime: Int64 | null
  /** Offset deltas do not count up from 0. */
  misordered: boolean
  /** Offset deltas that do not count up from 0, sizes below -1, varints with too many bits: Kafka accepts them, but readers may fail. */
  misshapen: boolean
  /** Compressed in a way that Kafka reads, but other readers may not. */
  oddlyFramed: boolean
  /** The cost of opening and recompressing them, in decompressed bytes. */
  work: number
}

export interface Unpacked {
  /** The records lie in `[start, payload.length)`. */
  payload: Buffer
  start: number
  oddlyFramed: boolean
  /** The cost of decompressing them, beyond their bytes. */
  cost: number
}

/** The plain records of a v2 batch that is all of `bytes`. Throws CORRUPT_MESSAGE, or INVALID_RECORD when they are too many bytes. */
export function unpackBatch(bytes: Buffer, maxBytes: number, scratch?: Scratch): Unpacked {
  const codec = header.compression(bytes, 0)
  if (codec === undefined) throw invalid(`Unknown compression type id: ${header.compressionId(bytes, 0)}`)
  if (codec === 'none') return { payload: bytes, start: header.batchHeaderSize, oddlyFramed: false, cost: 0 }
  const { bytes: payload, oddlyFramed, cost } = unpack(codec, bytes.subarray(header.batchHeaderSize), { maxBytes, scratch })
  return { payload, start: 0, oddlyFramed, cost }
}

/** Throws INVALID_RECORD when the records are not sound, or not as many as the header says. */
export function contentsOf(bytes: Buffer, { payload, start, oddlyFramed, cost }: Unpacked): Contents {
  const walk = walkRecords(payload, start, payload.length, header.recordCount(bytes, 0), header.baseTimestamp(bytes, 0))
  return {
    earliest: walk.earliest,
    latest: walk.latest,
    keyless: walk.keyless,
    claimedTime: header.timestampType(bytes, 0) === 'LogAppendTime' ? header.maxTimestamp(bytes, 0) : null,
    misordered: walk.misordered,
    misshapen: walk.misordered || walk.oddNumbers,
    oddlyFramed,
    work: payload.length - start + cost,
  }
}

/** Kafka accepts the batch, but it must be rewritten before it is stored. */
export function isOdd({ misshapen, oddlyFramed }: Contents): boolean {
  return misshapen || oddlyFramed
}

/** Kafka rewrites such a batch, too, but fails with UNKNOWN_SERVER_ERROR if its compression is to stay the same. */
export function refuseDisorder(bytes: Buffer, { misordered }: Contents): void {
  if (misordered && header.compressionId(bytes, 0) !== 0) throw invalid('Offset deltas of a compressed batch must count up from 0')
}

/** Whether the topic accepts every record: it does if it accepts the earliest and the latest. */
export function isAllowed({ earliest, latest, keyless, claimedTime }: Contents, rules: BatchRules): boolean {
  return faultOf(earliest, !keyless, claimedTime, rules) === 'none' && faultOf(latest, !keyless, claimedTime, rules) === 'none'
}

type Fault = 'none' | 'keyless' | 'claim' | 'claimed time' | 'time'

/** What is wrong with a record. `claimedTime`: the time that its batch declares for all its records. */
function faultOf(timestamp: Int64, hasKey: boolean, claimedTime: Int64 | null, rules: BatchRules): Fault {
  if (rules.compacted && !hasKey) return 'keyless'
  if (claimedTime !== null && (rules.timestampType === 'LogAppendTime' || claimedTime === -1)) return 'claim'
  if (rules.timestampType === 'LogAppendTime') return 'none'
  // The declared time is dropped when the batch is stored, so the record's own time counts as well.
  if (claimedTime !== null && isOutOfRange(claimedTime, rules)) return 'claimed time'
  return isOutOfRange(timestamp, rules) ? 'time' : 'none'
}

/** With Java's arithmetic, in which a time too long ago for 64 bits is in the future. */
function isOutOfRange(timestamp: Int64, rules: BatchRules): boolean {
  if (timestamp === -1) return false
  const age = subtractInt64(rules.nowMs, timestamp)
  return age > rules.timestampBeforeMaxMs || subtractInt64(0, age) > rules.timestampAfterMaxMs
}

/** Looks at a refused batch again, record by record, for the error that names them (KIP-467). */
export function refuseBatch(bytes: Buffer, { payload, start }: Unpacked, claimedTime: Int64 | null, rules: BatchRules): InvalidRecords {
  const refusal = new Refusal(rules, claimedTime)
  const baseTimestamp = header.baseTimestamp(bytes, 0)
  const cursor = new Cursor(payload, start, payload.length)
  for (let left = header.recordCount(bytes, 0); left > 0; left--) {
    const size = cursor.varint()
    const end = cursor.skip(size) + size
    cursor.position = end - size + 1
    // The record's own timestamp, whatever the header says.
    const timestamp = addInt64(baseTimestamp, cursor.varlong())
    const offset = cursor.varint()
    refusal.see(timestamp, offset, cursor.varint() >= 0)
    cursor.position = end
  }
  return refusal.error()
}

/** More of them would make an answer far larger than the request: a batch of 200 KB may hold millions of records. */
const mostNamed = 10_000
/** As many as Kafka shows in its message. */
const shown = 3

/** Gathers what is wrong with the records of a batch. `claimedTime`: that which the batch says all its records have. */
export class Refusal {
  readonly #rules: BatchRules
  readonly #claimedTime: Int64 | null
  readonly #errors: RecordError[] = []
  #seen = 0
  #refused = 0
  #untimely = false

  constructor(rules: BatchRules, claimedTime: Int64 | null) {
    this.#rules = rules
    this.#claimedTime = claimedTime
  }

  see(timestamp: Int64, offset: number, hasKey: boolean): void {
    const batchIndex = this.#seen++
    const fault = faultOf(timestamp, hasKey, this.#claimedTime, this.#rules)
    if (fault === 'none') return
    this.#refused++
    if (fault !== 'keyless') this.#untimely = true
    if (this.#errors.length < mostNamed) this.#errors.push({ batchIndex, message: this.#words(fault, timestamp, offset) })
  }

  get isEmpty(): boolean {
    return this.#refused === 0
  }

  /** Kafka's words. */
  error(): InvalidRecords {
    if (this.#untimely)
      return new InvalidRecords('INVALID_TIMESTAMP', 'One or more records have been rejected due to invalid timestamp', this.#errors)
    const examples = this.#errors
      .slice(0, shown)
      .map(({ batchIndex, message }) => `RecordError(batchIndex=${batchIndex}, message='${message}')`)
    const message =
      `One or more records have been rejected due to ${this.#refused} record errors in total, ` +
      `and only showing the first three errors at most: [${examples.join(', ')}]`
    return new InvalidRecords('INVALID_RECORD', message, this.#errors)
  }

  #words(fault: Fault, timestamp: Int64, offset: number): string {
    const { name, nowMs, timestampBeforeMaxMs, timestampAfterMaxMs } = this.#rules
    if (fault === 'keyless') return `Compacted topic cannot accept message without key in topic partition ${name}`
    if (fault === 'claim')
      return `Invalid timestamp type in message of offset ${offset}. Producer should not set timestamp type to LogAppendTime.`
    const time = fault === 'time' ? timestamp : this.#claimedTime
    const range = `[${subtractInt64(nowMs, nearestInt64(timestampBeforeMaxMs))}, ${addInt64(nowMs, nearestInt64(timestampAfterMaxMs))}]`
    return `Timestamp ${time} of message with offset ${offset} is out of range. The timestamp should be within ${range}`
  }
}
