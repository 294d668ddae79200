/** The thread of {@link CleanerThread}: answers its requests with a PieceCleaner. */
import { parentPort } from 'node:worker_threads'
import { realSystem, Turns } from '../../../base.ts'
import type { CleanerAnswer, CleanerRequest } from './cleaner-thread.ts'
import { PieceCleaner } from './piece-cleaner.ts'

const port = parentPort
if (port !== null) {
  const turns = new Turns(realSystem())
  let cleaner: PieceCleaner | null = null
  const answer = async (request: CleanerRequest): Promise<CleanerAnswer> => {
    if ('job' in request) cleaner = new PieceCleaner(request.job, turns)
    else if ('end' in request) cleaner = null
    else if (cleaner === null) return { error: 'no cleaning has begun' }
    else if ('map' in request) return { value: await cleaner.map(bufferOf(request.map)) }
    else if ('mapped' in request) return { value: await cleaner.mapped(request.mapped) }
    else return { value: await cleaner.filter(bufferOf(request.filter)) }
    return { value: true }
  }
  port.on('message', (request: CleanerRequest) => {
    answer(request).then(
      each => port.postMessage(each),
      error => port.postMessage({ error: String(error) } satisfies CleanerAnswer),
    )
  })
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
