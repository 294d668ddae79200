/** The thread that compacts: takes one job, asks back after every group, answers with where the clean part ends. */
import { parentPort } from 'node:worker_threads'
import { realSystem } from '../../base.ts'
import { type CleanerJob, runCleanerJob } from './cleaner-job.ts'

/** To the worker. */
export type ToWorker = { job: CleanerJob } | { answer: 'go on' | 'stop' }
/** From the worker. */
export type FromWorker = { group: number[] } | { cleanedTo: number } | { error: string }

const port = parentPort
if (port !== null) {
  let answer: (answer: 'go on' | 'stop') => void = () => {}
  const ask = (group: number[]) => {
    const answered = new Promise<'go on' | 'stop'>(resolve => {
      answer = resolve
    })
    port.postMessage({ group } satisfies FromWorker)
    return answered
  }
  port.on('message', (message: ToWorker) => {
    if ('answer' in message) return answer(message.answer)
    runCleanerJob(realSystem(), message.job, ask).then(
      cleanedTo => port.postMessage({ cleanedTo } satisfies FromWorker),
      error => port.postMessage({ error: String(error) } satisfies FromWorker),
    )
  })
}
