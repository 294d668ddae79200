/** `millrace perf consume`: reads as fast as the broker delivers, decompresses and decodes each record, and tells the rate; at the end of a topic also how old records are. */
import { realSystem } from '../base.ts'
import type { BatchReader, PartitionOffset } from '../client.ts'
import { forEachRecordOf } from '../protocol.ts'
import { connect } from './connect.ts'
import { Latencies } from './latencies.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, plural } from './output.ts'
import { showMeasured, throughputText } from './perf-report.ts'
import { parsePosition, resolvePosition } from './position.ts'
import { ProgressLine } from './progress-line.ts'
import { onStopRequest } from './stop.ts'

export interface PerfConsumeFlags extends ClientFlags {
  records?: number
  duration?: number
  from: string
  isolation: 'read_committed' | 'read_uncommitted'
  fetchSize: number
}

const maxUnpackedBytes = 2 ** 30
const waitMs = 500

export async function perfConsume(topic: string, flags: PerfConsumeFlags): Promise<void> {
  const system = realSystem()
  const { clock } = system
  await using client = await connect(flags)
  const [info] = await client.topics([topic])
  const numbers = info!.partitions.map(each => each.partition)
  const from = await resolvePosition(client, topic, numbers, parsePosition(flags.from, clock.now()))
  const ends = await client.offsets(topic, numbers, flags.isolation === 'read_committed' ? 'stable' : 'latest')
  const reader = client.openBatchReader()
  const stop = new AbortController()
  const off = onStopRequest(system, () => stop.abort())
  const progress = new ProgressLine(system)
  const reading = new Reading(topic, from, ends, flags)
  const beganMs = clock.monotonic()
  const elapsedMs = () => clock.monotonic() - beganMs
  const seconds = () => elapsedMs() / 1000
  try {
    while (!stop.signal.aborted && !reading.isDone() && elapsedMs() < (flags.duration ?? Number.POSITIVE_INFINITY)) {
      await reading.poll(reader, () => clock.now())
      progress.show('consume', () => ({ part: reading.part(elapsedMs()), text: reading.text(seconds()) }))
    }
  } finally {
    progress.end()
    off()
    await reader.close()
  }
  const took = seconds()
  const { records, bytes, fetchedBytes } = reading
  const measured = { topic, records, bytes, fetchedBytes }
  await showMeasured(flags.json, measured, took, reading.isLive ? reading.ages.summary() : null)
}

class Reading {
  records = 0
  /** Of keys and values. */
  bytes = 0
  /** As they come over the network. */
  fetchedBytes = 0
  /** Of records when they are read. */
  readonly ages = new Latencies()
  /** Begins where the topic ends, and waits for what comes. */
  readonly isLive: boolean
  readonly #flags: PerfConsumeFlags
  readonly #ends: ReadonlyMap<number, bigint>
  readonly #total: number
  #positions: PartitionOffset[]

  constructor(topic: string, from: ReadonlyMap<number, bigint>, ends: ReadonlyMap<number, bigint>, flags: PerfConsumeFlags) {
    this.#positions = Array.from(from, ([partition, offset]) => ({ topic, partition, offset }))
    this.#ends = ends
    this.#flags = flags
    this.isLive = [...from].every(([partition, offset]) => offset >= (ends.get(partition) ?? 0n))
    const there = [...from].reduce((sum, [partition, offset]) => sum + Number(ends.get(partition)! - offset), 0)
    this.#total = this.isLive ? (flags.records ?? Number.POSITIVE_INFINITY) : Math.min(there, flags.records ?? there)
  }

  /** All that was there at the beginning is read, unless it began at the end. */
  isDone(): boolean {
    const { records } = this.#flags
    if (records !== undefined && this.records >= records) return true
    return !this.isLive && this.#positions.every(({ partition, offset }) => offset >= this.#ends.get(partition)!)
  }

  async poll(reader: BatchReader, now: () => number): Promise<void> {
    const open = this.isLive ? this.#positions : this.#positions.filter(({ partition, offset }) => offset < this.#ends.get(partition)!)
    const committedOnly = this.#flags.isolation === 'read_committed'
    const polled = await reader.poll({ positions: open, maxWaitMs: waitMs, maxBytes: this.#flags.fetchSize, committedOnly })
    const [failed] = polled.failed
    if (failed !== undefined) throw failed.error
    const [lost] = polled.outOfRange
    if (lost !== undefined) throw new CommandFailed(`${lost.topic}-${lost.partition}: its records were deleted while it was read`)
    this.fetchedBytes += polled.bytes
    const nowMs = now()
    const next = new Map(polled.partitions.map(each => [each.partition, each.next]))
    this.#positions = this.#positions.map(each => ({ ...each, offset: next.get(each.partition) ?? each.offset }))
    for (const { batches } of polled.partitions)
      for (const { header, bytes } of batches)
        forEachRecordOf(
          { header, bytes },
          record => {
            this.records++
            this.bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
            if (this.isLive) this.ages.add(Math.max(0, nowMs - Number(record.timestamp)))
          },
          { maxBytes: maxUnpackedBytes },
        )
  }

  part(elapsedMs: number): number | null {
    const { duration } = this.#flags
    const parts = [
      this.#total === Number.POSITIVE_INFINITY ? 0 : this.records / this.#total,
      duration === undefined ? 0 : elapsedMs / duration,
    ]
    return this.#total === Number.POSITIVE_INFINITY && duration === undefined ? null : Math.max(...parts)
  }

  text(seconds: number): string {
    return `${plural(this.records, 'record')}, ${throughputText(this, seconds)}`
  }
}
