/** Feeds the sink and says what a GB costs it. */
import { mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { repository } from '../compat/support/cache.ts'
import { must } from '../compat/support/run.ts'

const chunk = Buffer.alloc(64 * 1024, 'x')
const warmupBytes = 64e6

/** CPU seconds per GB of the gathered sink. */
export async function measureFloor(bytes: number): Promise<number> {
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
    const output = await must(process.execPath, [join(import.meta.dirname, 'sink.ts'), String(port), file, String(warmupBytes)])
    const sink = JSON.parse(output) as { bytes: number; cpuSeconds: number }
    return sink.cpuSeconds / (sink.bytes / 1e9)
  } finally {
    server.close()
    rmSync(file, { force: true })
  }
}
