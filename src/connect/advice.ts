/** What a worker would refuse or ignore of a configuration, for people who try it before they use it. */
import { didYouMean, InvalidConfig, readValue, type System, Turns } from '../base.ts'
import type { ConnectorDefinition } from '../connector.ts'
import { describe, ignoredKeys, refusedKeys } from './known-keys.ts'
import { foreignProblems } from './plugins/foreign.ts'
import { Plugins } from './plugins.ts'

/** In sentences. `paths`: the worker's `plugin.path`. None without `connector.class`, because converters and transforms can be tried without a connector. */
export async function adviceOn(
  config: Readonly<Record<string, string>>,
  paths: readonly string[],
  system: Pick<System, 'clock' | 'files' | 'timers'>,
): Promise<string[]> {
  const name = config['connector.class'] ?? ''
  if (name === '') return []
  const plugins = await Plugins.open(paths, system)
  try {
    const plugin = plugins.lookUp(name)
    return plugin === null
      ? [
          `there is no connector ${name}${didYouMean(
            name,
            plugins.all.map(each => each.name),
          )}`,
        ]
      : await problemsOf(await plugin.load(), config, new Turns(system))
  } finally {
    await plugins.close()
  }
}

async function problemsOf(definition: ConnectorDefinition, config: Readonly<Record<string, string>>, turns: Turns): Promise<string[]> {
  const known = describe(definition, config)
  const refused = await refusedKeys(definition, config, known, turns)
  const ignored = ignoredKeys(definition, config).filter(key => !refused.has(key))
  const sentences = [...refused.values()]
  const values: Record<string, unknown> = {}
  for (const [key, { declared }] of known)
    try {
      values[key] = readValue(key, declared, config[key])
    } catch (error) {
      if (!(error instanceof InvalidConfig)) throw error
      sentences.push(error.message)
    }
  sentences.push(...(await foreignProblems(definition, values)).values())
  if (ignored.length > 0) sentences.push(`${definition.name} does not know, and ignores: ${ignored.join(', ')}`)
  return sentences
}
