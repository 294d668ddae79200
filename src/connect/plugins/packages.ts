/**
 * Connectors of others: files, npm packages, and folders of them, as `plugin.path` names them.
 *
 * Whatever a package has installed beside itself, `millrace/connect` is this worker's: so errors and values have the same classes on both sides, and a
 * single file needs nothing installed.
 */
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import { hidesNothing, type System } from '../../base.ts'
import type { ConnectorDefinition } from '../../connector.ts'

type Files = System['files']

const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
const own = new URL(`../../connector${extension}`, import.meta.url).href
let isShared = false

/** A module that may export connectors. */
export interface Candidate {
  readonly file: string
  /** Whether somebody has said that it is a connector. */
  readonly isNamed: boolean
}

const isScript = (name: string) => /\.[cm]?[jt]s$/.test(name) && !/\.(?:d|test)\.[cm]?[jt]s$/.test(name)

/** None if the path is not there, because a worker.properties of Java names directories of jars. Throws Error. */
export function* filesAt(path: string, files: Files): Generator<Candidate> {
  if (!files.exists(path)) return
  if (isScript(path)) return yield { file: path, isNamed: true }
  if (files.exists(`${path}/package.json`)) return yield* filesOfPackage(path, files)
  for (const { name, kind } of files.list(path))
    if (kind === 'directory' && files.exists(`${path}/${name}/package.json`)) yield* filesOfPackage(`${path}/${name}`, files)
    else if (kind === 'file' && isScript(name)) yield { file: `${path}/${name}`, isNamed: false }
}

/** A package without a file of its own is a folder into which others were installed: `npm install --prefix FOLDER PACKAGE`. */
function* filesOfPackage(folder: string, files: Files): Generator<Candidate> {
  const manifest = manifestOf(folder, files)
  const main = `${folder}/${manifest.main}`
  if (files.exists(main)) return yield { file: main, isNamed: true }
  if (manifest.dependencies.length === 0)
    throw new Error(`plugin.path: ${folder} has no file ${manifest.main}, which its package.json names`)
  for (const name of manifest.dependencies) {
    const installed = `${folder}/node_modules/${name}`
    if (files.exists(`${installed}/package.json`)) yield { file: `${installed}/${manifestOf(installed, files).main}`, isNamed: false }
  }
}

function manifestOf(folder: string, files: Files): { main: string; dependencies: string[] } {
  try {
    const { exports, main, dependencies } = JSON.parse(files.readFile(`${folder}/package.json`)!.toString('utf8')) as Record<
      string,
      unknown
    >
    const named = entryOf(exports) ?? (typeof main === 'string' ? main : 'index.js')
    return { main: named.replace(/^\.\//, ''), dependencies: Object.keys((dependencies as object | undefined) ?? {}) }
  } catch (error) {
    throw new Error(`plugin.path: ${folder}/package.json: ${(error as Error).message}`)
  }
}

const conditions: readonly string[] = ['.', 'node', 'import', 'module-sync', 'default']

/** What Node would take of a package's `exports`; null: nothing. */
function entryOf(exports: unknown): string | null {
  if (typeof exports === 'string') return exports
  if (typeof exports !== 'object' || exports === null) return null
  for (const [key, value] of Object.entries(exports)) {
    const entry = conditions.includes(key) || Array.isArray(exports) ? entryOf(value) : null
    if (entry !== null) return entry
  }
  return null
}

/** Loads the module, whose code may be anybody's: only in a thread that may end. Throws Error. */
export async function definitionsOf(file: string): Promise<ConnectorDefinition[]> {
  shareOwn()
  try {
    const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>
    return [...new Set(Object.values(module).flat().filter(isDefinition))]
  } catch (error) {
    throw new Error(`plugin.path: ${file}: ${hidesNothing.error(error).message}`, { cause: error })
  }
}

/** The same, of one connector. */
export async function definitionOf({ file, name }: { readonly file: string; readonly name: string }): Promise<ConnectorDefinition> {
  const found = (await definitionsOf(file)).find(each => each.name === name)
  if (found === undefined) throw new Error(`plugin.path: ${file} exports no connector ${name} any more`)
  return found
}

function shareOwn(): void {
  if (isShared) return
  isShared = true
  registerHooks({
    resolve: (specifier, context, next) => (specifier === 'millrace/connect' ? { url: own, shortCircuit: true } : next(specifier, context)),
  })
}

function isDefinition(value: unknown): value is ConnectorDefinition {
  if (typeof value !== 'object' || value === null) return false
  const { kind, open, name, classes } = value as Partial<ConnectorDefinition>
  return (kind === 'sink' || kind === 'source') && typeof open === 'function' && typeof name === 'string' && Array.isArray(classes)
}
