/** The compaction thread: runs one job at a time, asks whether to continue after every group, and returns where the clean part ends. */
import { parentPort } from 'node:worker_threads'
import { DiskError, realSystem } from '../../base.ts'
import { type CleanerJob, runCleanerJob } from './cleaner-job.ts'

/** To the worker. */
export type ToWorker = { job: CleanerJob } | { answer: 'go on' | 'stop' } | { stop: true }
/** From the worker. */
export type FromWorker =
  | { group: number[] }
  | { cleanedTo: number }
  | { refused: { operation: string; path: string; code: string } }
  | { error: string }

const port = parentPort
if (port !== null) {
  let answer: (answer: 'go on' | 'stop') => void = () => {}
  let abort = new AbortController()
  const ask = (group: number[]) => {
    const answered = new Promise<'go on' | 'stop'>(resolve => {
      answer = resolve
    })
    port.postMessage({ group } satisfies FromWorker)
    return answered
  }
  const failed = (error: unknown): FromWorker => {
    if (!(error instanceof DiskError)) return { error: String(error) }
    return { refused: { operation: error.operation, path: error.path, code: error.code } }
  }
  port.on('message', (message: ToWorker) => {
    if ('answer' in message) return answer(message.answer)
    if ('stop' in message) return abort.abort()
    abort = new AbortController()
    runCleanerJob(realSystem(), message.job, ask, abort.signal).then(
      cleanedTo => port.postMessage({ cleanedTo } satisfies FromWorker),
      error => port.postMessage(failed(error)),
    )
  })
}
