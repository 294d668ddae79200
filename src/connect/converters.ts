/**
 * Converters of keys, values and headers: Kafka's and Confluent's, with their keys and their behaviour. They are named by Java's classes, or short: `json`,
 * `string`, `bytes`, `integer`, `simple`, `avro`, `protobuf`, `jsonschema`.
 *
 * Two things are stricter than in Java: a value that its schema does not allow is refused, and not made 0 or null; and bytes that are no UTF-8 stay bytes.
 */
import { type Declarations, didYouMean, InvalidConfig, missingConfig, type System } from '../base.ts'
import type { Converter, ConverterDefinition, DefaultRegistry, HeaderConverter } from './converters/converter.ts'
import { converters } from './converters/list.ts'
import { type Config, type PluginClass, prefixed, readKeys, refuseUnder, valuesOf } from './plugin-config.ts'

export type { Converter, HeaderConverter } from './converters/converter.ts'

export interface ConverterResources {
  readonly system: System
  /** null: converters with a registry must name one. */
  readonly registry: DefaultRegistry | null
}

type Which = 'key.converter' | 'value.converter' | 'header.converter'

/** All classes, for lists of plugins. */
export function converterClasses(): (PluginClass & { readonly short: string; readonly forHeaders: boolean })[] {
  return converters.map(({ name, classes, keys, forHeaders, summary }) => ({
    name: classes[0],
    short: name,
    keys,
    forHeaders,
    summary,
  }))
}

const shortNames = converters.flatMap(({ name, classes: [java] }) => [name, java.slice(java.lastIndexOf('.') + 1)])

/** Throws InvalidConfig. Default of headers: `simple`. */
function find(which: Which, config: Config): ConverterDefinition {
  const name = config.get(which)?.trim() ?? (which === 'header.converter' ? 'simple' : undefined)
  if (name === undefined) throw missingConfig(which)
  const found = converters.find(
    each => each.name === name || each.classes.some(java => java === name || java.slice(java.lastIndexOf('.') + 1) === name),
  )
  if (found === undefined) throw new InvalidConfig(which, name, `Class ${name} could not be found${didYouMean(name, shortNames) || '.'}`)
  const isHeader = which === 'header.converter'
  if (isHeader && !found.forHeaders) throw new InvalidConfig(which, name, 'it does not convert headers')
  if (!isHeader && found.name === 'simple') throw new InvalidConfig(which, name, 'it converts headers only')
  return found
}

/** In full, as Java has it. Throws InvalidConfig. */
export function converterClassName(which: Which, config: Config): string {
  return find(which, config).classes[0]
}

/** `config` is that of the connector, or of the worker where the connector names none: its key `key.converter` or `value.converter`, and what is under it. */
export function openConverter(config: Config, isKey: boolean, resources: ConverterResources): Converter {
  return open(isKey ? 'key.converter' : 'value.converter', config, isKey, resources)
}

export function openHeaderConverter(config: Config, resources: ConverterResources): HeaderConverter {
  const converter = open('header.converter', config, false, resources)
  return {
    toConnect: (topic, _name, bytes) => converter.toConnect(topic, bytes),
    fromConnect: (topic, _name, schema, value) => converter.fromConnect(topic, schema, value),
    close: () => converter.close?.(),
  }
}

function open(which: Which, config: Config, isKey: boolean, { system, registry }: ConverterResources): Converter {
  const definition = find(which, config)
  const prefix = `${which}.`
  return definition.open(valuesOf(definition, prefix, config) as never, { isKey, system, registry, refuse: refuseUnder(prefix) })
}

/** Keys under those converters that this configuration names itself. */
export function converterKeys(config: Config): Declarations {
  const named = whichNamed(config)
  return Object.assign({}, ...named.map(which => prefixed(`${which}.`, keysIfFound(which, config))))
}

function whichNamed(config: Config): Which[] {
  return (['key.converter', 'value.converter', 'header.converter'] as const).filter(which => config.has(which))
}

function keysIfFound(which: Which, config: Config): Declarations {
  try {
    return find(which, config).keys
  } catch (error) {
    if (error instanceof InvalidConfig) return {}
    throw error
  }
}

/** Why those that it names are not there, in sentences. */
export function unknownConverters(config: Config): string[] {
  return whichNamed(config).flatMap(which => {
    try {
      find(which, config)
      return []
    } catch (error) {
      if (error instanceof InvalidConfig) return [error.message]
      throw error
    }
  })
}

/** What is wrong, by key. */
export function converterProblems(config: Config, resources: ConverterResources): ReadonlyMap<string, readonly string[]> {
  const problems = new Map<string, string[]>()
  const add = ({ key, message }: InvalidConfig) => problems.set(key, [...(problems.get(key) ?? []), message])
  for (const which of whichNamed(config)) {
    try {
      const unread = readKeys(find(which, config), `${which}.`, config).problems
      unread.forEach(add)
      if (unread.length === 0) open(which, config, which === 'key.converter', resources).close?.()
    } catch (error) {
      if (!(error instanceof InvalidConfig)) throw error
      add(error)
    }
  }
  return problems
}
