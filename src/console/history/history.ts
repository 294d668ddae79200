/**
 * The last hour of the cluster and of its groups, in memory: from the broker's page of metrics if its address is known, otherwise from what Kafka's protocol
 * tells. Looked at every ten seconds, and less often where a look takes long, so that looking is never what the brokers are busy with.
 */
import type { System, Timer } from '../../base.ts'
import { type Client, everyPartition } from '../../client.ts'
import type { Peer } from '../peers.ts'
import { listTriggers } from '../triggers/service.ts'
import { GroupHistory } from './groups.ts'
import { type Reading, readPage } from './page.ts'
import { Ring } from './ring.ts'
import { mostTriggers, TriggerHistory } from './triggers.ts'

const everyMs = 10_000
/** A look may take so much of the time, but what is shown should not be older than a minute. */
const mostShare = 0.1
const longestMs = 60_000
const keptMs = 3_600_000
const points = keptMs / everyMs
const pageTimeoutMs = 10_000
const mostPageBytes = 2 ** 26

/** Per second where the broker counts. */
export const seriesNames = [
  'recordsIn',
  'bytesIn',
  'bytesOut',
  'requests',
  'produceP99',
  'fetchP99',
  'connections',
  'memory',
  'disk',
] as const
export type SeriesName = (typeof seriesNames)[number]
const counters = ['recordsIn', 'bytesIn', 'bytesOut', 'requests'] as const

export interface HistoryOptions {
  /** Acts as the services' own principal. */
  readonly client: Client
  readonly metricsUrl: string | null
  /** As the services' own principal; null: there are none here. */
  triggers(): Peer | null
  readonly system: Pick<System, 'clock' | 'timers'>
}

export class History {
  readonly groups = new GroupHistory(points)
  readonly triggers = new TriggerHistory(points)
  readonly series = Object.fromEntries(seriesNames.map(name => [name, new Ring(points)])) as Record<SeriesName, Ring>
  /** Why the last look failed; null: it did not. */
  problem: string | null = null
  latest: Reading = {}
  readonly #options: HistoryOptions
  #before: { reading: Reading; atMs: number } | null = null
  #timer: Timer | null = null
  #closed = false

  constructor(options: HistoryOptions) {
    this.#options = options
    this.#timer = options.system.timers.after(0, () => void this.#look())
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  async #look(): Promise<void> {
    const { clock, timers } = this.#options.system
    const began = clock.monotonic()
    try {
      await this.#readCluster()
      await this.groups.look(this.#options.client, clock.now())
      await this.#readTriggers()
      this.problem = null
    } catch (error) {
      this.problem = (error as Error).message
    }
    if (this.#closed) return
    const took = clock.monotonic() - began
    this.#timer = timers.after(Math.min(Math.max(everyMs - took, took / mostShare), longestMs), () => void this.#look())
  }

  async #readCluster(): Promise<void> {
    const { metricsUrl, client, system } = this.#options
    const reading = metricsUrl === null ? await ends(client) : await this.#page(metricsUrl)
    const sizes = await client.topicSizes().catch(() => null)
    if (sizes !== null) reading.disk = Number([...sizes.values()].reduce((sum, each) => sum + each, 0n))
    const [nowMs, atMs] = [system.clock.now(), system.clock.monotonic()]
    for (const name of seriesNames) this.series[name].add(nowMs, this.#valueOf(name, reading, atMs))
    this.#before = { reading, atMs }
    this.latest = reading
  }

  async #readTriggers(): Promise<void> {
    const service = this.#options.triggers()
    if (service === null) return
    const { triggers } = await listTriggers(service, { limit: mostTriggers })
    const { clock } = this.#options.system
    this.triggers.look(triggers, clock.now(), clock.monotonic())
  }

  #valueOf(name: SeriesName, reading: Reading, atMs: number): number | null {
    const value = reading[name]
    if (value === undefined) return null
    if (!(counters as readonly string[]).includes(name)) return value
    const before = this.#before?.reading[name]
    // Less than before: the broker was started anew.
    if (before === undefined || value < before) return null
    return ((value - before) / (atMs - this.#before!.atMs)) * 1000
  }

  async #page(url: string): Promise<Reading> {
    const stop = new AbortController()
    const timer = this.#options.system.timers.after(pageTimeoutMs, () => stop.abort())
    try {
      const response = await fetch(url, { signal: stop.signal })
      if (!response.ok) throw new Error(`${url} answered HTTP ${response.status}`)
      const pieces: Uint8Array[] = []
      let size = 0
      for await (const piece of response.body!) {
        size += piece.length
        if (size > mostPageBytes) throw new Error(`the page of metrics has more than ${mostPageBytes} bytes`)
        pieces.push(piece)
      }
      return readPage(Buffer.concat(pieces).toString('utf8'))
    } catch (error) {
      throw new Error(`The broker's metrics cannot be read: ${(error as Error).message}`, { cause: error })
    } finally {
      timer.cancel()
    }
  }
}

/** The sum of all end offsets grows by each record. */
async function ends(client: Client): Promise<Reading> {
  const partitions = everyPartition(await client.topicStates())
  let sum = 0n
  for (const byPartition of (await client.manyOffsets(partitions, 'latest')).values()) for (const end of byPartition.values()) sum += end
  return { recordsIn: Number(sum) }
}
