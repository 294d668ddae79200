/** `millrace health`: checks whether the broker that runs with these options is ready. For container health checks and scripts. */
import { connect } from 'node:net'
import { Command } from 'commander'
import { realSystem } from '../base.ts'
import { type BrokerConfig, parseHttpAddress } from '../broker.ts'
import { withStartOptions } from './options.ts'
import { CommandFailed, write } from './output.ts'
import { configFrom, type StartFlags } from './start.ts'

const patienceMs = 5_000

/** Nobody is there. */
export class NoAnswer extends CommandFailed {}

export async function health({ of, ...flags }: StartFlags & { of?: number }): Promise<void> {
  const system = realSystem()
  const config = configFrom(of === undefined ? flags : flagsOf(of), system)
  await askBroker(config)
  await write('ready\n')
}

/** The broker that runs with this configuration on this machine. Throws CommandFailed unless it is ready. */
export async function askBroker(config: BrokerConfig): Promise<void> {
  const http = parseHttpAddress(config.get('http.listen'))
  if (http !== null) await askHttp(`http://${reachable(http.host)}:${http.port}/health/ready`)
  // Without the endpoint, an open port is the best evidence available.
  else await askAddress(config.listeners[0]!)
}

/** How the process was started: everything behind the word `start`. */
function flagsOf(pid: number): StartFlags {
  const commandLine = realSystem().files.readFile(`/proc/${pid}/cmdline`)?.toString('utf8').split('\0') ?? []
  const at = commandLine.indexOf('start')
  if (at < 0) throw new CommandFailed(`process ${pid} is not \`millrace start\``)
  const parser = withStartOptions(new Command()).exitOverride()
  return parser.parse(commandLine.slice(at + 1, -1), { from: 'user' }).opts()
}

/** An address to connect to, for one to listen on. */
function reachable(host: string): string {
  if (host === '' || host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}

async function askHttp(url: string): Promise<void> {
  let answer: { ready: boolean; reason?: string } | null
  try {
    const response = await fetch(url, { signal: deadline() })
    answer = (await response.json()) as typeof answer
  } catch (error) {
    const cause = (error as Error).cause
    throw new NoAnswer(`no answer from ${url}: ${cause instanceof Error ? cause.message : (error as Error).message}`)
  }
  if (typeof answer?.ready !== 'boolean') throw new CommandFailed(`what answers at ${url} is not a broker of Millrace`)
  if (!answer.ready) throw new CommandFailed(`not ready: ${answer.reason}`)
}

/** Throws CommandFailed if nobody accepts connections there. */
export function askAddress({ host, port }: { host: string; port: number }): Promise<void> {
  const address = reachable(host).replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, signal: deadline() })
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', error => reject(new NoAnswer(`no answer from ${address}:${port}: ${error.message}`)))
  })
}

function deadline(): AbortSignal {
  const abort = new AbortController()
  realSystem().timers.after(patienceMs, () => abort.abort(new Error(`timed out after ${patienceMs} ms`)))
  return abort.signal
}
