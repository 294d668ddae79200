/**
 * Which connectors there are: those of this package, and those of npm packages in `plugin.path`. Code is loaded when a connector is used.
 *
 * A configuration names a connector by its own name, by a Java class that it stands for, or by the last part of that, as Kafka Connect allows.
 */
import { didYouMean, isSecret, type System, secretsWithin } from '../base.ts'
import type { ConnectorDefinition } from '../connector.ts'
import { connectors } from '../connectors.ts'
import { similarConnector } from './foreign-classes.ts'
import { ForeignModule } from './plugins/foreign.ts'
import { filesAt } from './plugins/packages.ts'

export interface Plugin {
  readonly name: string
  readonly classes: readonly string[]
  readonly kind: 'sink' | 'source'
  readonly version: string
  /** Keys that are passwords although their names do not say so. */
  readonly passwords: readonly string[]
  /** Its module; null: it is part of this package. */
  readonly file: string | null
  load(): Promise<ConnectorDefinition>
}

/** No connector has this name. */
class UnknownConnector extends Error {
  constructor(name: string, all: readonly Plugin[]) {
    const names = all.map(each => each.name)
    const similar = similarConnector(name)
    const advice = similar === null ? '' : `. ${similar} does the like here, with keys of its own: millrace connectors ${similar}`
    super(
      `Failed to find any class that implements Connector and which name matches ${name}${didYouMean(name, names)}, available connectors are: ${names.join(', ')}${advice}`,
    )
    this.name = 'ConnectException'
  }
}

/** Of what is part of this package. */
export const ownVersion = '0.1.0'

export class Plugins {
  readonly all: readonly Plugin[]
  /** Paths of `plugin.path` without any connector, such as directories of jars. */
  readonly empty: readonly string[]
  readonly #byName = new Map<string, Plugin>()
  readonly #passwords: ReadonlySet<string>
  readonly #modules: readonly ForeignModule[]

  private constructor(all: readonly Plugin[], empty: readonly string[] = [], modules: readonly ForeignModule[] = []) {
    this.all = all
    this.empty = empty
    this.#modules = modules
    this.#passwords = new Set(all.flatMap(({ passwords }) => passwords))
    for (const plugin of all) for (const name of [plugin.name, ...plugin.classes]) this.#byName.set(name, plugin)
    // What is written out counts more than what is derived.
    for (const plugin of all)
      for (const name of plugin.classes.flatMap(aliasesOf)) if (!this.#byName.has(name)) this.#byName.set(name, plugin)
  }

  /** Those of this package. */
  static own(): Plugins {
    return new Plugins(ownPlugins())
  }

  /** Throws Error for a package that cannot be loaded. */
  static async open(paths: readonly string[], { files, timers }: Pick<System, 'files' | 'timers'>): Promise<Plugins> {
    const found = ownPlugins()
    const empty: string[] = []
    const modules: ForeignModule[] = []
    // Kafka's own example ends with a comma.
    for (const path of paths.filter(each => each !== '')) {
      const before = found.length
      for (const { file, isNamed } of filesAt(path, files)) {
        const module = new ForeignModule(file, { timers })
        modules.push(module)
        const others = await module.definitions()
        if (others.length === 0 && isNamed) throw new Error(`plugin.path: ${file} exports no connector`)
        for (const definition of others) {
          const names = [definition.name, ...definition.classes]
          const taken = found.find(each => [each.name, ...each.classes].some(name => names.includes(name)))
          if (taken !== undefined) throw new Error(`plugin.path: ${file}: there is a connector ${taken.name} already`)
          found.push({ ...pick(definition), file, load: async () => definition })
        }
      }
      if (found.length === before) empty.push(path)
    }
    return new Plugins(found, empty, modules)
  }

  async close(): Promise<void> {
    await Promise.all(this.#modules.map(each => each.close()))
  }

  /** Throws UnknownConnector. */
  find(name: string): Plugin {
    const plugin = this.lookUp(name)
    if (plugin === null) throw new UnknownConnector(name, this.all)
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

function ownPlugins(): Plugin[] {
  return connectors.map(each => ({ ...each, version: ownVersion, passwords: [], file: null, load: () => each.load() }))
}

/** Of `a.b.FileSinkConnector`: `FileSinkConnector` and `FileSink`. */
function aliasesOf(className: string): string[] {
  const simple = className.slice(className.lastIndexOf('.') + 1)
  return [simple, simple.replace(/Connector$/, '')]
}

function pick({ name, classes, kind, version, config }: ConnectorDefinition) {
  const passwords = Object.keys(config).filter(key => config[key]!.type === 'PASSWORD' && !isSecret(key))
  return { name, classes, kind, version, passwords }
}
