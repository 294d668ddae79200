/** The collector of this process: when it runs by itself depends on the machine. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
export const collectGarbage = runInNewContext('gc') as () => void

/** Bytes of ArrayBuffers that somebody needs, if there are more than `most`; it takes a while then. */
export function heldBytes(most = 0): number {
  if (process.memoryUsage().arrayBuffers > most) collectGarbage()
  return process.memoryUsage().arrayBuffers
}
