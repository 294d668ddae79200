/**
 * The configuration of a running broker: the values given at its start, overridden by Kafka's dynamic configs.
 *
 * Hides how the layers combine. Values are read with `get`, which always returns the current value; code that keeps something derived
 * subscribes to the keys it depends on.
 */
import { type ConfigKey, parseValue, readValue, type ValuesOf } from '../../base.ts'
import { type BrokerKey, brokerKeys, internalKeys, keyOf } from './keys.ts'
import type { Endpoint, Listener } from './listeners.ts'
import {
  advertisedEndpoints,
  changedListeners,
  checkHttpPort,
  checkSameAddresses,
  interBrokerListener,
  resolveListeners,
  withoutName,
} from './resolve-listeners.ts'

export type BrokerValues = ValuesOf<typeof brokerKeys>

/** As DescribeConfigs names the layers, strongest first. */
export type ConfigSource = 'DYNAMIC_BROKER_CONFIG' | 'DYNAMIC_DEFAULT_BROKER_CONFIG' | 'STATIC_BROKER_CONFIG' | 'DEFAULT_CONFIG'

export interface Given {
  readonly text: string
  /** For display: `default`, `flag`, `environment KAFKA_LOG_DIRS`, `file /etc/millrace.yaml`. */
  readonly from: string
}

export interface Layered extends Given {
  readonly name: string
  readonly source: ConfigSource
}

/** Canonical texts, by key. */
export type Texts = ReadonlyMap<string, string>

export interface DynamicProblem {
  key: string
  reason: string
}

/**
 * Where eligible leader replicas are on (KIP-966), Kafka's controller writes this key for all brokers when the cluster is made, and it stays:
 * a single broker cannot override it, and it cannot be removed.
 */
const minIsr = 'min.insync.replicas'

const shownKeys = Object.keys(brokerKeys).filter(name => !internalKeys.has(name))

/** Kafka would advertise the name of the machine, which often cannot be resolved outside its network. */
const thisMachine = 'localhost'

const protocolMap = 'listener.security.protocol.map'

interface Endpoints {
  readonly listeners: readonly Listener[]
  readonly advertised: ReadonlyMap<string, Endpoint>
}

interface Subscriber {
  keys: ReadonlySet<string>
  changed: () => void
}

export class BrokerConfig {
  #static: ReadonlyMap<string, Given>
  readonly #hostName: string
  readonly #subscribers = new Set<Subscriber>()
  #dynamic: Texts = new Map()
  #dynamicDefault: Map<string, string> = new Map()
  #values: BrokerValues
  #generation = 0
  /** Those that the broker starts with; dynamic configs may add and remove some. */
  readonly startListeners: readonly Listener[]
  #endpoints: Endpoints
  /** Warnings for the operator: keys that are set without effect, ignored keys, replica counts that were reduced. */
  readonly notes: readonly string[]

  /** Throws InvalidConfig. `given` has only known keys; use {@link loadBrokerConfig} for user input. */
  constructor(given: ReadonlyMap<string, Given>, notes: readonly string[] = [], hostName = thisMachine) {
    this.#static = given
    this.#hostName = hostName
    this.#values = this.#parseAll()
    this.startListeners = resolveListeners(this.#values, given.has(protocolMap))
    this.#endpoints = this.#endpointsOf(this.#values, this.startListeners)
    this.notes = [...notes, ...advertisedNote(withoutName(this.#values, this.startListeners), hostName)]
  }

  /** The current listeners for clients, without those for Kafka's controllers. */
  get listeners(): readonly Listener[] {
    return this.#endpoints.listeners
  }

  /** Where brokers call each other. */
  get interBroker(): Listener {
    const wanted = interBrokerListener(this.#values, this.startListeners)
    return this.listeners.find(({ name }) => name === wanted) ?? this.startListeners[0]!
  }

  get<K extends BrokerKey>(key: K): BrokerValues[K] {
    return this.#values[key]
  }

  /** Whether `node.id` was configured, and is not the default. */
  get hasNodeId(): boolean {
    return this.#static.has('node.id')
  }

  /** Before anything has used it: the id that the cluster gave to a broker without one. */
  takeNodeId(id: number): void {
    const given = { text: String(id), from: 'the cluster' }
    this.#static = new Map([...this.#static, ['node.id', given], ['broker.id', given]])
    this.#values = this.#parseAll()
  }

  /** Changes whenever a value may have changed, so that derived data can be cached by it. */
  get generation(): number {
    return this.#generation
  }

  /** The advertised address of this listener. Port 0 stands for the actual port of the listener. */
  advertised(listener: string): Endpoint {
    return this.#endpoints.advertised.get(listener) ?? { host: this.#hostName, port: 0 }
  }

  /** Canonical text of the current value, or null; also for keys of one listener. */
  text(key: string): string | null {
    return this.layers(key)[0]?.text ?? null
  }

  /** Every layer that has a value for the key, strongest first; the last is the default, when there is one. Unknown keys may have been set while running. */
  layers(name: string): Layered[] {
    const layers: Layered[] = []
    const dynamic = this.#dynamic.get(name)
    if (dynamic !== undefined) layers.push({ name, text: dynamic, source: 'DYNAMIC_BROKER_CONFIG', from: 'dynamic, this broker' })
    const shared = this.#dynamicDefault.get(name)
    if (shared !== undefined) layers.push({ name, text: shared, source: 'DYNAMIC_DEFAULT_BROKER_CONFIG', from: 'dynamic, all brokers' })
    const given = this.#static.get(name)
    if (given !== undefined) layers.push({ name, ...given, source: 'STATIC_BROKER_CONFIG' })
    const byDefault = keyOf(name)?.default ?? null
    if (byDefault !== null) layers.push({ name, text: byDefault, source: 'DEFAULT_CONFIG', from: 'default' })
    return layers
  }

  /** Names of all keys, sorted; of internal ones and those of single listeners only what has a value of its own. */
  names(): string[] {
    const names = new Set([...shownKeys, ...this.#static.keys(), ...this.#dynamic.keys(), ...this.#dynamicDefault.keys()])
    return [...names].sort()
  }

  /** Dynamic configs of all brokers. */
  get dynamicDefaults(): Texts {
    return this.#dynamicDefault
  }

  /** Applies the configs stored in the metadata. An invalid value is ignored and reported; the broker continues. */
  setDynamic(allBrokers: ReadonlyMap<string, string>, thisBroker: ReadonlyMap<string, string>): DynamicProblem[] {
    const problems: DynamicProblem[] = []
    this.#dynamicDefault = usable(allBrokers, problems)
    if (!this.#dynamicDefault.has(minIsr)) this.#dynamicDefault.set(minIsr, this.#given(minIsr))
    this.#dynamic = usable(thisBroker, problems)
    const before = this.#values
    this.#values = this.#parseAll()
    this.#takeListeners(problems)
    this.#generation++
    const changed = (Object.keys(brokerKeys) as BrokerKey[]).filter(key => !sameValue(before[key], this.#values[key]))
    for (const { keys, changed: callback } of [...this.#subscribers]) if (changed.some(key => keys.has(key))) callback()
    return problems
  }

  /** Throws InvalidConfig if the running broker cannot take what these dynamic configs say about listeners. */
  checkListeners(dynamic: Texts): void {
    const values = this.#parseAll(dynamic)
    const wanted = this.#wantedListeners(values, dynamic)
    checkSameAddresses(this.listeners, wanted)
    this.#changedEndpoints(values, wanted)
  }

  /** Calls back after any of these keys got another value. */
  subscribe(keys: readonly BrokerKey[], changed: () => void): { unsubscribe(): void } {
    const subscriber: Subscriber = { keys: new Set(keys), changed }
    this.#subscribers.add(subscriber)
    return { unsubscribe: () => void this.#subscribers.delete(subscriber) }
  }

  /** What is stored may not fit what the broker was started with. It must not prevent the start. */
  #takeListeners(problems: DynamicProblem[]): void {
    try {
      this.#endpoints = this.#changedEndpoints(this.#values, this.#wantedListeners(this.#values, this.#dynamic))
    } catch (error) {
      const reason = (error as Error).message
      const others = new Map(this.#dynamic)
      for (const key of ['listeners', protocolMap]) if (others.delete(key)) problems.push({ key, reason })
      this.#dynamic = others
      this.#values = this.#parseAll()
    }
  }

  #wantedListeners(values: BrokerValues, dynamic: Texts): Listener[] {
    return resolveListeners(values, dynamic.has(protocolMap) || this.#static.has(protocolMap))
  }

  #changedEndpoints(values: BrokerValues, wanted: readonly Listener[]): Endpoints {
    const interBroker = interBrokerListener(values, this.startListeners)
    return this.#endpointsOf(values, changedListeners(this.listeners, wanted, interBroker))
  }

  #endpointsOf(values: BrokerValues, listeners: readonly Listener[]): Endpoints {
    checkHttpPort(values['http.listen'], listeners)
    return { listeners, advertised: advertisedEndpoints(values, listeners, this.#hostName) }
  }

  #given(name: BrokerKey): string {
    return this.#static.get(name)?.text ?? brokerKeys[name].default ?? ''
  }

  #parseAll(dynamic: Texts = this.#dynamic): BrokerValues {
    const values: Record<string, unknown> = {}
    for (const [name, key] of Object.entries<ConfigKey>(brokerKeys)) {
      const text = dynamic.get(name) ?? this.#dynamicDefault.get(name) ?? this.#static.get(name)?.text
      values[name] = readValue(name, key, text)
    }
    return values as BrokerValues
  }
}

function advertisedNote(listeners: readonly string[], hostName: string): string[] {
  if (listeners.length === 0 || hostName !== thisMachine) return []
  return [`clients on other machines cannot connect to ${listeners.join(', ')}, advertised as ${thisMachine}: set advertised.listeners`]
}

function usable(stored: ReadonlyMap<string, string>, problems: DynamicProblem[]): Map<string, string> {
  const texts = new Map<string, string>()
  for (const [name, text] of stored) {
    const key = keyOf(name)
    try {
      if (key === undefined) {
        // As in Kafka: it may belong to a plug-in, so it is kept, and described without its value.
        texts.set(name, text)
        continue
      }
      if (key.dynamic === 'read-only') throw new Error('it cannot change while the broker runs')
      texts.set(name, parseValue(name, key, text).text)
    } catch (error) {
      problems.push({ key: name, reason: (error as Error).message })
    }
  }
  return texts
}

function sameValue(one: unknown, other: unknown): boolean {
  return Array.isArray(one) && Array.isArray(other) ? one.join() === other.join() : one === other
}
