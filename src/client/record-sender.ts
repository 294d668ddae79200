/**
 * Sends the records of many callers at once: what waits for one partition goes there together, one batch at a time, in the order of the calls.
 *
 * Hides whose records a batch has. With acks=all, sequence numbers keep an attempt whose answer was lost from being stored twice; after a failure, of which
 * nobody knows whether it was stored, all goes on with a new producer id.
 */
import { ClientError, mayPass } from '../channel.ts'
import { mostAtOnce, Partitioner } from './partitioner.ts'
import { newProducer } from './producing.ts'
import type { Ask } from './requests.ts'
import { type Place, SequencedSender, type Share, sizeOf } from './sequenced-sender.ts'
import type { Placed, ProduceOptions, RecordToSend, Sent, Written } from './types.ts'
import type { WriterConnections } from './writer-connections.ts'

/** How long to go on trying: until a failover, or the restart of a broker, is over. */
const patienceMs = 10_000
/** What several callers have for a partition is sent together up to so much. */
const together = { bytes: 900_000, records: mostAtOnce }

interface Started {
  /** Each rejects when it fails as a whole. */
  readonly sending: readonly Promise<void>[]
  readonly refused: Map<number, ClientError>
}

export class RecordSender {
  readonly #connections: WriterConnections
  readonly #ask: Ask
  readonly #partitioner: Partitioner
  /** By their options. */
  readonly #ways = new Map<string, Way>()
  /** By topic, a long list that is being divided: others wait, so that records keep their order. */
  readonly #long = new Map<string, Promise<unknown>>()

  constructor(connections: WriterConnections, ask: Ask) {
    this.#connections = connections
    this.#ask = ask
    this.#partitioner = new Partitioner(connections, patienceMs)
  }

  async send(topic: string, records: readonly RecordToSend[], options: ProduceOptions): Promise<Placed[]> {
    if (records.length === 0) return []
    const written: Written[] = []
    const { sending } = await this.#start(topic, records, options, refused => {
      for (const error of refused.values()) throw error
      return (partition, indexes) => this.#way(options).add({ topic, partition }, { records, indexes, written, refused: undefined })
    })
    // If one fails, the others go on: nothing is under way when the caller hears of it.
    await Promise.allSettled(sending)
    await Promise.all(sending)
    // By partition, whichever was first.
    const inOrder = written.toSorted((one, other) => one.partition - other.partition)
    return options.acks === 0 ? [] : inOrder.map(({ partition, offset }) => ({ partition, offset }))
  }

  /** As `send`, with an outcome for each record. */
  async sendEach(topic: string, records: readonly RecordToSend[], options: ProduceOptions): Promise<Sent[]> {
    const outcomes = new Array<Sent>(records.length)
    if (records.length === 0) return outcomes
    const written: Written[] = []
    const { sending, refused } = await this.#start(topic, records, options, refused => async (partition, indexes) => {
      try {
        await this.#way(options).add({ topic, partition }, { records, indexes, written, refused })
      } catch (error) {
        if (!(error instanceof ClientError)) throw error
        for (const index of indexes) outcomes[index] = error
      }
    })
    await Promise.all(sending)
    for (const { partition, at, offset } of written)
      for (let n = 0; n < at.length; n++) outcomes[at[n]!] = { partition, offset: offset < 0n ? -1n : offset + BigInt(n) }
    for (const [index, error] of refused) outcomes[index] = error
    return outcomes
  }

  /** Divides the records, and begins to send them, behind those of the calls before. */
  async #start(
    topic: string,
    records: readonly RecordToSend[],
    { creates = true }: ProduceOptions,
    begin: (refused: Map<number, ClientError>) => (partition: number, indexes: readonly number[]) => Promise<void>,
  ): Promise<Started> {
    const work = async (): Promise<Started> => {
      const { shares, refused } = await this.#partitioner.divide(topic, records, creates)
      const sendShare = begin(refused)
      return { sending: Array.from(shares, ([partition, indexes]) => sendShare(partition, indexes)), refused }
    }
    const before = this.#long.get(topic)
    if (records.length <= mostAtOnce) {
      if (before !== undefined) await before
      return work()
    }
    const started = before === undefined ? work() : before.then(work)
    const ended = started.then(
      () => {},
      () => {},
    )
    this.#long.set(topic, ended)
    try {
      return await started
    } finally {
      if (this.#long.get(topic) === ended) this.#long.delete(topic)
    }
  }

  #way(options: ProduceOptions): Way {
    const { acks = 'all', compression = 'none', creates = true } = options
    const name = `${acks} ${compression} ${creates}`
    let way = this.#ways.get(name)
    if (way === undefined) this.#ways.set(name, (way = new Way(this.#connections, this.#ask, options)))
    return way
  }
}

/** The partition has lost what it knew of the producer, or knows another one: nothing was stored. */
const strange: ReadonlySet<string> = new Set(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_EPOCH'])

/** All that is sent with the same options. */
class Way {
  readonly #connections: WriterConnections
  readonly #ask: Ask
  readonly #options: ProduceOptions
  readonly #lanes = new Map<string, Lane>()
  #sender: Promise<SequencedSender> | null = null

  constructor(connections: WriterConnections, ask: Ask, options: ProduceOptions) {
    this.#connections = connections
    this.#ask = ask
    this.#options = options
  }

  /** Rejects when it fails as a whole. */
  add(place: Place, share: Share): Promise<void> {
    const name = `${place.topic} ${place.partition}`
    let lane = this.#lanes.get(name)
    if (lane === undefined) {
      const nowMs = () => this.#connections.system.clock.monotonic()
      lane = new Lane({ nowMs, send: all => this.#send(place, all), ended: () => void this.#lanes.delete(name) })
      this.#lanes.set(name, lane)
    }
    return lane.add(share)
  }

  async #send(place: Place, share: Share): Promise<void> {
    for (let left = share, isAgain = false; ; left = unsettled(share), isAgain = true) {
      const opened = (this.#sender ??= this.#open())
      let sender: SequencedSender | null = null
      try {
        sender = await opened
        return await sender.place(place, left)
      } catch (error) {
        const isStrange = error instanceof ClientError && strange.has(error.code)
        // Others that use it end what they are at.
        if (this.#sender === opened && (sender === null || sender.isUncertain || isStrange)) this.#sender = null
        if (isAgain || !isStrange) throw error
      }
    }
  }

  async #open(): Promise<SequencedSender> {
    const { acks = 'all', compression, creates = true } = this.#options
    const sender = new SequencedSender(this.#connections, { acks, compression, creates, patienceMs })
    if (acks === 'all') sender.producer = { ...(await sender.patiently(() => this.#ask(newProducer))), transactionalId: null }
    return sender
  }
}

interface Waiting {
  readonly share: Share
  readonly bytes: number
  readonly sinceMs: number
  settle(failure: Error | null): void
}

interface LaneWork {
  nowMs(): number
  send(share: Share): Promise<void>
  /** Nothing waits any more. */
  ended(): void
}

/** What waits for one partition. Is used until it has ended. */
class Lane {
  readonly #work: LaneWork
  #waiting: Waiting[] = []
  #isRunning = false

  constructor(work: LaneWork) {
    this.#work = work
  }

  add(share: Share): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const settle = (failure: Error | null) => (failure === null ? resolve() : reject(failure))
    this.#waiting.push({ share, bytes: bytesOf(share), sinceMs: this.#work.nowMs(), settle })
    if (!this.#isRunning) void this.#run()
    return promise
  }

  /** Until nothing is left. */
  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#waiting.length > 0) {
      const some = this.#take()
      const all = some.length === 1 ? some[0]!.share : merged(some)
      let failure: Error | null = null
      try {
        await this.#work.send(all)
      } catch (error) {
        failure = error as Error
      }
      if (some.length === 1) some[0]!.settle(failure)
      else divide(all, some, failure)
      if (failure instanceof ClientError && mayPass(failure)) this.#giveUp(failure)
    }
    this.#work.ended()
  }

  /** The first, and what fits beside it. */
  #take(): Waiting[] {
    let { bytes } = this.#waiting[0]!
    let records = this.#waiting[0]!.share.indexes.length
    let count = 1
    for (; count < this.#waiting.length; count++) {
      const next = this.#waiting[count]!
      bytes += next.bytes
      records += next.share.indexes.length
      if (bytes > together.bytes || records > together.records) break
    }
    return this.#waiting.splice(0, count)
  }

  /** What has waited as long as is tried at all need not be tried as long again. */
  #giveUp(failure: ClientError): void {
    const untilMs = this.#work.nowMs() - patienceMs
    const late = this.#waiting.findIndex(({ sinceMs }) => sinceMs > untilMs)
    for (const { settle } of this.#waiting.splice(0, late < 0 ? this.#waiting.length : late)) settle(failure)
  }
}

function bytesOf({ records, indexes }: Share): number {
  let bytes = 0
  for (const index of indexes) bytes += sizeOf(records[index]!)
  return bytes
}

/** One share of all, in which the records of each follow those of the one before. */
function merged(some: readonly Waiting[]): Share {
  const records = some.flatMap(({ share }) => share.indexes.map(index => share.records[index]!))
  return { records, indexes: [...records.keys()], written: [], refused: new Map() }
}

/** Tells each what became of its own. */
function divide({ written, refused }: Share, some: readonly Waiting[], failure: Error | null): void {
  const outcomes = new Map<number, { partition: number; offset: bigint } | ClientError>(refused)
  for (const { partition, at, offset } of written)
    for (let n = 0; n < at.length; n++) outcomes.set(at[n]!, { partition, offset: offset < 0n ? -1n : offset + BigInt(n) })
  let from = 0
  for (const { share, settle } of some) {
    let own: Error | null = null
    let run: { partition: number; at: number[]; offset: bigint } | null = null
    for (const [n, index] of share.indexes.entries()) {
      const outcome = outcomes.get(from + n)
      if (outcome instanceof Error && share.refused !== undefined) share.refused.set(index, outcome)
      else if (outcome instanceof Error || outcome === undefined) own ??= outcome ?? failure
      else if (run !== null && (outcome.offset < 0n ? run.offset < 0n : outcome.offset === run.offset + BigInt(run.at.length)))
        run.at.push(index)
      else share.written.push((run = { partition: outcome.partition, at: [index], offset: outcome.offset }))
    }
    from += share.indexes.length
    settle(own)
  }
}

/** What is neither written nor refused. */
function unsettled({ records, indexes, written, refused }: Share): Share {
  const settled = new Set([...written.flatMap(({ at }) => at), ...(refused?.keys() ?? [])])
  return { records, indexes: indexes.filter(index => !settled.has(index)), written, refused }
}
