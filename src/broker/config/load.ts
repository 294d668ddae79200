/**
 * From what people wrote to a {@link BrokerConfig}: file, environment and flags, the later over the earlier. Every problem is found
 * and told at once, with the place where the value was written.
 */
import { type FileSystem, InvalidConfig, parseValue, UnknownConfig } from '../../base.ts'
import { BrokerConfig, type Given } from './broker-config.ts'
import { readEnvironment } from './environment.ts'
import { brokerKeys, isPluginKey, keyOf } from './keys.ts'
import { readConfigFile } from './read-file.ts'

export interface ConfigInputs {
  /** A file in YAML or, when its name ends in `.properties`, in the format of Kafka's server.properties. */
  file?: string | undefined
  /** Needed to read `file`. */
  files?: FileSystem
  environment?: Readonly<Record<string, string | undefined>>
  /** `--set key=value`, or what an embedding program passes. */
  set?: Readonly<Record<string, string | number | boolean>>
  /** What is advertised for a listener on all addresses. */
  hostName?: string
}

/** The configuration cannot be used. One line per problem. */
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
  /** Keys that are not known: an error, unless the source may hold what is not meant for us (KAFKA_… of the environment). */
  readonly lenient: boolean
}

export function loadBrokerConfig(inputs: ConfigInputs): BrokerConfig {
  const problems: string[] = []
  const notes: string[] = []
  const given = new Map<string, Given>()
  for (const source of readSources(inputs, problems)) {
    for (const [name, value] of source.values) take(name, value, source.lenient, given, problems, notes)
  }
  pairIds(given)
  checkTogether(given, problems)
  notes.push(...effectless(given))
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
    else sources.push({ values: read, lenient: false })
  }
  sources.push(...readEnvironment(inputs.environment ?? {}))
  const flags = Object.entries(inputs.set ?? {}).map(([name, value]): [string, Given] => [name, { text: String(value), from: 'flag' }])
  sources.push({ values: new Map(flags), lenient: false })
  return sources
}

function take(name: string, value: Given, lenient: boolean, given: Map<string, Given>, problems: string[], notes: string[]): void {
  const key = keyOf(name)
  if (key === undefined) {
    if (isPluginKey(name)) notes.push(`${name} (${value.from}) is for a plug-in of Kafka and has no effect`)
    else if (lenient) notes.push(`${value.from} names no known key (${name}) and is ignored`)
    else problems.push(withPlace(new UnknownConfig('broker', name, Object.keys(brokerKeys)).message, value))
    return
  }
  // An empty text is how files and environments say "not set", as Kafka does for what may be absent.
  if (value.text.trim() === '' && key.default === null) return void given.delete(name)
  try {
    given.set(name, { text: parseValue(name, key, value.text).text, from: value.from })
  } catch (error) {
    if (!(error instanceof InvalidConfig)) throw error
    problems.push(withPlace(`${error.message} (allowed: ${key.allowed})`, value))
  }
}

function withPlace(message: string, value: Given | undefined): string {
  return value === undefined ? message : `${message} [${value.from}]`
}

/** node.id and its former name stand for each other; -1 is the former one's way of saying that it is not set. */
function pairIds(given: Map<string, Given>): void {
  const broker = given.get('broker.id')
  const node = given.get('node.id')
  if (node === undefined && broker !== undefined && broker.text !== '-1') given.set('node.id', broker)
  if (node !== undefined && (broker === undefined || broker.text === '-1')) given.set('broker.id', node)
}

/** Rules about more than one key. */
function checkTogether(given: ReadonlyMap<string, Given>, problems: string[]): void {
  const broker = given.get('broker.id')
  const node = given.get('node.id')
  if (broker && node && broker.text !== node.text) {
    problems.push(`node.id (${node.text}, ${node.from}) and broker.id (${broker.text}, ${broker.from}) must be the same`)
  }
  const least = Number(given.get('group.min.session.timeout.ms')?.text ?? brokerKeys['group.min.session.timeout.ms'].default)
  const most = Number(given.get('group.max.session.timeout.ms')?.text ?? brokerKeys['group.max.session.timeout.ms'].default)
  if (least > most) problems.push(`group.min.session.timeout.ms (${least}) must not be above group.max.session.timeout.ms (${most})`)
}

/** What was set and changes nothing, one note per reason. */
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
  const directories = given.get('log.dirs')?.text.split(',') ?? []
  if (directories.length > 1) notes.push(`of log.dirs only the first is used: ${directories[0]}`)
  return notes
}
