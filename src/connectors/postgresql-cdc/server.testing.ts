/**
 * A server that speaks as much of PostgreSQL's protocol as a replication stream needs: it takes everyone in, begins to stream, and is told what to send.
 * Queries get rows of texts from a function, which is told their parameters.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { ByteReader } from '../../base.ts'

type Rows = readonly Readonly<Record<string, string>>[]
type Answer = (sql: string, values: readonly (string | null)[]) => Rows

export class FakeServer {
  readonly #server: Server
  readonly #answer: Answer
  /** Of the newest stream. */
  #socket: Socket | null = null
  /** Those that began to stream, as they came. */
  readonly commands: string[] = []
  /** Positions that were confirmed, in their order. */
  readonly confirmed: bigint[] = []
  #changed: (() => void)[] = []

  static start(answer: Answer = () => []): Promise<FakeServer> {
    return new Promise(resolve => {
      const server = createServer()
      const fake = new FakeServer(server, answer)
      server.listen(0, '127.0.0.1', () => resolve(fake))
    })
  }

  private constructor(server: Server, answer: Answer) {
    this.#server = server
    this.#answer = answer
    server.on('connection', socket => this.#accept(socket))
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  #accept(socket: Socket): void {
    let bytes = Buffer.alloc(0)
    let isStarted = false
    let prepared = ''
    let bound: (string | null)[] = []
    socket.on('error', () => {}) // the client goes as it likes
    socket.on('data', chunk => {
      bytes = Buffer.concat([bytes, chunk])
      for (;;) {
        const head = isStarted ? 1 : 0
        if (bytes.length < head + 4 || bytes.length < head + bytes.readInt32BE(head)) return
        const length = head + bytes.readInt32BE(head)
        const message = bytes.subarray(0, length)
        bytes = bytes.subarray(length)
        const [kind, body] = [String.fromCharCode(message[0]!), message.subarray(5)]
        if (!isStarted) {
          isStarted = true
          write(socket, 'R', Buffer.alloc(4))
          write(socket, 'Z', Buffer.from('I'))
        } else if (kind === 'Q') this.#query(socket, textAt(body, 0))
        else if (kind === 'P') prepared = textAt(body, body.indexOf(0) + 1)
        else if (kind === 'B') bound = valuesIn(body)
        else if (kind === 'S') this.#execute(socket, prepared, bound)
        else if (kind === 'd' && body[0] === 0x72) this.#confirm(body.readBigUInt64BE(9))
      }
    })
  }

  #query(socket: Socket, sql: string): void {
    if (sql.startsWith('START_REPLICATION')) {
      this.commands.push(sql)
      this.#socket = socket
      write(socket, 'W', Buffer.from([0, 0, 0]))
    } else this.#rows(socket, sql)
  }

  /** What was prepared, bound, described and executed before. */
  #execute(socket: Socket, sql: string, values: readonly (string | null)[]): void {
    write(socket, '1')
    write(socket, '2')
    this.#rows(socket, sql, values)
  }

  #rows(socket: Socket, sql: string, values: readonly (string | null)[] = []): void {
    const rows = this.#answer(sql, values)
    const names = Object.keys(rows[0] ?? {})
    // Of no table, text (OID 25) of any length, written as text.
    const format = [int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(0)]
    write(socket, 'T', int16(names.length), ...names.flatMap(name => [Buffer.from(`${name}\0`), ...format]))
    for (const row of rows) {
      const cells = names.map(name => Buffer.from(row[name]!))
      write(socket, 'D', int16(cells.length), ...cells.flatMap(cell => [int32(cell.length), cell]))
    }
    write(socket, 'C', Buffer.from(`SELECT ${rows.length}\0`))
    write(socket, 'Z', Buffer.from('I'))
  }

  #confirm(lsn: bigint): void {
    this.confirmed.push(lsn)
    for (const wake of this.#changed.splice(0)) wake()
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
    write(this.#socket!, 'd', Buffer.concat([head, body]))
  }

  keepAlive(lsn: bigint, wantsReply = false): void {
    const message = Buffer.alloc(18)
    message.write('k')
    message.writeBigUInt64BE(lsn, 1)
    message[17] = wantsReply ? 1 : 0
    write(this.#socket!, 'd', message)
  }

  sendRaw(body: Buffer): void {
    write(this.#socket!, 'd', body)
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

function write(socket: Socket, kind: string, ...parts: readonly Buffer[]): void {
  const body = Buffer.concat(parts)
  socket.write(Buffer.concat([Buffer.from(kind), int32(body.length + 4), body]))
}

function textAt(body: Buffer, at: number): string {
  return body.toString('utf8', at, body.indexOf(0, at))
}

/** Of a Bind message whose parameters are texts. */
function valuesIn(body: Buffer): (string | null)[] {
  const reader = new ByteReader(body.subarray(body.indexOf(0, body.indexOf(0) + 1) + 1))
  reader.skip(2 * reader.readInt16())
  return Array.from({ length: reader.readInt16() }, () => {
    const length = reader.readInt32()
    return length < 0 ? null : reader.readSlice(length).toString()
  })
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
