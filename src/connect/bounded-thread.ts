/** Work of the API that takes long, or as long as somebody else's code likes: each in a thread of its own, with limits of time, memory and number. */
import { Worker } from 'node:worker_threads'
import type { System } from '../base.ts'

export interface ThreadWork {
  readonly name: string
  /** The thread tells one message, the answer. */
  readonly file: URL
  /** Plain data. */
  readonly order: unknown
}

const mostMs = 12_000
const heapMegabytes = 128
/** At the same time. Others wait. */
const mostThreads = 4
const mostWaiting = 100
let running = 0
const waiting: (() => void)[] = []

/** The limit that a thread has exceeded, as the end of a sentence; `isBusy`: it was not begun. */
export class OverLimit extends Error {
  readonly isBusy: boolean

  constructor(message: string, isBusy = false) {
    super(message)
    this.isBusy = isBusy
  }
}

/** Rejects with {@link OverLimit}, or with what the thread has thrown. */
export async function answerOf<T>(work: ThreadWork, system: Pick<System, 'timers'>): Promise<T> {
  if (running < mostThreads) running++
  else if (waiting.length >= mostWaiting) throw new OverLimit('too much of this runs at the moment', true)
  else await new Promise<void>(resolve => void waiting.push(resolve))
  try {
    return await answerNow<T>(work, system)
  } finally {
    const next = waiting.shift()
    if (next === undefined) running--
    else next()
  }
}

async function answerNow<T>({ name, file, order }: ThreadWork, { timers }: Pick<System, 'timers'>): Promise<T> {
  const thread = new Worker(file, {
    ...{ workerData: order, name },
    resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
  })
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const late = timers.after(mostMs, () => reject(new OverLimit(`it takes more than ${mostMs / 1_000} s`)))
  thread.once('message', resolve)
  thread.once('error', error => reject(refusalOf(error)))
  thread.once('exit', () => reject(new Error(`the thread of a ${name} has ended without an answer`)))
  try {
    return await promise
  } finally {
    late.cancel()
    await thread.terminate()
  }
}

function refusalOf(error: unknown): unknown {
  const tooMuch = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY'
  return tooMuch ? new OverLimit(`it needs more than ${heapMegabytes} MiB of memory`) : error
}
