/** Calls of a function that are no trigger's: to see whether it can be loaded, and what it does with an event. */
import { parseInTurns, pause, type System, Turns } from '../base.ts'
import { HttpError } from '../http.ts'
import { functionFile, openCallee, Unavailable } from './callee.ts'
import type { Definition } from './definition.ts'
import { envelopeOf } from './envelope.ts'
import { type RunnerPool, TooManyWait } from './runner/pool.ts'
import { FunctionError } from './runner/process.ts'

export interface TestResult {
  readonly event: unknown
  /** null: it has failed. */
  readonly result: unknown
  readonly error: { readonly kind: string; readonly type: string; readonly message: string; readonly stack: string | null } | null
  readonly durationMs: number
  readonly isCold: boolean
  /** What it has written, cut. */
  readonly output: string
}

const mostOutput = 65_536

export class FunctionTests {
  readonly #pool: RunnerPool
  readonly #system: System
  readonly #turns: Turns
  #runs = 0

  constructor(pool: RunnerPool, system: System) {
    this.#pool = pool
    this.#system = system
    this.#turns = new Turns(system)
  }

  /** Throws FunctionError: the file has an error, or exports no such function; and TooManyWait. */
  async load(name: string, { function: called }: Definition): Promise<void> {
    if (!('code' in called)) return
    const runner = await this.#pool.acquire(functionFile(called, { id: this.#id(name), isTest: true }), () => {})
    runner.process.kill()
    this.#pool.release(runner)
  }

  /** `event`: JSON. Throws TooManyWait. */
  async run(name: string, definition: Definition, event: string): Promise<TestResult> {
    const shown = await this.#parsed(event)
    let output = ''
    const onOutput = (_: string, line: string) => {
      if (output.length < mostOutput) output += `${line}\n`.slice(0, mostOutput - output.length)
    }
    const options = { id: this.#id(name), isTest: true, pool: this.#pool, system: this.#system, onOutput }
    const callee = openCallee(definition.function, options)
    const { contentType } = envelopeOf(definition, { bootstrap: '', clusterId: '', extended: false })
    const beganMs = this.#system.clock.monotonic()
    const info = { requestId: this.#id(name), functionName: name, functionVersion: 'test', attempt: 1 }
    let result: unknown = null
    let error: TestResult['error'] = null
    let isCold = false
    try {
      result = await callee.call(event, contentType, info, isNew => {
        isCold = isNew
      })
    } catch (problem) {
      if (problem instanceof Unavailable && problem.cause instanceof TooManyWait) throw problem.cause
      if (!(problem instanceof FunctionError || problem instanceof Unavailable)) throw problem
      const { message } = problem
      const isOwn = problem instanceof FunctionError
      error = {
        kind: isOwn ? problem.kind : 'unavailable',
        type: isOwn ? problem.type : 'Unavailable',
        message,
        stack: isOwn ? problem.trace : null,
      }
    }
    const durationMs = Math.round((this.#system.clock.monotonic() - beganMs) * 100) / 100
    // What was written last may still be on its way.
    await pause(this.#system, 20)
    callee.close()
    return { event: shown, result, error, durationMs, isCold, output }
  }

  async #parsed(event: string): Promise<unknown> {
    try {
      return await parseInTurns(event, this.#turns)
    } catch (error) {
      throw new HttpError(400, 400, `the event cannot be shown: ${(error as Error).message}`)
    }
  }

  #id(name: string): string {
    return `${name} test ${++this.#runs}`
  }
}
