/**
 * A runner as the process sees it that starts it: what it may use, and that it is ended when it uses more.
 *
 * It has no file, no child, no environment but the trigger's own, and a limit for its heap; its memory as a whole is looked at now and then, because
 * buffers are not on the heap. Everybody else is served before it: with time of the processors, and when the machine's memory is short. Whatever it does, a call
 * ends: with a result, or with a {@link FunctionError}.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { makeExpendable, parseInTurns, parseLossless, type System, type Timer, Turns } from '../../base.ts'
import { Frames, FrameTooLarge, frame } from './frames.ts'
import { guard, unguard } from './guardian.ts'
import { commandOf, type RunnerKind } from './launch.ts'
import { Lines } from './lines.ts'
import type { CallOrder, LoadOrder, RunnerAnswer } from './program.ts'

export type FailureKind = 'error' | 'timeout' | 'crash' | 'memory' | 'output'

/** The function has failed; calling it again may help. */
export class FunctionError extends Error {
  readonly kind: FailureKind
  /** Of what it has thrown. */
  readonly type: string
  /** Where in its file it was thrown; null: it has thrown nothing. */
  readonly trace: string | null

  constructor(kind: FailureKind, type: string, message: string, trace: string | null = null) {
    super(message)
    this.name = 'FunctionError'
    this.kind = kind
    this.type = type
    this.trace = trace
  }
}

/** `requestId`: of the call under way, or of the last one; null: none was made yet. */
export type OnOutput = (stream: Stream, line: string, requestId: string | null) => void

type Stream = 'stdout' | 'stderr'
const streams = ['stdout', 'stderr'] as const

export const mostResultBytes = 6_291_456
/** Around the result. */
const mostAnswerBytes = mostResultBytes + 65_536
/** JSON.parse takes some milliseconds for so much. */
const mostParsedAtOnce = 1_048_576
/** Of Node itself, besides the heap. */
const overheadMb = 96
const lookMs = 250
const closedMs = 500
const pageBytes = 4_096
/** Of output, from one look to the next; beyond it, nobody reads what the function writes, and it has to wait. */
const mostOutputBytes = 524_288
/** What a line costs besides its bytes, in bytes. */
const lineBytes = 64
/** Errors are shown in logs, and sent in headers. */
const longest = { type: 200, message: 4_000, stack: 8_000 }

export class RunnerProcess {
  readonly kind: RunnerKind
  readonly #system: Pick<System, 'clock' | 'timers' | 'files'>
  readonly #turns: Turns
  readonly #child: ChildProcess
  /** Where calls and answers go. Without it there is no process, and its `error` will say why. */
  readonly #pipe: Duplex | undefined
  readonly #frames = new Frames(mostAnswerBytes)
  /** How it was ended by us; null: it was not. */
  #ended: FunctionError | null = null
  #calls = 0
  #pending: Pending | null = null
  #look: Timer | null = null
  #outputBytes = 0
  readonly #lines: Readonly<Record<Stream, Lines>> = { stdout: new Lines(), stderr: new Lines() }
  #isPaused = false
  #onOutput: OnOutput = () => {}
  #requestId: string | null = null

  constructor(kind: RunnerKind, system: Pick<System, 'clock' | 'timers' | 'files'>) {
    this.kind = kind
    this.#system = system
    this.#turns = new Turns(system)
    const [command, ...args] = commandOf(kind)
    // A process group of its own, so that it cannot send signals to ours.
    this.#child = spawn(command, args, { env: {}, cwd: '/', stdio: ['ignore', 'pipe', 'pipe', 'pipe'], detached: true })
    const { pid } = this.#child
    if (pid !== undefined) {
      makeExpendable(pid)
      guard(pid)
      this.#child.once('exit', () => unguard(pid))
    }
    this.#child.on('error', error => this.#end(new FunctionError('crash', 'SpawnError', `the runner cannot start: ${error.message}`)))
    this.#child.on('exit', (code, signal) => this.#end(new FunctionError('crash', 'Exit', howItEnded(code, signal))))
    for (const name of streams) this.#child[name]?.on('data', chunk => this.#written(name, chunk)).on('close', () => this.#writeRest(name))
    // Where this process may open no more files (EMFILE, ENFILE), Node makes none of the pipes, whatever its types say.
    this.#pipe = (this.#child.stdio as ChildProcess['stdio'] | undefined)?.[3] as Duplex | undefined
    this.#pipe?.on('data', chunk => this.#take(chunk))
    this.#pipe?.on('error', () => {})
    // If the process has ended, its end says more.
    this.#pipe?.on('close', () => {
      if (this.#ended === null) system.timers.after(closedMs, () => this.#end(closedChannel()))
    })
    this.#watch()
    this.#hold(false)
  }

  get isUsable(): boolean {
    return this.#ended === null
  }

  /** Throws FunctionError: the file has an error, or no such function. */
  async load(order: LoadOrder, timeoutMs: number, onOutput: OnOutput): Promise<void> {
    this.#onOutput = onOutput
    await this.#ask(0, JSON.stringify(order), timeoutMs)
  }

  /** `event`: JSON. Throws FunctionError. */
  call(context: CallOrder['context'], event: string): Promise<unknown> {
    const id = ++this.#calls
    this.#requestId = context.requestId
    return this.#ask(id, `{"id":${id},"context":${JSON.stringify(context)},"event":${event}}`, context.timeoutMs)
  }

  /** Until the next call it gets no time of a processor. */
  pause(): void {
    if (this.#isPaused || !this.isUsable) return
    this.#isPaused = true
    this.#look?.cancel()
    this.#child.kill('SIGSTOP')
  }

  kill(reason: FunctionError = new FunctionError('crash', 'Closed', 'the runner was closed')): void {
    this.#end(reason)
  }

  #goOn(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#child.kill('SIGCONT')
    this.#watch()
  }

  /** Whether it keeps this process alive: during a call. */
  #hold(isHeld: boolean): void {
    const how = isHeld ? 'ref' : 'unref'
    this.#child[how]()
    for (const name of streams) (this.#child[name] as Socket | null)?.[how]()
    ;(this.#pipe as Socket | undefined)?.[how]()
  }

  async #ask(id: number, text: string, timeoutMs: number): Promise<unknown> {
    if (this.#ended !== null) throw this.#ended
    this.#goOn()
    const late = this.#system.timers.after(timeoutMs, () =>
      this.#end(new FunctionError('timeout', 'TimeoutError', `the function has not answered within ${timeoutMs} ms`)),
    )
    this.#hold(true)
    try {
      return await new Promise((resolve, reject) => {
        this.#pending = { id, resolve, reject }
        this.#pipe?.write(frame(text))
      })
    } finally {
      late.cancel()
      this.#hold(false)
    }
  }

  #written(stream: Stream, chunk: Buffer): void {
    const lines = this.#lines[stream].take(chunk)
    this.#outputBytes += chunk.length + lines.length * lineBytes
    if (this.#outputBytes >= mostOutputBytes)
      for (const name of streams) {
        if (this.#ended === null) this.#child[name]?.pause()
        else this.#child[name]?.destroy()
      }
    for (const line of lines) this.#onOutput(stream, line, this.#requestId)
  }

  /** A line that has no end. */
  #writeRest(stream: Stream): void {
    const rest = this.#lines[stream].rest()
    if (rest !== null) this.#onOutput(stream, rest, this.#requestId)
  }

  /** Whatever comes is a stranger's. */
  #take(chunk: Buffer): void {
    try {
      for (const each of this.#frames.take(chunk)) {
        const pending = this.#pending
        // One answer for each call, as long as it is under way.
        if (pending === null) throw new TypeError('nothing was asked')
        const text = each.toString()
        if (text.length <= mostParsedAtOnce) this.#settle(pending, parseLossless(text))
        else void this.#settleLarge(pending, text)
      }
    } catch (error) {
      this.#end(wrongAnswer(error))
    }
  }

  async #settleLarge(pending: Pending, text: string): Promise<void> {
    try {
      const answer = await parseInTurns(text, this.#turns)
      if (this.#pending === pending) this.#settle(pending, answer)
    } catch (error) {
      this.#end(wrongAnswer(error))
    }
  }

  #settle({ id, resolve, reject }: Pending, answer: unknown): void {
    const { id: answered, ok, result, error } = answer as RunnerAnswer & { error: Record<keyof typeof longest, unknown>; result?: unknown }
    if (answered !== id) throw new TypeError('nothing of the kind was asked')
    if (ok === true) resolve(result ?? null)
    else {
      const [type, message, trace] = (['type', 'message', 'stack'] as const).map(name => String(error[name]).slice(0, longest[name]))
      reject(new FunctionError('error', type!, message!, trace))
    }
    this.#pending = null
  }

  #end(reason: FunctionError): void {
    if (this.#ended !== null) return
    this.#ended = reason
    this.#look?.cancel()
    this.#child.kill('SIGKILL')
    this.#pipe?.destroy()
    for (const stream of streams) {
      this.#writeRest(stream)
      // Paused it would never be closed; who has written too much loses the rest.
      if (this.#outputBytes >= mostOutputBytes) this.#child[stream]?.destroy()
    }
    this.#pending?.reject(reason)
    this.#pending = null
  }

  /** Its memory, and what it may write now. */
  #watch(): void {
    const { timers, files } = this.#system
    this.#look = timers.after(lookMs, () => {
      // Linux only; elsewhere the heap alone is limited.
      const pages = Number(readableStat(files, this.#child.pid)?.split(' ')[1])
      const mostMb = this.kind.memoryMb + overheadMb
      if (pages * pageBytes > mostMb * 2 ** 20) {
        this.#end(new FunctionError('memory', 'OutOfMemory', `the process of the function takes more than ${mostMb} MB of memory`))
        return
      }
      if (this.#outputBytes === 0 && this.#pending === null) for (const stream of streams) this.#writeRest(stream)
      this.#outputBytes = Math.max(0, this.#outputBytes - mostOutputBytes)
      if (this.#outputBytes < mostOutputBytes) for (const name of streams) this.#child[name]?.resume()
      this.#watch()
    })
  }
}

function closedChannel(): FunctionError {
  return new FunctionError('crash', 'Closed', 'the function has closed the channel (descriptor 3) by which it is called')
}

interface Pending {
  readonly id: number
  resolve(result: unknown): void
  reject(error: FunctionError): void
}

function wrongAnswer(error: unknown): FunctionError {
  if (error instanceof FrameTooLarge)
    return new FunctionError('output', 'ResponseTooLarge', `the function has returned more than ${mostResultBytes} bytes`)
  if (error instanceof SyntaxError)
    return new FunctionError('output', 'BadResponse', `what the function has returned cannot be read: ${error.message}`)
  return new FunctionError('crash', 'BadAnswer', 'the process of the function has sent something else than an answer')
}

function readableStat(files: Pick<System['files'], 'readFile'>, pid: number | undefined): string | undefined {
  try {
    return files.readFile(`/proc/${pid}/statm`)?.toString()
  } catch {
    return undefined
  }
}

/** V8 ends the process when its heap is full. */
function howItEnded(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal === 'SIGABRT' || signal === 'SIGTRAP' || code === 134) return 'the function has used up its memory, or has aborted its process'
  return `the process of the function has ended with ${signal ?? `exit code ${code}`}`
}
