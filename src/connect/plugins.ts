/**
 * Which connectors there are: those of this package, and those of npm packages in `plugin.path`. Code is loaded when a connector is used.
 *
 * A configuration names a connector by its own name, by a Java class that it stands for, or by the last part of that, as Kafka Connect allows.
 */
import { pathToFileURL } from 'node:url'
import { isSecret, type System, secretsWithin } from '../base.ts'
import type { ConnectorDefinition } from '../connector.ts'
import { connectors } from '../connectors.ts'

export interface Plugin {
  readonly name: string
  readonly classes: readonly string[]
  readonly kind: 'sink' | 'source'
  readonly version: string
  /** Keys that are passwords although their names do not say so. */
  readonly passwords: readonly string[]
  load(): Promise<ConnectorDefinition>
}

/** No connector has this name. */
class UnknownConnector extends Error {
  constructor(name: string, known: Iterable<string>) {
    super(
      `Failed to find any class that implements Connector and which name matches ${name}, available connectors are: ${[...known].join(', ')}`,
    )
    this.name = 'ConnectException'
  }
}

/** Of what is part of this package. */
export const ownVersion = '0.1.0'

export class Plugins {
  readonly all: readonly Plugin[]
  readonly #byName = new Map<string, Plugin>()
  readonly #passwords: ReadonlySet<string>

  private constructor(all: readonly Plugin[]) {
    this.all = all
    this.#passwords = new Set(all.flatMap(({ passwords }) => passwords))
    for (const plugin of all) for (const name of [plugin.name, ...plugin.classes]) this.#byName.set(name, plugin)
    // What is written out counts more than what is derived.
    for (const plugin of all)
      for (const name of plugin.classes.flatMap(aliasesOf)) if (!this.#byName.has(name)) this.#byName.set(name, plugin)
  }

  /** Throws Error for a package that cannot be loaded. */
  static async open(paths: readonly string[], files: System['files']): Promise<Plugins> {
    const found: Plugin[] = connectors.map(each => ({ ...each, version: ownVersion, passwords: [], load: () => each.load() }))
    for (const path of paths) found.push(...(await pluginsIn(path, files)))
    return new Plugins(found)
  }

  /** Throws UnknownConnector. */
  find(name: string): Plugin {
    const plugin = this.lookUp(name)
    if (plugin === null) throw new UnknownConnector(name, this.#byName.keys())
    return plugin
  }

  /** null: there is none. */
  lookUp(name: string): Plugin | null {
    return this.#byName.get(name) ?? this.#byName.get(name.replace(/Connector$/, '')) ?? null
  }

  /** Whether both are names of the same connector. */
  areSame(name: string, other: string): boolean {
    const found = this.lookUp(name)
    return name === other || (found !== null && found === this.lookUp(other))
  }

  /** Whether it must not be seen, whatever connector has it. */
  isSecret(key: string, value: string): boolean {
    return isSecret(key) || this.#passwords.has(key) || secretsWithin(key, value).length > 0
  }
}

/** Of `a.b.FileSinkConnector`: `FileSinkConnector` and `FileSink`. */
function aliasesOf(className: string): string[] {
  const simple = className.slice(className.lastIndexOf('.') + 1)
  return [simple, simple.replace(/Connector$/, '')]
}

/** A worker.properties of Java names directories of jars, which may not be here. */
async function pluginsIn(path: string, files: System['files']): Promise<Plugin[]> {
  if (!files.exists(path)) return []
  if (/\.[cm]?[jt]s$/.test(path)) return definitionsOf(path)
  const manifest = files.readFile(`${path}/package.json`)
  if (manifest !== null) return definitionsOf(`${path}/${mainOf(manifest)}`)
  const found: Plugin[] = []
  for (const { name, kind } of files.list(path))
    if (kind === 'directory' && files.exists(`${path}/${name}/package.json`)) found.push(...(await pluginsIn(`${path}/${name}`, files)))
  return found
}

function mainOf(manifest: Buffer): string {
  const { exports, main } = JSON.parse(manifest.toString('utf8')) as { exports?: unknown; main?: string }
  const dot = typeof exports === 'object' && exports !== null ? ((exports as Record<string, unknown>)['.'] ?? exports) : exports
  const chosen =
    typeof dot === 'object' && dot !== null
      ? ((dot as Record<string, unknown>)['import'] ?? (dot as Record<string, unknown>)['default'])
      : dot
  return typeof chosen === 'string' ? chosen : (main ?? 'index.js')
}

async function definitionsOf(file: string): Promise<Plugin[]> {
  const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>
  const definitions = new Set(Object.values(module).flat().filter(isDefinition))
  if (definitions.size === 0) throw new Error(`plugin.path: ${file} exports no connector`)
  return Array.from(definitions, definition => ({ ...pick(definition), load: async () => definition }))
}

function pick({ name, classes, kind, version, config }: ConnectorDefinition) {
  const passwords = Object.keys(config ?? {}).filter(key => config[key]!.type === 'PASSWORD' && !isSecret(key))
  return { name, classes, kind, version, passwords }
}

function isDefinition(value: unknown): value is ConnectorDefinition {
  if (typeof value !== 'object' || value === null) return false
  const { kind, open, name } = value as Partial<ConnectorDefinition>
  return (kind === 'sink' || kind === 'source') && typeof open === 'function' && typeof name === 'string'
}
