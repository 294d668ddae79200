/**
 * Child processes of the compat and bench harnesses: bounded in time, known by their pid, and none outlives the run.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const readyWithinSeconds = 60

export interface Finished {
  code: number | null
  stdout: string
  stderr: string
  seconds: number
}

export interface RunOptions {
  cwd?: string
  env?: Record<string, string>
  seconds?: number
  stdin?: string | number
  /** Called with each whole line of stdout as it comes. */
  onLine?(line: string): void
}

const running = new Set<ChildProcess>()

/** Ends what is still running; for `exit` handlers too, hence synchronous. */
export function endAll(): void {
  for (const child of running) kill(child)
}

function kill(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return
  try {
    // Its whole process group: shells and JVMs have children.
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

process.on('exit', endAll)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

/** A command to its end, whatever its exit code; `code` is null when it was ended for taking too long. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const began = performance.now()
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: [typeof options.stdin === 'number' ? options.stdin : 'pipe', 'pipe', 'pipe'],
    detached: true,
  })
  running.add(child)
  child.stdin?.on('error', () => {}) // a command need not read what it is given
  child.stdin?.end(typeof options.stdin === 'string' ? options.stdin : '')
  const timer = setTimeout(() => kill(child), (options.seconds ?? 600) * 1000)
  let stdout = ''
  let stderr = ''
  let partial = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    const lines = (partial + text).split('\n')
    partial = lines.pop()!
    if (options.onLine !== undefined) for (const line of lines) options.onLine(line)
  })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => {
      clearTimeout(timer)
      running.delete(child)
      if (partial !== '') options.onLine?.(partial)
      resolve({ code, stdout, stderr, seconds: (performance.now() - began) / 1000 })
    })
  })
}

/** Stdout of a command that has to succeed. */
export async function must(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options)
  if (code === 0) return stdout
  const how = code === null ? 'took too long' : `ended with ${code}`
  throw new Error(`${command} ${args.join(' ').slice(0, 200)} ${how}: ${(stderr + stdout).trim().slice(-1500)}`)
}

/** A process that goes on, its output in a file. */
export function start(command: string, args: readonly string[], logFile: string, env: Readonly<Record<string, string>> = {}): ChildProcess {
  const log = openSync(logFile, 'a')
  const child = spawn(command, args, { stdio: ['ignore', log, log], detached: true, env: { ...process.env, ...env } })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** `count` ports next to each other that nobody listens on. */
export async function freePorts(count: number): Promise<number> {
  // From anywhere: two runs side by side should not choose the same. Below the ports that outgoing connections are given.
  for (let first = 12_000 + Math.floor(Math.random() * 18_000); first < 32_000; first += count) {
    const taken = await Promise.all(Array.from({ length: count }, (_, i) => isTaken(first + i)))
    if (!taken.includes(true)) return first
  }
  throw new Error('no free ports below 32000')
}

function isTaken(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise(resolve => {
    server.once('error', () => resolve(true))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(false)))
  })
}

/** Whether somebody accepts connections on this port of loopback. */
export function accepts(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  return new Promise(resolve => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  }).then(result => {
    socket.destroy()
    return result as boolean
  })
}

/** Fails when it takes too long. */
export async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + readyWithinSeconds * 1000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${readyWithinSeconds} s for ${what}`)
    await sleep(20)
  }
}
