/** The message and the exit code of a failed command. A stack trace is shown only for bugs. */
import { constants } from 'node:os'
import { getSystemErrorMessage } from 'node:util'
import { DiskError } from '../base.ts'
import { UsageError } from './output.ts'

export function report(error: unknown): number {
  process.stderr.write(`millrace: ${messageOf(error)}\n`)
  return error instanceof UsageError || isInvalid(error) ? 2 : 1
}

/** The input that the client could not use: an address, a key store, a property. */
function isInvalid(error: unknown): boolean {
  return error instanceof Error && error.name === 'ClientError' && (error as Error & { code: string }).code === 'INVALID'
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return `unexpected error, please report it: ${String(error)}`
  // Standard input or a file that cannot be read.
  if ('syscall' in error) return error.message
  // By name: importing the client's class would load the whole client for every command.
  if (error.name === 'ClientError') return clientMessage(error as Error & { code: string })
  if (error instanceof DiskError) return diskMessage(error)
  if (error.name === 'UsageError' || error.name === 'CommandFailed') return error.message
  return `unexpected error, please report it: ${error.stack ?? error.message}`
}

/** With the system's description of its code: `mkdir /data: EACCES (permission denied)`. */
export function diskMessage({ message, code }: DiskError): string {
  const number = (constants.errno as Readonly<Record<string, number>>)[code]
  return number === undefined ? message : `${message} (${getSystemErrorMessage(-number)})`
}

function clientMessage({ code, message }: Error & { code: string }): string {
  switch (code) {
    case 'UNREACHABLE':
      if (/connection closed|ECONNRESET/i.test(message))
        return `${message}. Has the broker stopped, or does it require TLS or a login? (--tls, --ca, --username)`
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
