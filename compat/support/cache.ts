/**
 * External dependencies of the harnesses (jars, packages, compiled programs), prepared once and kept in
 * `${XDG_CACHE_HOME:-~/.cache}/millrace-compat`. Anything unavailable is a `Missing` with one line that says why.
 */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { must, run } from './run.ts'

export const repository = join(import.meta.dirname, '../..')
export const cacheDirectory = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'millrace-compat')

export class Missing extends Error {}

export async function needs(command: string, hint: string): Promise<void> {
  const { code } = await run('sh', ['-c', `command -v ${command}`])
  if (code !== 0) throw new Missing(`${command} is missing (${hint})`)
}

/** The folder `name` of the cache, filled by `fill` unless it was filled before from the same `recipe`. */
export async function cached(name: string, recipe: string, fill: (directory: string) => Promise<void>): Promise<string> {
  const directory = join(cacheDirectory, `${name}-${createHash('sha256').update(recipe).digest('hex').slice(0, 10)}`)
  if (existsSync(directory)) return directory
  const unfinished = `${directory}.${process.pid}`
  mkdirSync(unfinished, { recursive: true })
  try {
    await fill(unfinished)
    renameSync(unfinished, directory)
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true })
    throw error
  }
  return directory
}

/** What comes over the network: that it cannot be had is nobody's fault here. */
export async function fetching(what: string, work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    throw new Missing(`cannot install ${what}: ${(error as Error).message.replace(/\s+/g, ' ').slice(0, 400)}`)
  }
}

/** A copy of a folder of ours, also of the folders in it, in which `build` makes a program. */
export function built(name: string, folder: string, build: (directory: string) => Promise<void>): Promise<string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(file => statSync(join(folder, file)).isFile())
    .sort()
  const text = files.map(file => readFileSync(join(folder, file), 'utf8')).join('')
  return cached(name, text, async at => {
    for (const file of files) cpSync(join(folder, file), join(at, file))
    await build(at)
  })
}

/** The path of the program that is made of a folder of Go. */
export async function goProgram(name: string, folder: string): Promise<string> {
  await needs('go', 'Go 1.26 or newer')
  const directory = await built(name, folder, async at => {
    await fetching('Go modules', must('go', ['mod', 'download'], { cwd: at }))
    await must('go', ['build', '-mod=readonly', '-o', 'program', '.'], { cwd: at })
  })
  return join(directory, 'program')
}

/** A copy of a folder of ours with the packages of its package.json. */
export function nodeProgram(name: string, folder: string): Promise<string> {
  return built(name, folder, at =>
    fetching('packages of Node', must('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], { cwd: at })),
  )
}

/** An environment of Python with the packages of this file; its `bin/python` runs programs with them. */
export async function pythonPackages(name: string, requirements: string): Promise<string> {
  await needs('python3', 'Python 3.10 or newer')
  return cached(name, readFileSync(requirements, 'utf8'), async at => {
    await must('python3', ['-m', 'venv', at])
    await fetching('Python packages', must(join(at, 'bin/python'), ['-m', 'pip', 'install', '-q', '-r', requirements]))
  })
}

/**
 * A Java class path with these artifacts (`group:artifact:version`) and all they need, but for `without` (`group:artifact`). One with a classifier behind its
 * version contains what it needs.
 */
export async function mavenJars(name: string, artifacts: readonly string[], without: readonly string[] = []): Promise<string> {
  await needs('java', 'a JDK 17 or newer')
  await needs('mvn', 'Maven')
  const dependencies = artifacts.map(each => {
    const [group, artifact, version, classifier] = each.split(':')
    const excluded = (classifier === undefined ? without : ['*:*']).map(other => other.split(':'))
    const exclusions = excluded.map(
      ([itsGroup, its]) => `<exclusion><groupId>${itsGroup}</groupId><artifactId>${its}</artifactId></exclusion>`,
    )
    const more =
      (classifier === undefined ? '' : `<classifier>${classifier}</classifier>`) +
      (exclusions.length === 0 ? '' : `<exclusions>${exclusions.join('')}</exclusions>`)
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>${more}</dependency>`
  })
  const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>millrace</groupId>
<artifactId>${name}</artifactId><version>1</version><dependencies>${dependencies.join('\n')}</dependencies></project>\n`
  const directory = await cached(`jars-${name}`, pom, async at => {
    writeFileSync(join(at, 'pom.xml'), pom)
    await fetching(artifacts.join(', '), must('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib'], { cwd: at }))
  })
  return join(directory, 'lib', '*')
}

/** For what runs with `kafkaJars`: only what is wrong is told. */
export const quietJava = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'

/** Apache Kafka's broker and command-line tools. */
export function kafkaJars(version: string): Promise<string> {
  return mavenJars(`kafka-${version}`, [
    `org.apache.kafka:kafka_2.13:${version}`,
    `org.apache.kafka:kafka-tools:${version}`,
    'org.slf4j:slf4j-simple:1.7.36',
  ])
}

/** A C program of ours; `libraries` as the linker takes them. */
export async function compileC(source: string, libraries: readonly string[] = []): Promise<string> {
  await needs('cc', 'a C compiler')
  const name = basename(source, '.c')
  const directory = await cached(name, readFileSync(source, 'utf8'), async at => {
    await must('cc', ['-O2', '-o', join(at, name), source, ...libraries]).catch(error => {
      const hint = libraries.length === 0 ? '' : ' (Debian: apt-get install librdkafka-dev)'
      throw new Missing(`cannot compile ${source}${hint}: ${(error as Error).message.slice(-300)}`)
    })
  })
  return join(directory, name)
}

/** A C program of ours that needs librdkafka. */
export function compileDriver(source: string): Promise<string> {
  return compileC(source, ['-lrdkafka', '-lpthread'])
}
