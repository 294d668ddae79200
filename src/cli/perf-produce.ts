/**
 * `millrace perf produce`: writes as fast as the broker acknowledges, or at a given rate, and tells rate and latency.
 *
 * Batches are made once and only stamped anew, so that the broker is measured and not this command. At a given rate the latency of a record counts
 * from when it was due, so that a broker that stops for a while cannot hide it.
 */
import { pause, realSystem, type System } from '../base.ts'
import { type BatchSender, type Client, ClientError, type Compression } from '../client.ts'
import { buildBatch, header } from '../protocol.ts'
import { connect } from './connect.ts'
import { Latencies } from './latencies.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, plural } from './output.ts'
import { showMeasured, throughputText } from './perf-report.ts'
import { ProgressLine } from './progress-line.ts'
import { onStopRequest } from './stop.ts'

export interface PerfProduceFlags extends ClientFlags {
  records: number
  size: number
  rate?: number
  duration?: number
  compression: Compression
  acks: 'all' | '1'
  batchSize: number
  inFlight: number
}

/** What a record takes beside its value. */
const recordOverhead = 12
/** After so long without one acknowledged batch it ends. */
const patienceMs = 10_000
const pauseAfterFailureMs = 100

export async function perfProduce(topic: string, flags: PerfProduceFlags): Promise<void> {
  const system = realSystem()
  await using client = await connect(flags)
  const partitions = await partitionsOf(client, topic)
  const sender = client.openBatchSender(flags.acks === 'all' ? 'all' : 1)
  const stop = new AbortController()
  const off = onStopRequest(system, () => stop.abort())
  const progress = new ProgressLine(system)
  const load = new Load(system, sender, topic, partitions, flags, stop.signal)
  const { clock } = system
  try {
    await load.run(() => progress.show('produce', () => ({ part: load.part(), text: load.text() })))
  } finally {
    progress.end()
    off()
    await sender.close()
  }
  const seconds = (clock.monotonic() - load.beganMs) / 1000
  const { sent, failed, latencies, firstFailure } = load
  const bytes = sent * flags.size
  const measured = { topic, records: sent, bytes, failed }
  await showMeasured(flags.json, measured, seconds, latencies.summary())
  if (firstFailure !== null) throw new CommandFailed(`${plural(failed, 'record')} could not be written; the first time: ${firstFailure}`)
}

/** A topic that does not exist is made by the broker's defaults, as for other producers. */
async function partitionsOf(client: Client, topic: string): Promise<number> {
  try {
    return (await client.topics([topic]))[0]!.partitions.length
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
    return (await client.createTopic({ name: topic })).partitions
  }
}

class Load {
  sent = 0
  failed = 0
  firstFailure: string | null = null
  readonly latencies = new Latencies()
  readonly beganMs: number
  readonly #system: System
  readonly #sender: BatchSender
  readonly #topic: string
  readonly #partitions: number
  readonly #flags: PerfProduceFlags
  readonly #signal: AbortSignal
  readonly #perBatch: number
  /** By number of records: one that is not under way. */
  readonly #idle = new Map<number, Buffer[]>()
  #given = 0
  #turn = 0
  #succeededMs: number

  constructor(system: System, sender: BatchSender, topic: string, partitions: number, flags: PerfProduceFlags, signal: AbortSignal) {
    this.#system = system
    this.#sender = sender
    this.#topic = topic
    this.#partitions = partitions
    this.#flags = flags
    this.#signal = signal
    this.#perBatch = Math.max(1, Math.floor(flags.batchSize / (flags.size + recordOverhead)))
    this.beganMs = this.#succeededMs = system.clock.monotonic()
  }

  async run(tell: () => void): Promise<void> {
    const lane = async () => {
      while (this.#goesOn()) {
        const { count, dueMs } = await this.#next()
        if (count > 0) await this.#send(count, dueMs)
        tell()
      }
    }
    await Promise.all(Array.from({ length: this.#flags.inFlight }, lane))
  }

  part(): number {
    const { records, duration } = this.#flags
    return Math.max(this.sent / records, duration === undefined ? 0 : this.#elapsedMs() / duration)
  }

  text(): string {
    const rates = throughputText({ records: this.sent, bytes: this.sent * this.#flags.size }, this.#elapsedMs() / 1000)
    const p99 = this.latencies.summary()?.p99
    return `${plural(this.sent, 'record')}, ${rates}${p99 === undefined ? '' : `, p99 ${p99} ms`}`
  }

  #elapsedMs(): number {
    return this.#system.clock.monotonic() - this.beganMs
  }

  #goesOn(): boolean {
    const { records, duration } = this.#flags
    if (this.#system.clock.monotonic() - this.#succeededMs > patienceMs && this.firstFailure !== null) return false
    return !this.#signal.aborted && this.#given < records && (duration === undefined || this.#elapsedMs() < duration)
  }

  /** How many records to send now, and since when they are due. */
  async #next(): Promise<{ count: number; dueMs: number }> {
    const { records, rate } = this.#flags
    const { clock } = this.#system
    const most = Math.min(this.#perBatch, records - this.#given)
    if (rate === undefined) {
      this.#given += most
      return { count: most, dueMs: clock.monotonic() }
    }
    const due = Math.floor((this.#elapsedMs() * rate) / 1000) + 1 - this.#given
    if (due <= 0) {
      await pause(this.#system, Math.max(1, (this.#given * 1000) / rate - this.#elapsedMs()), this.#signal)
      return { count: 0, dueMs: 0 }
    }
    const dueMs = this.beganMs + (this.#given * 1000) / rate
    const count = Math.min(due, most)
    this.#given += count
    return { count, dueMs }
  }

  async #send(count: number, dueMs: number): Promise<void> {
    const { clock } = this.#system
    const batch = this.#batch(count)
    const now = Math.floor(clock.now())
    header.writeBatchHeader(batch, 0, {
      ...header.readBatchHeader(batch, 0),
      compressionId: header.compressionId(batch, 0),
      baseTimestamp: now,
      maxTimestamp: now,
    })
    try {
      await this.#sender.send(this.#topic, this.#turn++ % this.#partitions, batch)
      const endMs = clock.monotonic()
      this.#succeededMs = endMs
      this.sent += count
      this.#measure(count, dueMs, endMs)
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      this.failed += count
      this.firstFailure ??= `${error.code}: ${error.message}`
      await pause(this.#system, pauseAfterFailureMs, this.#signal)
    } finally {
      this.#idle.get(count)!.push(batch)
    }
  }

  #measure(count: number, dueMs: number, endMs: number): void {
    const { rate } = this.#flags
    if (rate === undefined) this.latencies.add(endMs - dueMs, count)
    else for (let at = 0; at < count; at++) this.latencies.add(Math.max(0, endMs - dueMs - (at * 1000) / rate))
  }

  #batch(count: number): Buffer {
    let some = this.#idle.get(count)
    if (some === undefined) this.#idle.set(count, (some = []))
    return some.pop() ?? this.#make(count)
  }

  /** Letters and digits by chance: neither as easy to compress as one letter again and again, nor impossible. */
  #make(count: number): Buffer {
    const letters = Buffer.from('abcdefghijklmnopqrstuvwxyz0123456789')
    const value = Buffer.alloc(this.#flags.size * count)
    this.#system.random.fill(value)
    for (let at = 0; at < value.length; at++) value[at] = letters[value[at]! % letters.length]!
    const records = Array.from({ length: count }, (_, at) => ({
      key: null,
      value: value.subarray(at * this.#flags.size, (at + 1) * this.#flags.size),
    }))
    return buildBatch({ records, timestamp: 0, compression: this.#flags.compression })
  }
}
