/** Ports for servers that cannot say which one they have been given. */
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Systems give ports from 32768 on to who asks for any, and to outgoing connections. So nobody is given one of these between its choice and its use. */
const [lowest, count] = [12_000, 20_000]
/** So that processes that look at the same time do not look at the same ones. */
let next = process.pid * 61

/** The first of `neighbours` consecutive ports, all of them free. */
export async function freePort(neighbours = 1): Promise<number> {
  for (;;) {
    const first = lowest + (next % count)
    next += neighbours
    const ports = Array.from({ length: neighbours }, (_, at) => first + at)
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  const isOpen = await new Promise<boolean>(resolve => server.once('listening', () => resolve(true)).once('error', () => resolve(false)))
  if (!isOpen) return false
  server.close()
  await once(server, 'close')
  return true
}
