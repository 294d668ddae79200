/**
 * Checks the rules of `docs/ARCHITECTURE.md` that the compiler does not check, on every `npm run check`: allowed imports, no cycles,
 * no unused file or exported value, no clock, randomness, timer or disk outside `base`, limited file length. (The length of
 * functions is Biome's `noExcessiveLinesPerFunction`.) A scanner of a hundred lines is enough, because the rules concern imports and names only.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Scanned, scan } from './tidy/scan.ts'

export interface Problem {
  file: string
  line: number
  rule: string
  advice: string
}

const roots = ['src', 'scripts', 'test', 'compat', 'bench', 'sim']
const longestFile = 500

/** What each module of `src` may import. A new module needs a line here, so that its place is a decision. */
const mayImport: Record<string, readonly string[]> = {
  base: [],
  protocol: ['base'],
  formats: ['base'],
  logger: ['base'],
  jwt: ['base', 'logger'],
  store: ['base'],
  log: ['base', 'protocol', 'store'],
  library: [],
  channel: ['base', 'protocol', 'formats'],
  client: ['base', 'protocol', 'channel', 'library'],
  http: ['base', 'formats', 'logger'],
  'json-http': ['base'],
  mirror: ['base', 'protocol', 'client'],
  serde: ['base', 'protocol', 'json-http'],
  expr: ['base'],
  sessions: ['base', 'formats', 'logger', 'jwt', 'client'],
  'topic-table': ['base', 'logger', 'client'],
  connector: ['base'],
  'connector-testing': ['base', 'connector'],
  connectors: ['base', 'protocol', 'connector', 'connector-testing', 'formats', 'client', 'serde', 'mirror'],
  samples: ['client'],
  service: ['base', 'logger', 'client', 'http', 'sessions'],
  connect: [
    'base',
    'protocol',
    'formats',
    'logger',
    'client',
    'http',
    'samples',
    'sessions',
    'topic-table',
    'service',
    'serde',
    'expr',
    'connector',
    'connectors',
  ],
  registry: ['base', 'logger', 'client', 'http', 'sessions', 'topic-table', 'service'],
  console: ['base', 'protocol', 'logger', 'client', 'serde', 'expr', 'http', 'json-http', 'samples', 'sessions', 'topic-table', 'service'],
  rest: ['base', 'logger', 'client', 'http', 'sessions', 'serde', 'service'],
  triggers: [
    'base',
    'protocol',
    'logger',
    'client',
    'http',
    'samples',
    'sessions',
    'topic-table',
    'service',
    'serde',
    'expr',
    'connector',
    'connectors',
  ],
  services: ['base', 'logger', 'client', 'http', 'sessions', 'service', 'registry', 'rest', 'console', 'triggers', 'connect'],
  coordinator: ['base', 'protocol', 'store', 'log'],
  broker: ['base', 'protocol', 'formats', 'logger', 'jwt', 'channel', 'store', 'log', 'coordinator'],
  millrace: ['base', 'protocol', 'logger', 'log', 'coordinator', 'broker', 'client'],
  cli: ['*'],
}

/** Tables of facts: long because what they list is long. */
const longFiles: Record<string, string> = {
  'src/broker/config/keys/groups.ts': 'every key of groups with its default, bounds and words',
}

/** Names that access time, randomness, timers or the disk without the System. */
const reachesOut: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)|\bprocess\s*\.\s*hrtime\b|(?<![.\w])performance\b/g, "use the System's clock"],
  [/\bMath\s*\.\s*random\b|\brandom(?:UUID|Bytes|Int|Fill|FillSync)\b|\bgetRandomValues\b/g, "use the System's random"],
  [/(?<![.\w])set(?:Timeout|Interval|Immediate)\b|\bAbortSignal\s*\.\s*timeout\b|\bAtomics\s*\.\s*wait\b/g, "use the System's timers"],
]
const closedPackages: Record<string, string> = {
  'node:fs': "use the System's files",
  'node:fs/promises': "use the System's files",
  'node:timers': "use the System's timers",
  'node:timers/promises': "use the System's timers",
  'node:perf_hooks': "use the System's clock",
}

/** Packages that one file loads for all others, in its own way. */
const onlyThrough: Record<string, string> = { '@platformatic/kafka': 'src/library.ts' }

interface SourceFile extends Omit<Scanned, 'imports'> {
  path: string
  isTest: boolean
  packages: Scanned['imports']
  /** Paths of the repository that this file imports, with the line and whether anything of it is left at run time. */
  imports: { path: string; line: number; atRunTime: boolean }[]
}

/** All violations below `root`, in order of file and line. */
export function tidy(root: string): Problem[] {
  const files = new Map<string, SourceFile>()
  for (const folder of roots) for (const path of sourcesBelow(root, folder)) files.set(path, load(root, path))
  const problems: Problem[] = []
  for (const file of files.values()) {
    problems.push(...checkSize(file), ...checkImports(file))
    if (file.path.startsWith('src/') && !file.isTest) problems.push(...checkHeader(file), ...checkReach(file))
  }
  problems.push(...checkCycles(files), ...checkUse(root, files), ...checkExports(root, files), ...checkApplication(root))
  return problems.sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1))
}

/** The application of the console runs in browsers: it has nothing of `src` but the types of the API. */
function checkApplication(root: string): Problem[] {
  if (!existsSync(join(root, 'console'))) return []
  const problems: Problem[] = []
  for (const entry of readdirSync(join(root, 'console'), { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !/\.tsx?$/.test(entry.name)) continue
    const path = relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/')
    const text = readFileSync(join(root, path), 'utf8')
    const lines = text.split('\n').length - 1
    if (lines > longestFile)
      problems.push({ file: path, line: longestFile + 1, rule: 'files have at most 500 lines', advice: `${lines} lines` })
    for (const { 1: kind, 2: from, index } of text.matchAll(/^(import|export)\b[^'"]*?['"](\.[^'"]+)['"]/gm)) {
      const target = posix.join(posix.dirname(path), from!)
      if (target.startsWith('console/')) continue
      const isType = new RegExp(`^${kind} type\\b`).test(text.slice(index))
      if (target === 'src/console/api.ts' && isType) continue
      const advice = `import type … from src/console/api.ts, not ${target}`
      problems.push({ file: path, line: lineAt(text, index), rule: 'the application imports only types of the API', advice })
    }
  }
  return problems
}

function sourcesBelow(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter(path => !path.includes('node_modules/'))
}

function load(root: string, path: string): SourceFile {
  const scanned = scan(readFileSync(join(root, path), 'utf8'))
  const imports = scanned.imports
    .filter(each => each.from.startsWith('.'))
    .map(each => ({ path: posix.join(posix.dirname(path), each.from), line: each.line, atRunTime: each.atRunTime }))
  const packages = scanned.imports.filter(each => !each.from.startsWith('.'))
  return { ...scanned, path, isTest: path.endsWith('.test.ts'), imports, packages }
}

function checkSize(file: SourceFile): Problem[] {
  if (file.lines <= longestFile || longFiles[file.path] !== undefined) return []
  const advice = `${file.lines} lines: split it along what it hides (a table of facts: list it in scripts/tidy.ts with the reason)`
  return [{ file: file.path, line: longestFile + 1, rule: `files have at most ${longestFile} lines`, advice }]
}

function checkHeader(file: SourceFile): Problem[] {
  if (/^(?:#!.*\n)?\/\*\*/.test(file.text)) return []
  return [{ file: file.path, line: 1, rule: 'each file begins with /** a header */', advice: 'say what it hides and why' }]
}

function checkImports(file: SourceFile): Problem[] {
  const problems: Problem[] = []
  const report = (line: number, rule: string, advice: string) => problems.push({ file: file.path, line, rule, advice })
  const own = moduleOf(file.path)
  for (const { path, line } of file.imports) {
    const other = moduleOf(path)
    if (other === null || other === own) continue
    if (path !== `src/${other}.ts`) report(line, `import another module only by its interface`, `import src/${other}.ts, not ${path}`)
    if (own === null) continue
    const allowed = mayImport[own]
    if (allowed === undefined) report(line, 'every module has its place', `give "${own}" a line in mayImport of scripts/tidy.ts`)
    else if (!allowed.includes(other) && allowed[0] !== '*')
      report(line, 'imports point one way', `${own} may import ${allowed.join(', ') || 'no other module'}; move what is shared down`)
  }
  return problems
}

/** `log` for src/log.ts and everything in src/log/; null outside of src. */
function moduleOf(path: string): string | null {
  return /^src\/([^/]+?)(?:\.ts|\/.*)$/.exec(path)?.[1] ?? null
}

function checkReach(file: SourceFile): Problem[] {
  if (moduleOf(file.path) === 'base') return []
  const problems: Problem[] = []
  const rule = 'only base touches time, randomness, timers and the disk'
  for (const { from, line, atRunTime } of file.packages) {
    const advice = closedPackages[from]
    if (advice !== undefined && atRunTime) problems.push({ file: file.path, line, rule, advice: `${advice} instead of ${from}` })
    const door = onlyThrough[from]
    if (door !== undefined && atRunTime && file.path !== door)
      problems.push({ file: file.path, line, rule: 'some packages have one door', advice: `import ${from} through ${door}` })
  }
  for (const [pattern, advice] of reachesOut)
    for (const match of file.code.matchAll(pattern))
      problems.push({ file: file.path, line: lineAt(file.code, match.index), rule, advice: `${advice} instead of ${match[0]}` })
  return problems
}

function lineAt(text: string, index: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < index; at = text.indexOf('\n', at + 1)) line++
  return line
}

/** Cycles at run time; types may refer to each other within a module. */
function checkCycles(files: Map<string, SourceFile>): Problem[] {
  const problems: Problem[] = []
  const done = new Set<string>()
  const trail: string[] = []
  const visit = (path: string) => {
    if (done.has(path)) return
    trail.push(path)
    for (const next of files.get(path)?.imports ?? []) {
      if (!next.atRunTime) continue
      const start = trail.indexOf(next.path)
      if (start === -1) visit(next.path)
      else {
        const advice = `move what both need into a third file: ${[...trail.slice(start), next.path].join(' → ')}`
        problems.push({ file: path, line: next.line, rule: 'no import cycles', advice })
      }
    }
    trail.pop()
    done.add(path)
  }
  for (const path of files.keys()) visit(path)
  return problems
}

/**
 * Every file is reached from what package.json starts or exports. Tests reach helpers of tests: outside src any, within src only
 * those whose name says so. A path in a string (a worker, a spawned script) is a use as well.
 */
function checkUse(root: string, files: Map<string, SourceFile>): Problem[] {
  const program = reach(entryPoints(root), files)
  const tests = reach(
    [...files.values()].filter(file => file.isTest).map(file => file.path),
    files,
  )
  const problems: Problem[] = []
  for (const { path, isTest } of files.values()) {
    const helper = !path.startsWith('src/') || /\.(?:contract|testing)\.ts$|\/testing\//.test(path)
    if (isTest || program.has(path) || (helper && tests.has(path))) continue
    const advice = tests.has(path)
      ? 'only tests use it: call it X.contract.ts or X.testing.ts, or delete it'
      : 'delete it, or import it where it belongs'
    problems.push({ file: path, line: 1, rule: 'every file is used', advice })
  }
  return problems
}

/**
 * Every exported value is named in another file; passing it on is no use of it. Types are left alone: they belong to what they describe,
 * whether or not anybody writes their names.
 */
function checkExports(root: string, files: Map<string, SourceFile>): Problem[] {
  const entries = new Set(entryPoints(root))
  const users = new Map<string, number>()
  for (const { path, code } of files.values()) {
    const used = entries.has(path) ? code : code.replace(/^export (?:type )?\{[^}]*\} from/gm, '')
    for (const name of new Set(used.match(/[\w$]+/g))) users.set(name, (users.get(name) ?? 0) + 1)
  }
  const problems: Problem[] = []
  for (const { path, code } of files.values()) {
    if (entries.has(path)) continue
    for (const { 1: name, index } of code.matchAll(/^export (?:async )?(?:const|let|class|function\*?) ([\w$]+)/gm))
      if (users.get(name!) === 1)
        problems.push({ file: path, line: lineAt(code, index), rule: 'every exported value is used', advice: `nobody imports ${name}` })
  }
  return problems
}

function entryPoints(root: string): string[] {
  const { bin, exports, scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, Record<string, string>>
  const named = [...Object.values(bin ?? {}), ...Object.values(exports ?? {})]
  for (const script of Object.values(scripts ?? {}))
    for (const [, path] of script.matchAll(/\bnode (?:-\S+ )*(\S+\.[jt]s)/g)) named.push(path!)
  return named.map(path => posix.normalize(path).replace(/^dist\/(.*)\.js$/, 'src/$1.ts'))
}

function reach(from: readonly string[], files: Map<string, SourceFile>): Set<string> {
  const reached = new Set<string>()
  const waiting = [...from]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const file = files.get(path)
    if (file === undefined || reached.has(path)) continue
    reached.add(path)
    for (const each of file.imports) waiting.push(each.path)
    for (const text of file.strings) if (text.endsWith('.ts')) waiting.push(posix.join(posix.dirname(path), text), posix.normalize(text))
  }
  return reached
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const problems = tidy(join(dirname(process.argv[1]!), '..'))
  for (const { file, line, rule, advice } of problems) console.error(`${file}:${line} ${rule}: ${advice}`)
  if (problems.length > 0) process.exitCode = 1
}
