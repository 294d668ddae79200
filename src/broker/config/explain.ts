/** `millrace config explain`: every key with its value, the source of the value, and what is allowed. */
import type { ConfigKey, ConfigType, Dynamic } from '../../base.ts'
import type { BrokerConfig } from './broker-config.ts'
import { keyOf } from './keys.ts'
import { type ConfigInputs, loadBrokerConfig } from './load.ts'

export interface ExplainedKey {
  key: string
  /** null: not set, or secret. */
  value: string | null
  /** `default`, `flag`, `environment MILLRACE_…`, `/etc/millrace.yaml:3`. */
  source: string
  default: string | null
  type: ConfigType
  unit: 'bytes' | 'ms' | null
  allowed: string
  dynamic: Dynamic
  doc: string
  /** Why setting it changes nothing; null when it does. */
  accepted: string | null
}

export interface Explanation {
  keys: ExplainedKey[]
  notes: readonly string[]
}

/** Of what would be used if the broker started with these inputs. Throws ConfigProblems. */
export function explainConfig(inputs: ConfigInputs): Explanation {
  const config = loadBrokerConfig(inputs)
  return { keys: config.names().map(name => explainKey(config, name, keyOf(name)!)), notes: config.notes }
}

function explainKey(config: BrokerConfig, name: string, key: ConfigKey): ExplainedKey {
  const strongest = config.layers(name)[0]
  return {
    key: name,
    value: key.type === 'PASSWORD' ? null : (strongest?.text ?? null),
    source: strongest?.from ?? 'default',
    default: key.default,
    type: key.type,
    unit: key.unit,
    allowed: key.allowed,
    dynamic: key.dynamic,
    doc: key.doc,
    accepted: key.accepted,
  }
}

/**
 * For a terminal: keys that were set first, then (with `all`) the others that have an effect. One key can be asked for by its name or
 * the beginning of it, and is then shown in full.
 */
export function renderExplanation(explanation: Explanation, options: { all?: boolean; prefix?: string } = {}): string {
  const { prefix } = options
  if (prefix !== undefined) {
    const matching = explanation.keys.filter(({ key }) => key === prefix || key.startsWith(prefix))
    return matching.length === 0 ? `no key begins with ${prefix}` : matching.map(renderInFull).join('\n\n')
  }
  const shown = explanation.keys.filter(({ source, accepted }) => source !== 'default' || (options.all === true && accepted === null))
  const lines = shown.map(row => `${row.key} = ${valueText(row)}    # ${row.source}`)
  if (lines.length === 0) lines.push('all keys have their default values; --all shows them')
  return [...lines, ...explanation.notes.map(note => `note: ${note}`)].join('\n')
}

function valueText({ type, value, source }: ExplainedKey): string {
  return type === 'PASSWORD' ? (source === 'default' ? '(not set)' : '[hidden]') : (value ?? '(not set)')
}

function renderInFull(row: ExplainedKey): string {
  const lines = [
    `${row.key} = ${valueText(row)}    # ${row.source}`,
    `  ${row.doc}`,
    `  type ${row.type.toLowerCase()}${row.unit === null ? '' : ` (${row.unit})`}; allowed: ${row.allowed}; default: ${row.default ?? '(none)'}; ${row.dynamic}`,
  ]
  if (row.accepted !== null) lines.push(`  accepted for compatibility, without effect because ${row.accepted}`)
  return lines.join('\n')
}
