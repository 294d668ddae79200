/**
 * Telemetry (KIP-714): clients ask which of their metrics are requested, and push them.
 *
 * Hides subscriptions and which clients they match, the state of each client instance with Kafka's checks of order, interval and size, and
 * the last metrics of each client, which are kept until it has not pushed for three intervals. The numbers of clients and series, and the
 * size of their text, are bounded.
 */
import { type Clock, crc32c, cutText, type Random } from '../base.ts'
import {
  type CompressionType,
  compressionIds,
  compressionNames,
  DecompressedTooLarge,
  decompress,
  KafkaError,
  randomUuid,
  type Uuid,
  zeroUuid,
} from '../protocol.ts'
import { type Measurement, readMetrics } from './telemetry/otlp.ts'
import { allMetrics, type ClientTraits, defaultIntervalMs, isMeant, type Subscription, subscriptionOf } from './telemetry/subscriptions.ts'

export interface TelemetryOptions {
  clock: Clock
  random: Random
  /** `telemetry.max.bytes`. */
  maxBytes(): number
}

/** Who asks, but for the instance id. */
export type Caller = Omit<ClientTraits, 'client_instance_id'>

export interface SubscriptionAnswer {
  clientInstanceId: Uuid
  subscriptionId: number
  acceptedCompressionTypes: readonly number[]
  pushIntervalMs: number
  telemetryMaxBytes: number
  deltaTemporality: boolean
  requestedMetrics: readonly string[]
}

export interface Push {
  clientInstanceId: Uuid
  subscriptionId: number
  terminating: boolean
  compressionType: number
  metrics: Buffer
}

/** One number that a client reported last. */
export interface Series extends Omit<Measurement, 'isDelta'> {
  readonly client: ClientTraits
}

interface Instance {
  readonly traits: ClientTraits
  subscriptionId: number
  metrics: readonly string[]
  intervalMs: number
  version: number
  lastGetMs: number
  lastPushMs: number
  lastHeardMs: number
  /** The last push was rejected for a reason that a new request resolves. */
  mayAskAgain: boolean
  terminating: boolean
  readonly series: Map<string, Series>
  /** Characters in the names and attributes of its series. */
  text: number
}

const mostInstances = 16_384
const mostSeriesPerInstance = 500
const mostSeries = 20_000
/** Characters of names and attributes of all series, and the length at which those of a client are cut: a client id may have 32 KiB. */
const mostText = 4 * 1024 * 1024
const longestTrait = 256
const leastExpiryMs = 60_000
/** The maximum decompressed size of a push: a few kilobytes that become megabytes are not real metrics. */
const mostExpansion = 50
const freeExpansionBytes = 64 * 1024
/** Of gzip, which may take a long time and yield nothing. */
const mostGzipBytes = 64 * 1024
/** In Kafka's order of preference. */
const acceptedTypes: readonly CompressionType[] = ['zstd', 'lz4', 'gzip', 'snappy']

export class Telemetry {
  readonly #options: TelemetryOptions
  #subscriptions: readonly Subscription[] = []
  /** Another number after every change of the subscriptions. */
  #version = 0
  /** In the order in which they were heard of. */
  readonly #instances = new Map<Uuid, Instance>()
  #seriesCount = 0
  #text = 0

  constructor(options: TelemetryOptions) {
    this.#options = options
  }

  /** Whether any subscription requests any metric. */
  get wanted(): boolean {
    return this.#subscriptions.length > 0
  }

  /** Takes the stored configs of all subscriptions. */
  set(configs: readonly ReadonlyMap<string, string>[]): void {
    this.#subscriptions = configs.map(subscriptionOf)
    this.#version++
  }

  /** Throws KafkaError. */
  subscribe(clientInstanceId: Uuid, caller: Caller): SubscriptionAnswer {
    const id = clientInstanceId === zeroUuid ? randomUuid(this.#options.random) : clientInstanceId
    const now = this.#options.clock.monotonic()
    const known = this.#instances.get(id)
    const changed = known !== undefined && known.version !== this.#version
    const instance = this.#instance(id, caller, now)
    const early = now - Math.max(instance.lastGetMs, instance.lastPushMs) < instance.intervalMs
    if (early && !changed && !instance.mayAskAgain) {
      throw new KafkaError('THROTTLING_QUOTA_EXCEEDED', `Request from the client [${id}] arrived before the next push interval time`)
    }
    instance.lastGetMs = now
    instance.mayAskAgain = false
    return {
      clientInstanceId: id,
      subscriptionId: instance.subscriptionId,
      acceptedCompressionTypes: acceptedTypes.map(type => compressionIds[type]),
      pushIntervalMs: instance.intervalMs,
      telemetryMaxBytes: this.#options.maxBytes(),
      // Counters are shown as they come; what is sent as differences is summed up all the same.
      deltaTemporality: false,
      requestedMetrics: instance.metrics,
    }
  }

  /** `mostInflatedBytes`: of the metrics, decompressed. Throws KafkaError. */
  push(push: Push, caller: Caller, mostInflatedBytes: number): void {
    const id = push.clientInstanceId
    if (id === zeroUuid) throw new KafkaError('INVALID_REQUEST', `Invalid request from the client [${id}], invalid client instance id`)
    const instance = this.#instance(id, caller, this.#options.clock.monotonic())
    try {
      const type = this.#check(instance, push)
      // If no metrics were requested, none are read.
      if (push.metrics.length > 0 && instance.metrics.length > 0) this.#take(instance, type, push.metrics, mostInflatedBytes)
    } finally {
      instance.terminating = push.terminating
    }
  }

  /** What all clients reported last. */
  *series(): Generator<Series> {
    this.#expire(this.#options.clock.monotonic())
    for (const { series } of this.#instances.values()) yield* series.values()
  }

  #check(instance: Instance, push: Push): CompressionType {
    const id = push.clientInstanceId
    const now = this.#options.clock.monotonic()
    if (instance.terminating) {
      const message = `Client [${id}] sent the previous request with state terminating to TRUE, can not accept any requests after that`
      throw new KafkaError('INVALID_REQUEST', message)
    }
    const inTime = instance.lastGetMs > instance.lastPushMs || now - instance.lastPushMs >= instance.intervalMs
    if (!inTime && !push.terminating) {
      throw new KafkaError('THROTTLING_QUOTA_EXCEEDED', `Request from the client [${id}] arrived before the next push interval time`)
    }
    if (inTime) instance.lastPushMs = now
    if (push.subscriptionId !== instance.subscriptionId) {
      instance.mayAskAgain = true
      throw new KafkaError('UNKNOWN_SUBSCRIPTION_ID', `Unknown client subscription id for the client [${id}]`)
    }
    const type = compressionNames[push.compressionType]
    if (type === undefined) {
      instance.mayAskAgain = true
      throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', `Unknown compression type [${push.compressionType}] from [${id}]`)
    }
    const most = type === 'gzip' ? Math.min(this.#options.maxBytes(), mostGzipBytes) : this.#options.maxBytes()
    if (push.metrics.length > most) {
      throw new KafkaError('TELEMETRY_TOO_LARGE', `Telemetry request from [${id}] is larger than the maximum allowed size [${most}]`)
    }
    return type
  }

  #take(instance: Instance, type: CompressionType, bytes: Buffer, mostInflatedBytes: number): void {
    const maxBytes = Math.min(mostInflatedBytes, freeExpansionBytes + mostExpansion * bytes.length)
    let measurements: Measurement[]
    try {
      measurements = readMetrics(decompress(type, bytes, { maxBytes }))
    } catch (error) {
      if (error instanceof DecompressedTooLarge) throw new KafkaError('TELEMETRY_TOO_LARGE', error.message)
      const unreadable = error instanceof RangeError || (error instanceof KafkaError && error.name === 'CORRUPT_MESSAGE')
      if (unreadable) throw new KafkaError('INVALID_RECORD', `The metrics cannot be decoded: ${error.message}`)
      throw error
    }
    for (const { name, attributes, value, isDelta, isCounter } of measurements) {
      const key = JSON.stringify([name, attributes])
      const before = instance.series.get(key)
      if (before === undefined) {
        if (instance.series.size >= mostSeriesPerInstance || this.#seriesCount >= mostSeries) continue
        if (this.#text + key.length > mostText) continue
        this.#seriesCount++
        this.#text += key.length
        instance.text += key.length
      }
      const total = isDelta && before !== undefined ? before.value + value : value
      instance.series.set(key, { name, attributes, value: total, isCounter, client: instance.traits })
    }
  }

  #instance(id: Uuid, caller: Caller, nowMs: number): Instance {
    this.#expire(nowMs)
    const known = this.#instances.get(id)
    if (known === undefined && this.#instances.size >= mostInstances) this.#forget(this.#instances.keys().next().value!)
    const instance = known ?? newInstance(traitsOf(id, caller))
    if (instance.version !== this.#version) this.#evaluate(instance, id)
    instance.lastHeardMs = nowMs
    this.#instances.delete(id)
    this.#instances.set(id, instance)
    return instance
  }

  /** What the subscriptions of now ask of the client. */
  #evaluate(instance: Instance, id: Uuid): void {
    const meant = this.#subscriptions.filter(subscription => isMeant(subscription, instance.traits))
    const metrics = [...new Set(meant.flatMap(subscription => subscription.metrics))].sort()
    instance.metrics = metrics.includes(allMetrics) ? [allMetrics] : metrics
    instance.intervalMs = Math.min(defaultIntervalMs, ...meant.map(subscription => subscription.intervalMs))
    const text = `${JSON.stringify(instance.metrics)} ${instance.intervalMs}`
    instance.subscriptionId = (crc32c(Buffer.from(text)) ^ crc32c(Buffer.from(id))) | 0
    instance.version = this.#version
    // As in Kafka a change makes the instance a new one: it may ask and push at once.
    instance.lastGetMs = instance.lastPushMs = Number.NEGATIVE_INFINITY
  }

  #expire(nowMs: number): void {
    for (const [id, instance] of this.#instances) {
      if (nowMs - instance.lastHeardMs > Math.max(leastExpiryMs, 3 * instance.intervalMs)) this.#forget(id)
      // In order of their last push, but with individual intervals: the others are checked when this one has expired.
      else return
    }
  }

  #forget(id: Uuid): void {
    const { series, text } = this.#instances.get(id)!
    this.#seriesCount -= series.size
    this.#text -= text
    this.#instances.delete(id)
  }
}

function traitsOf(id: Uuid, caller: Caller): ClientTraits {
  return {
    client_instance_id: id,
    client_id: cutText(caller.client_id, longestTrait),
    client_software_name: cutText(caller.client_software_name, longestTrait),
    client_software_version: cutText(caller.client_software_version, longestTrait),
    client_source_address: caller.client_source_address,
  }
}

function newInstance(traits: ClientTraits): Instance {
  const never = Number.NEGATIVE_INFINITY
  return {
    traits,
    subscriptionId: 0,
    metrics: [],
    intervalMs: defaultIntervalMs,
    version: -1,
    lastGetMs: never,
    lastPushMs: never,
    lastHeardMs: 0,
    mayAskAgain: false,
    terminating: false,
    series: new Map(),
    text: 0,
  }
}
