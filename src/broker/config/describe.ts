/** Configs as DescribeConfigs and CreateTopics return them: value, source, and overridden values (KIP-226, KIP-524, KIP-569). */
import type { ConfigKey, ConfigType, Declarations } from '../../base.ts'
import { topicKeys } from '../../log.ts'
import type { BrokerConfig, ConfigSource } from './broker-config.ts'
import { clientMetricsKeys } from './keys/client-metrics-scope.ts'
import { groupKeys } from './keys/group-scope.ts'
import { isRetired, keyOf } from './keys.ts'

/** Kafka's numbers of the places that a value may come from. */
export const sourceIds = {
  TOPIC_CONFIG: 1,
  DYNAMIC_BROKER_CONFIG: 2,
  DYNAMIC_DEFAULT_BROKER_CONFIG: 3,
  STATIC_BROKER_CONFIG: 4,
  DEFAULT_CONFIG: 5,
  DYNAMIC_BROKER_LOGGER_CONFIG: 6,
  CLIENT_METRICS_CONFIG: 7,
  GROUP_CONFIG: 8,
} as const
const typeIds: Record<ConfigType, number> = { BOOLEAN: 1, STRING: 2, INT: 3, SHORT: 4, LONG: 5, DOUBLE: 6, LIST: 7, CLASS: 8, PASSWORD: 9 }

export interface DescribedSynonym {
  name: string
  value: string | null
  source: number
}

/** With the field names of the DescribeConfigs response. */
export interface Described {
  name: string
  /** null also when it is secret. */
  value: string | null
  readOnly: boolean
  configSource: number
  isSensitive: boolean
  synonyms: DescribedSynonym[]
  configType: number
  documentation: string | null
}

/** An unknown key may belong to a plug-in and be a secret. */
function unknown(name: string, synonyms: DescribedSynonym[]): Described {
  return {
    name,
    value: null,
    readOnly: true,
    configSource: synonyms[0]!.source,
    isSensitive: true,
    synonyms: synonyms.map(synonym => ({ ...synonym, value: null })),
    configType: 0,
    documentation: null,
  }
}

function described(name: string, key: ConfigKey, value: string | null, readOnly: boolean, synonyms: DescribedSynonym[]): Described {
  const isSensitive = key.type === 'PASSWORD'
  const configSource = synonyms[0]?.source ?? sourceIds.DEFAULT_CONFIG
  return {
    name,
    value: isSensitive ? null : value,
    readOnly,
    configSource,
    isSensitive,
    synonyms: isSensitive ? synonyms.map(synonym => ({ ...synonym, value: null })) : synonyms,
    configType: typeIds[key.type],
    documentation: documentationOf(key),
  }
}

function documentationOf({ doc, accepted }: ConfigKey): string {
  return accepted === null ? doc : `${doc} Accepted for compatibility; has no effect, because ${accepted}.`
}

const strongestFirst: readonly ConfigSource[] = [
  'DYNAMIC_BROKER_CONFIG',
  'DYNAMIC_DEFAULT_BROKER_CONFIG',
  'STATIC_BROKER_CONFIG',
  'DEFAULT_CONFIG',
]
const listenerPrefix = /^listener\.name\.[^.]+\.(.+)$/

/**
 * All values of the broker's key and its fallback keys from all sources, strongest first, starting where the key itself has one, as in Kafka. Only the
 * general key behind a listener's key has a default.
 */
function brokerSynonyms(config: BrokerConfig, name: string): DescribedSynonym[] {
  const base = listenerPrefix.exec(name)?.[1]
  const others = base !== undefined && keyOf(base) !== undefined ? [base] : (keyOf(name)?.synonyms ?? []).map(synonym => synonym.name)
  const own = config.layers(name).filter(({ source }) => base === undefined || source !== 'DEFAULT_CONFIG')
  const layers = [...own, ...others.flatMap(each => config.layers(each))]
  const ordered = strongestFirst.flatMap(source => layers.filter(layer => layer.source === source))
  const from = ordered.findIndex(layer => layer.name === name)
  if (from < 0) return []
  return ordered.slice(from).map(layer => ({ name: layer.name, value: layer.text, source: sourceIds[layer.source] }))
}

export function describeBroker(config: BrokerConfig): Described[] {
  return config.names().map(name => {
    const key = isRetired(name) ? undefined : keyOf(name)
    const synonyms = brokerSynonyms(config, name)
    return key === undefined ? unknown(name, synonyms) : described(name, key, config.text(name), isReadOnly(name, key), synonyms)
  })
}

/** The resource with the empty name: only the dynamic configs of all brokers. */
export function describeAllBrokers(config: BrokerConfig): Described[] {
  return [...config.dynamicDefaults].map(([name, value]) => {
    const key = keyOf(name)
    const synonyms = brokerSynonyms(config, name).filter(({ source }) => source === sourceIds.DYNAMIC_DEFAULT_BROKER_CONFIG)
    return key === undefined ? unknown(name, synonyms) : described(name, key, value, isReadOnly(name, key), synonyms)
  })
}

/** Kafka calls a listener's keys read-only, although they can be altered. */
function isReadOnly(name: string, key: ConfigKey): boolean {
  return key.dynamic === 'read-only' || listenerPrefix.test(name)
}

/** Kafka's tests use them; they are described only where they are set. */
const isInternalTopicKey = (name: string) => name.startsWith('internal.')

const topicDefaults = new WeakMap<BrokerConfig, { generation: number; entries: readonly Described[]; shown: readonly Described[] }>()

/** `defaults` are the texts without overrides. Cached, because every topic that is created is described. */
export function describeTopic(
  config: BrokerConfig,
  defaults: ReadonlyMap<string, string>,
  overrides: ReadonlyMap<string, string>,
): readonly Described[] {
  let cached = topicDefaults.get(config)
  if (cached?.generation !== config.generation) {
    const entries = entriesOf(topicKeys).map(([name, key]) => {
      const [synonym] = key.synonyms
      const synonyms = synonym === undefined ? [] : brokerSynonyms(config, synonym.name)
      return described(name, key, defaults.get(name) ?? key.default, false, synonyms)
    })
    cached = { generation: config.generation, entries, shown: entries.filter(({ name }) => !isInternalTopicKey(name)) }
    topicDefaults.set(config, cached)
  }
  if (overrides.size === 0) return cached.shown
  const entries = cached.entries.filter(({ name }) => !isInternalTopicKey(name) || overrides.has(name))
  return entries.map(entry => overridden(entry, overrides, sourceIds.TOPIC_CONFIG))
}

export function describeGroup(config: BrokerConfig, stored: ReadonlyMap<string, string>): Described[] {
  return entriesOf(groupKeys).map(([name, key]) => {
    const [synonym] = key.synonyms
    const synonyms =
      synonym === undefined ? [{ name, value: key.default, source: sourceIds.DEFAULT_CONFIG }] : brokerSynonyms(config, synonym.name)
    const value = synonym === undefined ? key.default : config.text(synonym.name)
    return overridden(described(name, key, value, false, synonyms), stored, sourceIds.GROUP_CONFIG)
  })
}

export function describeClientMetrics(stored: ReadonlyMap<string, string>): Described[] {
  return entriesOf(clientMetricsKeys).map(([name, key]) =>
    overridden(described(name, key, key.default, false, []), stored, sourceIds.CLIENT_METRICS_CONFIG),
  )
}

/** Kafka's name for the level of all loggers without their own level; Millrace has only this one. */
export const rootLogger = 'root'

export function describeLogger(level: string): Described {
  return {
    name: rootLogger,
    value: level,
    readOnly: false,
    configSource: sourceIds.DYNAMIC_BROKER_LOGGER_CONFIG,
    isSensitive: false,
    synonyms: [],
    configType: 0,
    documentation: null,
  }
}

function entriesOf(declarations: Declarations): [string, ConfigKey][] {
  return Object.entries(declarations).sort(([one], [other]) => (one < other ? -1 : 1))
}

function overridden(entry: Described, stored: ReadonlyMap<string, string>, source: number): Described {
  const value = stored.get(entry.name)
  if (value === undefined) return entry
  const synonyms = [{ name: entry.name, value, source }, ...entry.synonyms]
  return { ...entry, value, configSource: source, synonyms }
}
