/** The message and the exit code of a failed command. A stack trace is shown only for bugs. */
import { DiskError } from '../base.ts'
import { UsageError } from './output.ts'

export function report(error: unknown): number {
  process.stderr.write(`millrace: ${messageOf(error)}\n`)
  return error instanceof UsageError ? 2 : 1
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return `unexpected: ${String(error)}`
  // By name: importing the client's class would load the whole client for every command.
  if (error.name === 'ClientError') return clientMessage(error as Error & { code: string })
  if (error instanceof DiskError || error.name === 'UsageError' || error.name === 'CommandFailed') return error.message
  return `unexpected error, please report it: ${error.stack ?? error.message}`
}

function clientMessage({ code, message }: Error & { code: string }): string {
  switch (code) {
    case 'UNREACHABLE':
      return `${message}. Is the broker running? (--bootstrap or MILLRACE_BOOTSTRAP sets another address)`
    case 'TIMEOUT':
      return `${message}. Does a Kafka broker listen there, and are its advertised.listeners reachable from here?`
    case 'REFUSED':
      return `${message} (--client-config, --tls, --ca, --username: see millrace topic list --help)`
    case 'INVALID':
    case 'FAILED':
      return message
    default:
      return `${code}: ${message}`
  }
}
