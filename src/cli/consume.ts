/** `millrace consume`: prints records, either from a position in the topic or as a member of a group. */
import { realSystem, type System } from '../base.ts'
import type { Client, PartitionOffset, ReceivedRecord } from '../client.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { bytesToJson, CommandFailed, headersToJson, toJson, UsageError, write } from './output.ts'
import { parsePosition, resolvePosition } from './position.ts'
import { onStopRequest } from './stop.ts'

export interface ConsumeFlags extends ClientFlags {
  from?: string
  partition?: number[]
  group?: string
  follow?: boolean
  limit?: number
  timeout?: number
  print?: Field[]
  isolation: 'read_committed' | 'read_uncommitted'
}

export const fields = ['topic', 'partition', 'offset', 'timestamp', 'key', 'headers', 'value'] as const
export type Field = (typeof fields)[number]

const commitIntervalMs = 1_000

export async function consume(topic: string, flags: ConsumeFlags): Promise<void> {
  if (flags.group !== undefined) {
    const extra = flags.partition !== undefined ? '--partition' : flags.follow ? '--follow' : null
    if (extra !== null) throw new UsageError(`${extra} cannot be combined with --group: a group reads all partitions and always follows`)
  }
  const system = realSystem()
  await using client = await connect(flags)
  const stop = new Stop(system, flags.timeout)
  const printer = new Printer(flags)
  try {
    if (flags.group === undefined) await readByHand(client, topic, flags, system, stop, printer)
    else await readAsMember(client, topic, flags.group, flags, system, stop, printer)
  } finally {
    stop.clear()
  }
}

/** Ctrl-C, or no record came for as long as `--timeout` says. */
class Stop {
  readonly #abort = new AbortController()
  readonly #system: System
  readonly #timeoutMs: number | undefined
  #timer: { cancel(): void } | null = null
  readonly #ignoreSignals: () => void

  constructor(system: System, timeoutMs: number | undefined) {
    this.#system = system
    this.#timeoutMs = timeoutMs
    this.#ignoreSignals = onStopRequest(system, () => this.#abort.abort())
    this.touch()
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** A record arrived. */
  touch(): void {
    if (this.#timeoutMs === undefined) return
    this.#timer?.cancel()
    this.#timer = this.#system.timers.after(this.#timeoutMs, () => this.#abort.abort())
  }

  clear(): void {
    this.#timer?.cancel()
    this.#ignoreSignals()
  }
}

class Printer {
  #left: number
  readonly #format: (record: ReceivedRecord) => Buffer

  constructor({ limit, json, print }: ConsumeFlags) {
    this.#left = limit ?? Number.POSITIVE_INFINITY
    const wanted = print ?? ['value']
    this.#format = json === true ? record => Buffer.from(`${recordToJson(record)}\n`) : record => textOf(record, wanted)
  }

  /** Returns those printed, fewer than given when the limit is reached. */
  async print(records: readonly ReceivedRecord[]): Promise<readonly ReceivedRecord[]> {
    const taken = records.length > this.#left ? records.slice(0, this.#left) : records
    this.#left -= taken.length
    if (taken.length > 0) await write(Buffer.concat(taken.map(this.#format)))
    return taken
  }

  get done(): boolean {
    return this.#left === 0
  }
}

function recordToJson({ topic, partition, offset, timestampMs, key, value, headers }: ReceivedRecord): string {
  const shown = { topic, partition, offset, timestamp: timestampMs, key: bytesToJson(key), value: bytesToJson(value) }
  return toJson({ ...shown, headers: headersToJson(headers) })
}

/** Fields separated by tabs; null is printed as an empty field. */
function textOf(record: ReceivedRecord, wanted: readonly Field[]): Buffer {
  const parts: Buffer[] = []
  for (const [index, field] of wanted.entries()) {
    if (index > 0) parts.push(Buffer.from('\t'))
    parts.push(fieldBytes(record, field))
  }
  parts.push(Buffer.from('\n'))
  return Buffer.concat(parts)
}

function fieldBytes(record: ReceivedRecord, field: Field): Buffer {
  if (field === 'key' || field === 'value') return record[field] ?? Buffer.alloc(0)
  if (field === 'timestamp') return Buffer.from(String(record.timestampMs))
  if (field === 'headers') return Buffer.from(record.headers.map(({ key, value }) => `${key}=${value ?? ''}`).join(','))
  return Buffer.from(String(record[field]))
}

async function readByHand(client: Client, topic: string, flags: ConsumeFlags, system: System, stop: Stop, printer: Printer): Promise<void> {
  const position = parsePosition(flags.from ?? 'end', system.clock.now())
  const [info] = await client.topics([topic])
  const all = info!.partitions.map(each => each.partition)
  const partitions = flags.partition ?? all
  const missing = partitions.find(partition => !all.includes(partition))
  if (missing !== undefined) throw new CommandFailed(`${topic} has no partition ${missing}; its partitions are 0 to ${all.length - 1}`)
  // Before the start position is resolved, so that `-1` means the last record at this moment.
  const until = flags.follow || flags.from === undefined ? null : await client.offsets(topic, partitions, 'latest')
  const from = await resolvePosition(client, topic, partitions, position)
  const reading = client.read({ topic, from, until, committedOnly: flags.isolation === 'read_committed', signal: stop.signal })
  for await (const records of reading) {
    stop.touch()
    await printer.print(records)
    if (printer.done) return
  }
}

async function readAsMember(
  client: Client,
  topic: string,
  group: string,
  flags: ConsumeFlags,
  system: System,
  stop: Stop,
  printer: Printer,
): Promise<void> {
  const otherwise = parsePosition(flags.from ?? 'end', system.clock.now())
  if (typeof otherwise !== 'string') {
    throw new UsageError(
      'with --group, --from must be beginning or end: it only says where a new group starts (see also: millrace group reset)',
    )
  }
  await client.topics([topic])
  const subscription = await client.subscribe({ group, topics: [topic], otherwise, committedOnly: flags.isolation === 'read_committed' })
  const commits = new Commits(system, offsets => subscription.commit(offsets))
  // Closing ends the loop below.
  const closed = new Promise<void>((resolve, reject) => {
    const close = () => commits.flush().then(() => subscription.close().then(resolve, reject), reject)
    if (stop.signal.aborted) close()
    else stop.signal.addEventListener('abort', close, { once: true })
  })
  closed.catch(() => {})
  for await (const record of subscription) {
    stop.touch()
    for (const { partition, offset } of await printer.print([record])) commits.printed({ topic, partition, offset: offset + 1n })
    await commits.maybe()
    if (printer.done || stop.signal.aborted) break
  }
  if (stop.signal.aborted) return closed
  await commits.flush()
  await subscription.close()
}

/** Commits printed records once a second and at the end. After a crash some records are printed again, but none is skipped. */
class Commits {
  readonly #system: System
  readonly #commit: (offsets: PartitionOffset[]) => Promise<void>
  readonly #pending = new Map<number, PartitionOffset>()
  #lastMs: number

  constructor(system: System, commit: (offsets: PartitionOffset[]) => Promise<void>) {
    this.#system = system
    this.#commit = commit
    this.#lastMs = system.clock.monotonic()
  }

  printed(next: PartitionOffset): void {
    this.#pending.set(next.partition, next)
  }

  async maybe(): Promise<void> {
    if (this.#system.clock.monotonic() - this.#lastMs >= commitIntervalMs) await this.flush()
  }

  async flush(): Promise<void> {
    this.#lastMs = this.#system.clock.monotonic()
    const offsets = [...this.#pending.values()]
    this.#pending.clear()
    if (offsets.length > 0) await this.#commit(offsets)
  }
}
