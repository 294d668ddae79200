/** For tests of shards: a machine with manually advanced time, and a partition of the log in memory. */
import { memoryFileSystem, type System, trustingClock } from '../base.ts'
import type { Appended, AppendOptions, PartitionLog, Slice, TopicConfig } from '../log.ts'
import { batchesIn, forEachRecord, header, KafkaError, zeroUuid } from '../protocol.ts'
import type { LogRecord } from './shard.ts'

export interface TestSystem extends System {
  /** Runs what is ready now, timers that are due included. */
  settle(): Promise<void>
  /** Lets time pass, timer by timer. */
  advance(ms: number): Promise<void>
  readonly pendingTimers: number
}

export function testSystem(startMs = 1_000_000): TestSystem {
  let nowMs = 0
  let soon: (() => void)[] = []
  let timers: { at: number; callback: () => void }[] = []
  let chance = 1
  const drain = async () => {
    for (let round = 0; round < 20; round++) {
      for (let turn = 0; turn < 20; turn++) await null
      const ready = soon
      soon = []
      for (const callback of ready) callback()
    }
  }
  const settle = async (until = nowMs) => {
    await drain()
    for (;;) {
      timers.sort((a, b) => a.at - b.at)
      const next = timers[0]
      if (next === undefined || next.at > until) break
      timers.shift()
      nowMs = Math.max(nowMs, next.at)
      next.callback()
      await drain()
    }
    nowMs = until
  }
  return {
    clock: trustingClock(
      () => startMs + nowMs,
      () => nowMs,
    ),
    timers: {
      after(delayMs, callback) {
        const timer = { at: nowMs + delayMs, callback }
        timers.push(timer)
        return {
          cancel: () => {
            timers = timers.filter(other => other !== timer)
          },
        }
      },
      soon: callback => void soon.push(callback),
    },
    random: {
      fill: buffer => {
        for (let i = 0; i < buffer.length; i++) buffer[i] = Math.imul(chance++, 0x9e3779b1) >>> 24
      },
      below: bound => chance++ % bound,
    },
    files: memoryFileSystem(),
    settle: () => settle(),
    advance: ms => settle(nowMs + ms),
    get pendingTimers() {
      return timers.length
    },
  }
}

export interface MemoryPartitionLog extends PartitionLog {
  /** All records from the start, as they lie in the log. */
  records(): LogRecord[]
  readonly batches: readonly Buffer[]
  /** The most that a read returns, whatever it asks for. */
  batchesPerRead: number
  /** The next append throws this. */
  failNext: Error | null
  /** While false, the high watermark stays where it is. */
  durable: boolean
  /** Lets the high watermark catch up. */
  sync(): void
  /** null: it is back. */
  goOffline(why: string | null): void
}

export function memoryPartitionLog(maxMessageBytes = 1_048_588): MemoryPartitionLog {
  const batches: Buffer[] = []
  let end = 0
  let highWatermark = 0
  let offline: string | null = null
  let durable = true
  let waiting: { offset: number; callback: () => void }[] = []
  const wake = () => {
    const ready = waiting.filter(each => offline !== null || highWatermark > each.offset)
    waiting = waiting.filter(each => !ready.includes(each))
    for (const { callback } of ready) callback()
  }
  const log = {
    topic: '__consumer_offsets',
    topicId: zeroUuid,
    partition: 0,
    logStartOffset: 0,
    leaderEpoch: 0,
    lastStableOffset: 0,
    config: { maxMessageBytes, segmentBytes: 1 << 30 } as TopicConfig,
    batches,
    batchesPerRead: 2,
    failNext: null as Error | null,
    get logEndOffset() {
      return end
    },
    get highWatermark() {
      return highWatermark
    },
    get offline() {
      return offline
    },
    get durable() {
      return durable
    },
    set durable(value: boolean) {
      durable = value
    },
    append(records: Buffer, options: AppendOptions): Appended {
      const { failNext } = log
      log.failNext = null
      if (failNext !== null) throw failNext
      if (options.expectedOffset !== undefined && options.expectedOffset !== end)
        throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `the log ends at ${end}`)
      if (records.length > maxMessageBytes) throw new KafkaError('MESSAGE_TOO_LARGE')
      const bytes = Buffer.from(records)
      header.setBaseOffset(bytes, 0, end)
      const baseOffset = end
      end = header.lastOffset(bytes, 0) + 1
      batches.push(bytes)
      if (durable) {
        highWatermark = end
        // Not at once: a real log tells it after the append has returned.
        void Promise.resolve().then(wake)
      }
      return { baseOffset, lastOffset: end - 1, logAppendTimeMs: -1, logStartOffset: 0, written: null, durable: null, duplicate: false }
    },
    read(from: number): Slice {
      const chunks = batches.filter(batch => header.lastOffset(batch, 0) >= from).slice(0, log.batchesPerRead)
      return { chunks, bytes: 0, abortedTransactions: null, release: () => {} }
    },
    whenPast(offset: number, _upTo: string, callback: () => void) {
      const wait = { offset, callback }
      waiting.push(wait)
      wake()
      return { cancel: () => void (waiting = waiting.filter(each => each !== wait)) }
    },
    sync() {
      highWatermark = end
      wake()
    },
    goOffline(why: string | null) {
      offline = why
      wake()
    },
    records(): LogRecord[] {
      const found: LogRecord[] = []
      for (const batch of batches) {
        for (const each of batchesIn(batch)) forEachRecord(each.bytes, ({ key, value }) => void found.push({ key, value }))
      }
      return found
    },
  }
  return log as unknown as MemoryPartitionLog
}
