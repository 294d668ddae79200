/**
 * Quotas: how much clients, topics and addresses may use per second, and how long they are throttled if they use more.
 *
 * Hides how usage is measured, which of several quotas applies to a client, and that measurements are kept for a bounded number of
 * clients. As in Kafka, the response is sent immediately and contains the throttle time; then the connection is not read for that time
 * (KIP-219). While no quota is set, nothing is measured.
 */
import type { System } from '../base.ts'
import type { QuotaEntry } from '../coordinator.ts'
import { apis, KafkaError } from '../protocol.ts'
import { ClientLimits, IpLimits, type Limit, shortKey } from './quotas/limits.ts'
import { Rate, TokenBucket, type Windows } from './quotas/rate.ts'

export type { Windows } from './quotas/rate.ts'

export interface QuotaOptions {
  clock: System['clock']
  /** Of clients, topics and addresses: `quota.window.num` and `quota.window.size.seconds`. */
  windows: Windows
  /** `controller.quota.window.num` and `controller.quota.window.size.seconds`. */
  mutationWindows: Windows
}

/** What one client has left of its quotas. */
export interface ClientQuota {
  /** Milliseconds to wait after a request of so many bytes. */
  produced(requestBytes: number): number
  /** The maximum size of a response that alone does not exceed the quota. */
  readonly fetchRoom: number
  /** Milliseconds to wait instead of sending so many bytes; 0: they are counted and may be sent. */
  fetched(bytes: number): number
  /** Takes back what {@link fetched} counted. */
  unfetched(bytes: number): void
  /** Milliseconds to wait after a request that kept the event loop busy for so long; at most one window. */
  worked(busyMs: number): number
  /**
   * For creating or deleting so many partitions; returns milliseconds to wait. `strict`: throws THROTTLING_QUOTA_EXCEEDED when the quota is
   * used up, after telling `delayed`; otherwise the change is counted all the same (KIP-599).
   */
  mutated(partitions: number, strict: boolean, delayed: (ms: number) => void): void
}

/** Requests between brokers, and requests before the client is known, which do not count against quotas. */
const exempt: ReadonlySet<number> = new Set([
  apis.saslHandshake.key,
  apis.saslAuthenticate.key,
  apis.writeTxnMarkers.key,
  apis.initializeShareGroupState.key,
  apis.readShareGroupState.key,
  apis.writeShareGroupState.key,
  apis.deleteShareGroupState.key,
  apis.readShareGroupStateSummary.key,
])

export function isExempt(apiKey: number): boolean {
  return exempt.has(apiKey)
}

/** Names come from clients; beyond this those that were idle longest are forgotten. */
const mostMeters = 50_000
const mostClients = 10_000

const kinds = ['producer_byte_rate', 'consumer_byte_rate', 'request_percentage', 'controller_mutation_rate'] as const
type Kind = (typeof kinds)[number]

export class Quotas {
  readonly #options: QuotaOptions
  #limits: Record<Kind, ClientLimits> | null = null
  #ipLimits: IpLimits | null = null
  /** By principal, then by client id; null: no limit. */
  readonly #clients = new Map<string, Map<string, ClientQuota | null>>()
  #clientCount = 0
  readonly #rates = new Meters(() => new Rate())
  readonly #buckets = new Meters(() => new TokenBucket())

  constructor(options: QuotaOptions) {
    this.#options = options
  }

  /** Takes all quotas that there are. What was used so far stays counted. */
  set(entries: readonly QuotaEntry[]): void {
    const limits = Object.fromEntries(kinds.map(kind => [kind, new ClientLimits(entries, kind)])) as Record<Kind, ClientLimits>
    this.#limits = kinds.some(kind => limits[kind].size > 0) ? limits : null
    const ipLimits = new IpLimits(entries, 'connection_creation_rate')
    this.#ipLimits = ipLimits.any ? ipLimits : null
    this.#clients.clear()
    this.#clientCount = 0
  }

  /** Whether any quota of clients is set. */
  get active(): boolean {
    return this.#limits !== null
  }

  /** null: nothing limits this client. `principal` as in `User:alice`. */
  client(principal: string, clientId: string | null): ClientQuota | null {
    const limits = this.#limits
    if (limits === null) return null
    const id = clientId ?? ''
    const [principalKey, key] = [shortKey(principal), shortKey(id)]
    let ofPrincipal = this.#clients.get(principalKey)
    const known = ofPrincipal?.get(key)
    if (known !== undefined) return known
    if (this.#clientCount >= mostClients) {
      this.#clients.clear()
      this.#clientCount = 0
      ofPrincipal = undefined
    }
    if (ofPrincipal === undefined) this.#clients.set(principalKey, (ofPrincipal = new Map()))
    const quota = this.#resolve(limits, principal.slice(principal.indexOf(':') + 1), id)
    ofPrincipal.set(key, quota)
    this.#clientCount++
    return quota
  }

  /** Milliseconds to wait after producing so many bytes to a topic limited to `perSecond`. */
  topicProduced(topic: string, perSecond: number, bytes: number): number {
    return this.#record(`produce ${topic}`, perSecond, bytes)
  }

  /** As {@link ClientQuota.fetched}, for a topic limited to `perSecond`. */
  topicFetched(topic: string, perSecond: number, bytes: number): number {
    return this.#recordUnlessTooMuch(`fetch ${topic}`, perSecond, bytes)
  }

  /** Takes back what {@link topicFetched} counted. */
  topicUnfetched(topic: string, bytes: number): void {
    this.#take(`fetch ${topic}`, -bytes)
  }

  /** As {@link ClientQuota.fetchRoom}. */
  fetchRoom(perSecond: number): number {
    const { count, sizeMs } = this.#options.windows
    return perSecond * Math.max(1, count - 1) * (sizeMs / 1000)
  }

  /** Milliseconds to delay a new connection of this address before it is refused; 0: it is counted and accepted. */
  connectionDelay(address: string): number {
    const perSecond = this.#ipLimits?.find(address)
    if (perSecond === undefined) return 0
    return Math.min(this.#options.windows.sizeMs, this.#recordUnlessTooMuch(`connect ${address}`, perSecond, 1))
  }

  #resolve(limits: Record<Kind, ClientLimits>, user: string, clientId: string): ClientQuota | null {
    const [produce, consume, request, mutate] = kinds.map(kind => limits[kind].find(user, clientId))
    if (!produce && !consume && !request && !mutate) return null
    const { windows } = this.#options
    const record = (kind: string, limit: Limit | null | undefined, value: number) =>
      limit ? this.#record(`${kind} ${limit.sharedBy}`, limit.perSecond, value) : 0
    return {
      produced: bytes => record('producer', produce, bytes),
      fetchRoom: consume ? this.fetchRoom(consume.perSecond) : Number.POSITIVE_INFINITY,
      fetched: bytes => (consume ? this.#recordUnlessTooMuch(`consumer ${consume.sharedBy}`, consume.perSecond, bytes) : 0),
      unfetched: bytes => {
        if (consume) this.#take(`consumer ${consume.sharedBy}`, -bytes)
      },
      worked: busyMs => Math.min(windows.sizeMs, record('request', request, busyMs / 10)),
      mutated: (partitions, strict, delayed) => {
        if (mutate) this.#mutate(mutate, partitions, strict, delayed)
      },
    }
  }

  #record(name: string, perSecond: number, value: number): number {
    const rate = this.#rates.at(name)
    const now = this.#now()
    rate.record(value, now, this.#options.windows)
    return rate.excessMs(perSecond, now, this.#options.windows)
  }

  /**
   * What is not allowed did not happen, so it does not count. A batch that is too large for the whole window is let through when
   * nothing else was (Kafka never does, and its consumer waits for ever).
   */
  #recordUnlessTooMuch(name: string, perSecond: number, value: number): number {
    const { windows } = this.#options
    const wasFree = value > this.fetchRoom(perSecond) && this.#rates.at(name).excessMs(perSecond, this.#now(), windows) === 0
    const delayMs = this.#record(name, perSecond, value)
    if (delayMs === 0 || wasFree) return 0
    this.#take(name, -value)
    return delayMs
  }

  #take(name: string, value: number): void {
    this.#rates.at(name).record(value, this.#now(), this.#options.windows)
  }

  #mutate({ perSecond, sharedBy }: Limit, partitions: number, strict: boolean, delayed: (ms: number) => void): void {
    const bucket = this.#buckets.at(sharedBy)
    const { mutationWindows } = this.#options
    const now = this.#now()
    const before = bucket.overdrawnMs(perSecond, now, mutationWindows)
    if (strict && before > 0) {
      delayed(before)
      throw new KafkaError('THROTTLING_QUOTA_EXCEEDED')
    }
    bucket.take(partitions, perSecond, now, mutationWindows)
    if (!strict) delayed(bucket.overdrawnMs(perSecond, now, mutationWindows))
  }

  #now(): number {
    return this.#options.clock.monotonic()
  }
}

/** Measurements by name. A name that was used is moved to the end, so that the first is the one that was idle longest. */
class Meters<M> {
  readonly #meters = new Map<string, M>()
  readonly #make: () => M

  constructor(make: () => M) {
    this.#make = make
  }

  at(name: string): M {
    const known = this.#meters.get(name)
    if (known !== undefined) {
      this.#meters.delete(name)
      this.#meters.set(name, known)
      return known
    }
    if (this.#meters.size >= mostMeters) this.#meters.delete(this.#meters.keys().next().value!)
    const made = this.#make()
    this.#meters.set(name, made)
    return made
  }
}
