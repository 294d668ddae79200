/**
 * Runners of all functions: how many there are at once, which of them are kept for the next call, and one of each kind that is ready before anybody asks
 * for it.
 *
 * A runner belongs to one version of one function, and makes one call at a time.
 */
import type { System, Timer } from '../../base.ts'
import type { RunnerKind } from './launch.ts'
import { FunctionError, type OnOutput, RunnerProcess } from './process.ts'
import type { LoadOrder } from './program.ts'

export interface FunctionFile {
  /** The same id is the same file with the same environment. */
  readonly id: string
  readonly order: LoadOrder
  readonly kind: RunnerKind
  /** It is no trigger's. */
  readonly isTest?: boolean
}

/** So many calls wait that this one may not. */
export class TooManyWait extends Error {}

export interface Runner {
  readonly process: RunnerProcess
  /** Whether it was made for this call. */
  readonly isNew: boolean
}

interface Owned {
  readonly process: RunnerProcess
  readonly file: FunctionFile
  idleSinceMs: number
}

interface Waiting {
  readonly file: FunctionFile
  readonly onOutput: OnOutput
  resolve(runner: Runner): void
  reject(error: unknown): void
}

const loadTimeoutMs = 30_000
const idleMs = 300_000
const sweepMs = 1_000
/** Of different kinds. */
const mostSpares = 2
/** Each has an event, which may be as large as 6 MB. */
const mostWaiting = { tests: 64, all: 512 }

export class RunnerPool {
  readonly #system: System
  readonly #most: number
  readonly #idle: Owned[] = []
  readonly #busy = new Map<RunnerProcess, Owned>()
  /** By kind, the one used last behind. */
  readonly #spares = new Map<string, RunnerProcess>()
  #waiting: Waiting[] = []
  /** Being loaded. */
  readonly #opening: FunctionFile[] = []
  #sweep: Timer | null = null
  #isClosed = false

  constructor({ system, most }: { system: System; most: number }) {
    this.#system = system
    this.#most = most
  }

  /**
   * Whether a call would have to wait. A function that has no runner gets one though others have taken them all, as far as memory goes; to all tests together
   * goes half of them, so that whoever tests keeps nobody's triggers from running.
   */
  isFullFor(file: Pick<FunctionFile, 'id' | 'isTest'>): boolean {
    const tests = isTest(file) ? this.#tests : 0
    if (tests >= Math.ceil(this.#most / 2)) return true
    const taken = this.#taken
    if (taken < this.#most) return false
    if (taken >= 2 * this.#most || tests > 0) return true
    const isSame = ({ id }: FunctionFile) => id === file.id
    return this.#opening.some(isSame) || [...this.#busy.values()].some(each => isSame(each.file))
  }

  get #tests(): number {
    return [...this.#opening, ...Array.from(this.#busy.values(), each => each.file)].filter(isTest).length
  }

  get #taken(): number {
    return this.#busy.size + this.#opening.length
  }

  /** Waits while all runners are busy. Throws FunctionError if the file cannot be loaded, and TooManyWait. */
  acquire(file: FunctionFile, onOutput: OnOutput): Promise<Runner> {
    if (this.#isClosed) return Promise.reject(closed())
    if (!this.isFullFor(file)) return this.#take(file, onOutput)
    const isLate = isTest(file) && this.#waiting.filter(each => isTest(each.file)).length >= mostWaiting.tests
    if (isLate || this.#waiting.length >= mostWaiting.all)
      return Promise.reject(new TooManyWait('too many calls wait for a process in which a function can run (triggers.max.runners)'))
    return new Promise((resolve, reject) => void this.#waiting.push({ file, onOutput, resolve, reject }))
  }

  release({ process }: Runner): void {
    const owned = this.#busy.get(process)
    if (owned === undefined) return
    this.#busy.delete(process)
    if (process.isUsable) {
      owned.idleSinceMs = this.#system.clock.monotonic()
      this.#idle.push(owned)
    }
    this.#next()
    this.#sweep ??= this.#system.timers.after(sweepMs, this.#look)
  }

  /** Nobody calls it any more; calls under way fail. */
  forget(id: string): void {
    this.#drop(({ file }) => file.id === id)
    for (const { file, process } of this.#busy.values()) if (file.id === id) process.kill()
    const waiting = this.#waiting
    this.#waiting = waiting.filter(({ file }) => file.id !== id)
    for (const { file, reject } of waiting) if (file.id === id) reject(closed())
  }

  close(): void {
    this.#isClosed = true
    this.#sweep?.cancel()
    for (const each of this.#waiting.splice(0)) each.reject(closed())
    for (const process of [...this.#busy.keys(), ...this.#spares.values(), ...this.#idle.map(each => each.process)]) process.kill()
    this.#busy.clear()
    this.#spares.clear()
    this.#idle.length = 0
  }

  async #take(file: FunctionFile, onOutput: OnOutput): Promise<Runner> {
    const at = this.#idle.findLastIndex(each => each.file.id === file.id && each.process.isUsable)
    if (at !== -1) {
      const [owned] = this.#idle.splice(at, 1)
      this.#busy.set(owned!.process, owned!)
      return { process: owned!.process, isNew: false }
    }
    this.#makeRoom()
    const { kind, order } = file
    const spare = this.#spares.get(keyOf(kind))
    this.#spares.delete(keyOf(kind))
    const process = spare?.isUsable === true ? spare : new RunnerProcess(kind, this.#system)
    this.#opening.push(file)
    try {
      await process.load(order, loadTimeoutMs, onOutput)
      if (this.#isClosed) throw closed()
      this.#busy.set(process, { process, file, idleSinceMs: 0 })
      return { process, isNew: true }
    } catch (error) {
      process.kill()
      throw error
    } finally {
      this.#opening.splice(this.#opening.indexOf(file), 1)
      this.#prepare(kind)
      if (!this.#busy.has(process)) this.#next()
    }
  }

  /** For the next function that needs one of this kind. */
  #prepare(kind: RunnerKind): void {
    if (this.#isClosed) return
    const known = this.#spares.get(keyOf(kind))
    this.#spares.delete(keyOf(kind))
    this.#spares.set(keyOf(kind), known?.isUsable === true ? known : new RunnerProcess(kind, this.#system))
    for (const [key, process] of this.#spares) {
      if (this.#spares.size <= mostSpares) break
      this.#spares.delete(key)
      process.kill()
    }
  }

  /** Idle runners of others give way. */
  #makeRoom(): void {
    while (this.#idle.length > 0 && this.#idle.length + this.#taken >= this.#most) this.#idle.shift()!.process.kill()
  }

  #next(): void {
    const at = this.#waiting.findIndex(({ file }) => !this.isFullFor(file))
    if (at === -1) return
    const [first] = this.#waiting.splice(at, 1) as [Waiting]
    this.#take(first.file, first.onOutput).then(first.resolve, first.reject)
  }

  readonly #look = (): void => {
    const now = this.#system.clock.monotonic()
    this.#drop(({ idleSinceMs, process }) => idleSinceMs < now - idleMs || !process.isUsable)
    // What a function leaves behind goes on with its next call, as in Lambda.
    for (const { idleSinceMs, process } of this.#idle) if (idleSinceMs < now - sweepMs) process.pause()
    this.#sweep = this.#idle.length > 0 ? this.#system.timers.after(sweepMs, this.#look) : null
  }

  #drop(isDone: (owned: Owned) => boolean): void {
    for (const owned of this.#idle.splice(0)) {
      if (isDone(owned)) owned.process.kill()
      else this.#idle.push(owned)
    }
  }
}

function keyOf({ memoryMb, network }: RunnerKind): string {
  return `${memoryMb} ${network}`
}

function isTest(file: Pick<FunctionFile, 'isTest'>): boolean {
  return file.isTest === true
}

function closed(): FunctionError {
  return new FunctionError('crash', 'Closed', 'the function is not called here any more')
}
