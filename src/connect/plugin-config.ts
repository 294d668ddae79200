/** Configurations of converters, transforms and predicates: each declares its keys, which stand under a prefix in the configuration of its connector. */
import { type Declarations, InvalidConfig, readValue, type ValuesOf } from '../base.ts'

export type Config = ReadonlyMap<string, string>

export interface PluginKeys<D extends Declarations = Declarations> {
  readonly keys: D
}

/** What a key of text may not be, in Kafka's words. */
export const nonEmpty = (text: string) => (text === '' ? 'String must be non-empty' : null)

/** For lists of plugins and for reference pages. */
export interface PluginClass extends PluginKeys {
  /** Java's. */
  readonly name: string
  readonly summary: string
}

/** A key of the plugin as it stands in the connector's configuration is refused, in Kafka's words. */
export type Refuse = (key: string, value: string | null, reason: string, sentence?: string) => InvalidConfig

export function refuseUnder(prefix: string): Refuse {
  return (key, value, reason, sentence) =>
    sentence === undefined ? new InvalidConfig(prefix + key, value, reason) : new InvalidConfig(prefix + key, value, reason, sentence)
}

/** All values, and what is wrong with them, by full key. */
export function readKeys<D extends Declarations>(
  { keys }: PluginKeys<D>,
  prefix: string,
  config: Config,
): { values: ValuesOf<D>; problems: InvalidConfig[] } {
  const values: Record<string, unknown> = {}
  const problems: InvalidConfig[] = []
  for (const [name, declared] of Object.entries(keys)) {
    try {
      values[name] = readValue(prefix + name, declared, config.get(prefix + name))
    } catch (error) {
      if (!(error instanceof InvalidConfig)) throw error
      problems.push(error)
    }
  }
  return { values: values as ValuesOf<D>, problems }
}

/** Throws the first problem. */
export function valuesOf<D extends Declarations>(plugin: PluginKeys<D>, prefix: string, config: Config): ValuesOf<D> {
  const { values, problems } = readKeys(plugin, prefix, config)
  if (problems[0] !== undefined) throw problems[0]
  return values
}

/** The keys as they stand in the connector's configuration. */
export function prefixed(prefix: string, keys: Declarations): Declarations {
  return Object.fromEntries(Object.entries(keys).map(([name, declared]) => [prefix + name, declared]))
}
