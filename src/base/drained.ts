/** When a reader has taken what was written, so that there is room for more, or is gone. */
import type { Writable } from 'node:stream'

export function drained(stream: Writable): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      stream.off('drain', done).off('close', done)
      resolve()
    }
    stream.on('drain', done).on('close', done)
  })
}
