/**
 * Which keys a configuration may have: those of all connectors, of its transforms and converters, and its connector's own; and what becomes of others.
 *
 * Kafka Connect ignores keys that it does not know. Here nothing is ignored that was meant to change what is written: keys of the Java connector that are not
 * there are refused with what to do instead, and so are misspelled ones. The rest is told in the log.
 */
import { type ConfigKey, inSlices, nearestName, type Turns } from '../base.ts'
import type { ConnectorDefinition } from '../connector.ts'
import { commonKeys, groupOf, groups, requiredKeys } from './connector-keys.ts'
import { converterKeys } from './converters.ts'
import { transformKeys } from './transforms.ts'
import type { WorkerConfig } from './worker-config.ts'

type Properties = Readonly<Record<string, string>>

export interface Described {
  readonly declared: ConfigKey
  readonly group: string | null
  readonly required: boolean
}

/** All keys that this configuration may have, in their order. */
export function describe(definition: ConnectorDefinition, config: Properties, worker: WorkerConfig | null = null): Map<string, Described> {
  const found = new Map<string, Described>()
  for (const [key, declared] of Object.entries<ConfigKey>(commonKeys[definition.kind]))
    found.set(key, { declared: withDefault(key, declared, definition, worker), group: groupOf(key), required: requiredKeys.includes(key) })
  const asMap = new Map(Object.entries(config))
  for (const [key, declared] of transformKeys(asMap)) found.set(key, { declared, group: aliasGroup(key), required: declared.required })
  for (const [key, declared] of Object.entries(converterKeys(asMap))) found.set(key, { declared, group: null, required: declared.required })
  for (const [key, declared] of Object.entries(definition.config)) found.set(key, { declared, group: null, required: declared.required })
  return found
}

/** A converter is the worker's if neither the configuration nor the connector has one. */
function withDefault(key: string, declared: ConfigKey, definition: ConnectorDefinition, worker: WorkerConfig | null): ConfigKey {
  if (!/^(?:key|value|header)\.converter$/.test(key)) return declared
  if (definition.kind === 'source' && definition.converter !== undefined) return { ...declared, default: definition.converter }
  if (worker === null) return declared
  return { ...declared, default: worker.values[key as 'key.converter' | 'value.converter' | 'header.converter'] }
}

function aliasGroup(key: string): string {
  const [family, alias] = key.split('.', 2)
  return `${family === 'predicates' ? groups.predicates : groups.transforms}: ${alias}`
}

/** Of the worker, which adds `task.class`, of clients, and of converters, which have keys that are not declared. */
const families =
  /^(?:(?:key|value|header)\.converter|(?:producer|consumer|admin)\.override|topic\.creation)\.|^(?:(?:connector|converter)\.plugin\.version|task\.class)$/

/** Kafka's own connectors take what they do not know, as they do in Java. */
const isKafkas = ({ classes }: ConnectorDefinition) => classes.some(name => name.startsWith('org.apache.kafka.'))

/** By key: why it is refused. `known`: as {@link describe} tells it. */
export async function refusedKeys(
  definition: ConnectorDefinition,
  given: Properties,
  known: ReadonlyMap<string, unknown>,
  turns: Turns,
): Promise<Map<string, string>> {
  const problems = new Map<string, string>()
  await inSlices(turns, unknownKeys(given, known), key => {
    const near = nearestName(key, known.keys(), key.length < 8 ? 1 : 2)
    const meant = near === null || given[near] !== undefined ? '' : `; did you mean ${near}?`
    const refusal = definition.refuses?.find(each => each.key.test(key))
    const value = given[key]!.trim().toLowerCase()
    if (refusal === undefined) {
      if (meant !== '' && !isKafkas(definition)) problems.set(key, `${key} is not a key of this connector${meant}`)
    } else if (!(refusal.unless ?? ['']).some(each => each.toLowerCase() === value))
      problems.set(key, `${key} is not supported: ${refusal.why}${meant}`)
  })
  return problems
}

/** Those that change nothing. */
export function ignoredKeys(definition: ConnectorDefinition, given: Properties): string[] {
  return unknownKeys(given, describe(definition, given))
}

function unknownKeys(given: Properties, known: ReadonlyMap<string, unknown>): string[] {
  return Object.keys(given).filter(key => !known.has(key) && !families.test(key) && key !== 'task.class')
}
