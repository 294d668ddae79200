/** Structured logs. Everything below sees only this interface, so that tests can read what is said and the simulator stays silent. */
import { pino } from 'pino'

export interface Logger {
  debug(details: object, message: string): void
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

/** JSON lines on standard error, so that a command's own output stays clean. */
export function jsonLogger(level: 'debug' | 'info' | 'warn' | 'error'): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }))
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }
