/** The interface of a folder of compat: a third-party client with its cases, run in separate processes that print a line for each. */
import { Missing } from './cache.ts'
import { type Cases, within } from './kit.ts'
import { type RunOptions, run } from './run.ts'
import type { Secured } from './secured.ts'

export interface Target {
  bootstrap: string
  /** Where the broker keeps its partitions; undefined when it was started by somebody else. */
  data?: string | undefined
  /** 4 and later: Apache Kafka 4 does not speak to clients before 2.1. Undefined: it speaks to all. */
  kafkaVersion?: string | undefined
  /** A second broker, with TLS, SASL and ACLs, started when first asked for; null: the broker was started by somebody else. */
  secured(): Promise<Secured | null>
}

/** Where a program finds the secured broker; without it, it skips the cases that need one. */
export async function securedEnvironment({ secured }: Target): Promise<Record<string, string>> {
  const broker = await secured()
  return broker === null ? {} : { COMPAT_SECURED: broker.describedIn }
}

export type Outcome = 'ok' | 'FAIL' | 'skip'

export interface CaseResult {
  client: string
  name: string
  outcome: Outcome
  /** Why it failed or was skipped; the time otherwise. */
  detail: string
}

export type Report = (result: CaseResult) => void

export interface Suite {
  /** Its folder below compat/, with its allow.txt. */
  folder: string
  /** The columns of the table. */
  clients: readonly string[]
  /** May throw a Missing: then all of it is skipped. */
  run(target: Target, report: Report): Promise<void>
}

/** A program that prints `ok NAME (ms)`, `FAIL NAME: reason`, `skip NAME: reason`. What it does not get to is a failure. */
export async function runProgram(
  client: string,
  report: Report,
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<void> {
  const { code, stderr, stdout } = await run(command, args, {
    seconds: 240,
    ...options,
    onLine(line) {
      options.onLine?.(line)
      const [, outcome, name, detail] = /^(ok|FAIL|skip) +([\w/.-]+):? *(.*)$/.exec(line) ?? []
      if (name !== undefined) report({ client, name, outcome: outcome as Outcome, detail: detail! })
    },
  })
  if (code === 0) return
  const detail = `${code === null ? 'took too long' : `ended with ${code}`}: ${(stderr || stdout).trim().replace(/\s+/g, ' ').slice(-400)}`
  report({ client, name: 'program', outcome: 'FAIL', detail })
}

/** In this process, one after another. A case may take so many seconds. */
export async function reportCases(client: string, cases: Cases, report: Report, seconds: number): Promise<void> {
  for (const [name, body] of Object.entries(cases)) {
    const began = performance.now()
    try {
      await within(seconds, body())
      report({ client, name, outcome: 'ok', detail: `(${Math.round(performance.now() - began)} ms)` })
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      report({ client, name, outcome: 'FAIL', detail: detail.replace(/\s+/g, ' ').slice(0, 600) })
    }
  }
}

/** By client: the command, once it is there. */
export type Programs = Readonly<Record<string, () => Promise<readonly string[]>>>

/** One after the other, with `args` at the end of each command. One whose packages cannot be had does not keep the others from running. */
export async function runPrograms(programs: Programs, report: Report, args: readonly string[], options: RunOptions = {}): Promise<void> {
  for (const [client, program] of Object.entries(programs))
    try {
      const [command, ...first] = await program()
      await runProgram(client, report, command!, [...first, ...args], options)
    } catch (error) {
      if (!(error instanceof Missing)) throw error
      report({ client, name: 'all', outcome: 'skip', detail: error.message })
    }
}

/** A program that knows the secured broker, and skips the cases that need it when there is none. A line `crash` ends it by SIGKILL and starts it again. */
export async function runSecured(
  target: Target,
  client: string,
  report: Report,
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<void> {
  const env = await securedEnvironment(target)
  let restarted = Promise.resolve()
  const crash = async () => {
    const broker = (await target.secured())!.broker
    await broker.stop('SIGKILL')
    await broker.restart()
  }
  const onLine = (line: string) => {
    if (line === 'crash') restarted = restarted.then(crash)
  }
  await runProgram(client, report, command, [...args, target.bootstrap], { env, onLine, ...options })
  await restarted
}
