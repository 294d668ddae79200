/** The thread's side of `judge.ts`: one question per message, its answer or the reason why there is none. */
import { parentPort } from 'node:worker_threads'
import { Budget, InvalidSchema } from '../schema.ts'
import { type Answers, answer, type Question } from './questions.ts'

export interface Asked {
  readonly question: Question
  readonly steps: number
}

export type Answered =
  | { readonly answer: Answers[keyof Answers] }
  /** The schema is invalid. */
  | { readonly invalid: string }
  /** A fault of ours. */
  | { readonly failed: string }

/** What it says first: then its modules are loaded. */
export const ready = 'ready'

parentPort?.postMessage(ready)
parentPort?.on('message', ({ question, steps }: Asked) => parentPort?.postMessage(answered(question, steps)))

function answered(question: Question, steps: number): Answered {
  try {
    return { answer: answer(question, () => new Budget(steps)) }
  } catch (error) {
    if (error instanceof InvalidSchema) return { invalid: error.message }
    return { failed: (error as Error).stack ?? String(error) }
  }
}
