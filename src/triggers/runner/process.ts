/**
 * A runner as the process sees it that starts it: what it may use, and that it is ended when it uses more.
 *
 * It has no file, no child, no environment but the trigger's own, and a limit for its heap; its memory as a whole is looked at now and then, because
 * buffers are not on the heap. Whatever it does, a call ends: with a result, or with a {@link FunctionError}.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { System, Timer } from '../../base.ts'
import { Frames, FrameTooLarge, frame } from './frames.ts'
import { type CallOrder, type LoadOrder, type RunnerAnswer, runnerProgram } from './program.ts'

export type FailureKind = 'error' | 'timeout' | 'crash' | 'memory' | 'output'

/** The function has failed; calling it again may help. */
export class FunctionError extends Error {
  readonly kind: FailureKind
  /** Of what it has thrown. */
  readonly type: string

  constructor(kind: FailureKind, type: string, message: string, stack?: string) {
    super(message)
    this.name = 'FunctionError'
    this.kind = kind
    this.type = type
    if (stack !== undefined) this.stack = stack
  }
}

/** `requestId`: of the call under way, or of the last one; null: none was made yet. */
export type OnOutput = (stream: 'stdout' | 'stderr', chunk: Buffer, requestId: string | null) => void

export const mostResultBytes = 6_291_456
/** Around the result. */
const mostAnswerBytes = mostResultBytes + 65_536
/** Of Node itself, besides the heap. */
const overheadMb = 96
const lookMs = 250
const pageBytes = 4_096

export class RunnerProcess {
  readonly memoryMb: number
  readonly #system: Pick<System, 'timers' | 'files'>
  readonly #child: ChildProcess
  readonly #frames = new Frames(mostAnswerBytes)
  /** How it was ended by us; null: it was not. */
  #ended: FunctionError | null = null
  #calls = 0
  #pending: { id: number; resolve(result: unknown): void; reject(error: FunctionError): void } | null = null
  #look: Timer | null = null
  #onOutput: OnOutput = () => {}
  #requestId: string | null = null

  constructor(memoryMb: number, system: Pick<System, 'timers' | 'files'>) {
    this.memoryMb = memoryMb
    this.#system = system
    const flags = ['--permission', `--max-old-space-size=${memoryMb}`, '--disable-warning=ExperimentalWarning', '--input-type=module']
    this.#child = spawn(process.execPath, [...flags, '--eval', runnerProgram], {
      env: {},
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    })
    this.#child.on('error', error => this.#end(new FunctionError('crash', 'SpawnError', `the runner cannot start: ${error.message}`)))
    this.#child.on('exit', (code, signal) => this.#end(new FunctionError('crash', 'Exit', howItEnded(code, signal))))
    for (const name of ['stdout', 'stderr'] as const) this.#child[name]!.on('data', chunk => this.#onOutput(name, chunk, this.#requestId))
    const pipe = this.#child.stdio[3] as Duplex
    pipe.on('data', chunk => this.#take(chunk))
    pipe.on('error', () => {})
    this.#watchMemory()
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

  kill(reason: FunctionError = new FunctionError('crash', 'Closed', 'the runner was closed')): void {
    this.#end(reason)
  }

  /** Whether it keeps this process alive: during a call. */
  #hold(isHeld: boolean): void {
    const how = isHeld ? 'ref' : 'unref'
    this.#child[how]()
    for (const each of this.#child.stdio) (each as Socket | null)?.[how]()
  }

  async #ask(id: number, text: string, timeoutMs: number): Promise<unknown> {
    if (this.#ended !== null) throw this.#ended
    const late = this.#system.timers.after(timeoutMs, () =>
      this.#end(new FunctionError('timeout', 'TimeoutError', `the function has not answered within ${timeoutMs} ms`)),
    )
    this.#hold(true)
    try {
      return await new Promise((resolve, reject) => {
        this.#pending = { id, resolve, reject }
        ;(this.#child.stdio[3] as Duplex).write(frame(text))
      })
    } finally {
      late.cancel()
      this.#pending = null
      this.#hold(false)
    }
  }

  #take(chunk: Buffer): void {
    try {
      for (const each of this.#frames.take(chunk)) this.#settle(JSON.parse(each.toString()) as RunnerAnswer)
    } catch (error) {
      const isLarge = error instanceof FrameTooLarge
      this.#end(
        isLarge
          ? new FunctionError('output', 'ResponseTooLarge', `the function has returned more than ${mostResultBytes} bytes`)
          : new FunctionError('crash', 'BadAnswer', 'the runner has sent something else than an answer'),
      )
    }
  }

  #settle(answer: RunnerAnswer): void {
    const pending = this.#pending
    // Only one call is under way; an answer to another one is a forgery.
    if (pending === null || answer.id !== pending.id) return
    if (answer.ok) pending.resolve(answer.result ?? null)
    else pending.reject(new FunctionError('error', String(answer.error.type), String(answer.error.message), String(answer.error.stack)))
  }

  #end(reason: FunctionError): void {
    if (this.#ended !== null) return
    this.#ended = reason
    this.#look?.cancel()
    this.#child.kill('SIGKILL')
    this.#child.stdio[3]?.destroy()
    this.#pending?.reject(reason)
  }

  #watchMemory(): void {
    const { timers, files } = this.#system
    this.#look = timers.after(lookMs, () => {
      // Linux only; elsewhere the heap alone is limited.
      const pages = Number(readableStat(files, this.#child.pid)?.split(' ')[1])
      if (pages * pageBytes > (this.memoryMb + overheadMb) * 2 ** 20)
        this.#end(new FunctionError('memory', 'OutOfMemory', `the function takes more than ${this.memoryMb} MB of memory`))
      else this.#watchMemory()
    })
  }
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
