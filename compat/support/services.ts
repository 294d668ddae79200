/** `millrace services` as a process of its own, over whatever Kafka it is given. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compile } from './brokers.ts'
import { repository } from './cache.ts'
import { accepts, freePorts, start, until } from './run.ts'

const serviceNames = ['console', 'registry', 'rest', 'connect', 'triggers'] as const
export type ServiceName = (typeof serviceNames)[number]

export interface Services {
  /** Without a slash at the end. */
  readonly urls: Readonly<Record<ServiceName, string>>
  readonly pid: number
  /** Everything that it printed. */
  log(): string
  close(): Promise<void>
}

/** `flags`: as on the command line. */
export async function startServices(bootstrap: string, names: readonly ServiceName[], flags: readonly string[] = []): Promise<Services> {
  await compile()
  const first = await freePorts(serviceNames.length)
  const ports = Object.fromEntries(serviceNames.map((name, at) => [name, first + at])) as Record<ServiceName, number>
  const keys = Object.entries(ports).map(([name, port]) => `${name}.port=${port}`)
  const set = [`services=${names.join()}`, ...keys].flatMap(each => ['--set', each])
  const directory = mkdtempSync(join(tmpdir(), 'millrace-services-'))
  const logFile = join(directory, 'log')
  const log = () => readFileSync(logFile, 'utf8')
  const child = start(process.execPath, [join(repository, 'dist/cli.js'), 'services', '--bootstrap', bootstrap, ...set, ...flags], logFile)
  const ended = once(child, 'exit')
  const close = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await ended
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    for (const name of names)
      await until(async () => {
        if (child.exitCode !== null) throw new Error(`the services have ended: ${log().slice(-2_000)}`)
        return accepts(ports[name])
      }, `${name} on port ${ports[name]}`)
  } catch (error) {
    const told = `${(error as Error).message}\n${log().slice(-2_000)}`
    await close()
    throw new Error(told, { cause: error })
  }
  const urls = Object.fromEntries(serviceNames.map(name => [name, `http://127.0.0.1:${ports[name]}`])) as Services['urls']
  return { urls, pid: child.pid!, log, close }
}

/** Runs `work` with services of these names. */
export type Using = (names: readonly ServiceName[], work: (services: Services) => Promise<void>) => Promise<void>

export function usingServices(bootstrap: string, flags: readonly string[] = []): Using {
  return async (names, work) => {
    const services = await startServices(bootstrap, names, flags)
    try {
      await work(services)
    } finally {
      await services.close()
    }
  }
}
