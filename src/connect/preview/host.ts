/** Previews as the API gives them: each in a thread of its own, with limits of time, memory and number. */
import { Worker } from 'node:worker_threads'
import type { System } from '../../base.ts'
import { HttpError } from '../../http.ts'
import type { Sample } from '../../samples.ts'
import type { DefaultRegistry } from '../converters/converter.ts'
import { badRequest } from '../herder/errors.ts'
import type { Previewed } from '../preview.ts'

export interface PreviewOrder {
  readonly config: Readonly<Record<string, string>>
  /** Of the worker, whose converters count where the connector names none. */
  readonly worker: Readonly<Record<string, string>>
  readonly registry: DefaultRegistry | null
  readonly records: readonly Sample[]
}

export type PreviewAnswer = { readonly results: readonly Previewed[] } | { readonly invalid: string }

const mostMs = 10_000
const heapMegabytes = 128
/** At the same time. */
const mostPreviews = 4
let running = 0

/** Throws HttpError. */
export async function previewRecords(order: PreviewOrder, { timers }: Pick<System, 'timers'>): Promise<readonly Previewed[]> {
  if (running >= mostPreviews) throw new HttpError(503, 503, 'Too many previews run at the moment', { headers: { 'retry-after': '2' } })
  running++
  const file = import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js'
  const thread = new Worker(new URL(file, import.meta.url), {
    workerData: order,
    name: 'preview',
    resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
  })
  const { promise, resolve, reject } = Promise.withResolvers<PreviewAnswer>()
  const late = timers.after(mostMs, () => reject(badRequest(`The records are not transformed within ${mostMs / 1_000} s`)))
  thread.once('message', resolve)
  thread.once('error', error => reject(refusalOf(error)))
  thread.once('exit', () => reject(new Error('the thread of a preview has ended without an answer')))
  try {
    const answer = await promise
    if ('invalid' in answer) throw badRequest(answer.invalid)
    return answer.results
  } finally {
    late.cancel()
    running--
    await thread.terminate()
  }
}

function refusalOf(error: unknown): unknown {
  const tooMuch = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY'
  return tooMuch ? badRequest(`The records need more than ${heapMegabytes} MiB of memory`) : error
}
