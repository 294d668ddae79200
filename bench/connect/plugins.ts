/**
 * Connectors of others, each in a folder for `plugin.path`, with what it needs.
 *
 * What Maven Central does not have is compiled from its public sources. These are git repositories that are there already: nothing is fetched.
 * `CONNECTOR_SOURCES` names their folder, or they are in `.mirror` beside this repository; each as `OWNER+NAME/repo`, or `NAME` as cloned.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cached, Missing, mavenJars, repository } from '../../compat/support/cache.ts'
import { must } from '../../compat/support/run.ts'

export interface Plugin {
  readonly name: string
  readonly artifacts: readonly string[]
  /** `group:artifact`, that they say they need. */
  readonly without?: readonly string[]
  /** Of the connector itself. */
  readonly sources?: Sources
}

interface Sources {
  /** `OWNER/NAME`, as the public host of git repositories has it. */
  readonly repository: string
  readonly commit: string
  /** With `src/main` in each; the last is that of the connector. */
  readonly modules: readonly string[]
  /** In a file, what stands for what, so that it compiles for Java 17. */
  readonly edits: readonly { readonly file: string; readonly from: string; readonly to: string }[]
}

/** Classes of others that theirs name and do not use here. */
const stubs = join(import.meta.dirname, 'sources')

/** The folder of plugins, with this one, in `directory`. `runtime`: the class path of the worker. */
export async function pluginPath({ name, artifacts, without = [], sources }: Plugin, runtime: string, directory: string): Promise<string> {
  const jars = await mavenJars(`connector-${name}`, artifacts, without)
  const plugin = join(directory, 'plugins', name)
  mkdirSync(plugin, { recursive: true })
  const lib = dirname(jars)
  for (const file of readdirSync(lib)) symlinkSync(join(lib, file), join(plugin, file))
  if (sources !== undefined) symlinkSync(await compiledFrom(sources, `${jars}:${runtime}`), join(plugin, 'connector.jar'))
  return dirname(plugin)
}

/** The jar. */
async function compiledFrom(sources: Sources, jars: string): Promise<string> {
  const git = directoryOf(sources)
  const stubFiles = readdirSync(stubs, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.java'))
    .sort()
  const recipe = JSON.stringify([sources, jars, stubFiles.map(file => readFileSync(join(stubs, file), 'utf8'))])
  const name = sources.repository.slice(sources.repository.indexOf('/') + 1)
  const directory = await cached(`sources-${name}`, recipe, async at => {
    const archive = join(at, 'sources.tar')
    const folders = sources.modules.map(module => join(module, 'src/main'))
    await must('git', ['--git-dir', git, 'archive', '--output', archive, sources.commit, ...folders])
    await must('tar', ['-xf', archive, '-C', at])
    for (const { file, from, to } of sources.edits) edit(join(at, file), from, to)
    const classes = join(at, 'classes')
    mkdirSync(classes)
    for (const folder of folders) {
      const resources = join(at, folder, 'resources')
      if (existsSync(resources)) cpSync(resources, classes, { recursive: true })
    }
    const java = folders.map(folder => join(at, folder, 'java'))
    const own = readdirSync(java.at(-1)!, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.java'))
    const path = [stubs, ...java].join(':')
    await must('javac', ['-nowarn', '-d', classes, '-cp', jars, '-sourcepath', path, ...own.map(file => join(java.at(-1)!, file))])
    await must('jar', ['cf', join(at, 'connector.jar'), '-C', classes, '.'])
  })
  return join(directory, 'connector.jar')
}

function directoryOf({ repository: wanted, commit }: Sources): string {
  const name = wanted.slice(wanted.indexOf('/') + 1)
  const folders = [process.env['CONNECTOR_SOURCES'] ?? '', ...['..', '../..'].map(above => join(repository, above, '.mirror'))]
  const found = folders
    .flatMap(folder => [join(folder, wanted.replace('/', '+'), 'repo'), join(folder, name, '.git')])
    .find(each => existsSync(join(each, 'HEAD')))
  if (found === undefined)
    throw new Missing(`the sources of ${wanted} at ${commit} are not there (CONNECTOR_SOURCES names the folder of their repository)`)
  return found
}

function edit(file: string, from: string, to: string): void {
  const text = readFileSync(file, 'utf8')
  if (!text.includes(from)) throw new Error(`${file} does not have ${from}`)
  writeFileSync(file, text.replace(from, to))
}
