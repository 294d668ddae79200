/**
 * Creates a {@link BrokerConfig} from file, environment and flags; later sources override earlier ones. All problems are reported at once,
 * each with the place where the value is set.
 */
import { type ConfigKey, type FileSystem, InvalidConfig, parseValue, splitList, UnknownConfig } from '../../base.ts'
import { type Resolver, valueResolver } from '../../formats.ts'
import { topicKeys } from '../../log.ts'
import { BrokerConfig, type Given } from './broker-config.ts'
import { readEnvironment } from './environment.ts'
import { brokerKeys, isMistake, isPluginKey, keyOf } from './keys.ts'
import { readConfigFile } from './read-file.ts'
import { countOfProcesses } from './settings.ts'

export interface ConfigInputs {
  /** A file in YAML or, when its name ends in `.properties`, in the format of Kafka's server.properties. */
  file?: string | undefined
  /** Needed to read `file`. */
  files?: FileSystem
  environment?: Readonly<Record<string, string | undefined>>
  /** `--set key=value`, or what an embedding program passes. */
  set?: Readonly<Record<string, string | number | boolean>>
  /** Advertised host for a listener on all addresses. */
  hostName?: string
}

/** The configuration is invalid. One line per problem. */
export class ConfigProblems extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigProblems'
    this.problems = problems
  }
}

/** One place where values were written; stronger ones come later. */
export interface Source {
  readonly values: ReadonlyMap<string, Given>
  /**
   * How to treat an unknown key. `strict`: as an error. `plugins`: as an error if it was meant to be a key of Kafka, otherwise as a key of a
   * plug-in (server.properties). `shared`: as a variable that may not be meant for the broker (KAFKA_… in the environment).
   */
  readonly unknown: 'strict' | 'plugins' | 'shared'
}

/** The configuration while it is put together. */
interface Draft {
  readonly given: Map<string, Given>
  readonly problems: string[]
  /** Names of ignored keys. */
  readonly ignored: string[]
  readonly resolve: Resolver
}

export function loadBrokerConfig(inputs: ConfigInputs): BrokerConfig {
  const problems: string[] = []
  const sources = readSources(inputs, problems)
  const all = new Map(sources.flatMap(({ values }) => [...values]))
  const resolve = valueResolver(all, { files: inputs.files, environment: inputs.environment ?? {} })
  const draft: Draft = { given: new Map(), problems, ignored: [], resolve }
  for (const { values, unknown } of sources) for (const [name, value] of values) take(name, value, unknown, draft)
  const { given } = draft
  pairIds(given)
  checkTogether(given, problems)
  const onReplicas = given.has('cluster') ? clusterNotes(given) : notesOnReplicas(given)
  const notes = [...ignoredNote(draft.ignored), ...onReplicas, ...effectless(given)]
  if (problems.length > 0) throw new ConfigProblems(problems)
  try {
    return new BrokerConfig(given, notes, inputs.hostName)
  } catch (error) {
    if (error instanceof InvalidConfig) throw new ConfigProblems([withPlace(error.message, given.get(error.key))])
    throw error
  }
}

function readSources(inputs: ConfigInputs, problems: string[]): Source[] {
  const sources: Source[] = []
  if (inputs.file !== undefined) {
    if (inputs.files === undefined) throw new Error('loadBrokerConfig needs `files` to read a file')
    const read = readConfigFile(inputs.files, inputs.file)
    if (typeof read === 'string') problems.push(read)
    else sources.push({ values: read, unknown: inputs.file.endsWith('.properties') ? 'plugins' : 'strict' })
  }
  sources.push(...readEnvironment(inputs.environment ?? {}))
  const flags = Object.entries(inputs.set ?? {}).map(([name, value]): [string, Given] => [name, { text: String(value), from: 'flag' }])
  sources.push({ values: new Map(flags), unknown: 'strict' })
  return sources
}

function take(name: string, value: Given, unknown: Source['unknown'], { given, problems, ignored, resolve }: Draft): void {
  const key = keyOf(name)
  if (key === undefined) {
    if (name.startsWith('config.providers.')) return
    if (isPluginKey(name) || unknown === 'shared' || (unknown === 'plugins' && !isMistake(name))) ignored.push(name)
    else problems.push(withPlace(unknownKey(name), value))
    return
  }
  const resolved = key.accepted === null ? resolve(value.text) : value
  if ('problem' in resolved) return void problems.push(withPlace(`${name}: ${resolved.problem}`, value))
  const { text } = resolved
  try {
    if (meansUnset(name, key, text)) return void given.delete(name)
    given.set(name, { text: parseValue(name, key, text).text, from: value.from })
  } catch (error) {
    if (!(error instanceof InvalidConfig)) throw error
    problems.push(withPlace(key.allowed === 'text' ? error.message : `${error.message} (allowed: ${key.allowed})`, value))
  }
}

/** As in Kafka, an empty text means "not set" for a key that may be absent, unless it is a list that must not be empty. */
function meansUnset(name: string, key: ConfigKey, text: string): boolean {
  if (text.trim() !== '' || key.default !== null) return false
  if (key.type === 'LIST') parseValue(name, key, text)
  return true
}

function unknownKey(name: string): string {
  const [broker] = Object.hasOwn(topicKeys, name) ? topicKeys[name as keyof typeof topicKeys].synonyms : []
  if (broker !== undefined) return `${name} is a topic's key; the broker's default for topics is ${broker.name}`
  return new UnknownConfig('broker', name, Object.keys(brokerKeys)).message
}

function ignoredNote(names: readonly string[]): string[] {
  const notes: string[] = []
  const others = names.filter(name => !addressKeys.has(name)).sort()
  const addresses = names.filter(name => addressKeys.has(name)).sort()
  if (others.length > 0) notes.push(`ignored keys that Kafka does not have (they may belong to plug-ins): ${others.join(', ')}`)
  if (addresses.length > 0) {
    notes.push(
      `Kafka removed these keys in 3.0, so they have no effect; set listeners and advertised.listeners instead: ${addresses.join(', ')}`,
    )
  }
  return notes
}

/** Not declared as retired, so that MILLRACE_PORT and the like are errors. */
const addressKeys = new Set(['host.name', 'port', 'advertised.host.name', 'advertised.port'])

/** Keys that count replicas. */
const replicaCount = /(?:^|\.)(?:replication\.factor|min\.isr|min\.insync\.replicas)$/

function notesOnReplicas(given: Map<string, Given>): string[] {
  const processes = given.get('processes')?.text
  return processes === undefined || countOfProcesses(processes) === 1 ? countAsOne(given) : []
}

/** A configuration written for several brokers must also work for one, so these counts become 1. Returns a note if any was larger. */
function countAsOne(given: Map<string, Given>): string[] {
  const larger = [...given].filter(([name, { text }]) => replicaCount.test(name) && Number(text) > 1)
  for (const [name, { from }] of larger) given.set(name, { text: '1', from })
  if (larger.length === 0) return []
  const shown = larger.map(([name, { text }]) => `${name}=${text}`).sort()
  return [`these replica counts are treated as 1, because there is only one broker: ${shown.join(', ')}`]
}

function clusterNotes(given: ReadonlyMap<string, Given>): string[] {
  const local = ['log.dirs', 'log.dir'].filter(name => given.has(name))
  return local.length === 0 ? [] : [`a broker of a cluster has no data directory, so these keys have no effect: ${local.join(', ')}`]
}

function withPlace(message: string, value: Given | undefined): string {
  return value === undefined ? message : `${message} [${value.from}]`
}

/** broker.id is the former name of node.id, and -1 means that it is not set. */
function pairIds(given: Map<string, Given>): void {
  const broker = given.get('broker.id')
  const node = given.get('node.id')
  if (node === undefined && broker !== undefined && broker.text !== '-1') given.set('node.id', broker)
  if (node !== undefined && (broker === undefined || broker.text === '-1')) given.set('broker.id', node)
}

/** Rules that involve several keys. */
function checkTogether(given: ReadonlyMap<string, Given>, problems: string[]): void {
  const broker = given.get('broker.id')
  const node = given.get('node.id')
  if (broker && node && broker.text !== node.text) {
    problems.push(`node.id (${node.text}, ${node.from}) and broker.id (${broker.text}, ${broker.from}) must be the same`)
  }
  const least = Number(given.get('group.min.session.timeout.ms')?.text ?? brokerKeys['group.min.session.timeout.ms'].default)
  const most = Number(given.get('group.max.session.timeout.ms')?.text ?? brokerKeys['group.max.session.timeout.ms'].default)
  const [cluster, objects] = [given.get('cluster'), given.get('objects')]
  if (cluster !== undefined && objects === undefined) problems.push(withPlace('cluster: set objects, too, to the object store', cluster))
  if (cluster === undefined && objects !== undefined) problems.push(withPlace('objects: set cluster, too, to the database', objects))
  const processes = given.get('processes')
  if (cluster !== undefined && processes !== undefined && processes.text !== '1')
    problems.push(withPlace('processes: a broker of a cluster is one process; start several brokers instead', processes))
  if (least > most) problems.push(`group.min.session.timeout.ms (${least}) must not be larger than group.max.session.timeout.ms (${most})`)
}

/** One note per reason about keys that are set without effect. */
function effectless(given: ReadonlyMap<string, Given>): string[] {
  const byReason = new Map<string, string[]>()
  for (const [name, value] of given) {
    const key = keyOf(name)!
    if (key.accepted === null || value.text === key.default) continue
    byReason.set(key.accepted, [...(byReason.get(key.accepted) ?? []), name])
  }
  const notes = [...byReason].map(
    ([reason, names]) => `accepted for compatibility, without effect because ${reason}: ${names.sort().join(', ')}`,
  )
  if (!given.get('authorizer.class.name')?.text) {
    const names = (['super.users', 'allow.everyone.if.no.acl.found'] as const).filter(
      name => (given.get(name)?.text ?? brokerKeys[name].default) !== brokerKeys[name].default,
    )
    if (names.length > 0)
      notes.push(`authorizer.class.name is not set, so everyone may do everything, and these keys have no effect: ${names.join(', ')}`)
  }
  const nameless = keysOfNoListener(given)
  if (nameless.length > 0) notes.push(`these keys name listeners that do not exist, so they have no effect: ${nameless.join(', ')}`)
  const directories = given.get('log.dirs')?.text.split(',') ?? []
  if (directories.length > 1) notes.push(`only the first directory of log.dirs is used: ${directories[0]}`)
  return notes
}

/** `listener.name.extrenal.…`, when the listener is named external. */
function keysOfNoListener(given: ReadonlyMap<string, Given>): string[] {
  const listeners = splitList(given.get('listeners')?.text ?? brokerKeys.listeners.default ?? '')
  const names = new Set(listeners.map(listener => listener.slice(0, listener.indexOf('://')).toLowerCase()))
  return [...given.keys()].filter(name => name.startsWith('listener.name.') && !names.has(name.split('.', 3)[2]!)).sort()
}
