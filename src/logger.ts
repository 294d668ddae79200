/**
 * logger: structured logs of the broker and of the services.
 *
 * Hides the library and its format. Other code sees only the interface, so that tests can read log messages and the simulator stays silent.
 */
import { pino } from 'pino'
import { type LineSink, openLineSink } from './base.ts'

export interface Logger {
  debug(details: object, message: string): void
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
  /** What is less important is not written. May be changed while running; absent where nothing can be. */
  level?: string
}

const standardError = 2

/** Standard error. A process opens it once, because two sinks could tear each other's lines. */
export function openLogSink(): LineSink {
  // Node opens it here, and from then on a pipe that is full is no reason to wait.
  void process.stderr
  return openLineSink(standardError, droppedNote)
}

/** JSON lines on standard error, so that a command's own output stays clean. */
export function jsonLogger(level: 'debug' | 'info' | 'warn' | 'error', sink: LineSink = openLogSink()): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, sink)
}

function droppedNote(count: number): string {
  const message = 'log messages are missing here, because they could not be written to standard error'
  return `{"level":${pino.levels.values['warn']}${pino.stdTimeFunctions.isoTime()},"count":${count},"msg":"${message}"}\n`
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }
