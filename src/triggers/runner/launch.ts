/**
 * The command line of a runner: Node with its permission model, and what takes the network from functions that want none. Node does that since Node 25; before,
 * Linux does, by a network namespace of the process's own, which not every machine gives to everybody.
 */
import { execFile } from 'node:child_process'
import { runnerProgram } from './program.ts'

export interface RunnerKind {
  readonly memoryMb: number
  /** Whether it may use the network. */
  readonly network: boolean
}

const isKnown = (flag: string) => process.allowedNodeEnvironmentFlags.has(flag)
const knowsNetwork = isKnown('--allow-net')
const flags = [
  ...['--permission', '--disable-warning=ExperimentalWarning', '--input-type=module', '--disable-sigusr1'],
  // SQLite opens any file.
  ...['--no-experimental-sqlite', '--no-experimental-webstorage'].filter(isKnown),
]
const unshare = process.getuid?.() === 0 ? ['--net'] : ['--user', '--map-current-user', '--net']

export function commandOf({ memoryMb, network }: RunnerKind): [command: string, ...args: string[]] {
  const allowed = knowsNetwork && network ? ['--allow-net'] : []
  const node: [string, ...string[]] = [process.execPath, ...flags, ...allowed, `--max-old-space-size=${memoryMb}`, '--eval', runnerProgram]
  return network || knowsNetwork ? node : ['unshare', ...unshare, ...node]
}

let found: Promise<boolean> | null = null

/** Whether this machine can keep a function from the network. */
export function canTakeNetwork(): Promise<boolean> {
  if (knowsNetwork) return Promise.resolve(true)
  if (process.platform !== 'linux') return Promise.resolve(false)
  found ??= new Promise(resolve => void execFile('unshare', [...unshare, 'true'], error => resolve(error === null)))
  return found
}
