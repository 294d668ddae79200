/**
 * The changes that AlterConfigs and IncrementalAlterConfigs allow: Kafka's rules, error codes and messages for each type of resource.
 *
 * A change is decided on the newest stored configs (`ConfigChange.edit`), so that two clients cannot overwrite each other's changes.
 */
import { type ConfigKey, type Declarations, InvalidConfig, parseValue, splitList, UnknownConfig } from '../../base.ts'
import { type ConfigChange, type ConfigResourceType, compileRegex, topicNameProblem } from '../../coordinator.ts'
import { topicKeys } from '../../log.ts'
import { type ErrorName, KafkaError } from '../../protocol.ts'
import type { BrokerConfig } from './broker-config.ts'
import { clientMetricsKeys } from './keys/client-metrics-scope.ts'
import { groupKeys } from './keys/group-scope.ts'
import { type BrokerKey, brokerKeys, keyOf } from './keys.ts'
import { topicRules } from './topics.ts'

/** Kafka's numbers of the operations are their places here. */
const operations = ['SET', 'DELETE', 'APPEND', 'SUBTRACT'] as const
export type AlterOperation = (typeof operations)[number]

export interface Alteration {
  name: string
  operation: AlterOperation
  /** null only for DELETE. */
  value: string | null
}

/** Per resource and request: far more than there are keys. Checking more would block other clients for too long. */
export const mostConfigs = 1_000

/** From a request's entries; throws for what no resource allows. */
export function readAlterations(entries: readonly { name: string; configOperation: number; value: string | null }[]): Alteration[] {
  if (entries.length > mostConfigs)
    throw invalid(`The request contains ${entries.length} configs for this resource; at most ${mostConfigs} are allowed.`)
  if (new Set(entries.map(({ name }) => name)).size < entries.length) throw invalid('Error due to duplicate config keys')
  const alterations = entries.map(({ name, configOperation, value }) => {
    const operation = operations[configOperation]
    if (operation === undefined) throw invalid(`Unknown operations type ${configOperation}`)
    return { name, operation, value }
  })
  const nulls = alterations.filter(({ operation, value }) => operation !== 'DELETE' && value === null)
  if (nulls.length > 0) throw invalid(`Null value not supported for : ${nulls.map(({ name }) => name).join(', ')}`)
  return alterations
}

/** `replace`: keys that the alterations do not name are reset to their defaults (AlterConfigs). Throws KafkaError for an invalid name. */
export function configChange(
  config: BrokerConfig,
  type: ConfigResourceType,
  resource: string,
  alterations: readonly Alteration[],
  replace: boolean,
): ConfigChange {
  const name = checkResource(config, type, resource)
  return {
    type,
    name,
    edit(current) {
      const changes = new Map<string, string | null>()
      if (replace) for (const key of current.keys()) changes.set(key, null)
      for (const alteration of alterations) changes.set(alteration.name, altered(type, current, alteration))
      checkMinIsr(type, name, changes)
      const result = new Map(current)
      for (const [key, value] of changes) {
        if (value === null) result.delete(key)
        else result.set(key, value)
      }
      const configs = new Map([...result].filter(([key, value]) => changes.has(key) || isUsable(type, key, value)))
      validate(config, type, name, configs)
      // Only then: stored configs that do not fit the listeners of this start must not be in the way of other changes.
      if (type === 'BROKER' && listenerKeys.some(key => changes.has(key))) withCode('INVALID_REQUEST', () => config.checkListeners(configs))
      return changes
    },
  }
}

/** What is stored already, and counts as not set (an import, a former version), must not be in the way of other changes. */
function isUsable(type: ConfigResourceType, name: string, value: string): boolean {
  const key = declarationOf(type, name)
  if (key === undefined) return type === 'BROKER'
  if (type === 'BROKER' && key.dynamic === 'read-only') return false
  try {
    parseValue(name, key, value)
    return true
  } catch (error) {
    if (error instanceof InvalidConfig) return false
    throw error
  }
}

function checkResource(config: BrokerConfig, type: ConfigResourceType, name: string): string {
  switch (type) {
    case 'TOPIC':
      if (name === '') throw invalid('Default topic resources are not allowed.')
      checkTopicName(name)
      return name
    case 'GROUP':
      if (name === '') throw invalid('Default group resources are not allowed.')
      return name
    case 'CLIENT_METRICS':
      if (name === '') throw invalid("Subscription name can't be empty")
      return name
    case 'BROKER':
      if (name !== '') checkBrokerId(config, name, 'Node')
      return name === '' ? '' : String(config.get('node.id'))
  }
}

function checkTopicName(name: string): void {
  const problem = topicNameProblem(name)
  if (problem !== null) throw new KafkaError('INVALID_TOPIC_EXCEPTION', problem)
}

/** Only the broker itself describes and changes its configs. */
export function checkBrokerId(config: BrokerConfig, name: string, what: 'Node' | 'Broker'): void {
  if (!/^[+-]?\d{1,10}$/.test(name)) throw invalid(`${what} id must be an integer, but it is: ${name}`)
  const id = config.get('node.id')
  if (Number(name) !== id) throw invalid(`Unexpected broker id, expected ${id}, but received ${name}`)
}

const scopes: Record<Exclude<ConfigResourceType, 'BROKER'>, Declarations> = {
  TOPIC: topicKeys,
  GROUP: groupKeys,
  CLIENT_METRICS: clientMetricsKeys,
}

function declarationOf(type: ConfigResourceType, name: string): ConfigKey | undefined {
  if (type === 'BROKER') return keyOf(name)
  return Object.hasOwn(scopes[type], name) ? scopes[type][name] : undefined
}

/** The value after the operation, null for none. */
function altered(type: ConfigResourceType, current: ReadonlyMap<string, string>, { name, operation, value }: Alteration): string | null {
  if (operation === 'DELETE') return null
  if (operation === 'SET') return value
  const key = declarationOf(type, name)
  if (key?.type !== 'LIST') {
    throw new KafkaError('INVALID_CONFIG', `Can't ${operation} to key ${name} because its type is not LIST.`)
  }
  const words = splitList(current.get(name) ?? key.default ?? '')
  const given = new Set(splitList(value ?? ''))
  const others = words.filter(word => !given.has(word))
  if (operation === 'SUBTRACT') return others.join(',')
  for (const word of words) given.delete(word)
  return [...words, ...given].join(',')
}

function validate(config: BrokerConfig, type: ConfigResourceType, name: string, configs: ReadonlyMap<string, string>): void {
  if (type === 'TOPIC') topicRules(config).validateTopicConfigs(configs)
  else if (type === 'BROKER') withCode('INVALID_REQUEST', () => validateBroker(config, configs, name !== ''))
  else if (type === 'GROUP') withCode('INVALID_CONFIG', () => validateGroup(config, configs))
  else withCode('INVALID_CONFIG', () => validateClientMetrics(configs))
}

function withCode(code: ErrorName, check: () => void): void {
  try {
    check()
  } catch (error) {
    if (error instanceof InvalidConfig || error instanceof UnknownConfig) throw new KafkaError(code, error.message)
    throw error
  }
}

/** Kafka's SslConfigs.RECONFIGURABLE_CONFIGS: a running broker takes them as `listener.name.<name>.<key>` only. */
const listenerSecurityKeys = new Set([
  'ssl.key.password',
  'ssl.keystore.certificate.chain',
  'ssl.keystore.key',
  'ssl.keystore.location',
  'ssl.keystore.password',
  'ssl.keystore.type',
  'ssl.truststore.certificates',
  'ssl.truststore.location',
  'ssl.truststore.password',
  'ssl.truststore.type',
])

const listenerKeys: readonly BrokerKey[] = ['listeners', 'listener.security.protocol.map']

/** Pools that Kafka resizes while it runs, at most by half or to double at a time. Here they have no effect, but the answer is the same. */
const threadPools: readonly BrokerKey[] = [
  'background.threads',
  'log.cleaner.threads',
  'num.io.threads',
  'num.recovery.threads.per.data.dir',
  'num.replica.fetchers',
]

function checkThreads(config: BrokerConfig, configs: ReadonlyMap<string, string>): void {
  for (const name of threadPools) {
    const current = Number(config.text(name))
    const wanted = Number(configs.get(name) ?? current)
    const [tooFew, tooMany] =
      name === 'log.cleaner.threads'
        ? ['Log cleaner threads cannot be reduced to less than half', 'Log cleaner threads cannot be increased to more than double']
        : ['value should be at least half', 'value should not be greater than double'].map(
            words => `Dynamic thread count update validation failed for ${name}=${wanted}, ${words}`,
          )
    if (wanted < Math.floor(current / 2)) throw invalid(`${tooFew} the current value ${current}`)
    if (wanted > current * 2) throw invalid(`${tooMany} the current value ${current}`)
  }
}

/** `single`: configs of one broker; otherwise of all brokers, which excludes keys of a single one. */
function validateBroker(config: BrokerConfig, configs: ReadonlyMap<string, string>, single: boolean): void {
  const readOnly: string[] = []
  const perBroker: string[] = []
  const perListener = [...configs.keys()].filter(name => listenerSecurityKeys.has(name))
  for (const [name, value] of configs) {
    const key = keyOf(name)
    if (key === undefined) continue // a plug-in's, as in Kafka
    if (key.dynamic === 'read-only') readOnly.push(name)
    else if (key.dynamic === 'per-broker' && !single) perBroker.push(name)
    else parseValue(name, key, value)
  }
  if (readOnly.length > 0) {
    throw invalid(`Cannot update these configs dynamically: [${readOnly.join(', ')}]`)
  }
  if (perListener.length > 0) {
    const names = perListener.join(', ')
    throw invalid(`These security configs can be dynamically updated only per-listener using the listener prefix: [${names}]`)
  }
  if (perBroker.length > 0) {
    throw invalid(`Cannot update these configs at default cluster level, broker id must be specified: [${perBroker.join(', ')}]`)
  }
  checkThreads(config, configs)
}

/** KIP-966: see {@link BrokerConfig} about this key. */
function checkMinIsr(type: ConfigResourceType, resource: string, changes: ReadonlyMap<string, string | null>): void {
  const key = 'min.insync.replicas'
  if (type !== 'BROKER' || !changes.has(key)) return
  if (resource !== '') throw new KafkaError('INVALID_CONFIG', `Broker-level ${key} cannot be altered while ELR is enabled.`)
  if (changes.get(key) === null) throw new KafkaError('INVALID_CONFIG', `Cluster-level ${key} cannot be removed while ELR is enabled.`)
}

function validateGroup(config: BrokerConfig, configs: ReadonlyMap<string, string>): void {
  for (const [name, text] of configs) {
    const key = declarationOf('GROUP', name)
    if (key === undefined) throw new UnknownConfig('group', name, Object.keys(groupKeys))
    const { value } = parseValue(name, key, text)
    if (typeof value !== 'number') continue
    checkBound(config, name, 'min', bound => value < bound)
    checkBound(config, name, 'max', bound => value > bound)
  }
  checkStreams(config, configs)
  for (const protocol of ['consumer', 'share', 'streams'] as const) checkSession(config, protocol, configs)
}

/** Kafka's words. */
function checkStreams(config: BrokerConfig, configs: ReadonlyMap<string, string>): void {
  const tags =
    configs
      .get('streams.rack.aware.assignment.tags')
      ?.trim()
      .split(/\s*,\s*/) ?? []
  if (new Set(tags).size !== tags.length) {
    throw new KafkaError('INVALID_CONFIG', 'streams.rack.aware.assignment.tags must not contain duplicate tag keys.')
  }
  const assignor = configs.get('streams.assignor.name')
  const registered = config.get('group.streams.assignors')
  if (assignor === undefined || registered.includes(assignor)) return
  throw new KafkaError(
    'INVALID_CONFIG',
    `streams.assignor.name '${assignor}' is not a registered task assignor. Registered assignors are: [${registered.join(', ')}].`,
  )
}

/** A member must be able to send a heartbeat before its session ends. */
function checkSession(config: BrokerConfig, protocol: 'consumer' | 'share' | 'streams', configs: ReadonlyMap<string, string>): void {
  const session = `${protocol}.session.timeout.ms` as const
  const heartbeat = `${protocol}.heartbeat.interval.ms` as const
  if (!configs.has(session) && !configs.has(heartbeat)) return
  const ms = (name: typeof session | typeof heartbeat) => {
    const text = configs.get(name)
    return text === undefined ? config.get(`group.${name}`) : parseValue(name, groupKeys[name], text).value
  }
  if (ms(session) <= ms(heartbeat)) throw new KafkaError('INVALID_CONFIG', `${session} must be greater than ${heartbeat}`)
}

/** Of `consumer.session.timeout.ms` of a group: `group.consumer.min.session.timeout.ms` of the broker. Exported for a test. */
export function boundKey(name: string, which: 'min' | 'max'): string {
  const [protocol, ...rest] = name.replace('.num.', '.').split('.')
  return `group.${protocol}.${which}.${rest.join('.')}`
}

function checkBound(config: BrokerConfig, name: string, which: 'min' | 'max', beyond: (bound: number) => boolean): void {
  const brokerKey = boundKey(name, which)
  if (!Object.hasOwn(brokerKeys, brokerKey)) return
  const bound = config.get(brokerKey as BrokerKey)
  if (typeof bound !== 'number' || !beyond(bound)) return
  throw new KafkaError('INVALID_CONFIG', `${name} must be ${which === 'min' ? 'greater' : 'less'} than or equal to ${brokerKey}`)
}

const leastIntervalMs = 100
const mostIntervalMs = 3_600_000
const matchers = [
  'client_instance_id',
  'client_id',
  'client_software_name',
  'client_software_version',
  'client_source_address',
  'client_source_port',
]

function validateClientMetrics(configs: ReadonlyMap<string, string>): void {
  for (const [name, text] of configs) {
    const key = declarationOf('CLIENT_METRICS', name)
    if (key === undefined) throw invalid(`Unknown client metrics configuration: ${name}`)
    const { value } = parseValue(name, key, text)
    if (name === 'interval.ms' && ((value as number) < leastIntervalMs || (value as number) > mostIntervalMs)) {
      throw invalid(`Invalid value ${text} for interval.ms, interval must be between ${leastIntervalMs} and ${mostIntervalMs} (1 hour)`)
    }
    if (name === 'match') for (const pattern of value as readonly string[]) checkMatcher(pattern)
  }
}

function checkMatcher(pattern: string): void {
  const [name, expression, ...more] = pattern.split('=')
  const known = name !== undefined && matchers.includes(name.trim()) && expression !== undefined && more.length === 0
  if (!known || !isRegularExpression(expression.trim())) {
    throw new KafkaError('INVALID_CONFIG', `Illegal client matching pattern: ${pattern}`)
  }
}

/** Only patterns that match any client's text quickly: see telemetry/subscriptions.ts. */
function isRegularExpression(text: string): boolean {
  try {
    compileRegex(text)
    return true
  } catch {
    return false
  }
}

function invalid(message: string): KafkaError {
  return new KafkaError('INVALID_REQUEST', message)
}
