/** Configurations of converters, transforms and predicates: each declares its keys, which stand under a prefix in the configuration of its connector. */
import { type Declarations, InvalidConfig, missingConfig, readValue, type ValueOf } from '../base.ts'

export type Config = ReadonlyMap<string, string>

/** Keys that are required have a value. */
export type Values<D extends Declarations, R extends string = never> = {
  readonly [K in keyof D]: K extends R ? NonNullable<ValueOf<D[K]>> : ValueOf<D[K]>
}

export interface PluginKeys<D extends Declarations = Declarations, R extends string = string> {
  readonly keys: D
  /** Those without a default that must be given. */
  readonly required: readonly R[]
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
export function readKeys<D extends Declarations, R extends string>(
  { keys, required }: PluginKeys<D, R>,
  prefix: string,
  config: Config,
): { values: Values<D, R>; problems: InvalidConfig[] } {
  const values: Record<string, unknown> = {}
  const problems: InvalidConfig[] = []
  for (const [name, declared] of Object.entries(keys)) {
    const text = config.get(prefix + name)
    try {
      if (text === undefined && required.includes(name as R)) throw missingConfig(prefix + name)
      values[name] = readValue(prefix + name, declared, text)
    } catch (error) {
      if (!(error instanceof InvalidConfig)) throw error
      problems.push(error)
    }
  }
  return { values: values as Values<D, R>, problems }
}

/** Throws the first problem. */
export function valuesOf<D extends Declarations, R extends string>(plugin: PluginKeys<D, R>, prefix: string, config: Config): Values<D, R> {
  const { values, problems } = readKeys(plugin, prefix, config)
  if (problems[0] !== undefined) throw problems[0]
  return values
}

/** The keys as they stand in the connector's configuration. */
export function prefixed(prefix: string, keys: Declarations): Declarations {
  return Object.fromEntries(Object.entries(keys).map(([name, declared]) => [prefix + name, declared]))
}
