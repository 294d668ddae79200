/** Feeds the sinks and says what a GB costs them. */
import { mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { repository } from '../compat/support/cache.ts'
import { must } from '../compat/support/run.ts'

export interface Floor {
  /** CPU seconds per GB of a socket-to-file sink with `data` events and writeSync. */
  plain: number
  /** The same with one buffer for all reads. */
  best: number
}

const chunk = Buffer.alloc(64 * 1024, 'x')
const warmupBytes = 64e6

export async function measureFloor(bytes: number): Promise<Floor> {
  return { plain: await measure('plain', bytes), best: await measure('best', bytes) }
}

async function measure(kind: keyof Floor, bytes: number): Promise<number> {
  const directory = join(repository, '.cache')
  mkdirSync(directory, { recursive: true })
  const file = join(directory, `sink-${process.pid}`)
  const server = createServer(socket => {
    let left = bytes + warmupBytes
    const feed = () => {
      while (left > 0) {
        left -= chunk.length
        if (!socket.write(chunk)) return
      }
      socket.end()
    }
    socket.on('drain', feed)
    feed()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    const port = (server.address() as { port: number }).port
    const output = await must(process.execPath, [join(import.meta.dirname, 'sink.ts'), kind, String(port), file, String(warmupBytes)])
    const sink = JSON.parse(output) as { bytes: number; cpuSeconds: number }
    return sink.cpuSeconds / (sink.bytes / 1e9)
  } finally {
    server.close()
    rmSync(file, { force: true })
  }
}
