/**
 * Resolves references to values outside the configuration: `${env:KEYSTORE_PASSWORD}`, `${file:/etc/secrets.properties:key}`,
 * `${directory:/run/secrets:key}` (KIP-297, KIP-421). Kafka's own providers are supported; others are Java code.
 */
import { resolve, sep } from 'node:path'
import { DiskError, type FileSystem, splitList } from '../base.ts'
import { parseProperties } from './properties.ts'

export interface ProviderInputs {
  files?: FileSystem | undefined
  environment: Readonly<Record<string, string | undefined>>
}

/** The value with its references resolved, or why one cannot be resolved. */
export type Resolver = (text: string) => { text: string } | { problem: string }

type Lookup = (path: string, key: string) => string | null

/** As Kafka splits it: the provider, perhaps a path, and a key. */
const variable = /\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}/g
const kafkas = 'org.apache.kafka.common.config.provider.'

/** `values` has everything that was given; its keys `config.providers…` define the providers. */
export function valueResolver(values: ReadonlyMap<string, { readonly text: string }>, inputs: ProviderInputs): Resolver {
  const lookups = new Map<string, Lookup | { problem: string }>()
  for (const name of splitList(values.get('config.providers')?.text ?? '')) {
    const parameter = (key: string) => values.get(`config.providers.${name}.${key}`)?.text.trim()
    lookups.set(
      name,
      lookupOf(parameter('class') ?? '', key => parameter(`param.${key}`), inputs),
    )
  }
  return text => {
    let problem: string | null = null
    const resolved = text.replace(variable, (whole, name: string, path: string | undefined, key: string) => {
      const lookup = lookups.get(name)
      // Without such a provider it is text like any other.
      if (lookup === undefined) return whole
      const value = typeof lookup === 'function' ? attempt(lookup, path ?? '', key) : lookup
      if (typeof value === 'string') return value
      problem = `${whole} cannot be resolved: ${value.problem}`
      return whole
    })
    return problem === null ? { text: resolved } : { problem }
  }
}

class Unreadable extends Error {}

/** Whoever writes a reference chooses the file: it may be a device or a pipe, which have no end, or a log. */
const mostBytes = 1_048_576

function textOf(path: string, files: FileSystem): string | null {
  const found = files.stat(path)
  if (found === null) return null
  if (found.isOrdinary === false) throw new Unreadable(`${path} is no ordinary file`)
  if (found.size > mostBytes) throw new Unreadable(`${path} has more than ${mostBytes} bytes`)
  return files.readFile(path)?.toString('utf8') ?? null
}

function attempt(lookup: Lookup, path: string, key: string): string | { problem: string } {
  try {
    return lookup(path, key) ?? { problem: 'the value does not exist' }
  } catch (error) {
    if (error instanceof DiskError) return { problem: `${error.path}: ${error.code}` }
    if (error instanceof Unreadable) return { problem: error.message }
    throw error
  }
}

function lookupOf(
  className: string,
  parameter: (key: string) => string | undefined,
  { files, environment }: ProviderInputs,
): Lookup | { problem: string } {
  const allowed = splitList(parameter('allowed.paths') ?? '').map(path => resolve(path))
  const read = (path: string): string | null => {
    const wanted = resolve(path)
    const open = allowed.length === 0 || allowed.some(each => wanted === each || wanted.startsWith(each === sep ? sep : each + sep))
    return open && files !== undefined ? textOf(wanted, files) : null
  }
  switch (className) {
    case `${kafkas}EnvVarConfigProvider`: {
      const pattern = new RegExp(`^(?:${parameter('allowlist.pattern') ?? '.*'})$`)
      return (_path, key) => (pattern.test(key) && Object.hasOwn(environment, key) ? (environment[key] ?? null) : null)
    }
    case `${kafkas}FileConfigProvider`:
      return (path, key) => {
        const parsed = parseProperties(read(path) ?? '')
        return typeof parsed === 'string' ? null : (parsed.get(key)?.value ?? null)
      }
    case `${kafkas}DirectoryConfigProvider`:
      return (path, key) => (key.includes(sep) ? null : read(`${path}${sep}${key}`))
    default:
      return { problem: `${className || 'its provider'} is not supported` }
  }
}
