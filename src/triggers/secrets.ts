/**
 * Secrets in definitions: passwords of connectors, and variables and headers whose names say so. They are never shown; whoever sends a definition back as it was
 * shown keeps them.
 */
import type { Definition } from './definition.ts'
import { connectorKeys } from './sink.ts'

const hidden = '[hidden]'
const secretName = /authorization|cookie|credential|passw(?:or)?d|passphrase|secret|token|(?:api|access|private)[-_]?key/i

type Texts = Readonly<Record<string, string>>

/** As it may be shown. */
export async function withoutSecrets(definition: Definition): Promise<Definition> {
  const { function: called, output } = definition
  const named = (texts: Texts) => covered(texts, name => secretName.test(name))
  const shown = 'code' in called ? { ...called, environment: named(called.environment) } : { ...called, headers: named(called.headers) }
  if (output === null || !('connector' in output)) return { ...definition, function: shown }
  const keys = await connectorKeys(output.connector)
  return { ...definition, function: shown, output: { ...output, config: covered(output.config, name => keys[name]?.type === 'PASSWORD') } }
}

function covered(texts: Texts, isSecret: (name: string) => boolean): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, isSecret(name) ? hidden : text]))
}

/** What somebody sends, with the secrets of the definition that they have seen. Of whatever form it is. */
export function withKnownSecrets(given: unknown, before: Definition): unknown {
  const { function: called, output } = before
  const [environment, headers] = 'code' in called ? [called.environment, {}] : [{}, called.headers]
  const config = output !== null && 'connector' in output ? output.config : {}
  const filled = fill(fill(given, ['function', 'environment'], environment), ['function', 'headers'], headers)
  return fill(filled, ['output', 'config'], config)
}

function fill(value: unknown, [name, ...rest]: readonly string[], known: Texts): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const fields = Object.entries(value)
  if (name === undefined)
    return Object.fromEntries(fields.map(([key, each]) => [key, each === hidden && Object.hasOwn(known, key) ? known[key] : each]))
  return Object.fromEntries(fields.map(([key, each]) => [key, key === name ? fill(each, rest, known) : each]))
}
