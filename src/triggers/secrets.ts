/**
 * Secrets in definitions: passwords of connectors, and variables and headers whose names say so. They are never shown; whoever sends a definition back as it was
 * shown keeps them.
 */
import { type Hiding, hidingValues, isSecret, secretsWithin } from '../base.ts'
import { InvalidTrigger } from './check.ts'
import type { Definition } from './definition.ts'
import { connectorKeys } from './sink.ts'

const hidden = '[hidden]'
const secretName = /authorization|cookie|credential|passw(?:or)?d|passphrase|secret|token|(?:api|access|private)[-_]?key/i

type Texts = Readonly<Record<string, string>>

/** Or it holds one, as the URL of a database does. */
const isSecretText = (name: string, text: string) => secretName.test(name) || secretsWithin(name, text).length > 0

/** As it may be shown. */
export async function withoutSecrets(definition: Definition): Promise<Definition> {
  const { function: called, output } = definition
  const named = (texts: Texts) => covered(texts, isSecretText)
  const shown = 'code' in called ? { ...called, environment: named(called.environment) } : { ...called, headers: named(called.headers) }
  if (output === null || !('connector' in output)) return { ...definition, function: shown }
  const keys = await connectorKeys(output.connector)
  const isPassword = (name: string, text: string) =>
    keys[name]?.type === 'PASSWORD' || isSecret(name) || secretsWithin(name, text).length > 0
  return { ...definition, function: shown, output: { ...output, config: covered(output.config, isPassword) } }
}

/** Of what an endpoint answers, which may be what it was sent. */
export function hidingHeaders(headers: Texts): Hiding {
  return hidingValues(
    Object.entries(headers).flatMap(([name, text]) => (secretName.test(name) ? [text.trim()] : secretsWithin(name, text))),
  )
}

function covered(texts: Texts, isCovered: (name: string, text: string) => boolean): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, isCovered(name, text) ? hidden : text]))
}

/**
 * What somebody sends, with the secrets of the definition that they have seen. Of whatever form it is. A secret goes to no other endpoint and no other
 * connector than before: whoever wants that knows it and can give it again. Throws InvalidTrigger. `mayChange`: whether other code gets them, and another path
 * of the endpoint.
 */
export async function withKnownSecrets(given: unknown, before: Definition, mayChange = true): Promise<unknown> {
  let filled = given
  for (const { path, known, receiver, isSame } of placesOf(given, before, mayChange)) {
    const texts = at(given, path)
    const wanted = isObject(texts) ? Object.keys(texts).filter(name => texts[name] === hidden && Object.hasOwn(known, name)) : []
    if (wanted.length === 0) continue
    if (!(await isSame()))
      throw new InvalidTrigger(`${path.join('.')}: ${wanted.join(', ')} was for ${receiver} as it was before: give the secret again`)
    filled = fill(filled, path, known)
  }
  return filled
}

/** Where secrets are. */
interface Place {
  readonly path: readonly string[]
  readonly known: Texts
  readonly receiver: string
  /** Whether what is sent gives them to whom they were given before. */
  isSame(): boolean | Promise<boolean>
}

function placesOf(given: unknown, { function: called, output }: Definition, mayChange: boolean): Place[] {
  const code = at(given, ['function', 'code'])
  const url = at(given, ['function', 'url'])
  const ofFunction: Place =
    'code' in called
      ? {
          ...{ path: ['function', 'environment'], known: called.environment, receiver: 'the code' },
          isSame: () => mayChange || code === called.code,
        }
      : {
          ...{ path: ['function', 'headers'], known: called.headers, receiver: 'the URL' },
          isSame: () => url === called.url || (mayChange && originOf(url) === originOf(called.url)),
        }
  if (output === null || !('connector' in output)) return [ofFunction]
  const { connector, config } = output
  const isSame = () => isSameSink(at(given, ['output']), connector, config)
  return [ofFunction, { path: ['output', 'config'], known: config, receiver: 'the connector', isSame }]
}

function originOf(url: unknown): string | null {
  return typeof url === 'string' && URL.canParse(url) ? new URL(url).origin : null
}

/** Its settings say where it writes, all but the passwords and what is kept. */
async function isSameSink(output: unknown, connector: string, config: Texts): Promise<boolean> {
  const given = at(output, ['config'])
  if (at(output, ['connector']) !== connector || !isObject(given)) return false
  const keys = await connectorKeys(connector)
  const names = [...Object.keys(given), ...Object.keys(config)].filter(name => keys[name]?.type !== 'PASSWORD' && given[name] !== hidden)
  return names.every(name => given[name] === config[name])
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((each, name) => (isObject(each) ? each[name] : undefined), value)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fill(value: unknown, [name, ...rest]: readonly string[], known: Texts): unknown {
  if (!isObject(value)) return value
  const fields = Object.entries(value)
  if (name === undefined)
    return Object.fromEntries(fields.map(([key, each]) => [key, each === hidden && Object.hasOwn(known, key) ? known[key] : each]))
  return Object.fromEntries(fields.map(([key, each]) => [key, key === name ? fill(each, rest, known) : each]))
}

/** What follows the path may be a secret. */
export function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, '')
}
