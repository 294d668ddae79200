/**
 * Parses and compares schemas of strangers without holding up the event loop.
 *
 * Small schemas are judged at once, with few steps; that is what clients send most of the time, and it takes less than it would to ask someone else.
 * Larger ones, and small ones that mean more than they say, go to a thread, one after the other, with a limit of steps, of time and of memory.
 *
 * Who decides something needs the answers in the middle of a decision that must see one state of the registry. So {@link Judge.settle} runs the decision
 * again from its beginning whenever an answer has come, until it has asked nothing new.
 */
import { isDeepStrictEqual } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { Timer, Timers } from '../../base.ts'
import { errors } from '../errors.ts'
import { Budget, InvalidSchema, TooComplex } from '../schema.ts'
import type { Answered, Asked, ready } from './judge-thread.ts'
import type { Answers, answer, Question, SchemaText } from './questions.ts'

export interface JudgeOptions {
  readonly timers: Timers
  /** Of one question to the thread. */
  readonly timeoutMs?: number
  readonly heapMegabytes?: number
}

/** Answers within a decision. */
export interface Answering {
  /** Throws InvalidSchema, and what {@link Judge.settle} catches. */
  ask<Kind extends Question['kind']>(question: Question & { readonly kind: Kind }): Answers[Kind]
}

/** Of what one request may have judged at once: together they take some milliseconds of the event loop at most. */
const mostInlineCharacters = 4_096
const mostInlineSteps = 1_000
/** Some tenths of a second. */
const mostSteps = 200_000
/** Far more than the steps take, because the machine may be busy. */
const defaultTimeoutMs = 20_000
const defaultHeapMegabytes = 256
const mostWaiting = 256
/** Of one decision, while others change what it is about. */
const mostRuns = 1_000
const mostWaitingCharacters = 2 ** 26
/** Of the thread, when nobody asks. */
const idleMs = 60_000

/** Loaded with the first question: they take some megabytes, and many registries are only read from. */
let parsers: typeof answer | null = null

/** One language after the other: to load all of them takes some tens of milliseconds. */
async function loadParsers({ soon }: Timers): Promise<typeof answer> {
  for (const load of [() => import('../avro.ts'), () => import('../json.ts'), () => import('../protobuf.ts')]) {
    await load()
    await new Promise<void>(resolve => soon(resolve))
  }
  return (await import('./questions.ts')).answer
}

interface Waiting {
  readonly question: Question
  readonly characters: number
  resolve(answered: Answered): void
  reject(error: Error): void
}

export class Judge {
  readonly #timers: Timers
  readonly #timeoutMs: number
  readonly #heapMegabytes: number
  /** The first one is asked. */
  readonly #waiting: Waiting[] = []
  #waitingCharacters = 0
  #thread: Worker | null = null
  /** Until the thread begins to work, its time does not count. */
  #isReady = false
  #timer: Timer | null = null
  #closed = false

  constructor({ timers, timeoutMs = defaultTimeoutMs, heapMegabytes = defaultHeapMegabytes }: JudgeOptions) {
    this.#timers = timers
    this.#timeoutMs = timeoutMs
    this.#heapMegabytes = heapMegabytes
  }

  /** Runs `decide` until it asks nothing new. It must not change anything before it has asked all. Throws what it throws. */
  async settle<Decided>(decide: (answering: Answering) => Decided | Promise<Decided>): Promise<Decided> {
    parsers ??= await loadParsers(this.#timers)
    const memory = new Memory(parsers)
    for (let runs = 0; ; runs++) {
      memory.begin()
      try {
        return await decide(memory)
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error
        if (runs === mostRuns) throw errors.busy()
        memory.keep(error.question, await this.#ask(error.question))
      }
    }
  }

  /** Throws HttpError 50002. */
  #ask(question: Question): Promise<Answered> {
    const characters = sizeOf(question)
    if (this.#closed || this.#waiting.length >= mostWaiting || this.#waitingCharacters + characters > mostWaitingCharacters)
      throw errors.busy()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ question, characters, resolve, reject })
      this.#waitingCharacters += characters
      if (this.#waiting.length === 1) this.#post()
    })
  }

  #post(): void {
    this.#timer?.cancel()
    const thread = this.#thread
    const next = this.#waiting[0]
    if (next === undefined) {
      if (thread !== null) this.#timer = this.#timers.after(idleMs, () => this.#end(thread))
      thread?.unref()
      return
    }
    this.#thread ??= this.#start()
    this.#thread.ref()
    this.#thread.postMessage({ question: next.question, steps: mostSteps } satisfies Asked)
    if (this.#isReady) this.#watch(this.#thread)
  }

  #watch(thread: Worker): void {
    this.#timer = this.#timers.after(this.#timeoutMs, () => this.#lost(thread, refused(`it took more than ${this.#timeoutMs / 1_000} s`)))
  }

  #start(): Worker {
    const file = import.meta.url.endsWith('.ts') ? './judge-thread.ts' : './judge-thread.js'
    const thread = new Worker(new URL(file, import.meta.url), { resourceLimits: { maxOldGenerationSizeMb: this.#heapMegabytes } })
    this.#isReady = false
    thread.on('message', (message: Answered | typeof ready) => {
      if (this.#thread !== thread) return
      if (message !== 'ready') this.#settle(message)
      else {
        this.#isReady = true
        this.#watch(thread)
      }
    })
    thread.on('error', error => {
      const isMemory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY'
      this.#lost(thread, isMemory ? refused(`it took more than ${this.#heapMegabytes} MiB`) : { failed: String(error) })
    })
    thread.on('exit', code => this.#lost(thread, { failed: `the thread that judges schemas ended with code ${code}` }))
    return thread
  }

  #settle(answered: Answered): void {
    this.#timer?.cancel()
    const { characters, resolve } = this.#waiting.shift()!
    this.#waitingCharacters -= characters
    resolve(answered)
    this.#post()
  }

  /** Whoever asked has an answer, and the next one gets another thread. */
  #lost(thread: Worker, answered: Answered): void {
    if (this.#thread !== thread) return
    this.#end(thread)
    if (this.#waiting.length > 0) this.#settle(answered)
  }

  #end(thread: Worker): Promise<unknown> {
    if (this.#thread === thread) this.#thread = null
    return thread.terminate()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    for (const each of this.#waiting.splice(0)) each.reject(errors.busy())
    if (this.#thread !== null) await this.#end(this.#thread)
  }
}

/** The answers of one request. */
class Memory implements Answering {
  readonly #known: { readonly question: Question; readonly answered: Answered }[] = []
  /** Of what is known: most runs ask the same in the same order. */
  #next = 0
  readonly #answer: typeof answer
  readonly #budget = new Budget(mostInlineSteps)
  #characters = mostInlineCharacters

  constructor(from: typeof answer) {
    this.#answer = from
  }

  begin(): void {
    this.#next = 0
  }

  keep(question: Question, answered: Answered): void {
    this.#known.push({ question, answered })
  }

  /** Texts are compared by where they are, because those of a request and of the state stay where they are. */
  #recall(question: Question): Answered | null {
    const next = this.#known[this.#next]
    const isNext = next !== undefined && isDeepStrictEqual(next.question, question)
    const found = isNext ? this.#next : this.#known.findIndex(each => isDeepStrictEqual(each.question, question))
    if (found === -1) return null
    this.#next = found + 1
    return this.#known[found]!.answered
  }

  ask<Kind extends Question['kind']>(question: Question & { readonly kind: Kind }): Answers[Kind] {
    const known = this.#recall(question)
    if (known !== null) return told(known) as Answers[Kind]
    const characters = sizeOf(question)
    if (characters > this.#characters) throw new Unanswered(question)
    this.#characters -= characters
    try {
      const found = this.#answer(question, () => this.#budget)
      this.keep(question, { answer: found })
      return found as Answers[Kind]
    } catch (error) {
      throw error instanceof TooComplex ? new Unanswered(question) : error
    }
  }
}

class Unanswered extends Error {
  readonly question: Question

  constructor(question: Question) {
    super('a question has no answer yet')
    this.question = question
  }
}

function told(answered: Answered): Answers[keyof Answers] {
  if ('answer' in answered) return answered.answer
  if ('invalid' in answered) throw new InvalidSchema(answered.invalid)
  throw new Error(answered.failed)
}

function refused(why: string): Answered {
  return { invalid: `The schema is too complex: ${why}` }
}

function sizeOf(question: Question): number {
  switch (question.kind) {
    case 'identities':
      return question.schemas.reduce((sum, each) => sum + charactersOf(each), 0)
    case 'incompatibilities':
      return question.earlier.reduce((sum, each) => sum + charactersOf(each), charactersOf(question.candidate))
    default:
      return charactersOf(question.schema)
  }
}

function charactersOf({ text, resolved }: SchemaText): number {
  return resolved.reduce((sum, each) => sum + each.name.length + each.text.length, text.length)
}
