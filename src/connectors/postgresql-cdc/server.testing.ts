/** A server that speaks as much of PostgreSQL's protocol as a replication stream needs: it takes everyone in, begins to stream, and is told what to send. */
import { createServer, type Server, type Socket } from 'node:net'

export class FakeServer {
  readonly #server: Server
  #socket: Socket | null = null
  /** Commands as they came. */
  readonly commands: string[] = []
  /** Positions that were confirmed, in their order. */
  readonly confirmed: bigint[] = []
  #changed: (() => void)[] = []

  static start(): Promise<FakeServer> {
    return new Promise(resolve => {
      const server = createServer()
      const fake = new FakeServer(server)
      server.listen(0, '127.0.0.1', () => resolve(fake))
    })
  }

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', socket => this.#accept(socket))
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  #accept(socket: Socket): void {
    this.#socket = socket
    let bytes = Buffer.alloc(0)
    let isStarted = false
    socket.on('error', () => {}) // the client goes as it likes
    socket.on('data', chunk => {
      bytes = Buffer.concat([bytes, chunk])
      for (;;) {
        const head = isStarted ? 1 : 0
        if (bytes.length < head + 4 || bytes.length < head + bytes.readInt32BE(head)) return
        const length = head + bytes.readInt32BE(head)
        const message = bytes.subarray(0, length)
        bytes = bytes.subarray(length)
        if (isStarted) this.#take(String.fromCharCode(message[0]!), message.subarray(5))
        else {
          isStarted = true
          this.#write('R', Buffer.alloc(4))
          this.#write('Z', Buffer.from('I'))
        }
      }
    })
  }

  #take(kind: string, body: Buffer): void {
    if (kind === 'Q') {
      this.commands.push(body.toString('utf8', 0, body.length - 1))
      this.#write('W', Buffer.from([0, 0, 0]))
    } else if (kind === 'd' && body[0] === 0x72) {
      this.confirmed.push(body.readBigUInt64BE(9))
      for (const wake of this.#changed.splice(0)) wake()
    }
  }

  #write(kind: string, body: Buffer): void {
    const head = Buffer.alloc(5)
    head.write(kind)
    head.writeInt32BE(body.length + 4, 1)
    this.#socket!.write(Buffer.concat([head, body]))
  }

  /** How many bytes the client has not taken. */
  get waiting(): number {
    return this.#socket!.writableLength
  }

  send(lsn: bigint, body: Buffer): void {
    const head = Buffer.alloc(25)
    head.write('w')
    head.writeBigUInt64BE(lsn, 1)
    head.writeBigUInt64BE(lsn, 9)
    this.#write('d', Buffer.concat([head, body]))
  }

  keepAlive(lsn: bigint, wantsReply = false): void {
    const message = Buffer.alloc(18)
    message.write('k')
    message.writeBigUInt64BE(lsn, 1)
    message[17] = wantsReply ? 1 : 0
    this.#write('d', message)
  }

  sendRaw(body: Buffer): void {
    this.#write('d', body)
  }

  /** Resolves when the client has said something new. */
  status(): Promise<void> {
    return new Promise(resolve => this.#changed.push(resolve))
  }

  /** Resolves when the client has gone. */
  ended(): Promise<void> {
    return new Promise(resolve => this.#socket!.once('close', () => resolve()))
  }

  drop(): void {
    this.#socket?.destroy()
  }

  close(): void {
    this.drop()
    this.#server.close()
  }
}
