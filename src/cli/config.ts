/** `millrace config …`: what a broker would use if it started now, and what a running cluster uses. */
import { realSystem } from '../base.ts'
import { ConfigProblems, explainConfig, renderExplanation } from '../broker.ts'
import type { ConfigResource } from '../client.ts'
import { configChanges } from './config-changes.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, show, table, UsageError } from './output.ts'

export interface ExplainFlags {
  config?: string
  set?: Record<string, string>
  all?: boolean
  json?: boolean
}

export async function explain(prefix: string | undefined, flags: ExplainFlags): Promise<void> {
  const { files } = realSystem()
  try {
    const explanation = explainConfig({ file: flags.config, files, environment: process.env, set: flags.set ?? {} })
    const keys = explanation.keys.filter(({ key }) => prefix === undefined || key.startsWith(prefix))
    if (prefix !== undefined && keys.length === 0) throw new CommandFailed(`no key starts with ${prefix}`)
    await show(flags.json, { keys, notes: explanation.notes }, () => {
      const options = { ...(flags.all === true ? { all: true } : {}), ...(prefix === undefined ? {} : { prefix }) }
      return `${renderExplanation(explanation, options)}\n`
    })
  } catch (error) {
    if (error instanceof ConfigProblems) throw new UsageError(error.problems.join('\nmillrace: '))
    throw error
  }
}

export interface GetFlags extends ClientFlags {
  all?: boolean
}

export async function getConfigs(type: string, name: string, keys: string[], flags: GetFlags): Promise<void> {
  await using client = await connect(flags)
  const entries = await client.configs(resource(type, name))
  const missing = keys.find(key => !entries.some(entry => entry.name === key))
  if (missing !== undefined) throw new CommandFailed(`unknown ${type} config: ${missing}`)
  const shown = entries.filter(entry =>
    keys.length > 0 ? keys.includes(entry.name) : flags.all === true || entry.source !== 'DEFAULT_CONFIG',
  )
  await show(flags.json, shown, () =>
    shown.length === 0
      ? 'All configs have their default values; --all shows them.\n'
      : table(
          ['KEY', 'VALUE', 'SOURCE'],
          shown.map(entry => [entry.name, entry.sensitive ? '(hidden)' : entry.value, entry.source]),
        ),
  )
}

export interface SetFlags extends ClientFlags {
  unset?: string[]
}

export async function setConfigs(type: string, name: string, pairs: string[], flags: SetFlags): Promise<void> {
  const set = pairs.map((pair): [string, string] => {
    const at = pair.indexOf('=')
    if (at <= 0) throw new UsageError(`"${pair}" is not key=value`)
    return [pair.slice(0, at), pair.slice(at + 1)]
  })
  const changes = configChanges(set, flags.unset)
  if (changes.size === 0) throw new UsageError('nothing to change; pass key=value or --unset key')
  await using client = await connect(flags)
  await client.alterConfigs(resource(type, name), changes)
  await show(flags.json, { type, name, altered: [...changes.keys()] }, () => `${type} ${name}: ${[...changes.keys()].join(', ')} altered\n`)
}

/** `broker default` is what all brokers have in common. */
function resource(type: string, name: string): ConfigResource {
  if (type === 'topic') return { type: 'TOPIC', name }
  if (type === 'group') return { type: 'GROUP', name }
  if (type === 'client-metrics') return { type: 'CLIENT_METRICS', name }
  if (type === 'broker-logger') return { type: 'BROKER_LOGGER', name }
  return { type: 'BROKER', name: name === 'default' ? '' : name }
}
