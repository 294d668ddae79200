/**
 * The log of a process that runs for long, and with it what becomes of a failure that nobody waited for: a promise that rejects without a handler, or an
 * exception outside of any promise. Every such process opens its log here, so none is without.
 *
 * It is always a fault of the program, is logged with its stack, and never silent. Then a broker ends, with the exit code by which a service manager starts it again:
 * what it acknowledged is on the disk, and recovery is proven, whereas a broker in which something has stopped half-way could keep clients waiting forever.
 * The services go on after a rejection: they keep nothing that is not in topics, and what was missed is one request of one user, for whose sake all others would
 * lose their streams and logins. After an exception nobody knows what was left half-done, so they end as well, and are started again.
 */
import { jsonLogger, type Logger } from '../logger.ts'
import type { LogLevel } from './processes/messages.ts'

/** A supervisor should start the process again (EX_SOFTWARE of sysexits.h). */
export const fatalExitCode = 70

export interface ProcessLoggerOptions {
  readonly level: LogLevel
  readonly sink?: Parameters<typeof jsonLogger>[1]
  readonly afterRejection: 'end' | 'go on'
  /** Of each rejection after which the process goes on. */
  readonly onRejection?: () => void
}

/** Once in a process. */
export function processLogger({ level, sink, afterRejection, onRejection }: ProcessLoggerOptions): Logger {
  const logger = jsonLogger(level, sink)
  const end = (error: unknown, what: string) => {
    logger.error({ err: asError(error) }, `${what}; the process ends, because its state is unknown`)
    process.exit(fatalExitCode)
  }
  process.on('uncaughtException', error => end(error, 'an exception was not caught'))
  process.on('unhandledRejection', reason => {
    const what = 'a failure was not handled, which is a fault of this program'
    if (afterRejection === 'end') return end(reason, what)
    logger.error({ err: asError(reason) }, `${what}; the process goes on`)
    onRejection?.()
  })
  return logger
}

/** Anything may be thrown. */
function asError(given: unknown): Error {
  return given instanceof Error ? given : new Error(`thrown: ${String(given)}`)
}
