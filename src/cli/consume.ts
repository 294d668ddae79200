/** `millrace consume`: prints records, either from a position in the topic or as a member of a group. */
import { realSystem, type System } from '../base.ts'
import type { Client, PartitionOffset, ReceivedRecord } from '../client.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, plural, UsageError, write } from './output.ts'
import { parsePosition, resolvePosition } from './position.ts'
import { barBesideOutput } from './progress-line.ts'
import { openFilter, type RecordFilter } from './record-filter.ts'
import { type Decoding, decode, makePrinter, type Printer, type PrintFlags } from './record-printer.ts'
import type { SerdeFlags } from './serde-options.ts'
import { openForFlags } from './serdes.ts'
import { onStopRequest } from './stop.ts'

export interface ConsumeFlags extends ClientFlags, SerdeFlags, PrintFlags {
  ca?: string
  json?: boolean
  from?: string
  partition?: number[]
  group?: string
  follow?: boolean
  limit?: number
  timeout?: number
  filter?: string
  isolation: 'read_committed' | 'read_uncommitted'
}

const commitIntervalMs = 1_000

export async function consume(topic: string, flags: ConsumeFlags): Promise<void> {
  if (flags.group !== undefined) {
    const extra = flags.partition !== undefined ? '--partition' : flags.follow ? '--follow' : null
    if (extra !== null) throw new UsageError(`${extra} cannot be combined with --group: a group reads all partitions and always follows`)
  }
  requireOneForm(flags)
  const system = realSystem()
  using opened = flags.serde === undefined && flags.filter === undefined ? null : await openForFlags(flags)
  const decoding = opened === null || flags.serde === undefined ? null : { serdes: opened.serdes, ...flags.serde }
  const filter = opened === null || flags.filter === undefined ? null : await openFilter(flags.filter, opened.serdes, system)
  const output = new Output(flags, decoding, filter)
  await using client = await connect(flags)
  const stop = new Stop(system, flags.timeout)
  try {
    if (flags.group === undefined) await readByHand(client, topic, flags, system, stop, output)
    else await readAsMember(client, topic, flags.group, flags, system, stop, output)
  } finally {
    stop.clear()
    output.tellProblems()
  }
}

function requireOneForm({ json, print, format }: ConsumeFlags): void {
  const given = [json === true ? '--json' : null, print === undefined ? null : '--print', format === undefined ? null : '--format']
  const [one, other] = given.filter(each => each !== null)
  if (other !== undefined) throw new UsageError(`${one} cannot be combined with ${other}`)
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

/** Prints up to the limit what passes the filter. */
class Output {
  #left: number
  readonly #print: Printer
  readonly #decoding: Decoding | null
  readonly #filter: RecordFilter | null

  constructor(flags: ConsumeFlags, decoding: Decoding | null, filter: RecordFilter | null) {
    this.#left = flags.limit ?? Number.POSITIVE_INFINITY
    this.#print = makePrinter(flags)
    this.#decoding = decoding
    this.#filter = filter
  }

  /** Returns those that are dealt with, fewer than given when the limit is reached. */
  async print(records: readonly ReceivedRecord[]): Promise<readonly ReceivedRecord[]> {
    const pieces: Buffer[] = []
    let taken = 0
    try {
      for (; taken < records.length && this.#left > 0; taken++) {
        const decoding = decode(records[taken]!, this.#decoding)
        const decoded = decoding instanceof Promise ? await decoding : decoding
        if (this.#filter !== null && !(await this.#filter.passes(decoded))) continue
        pieces.push(this.#print(decoded))
        this.#left--
      }
    } finally {
      // Those before one that cannot be decoded.
      if (pieces.length > 0) await write(Buffer.concat(pieces))
    }
    return records.slice(0, taken)
  }

  get done(): boolean {
    return this.#left === 0
  }

  tellProblems(): void {
    this.#filter?.tellProblems()
  }
}

async function readByHand(client: Client, topic: string, flags: ConsumeFlags, system: System, stop: Stop, output: Output): Promise<void> {
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
  const total = until === null ? null : partitions.reduce((sum, each) => sum + Number(until.get(each)! - from.get(each)!), 0)
  const progress = barBesideOutput(system)
  let read = 0
  try {
    for await (const records of reading) {
      stop.touch()
      read += records.length
      progress?.show('read', () => ({ part: total === null ? null : read / total, text: `${plural(read, 'record')} read` }))
      await output.print(records)
      if (output.done) return
    }
  } finally {
    progress?.end()
  }
}

async function readAsMember(
  client: Client,
  topic: string,
  group: string,
  flags: ConsumeFlags,
  system: System,
  stop: Stop,
  output: Output,
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
    for (const { partition, offset } of await output.print([record])) commits.printed({ topic, partition, offset: offset + 1n })
    await commits.maybe()
    if (output.done || stop.signal.aborted) break
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
