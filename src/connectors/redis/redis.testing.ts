/** A small Redis for tests. */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** Speaks RESP2: transactions, strings and what the test answers; remembers all commands but those of the connection. */
export async function startRedis(test: TestContext, answer: (command: readonly string[]) => string | null | undefined = () => undefined) {
  const asked: string[][] = []
  const strings = new Map<string, string>()
  const reply = (command: readonly string[]): string | null => {
    const given = answer(command)
    if (given !== undefined) return given
    const [name, ...args] = command
    if (name === 'SET') strings.set(args[0]!, args[1]!)
    if (name === 'MGET') return `*${args.length}\r\n${args.map(key => bulk(strings.get(key))).join('')}`
    return name === 'HELLO' ? '-ERR unknown command\r\n' : '+OK\r\n'
  }
  const server = createServer(socket => serve(socket))
  const serve = (socket: Socket) => {
    let rest = Buffer.alloc(0)
    let queue: string[][] | null = null
    socket.on('error', () => {})
    socket.on('data', chunk => {
      rest = Buffer.concat([rest, chunk])
      for (;;) {
        const parsed = commandOf(rest)
        if (parsed === null) return
        rest = rest.subarray(parsed.size)
        const { command } = parsed
        if (!['CLIENT', 'HELLO', 'AUTH', 'SELECT'].includes(command[0]!)) asked.push(command)
        if (command[0] === 'MULTI') {
          queue = []
          socket.write('+OK\r\n')
        } else if (command[0] === 'EXEC') {
          const replies = queue!.map(reply)
          queue = null
          if (replies.includes(null)) socket.destroy()
          else socket.write(`*${replies.length}\r\n${replies.join('')}`)
        } else if (queue !== null) {
          queue.push(command)
          socket.write('+QUEUED\r\n')
        } else {
          const answered = reply(command)
          if (answered === null) socket.destroy()
          else socket.write(answered)
        }
      }
    })
  }
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  test.after(() => server.close())
  return { url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, strings }
}

export const bulk = (text: string | undefined) => (text === undefined ? '$-1\r\n' : `$${Buffer.byteLength(text)}\r\n${text}\r\n`)

function commandOf(bytes: Buffer): { command: string[]; size: number } | null {
  let at = 0
  const line = () => {
    const end = bytes.indexOf('\r\n', at)
    if (end === -1) return null
    const text = bytes.toString('latin1', at + 1, end)
    at = end + 2
    return Number(text)
  }
  const count = line()
  if (count === null) return null
  const command: string[] = []
  for (let index = 0; index < count; index++) {
    const size = line()
    if (size === null || at + size + 2 > bytes.length) return null
    command.push(bytes.toString('utf8', at, at + size))
    at += size + 2
  }
  return { command, size: at }
}
