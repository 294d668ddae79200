/**
 * How a long-running command learns that it should stop: by a signal, or because the npm process that started it has ended.
 *
 * npm runs commands through a shell and forwards SIGTERM only to that shell. The shell then ends without stopping the command, which
 * would keep its port. So a command that npm's shell runs in the foreground ends when that shell has ended.
 */
import { isProcessThere, processState, type System, type Timer } from '../base.ts'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Ctrl-C at a terminal reaches the whole process group, and npm and `bin/millrace.js` pass it on as well: several signals are one. */
const sameRequestMs = 500
const parentCheckMs = 200

/** SIGUSR1 would open Node's debugger, which may do anything, to every program that can send it. */
export function refuseDebugger(): void {
  process.on('SIGUSR1', () => {})
}

/**
 * Calls `stop` once. Half a second later signals have their usual effect again, so a second Ctrl-C ends the process at once.
 * Returns a function that stops listening.
 */
export function onStopRequest(system: Pick<System, 'clock' | 'timers'>, stop: (reason: string) => void): () => void {
  refuseDebugger()
  let timer: Timer | null = null
  const off = () => {
    timer?.cancel()
    for (const signal of signals) process.off(signal, asked)
  }
  let isAsked = false
  const asked = (reason: string) => {
    if (isAsked) return
    isAsked = true
    timer?.cancel()
    timer = system.timers.after(sameRequestMs, off)
    stop(reason)
  }
  for (const signal of signals) process.on(signal, asked)
  const parent = parentToWatch(process.env, process.ppid)
  const look = () => {
    if (!isProcessThere(parent!)) asked('the npm process that started this command has ended')
    else timer = system.timers.after(parentCheckMs, look)
  }
  if (parent !== null) timer = system.timers.after(parentCheckMs, look)
  return off
}

/**
 * For a command with processes of its own, when it was asked to stop: calls `act` before another signal ends the command at once, so that none
 * of them outlives it.
 */
export function beforeNextSignal({ clock }: Pick<System, 'clock'>, act: () => void): void {
  const beganMs = clock.monotonic()
  const asked = (signal: NodeJS.Signals) => {
    if (clock.monotonic() - beganMs < sameRequestMs) return
    for (const each of signals) process.off(each, asked)
    act()
    process.kill(process.pid, signal)
  }
  // Now, so that no signal comes while nobody listens.
  for (const signal of signals) process.on(signal, asked)
}

/**
 * `bin/millrace.js` forwards signals when it runs this program in another Node, but for two that it does not notice: when it is killed or paused,
 * this process does the same to itself.
 */
export function followLauncher({ timers }: Pick<System, 'timers'>): void {
  const launcher = process.ppid
  if (process.env.MILLRACE_LAUNCHER !== String(launcher)) return
  const look = () => {
    if (process.ppid !== launcher) process.kill(process.pid, 'SIGKILL')
    if (processState(launcher) === 'T') process.kill(process.pid, 'SIGSTOP')
    timers.after(parentCheckMs, look)
  }
  look()
}

/** The process id of npm's shell, if it runs `millrace` in the foreground; otherwise null. Exported for tests. */
export function parentToWatch(environment: Readonly<Record<string, string | undefined>>, parent: number): number | null {
  const script = environment.npm_lifecycle_script
  if (script === undefined || !/\bmillrace\b|\bcli\.[jt]s\b/.test(script)) return null
  // `millrace start & …` is meant to outlive its shell.
  if (/(^|[^&>])&([^&>]|$)/.test(script)) return null
  const watched = Number(environment.MILLRACE_PARENT ?? parent)
  return Number.isInteger(watched) && watched > 1 ? watched : null
}
