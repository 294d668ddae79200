/**
 * A door to a server that turns hostile: it passes on what is said until the client has spoken so many times, and answers in the mode of the test from then on.
 * It knows no protocol: the client's turn begins where it speaks first on a connection, or after the server.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { realSystem } from '../../src/base.ts'

export type Mode =
  /** What is answered to this. */
  | { readonly answer: (asked: string) => string | Buffer }
  /** Bytes without an end, behind this beginning. */
  | { readonly endless: string }
  /** This beginning, and then a byte now and then, without an end. */
  | { readonly trickle: string }
  /**
   * `hang`: nothing comes. `slow`: the server's own answer comes byte by byte. `reset`: the connection is broken before the server hears anything. `lost`: it is broken in the middle of the
   * server's answer. `refused`: nobody listens any more.
   */
  | 'hang'
  | 'slow'
  | 'reset'
  | 'lost'
  | 'refused'

const byteMs = 25
/** Far more than anybody may take of an answer. */
const mostEndless = 96 * 2 ** 20
const endlessPiece = Buffer.alloc(2 ** 16, 'x')
const { timers } = realSystem()

export class Front {
  readonly #targetPort: number
  #server: Server = createServer()
  readonly #sockets = new Set<Socket>()
  #mode: Mode | null = null
  #passing = Number.POSITIVE_INFINITY
  #port = 0
  /** Turns of clients so far. */
  turns = 0
  /** Those that were answered in the mode. */
  spoilt = 0
  /** Most bytes that a client took of one endless answer. */
  taken = 0
  /** Whether the target greets clients before they speak. */
  speaksFirst = false

  static async start(target: string | number): Promise<Front> {
    const front = new Front(typeof target === 'number' ? target : Number(new URL(target).port))
    await front.#listen()
    return front
  }

  private constructor(targetPort: number) {
    this.#targetPort = targetPort
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** After this many more turns. */
  async turnHostile(mode: Mode, after: number): Promise<void> {
    this.#mode = mode
    this.#passing = this.turns + after
    if (after === 0 && mode === 'refused') await this.#refuse()
  }

  async heal(): Promise<void> {
    this.#mode = null
    this.#passing = Number.POSITIVE_INFINITY
    this.#breakAll()
    if (!this.#server.listening) await this.#listen()
  }

  async stop(): Promise<void> {
    this.#breakAll()
    await new Promise<void>(resolve => void this.#server.close(() => resolve()))
  }

  async #listen(): Promise<void> {
    this.#server = createServer({ noDelay: true }, socket => this.#accept(socket))
    await new Promise<void>(resolve => this.#server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async #refuse(): Promise<void> {
    this.spoilt++
    const closed = new Promise<void>(resolve => void this.#server.close(() => resolve()))
    this.#breakAll()
    await closed
  }

  #breakAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {}) // the client goes as it likes
    socket.on('close', () => this.#sockets.delete(socket))
  }

  #accept(client: Socket): void {
    this.#keep(client)
    if (this.speaksFirst && this.#isHostile && !this.#hears) {
      this.spoilt++
      this.#answer(client, '')
      return
    }
    const server = connect(this.#targetPort, '127.0.0.1')
    this.#keep(server)
    let relay = (chunk: Buffer): void => void client.write(chunk)
    let isTurn = true
    let isSpoilt = false
    let isBad = false
    client.on('data', chunk => {
      if (isSpoilt) return
      if (isTurn && this.#isHostile) {
        this.spoilt++
        if (this.#hears) {
          // What is on its way comes first.
          if (!isBad) relay = this.#relayBadly(client)
          isBad = true
        } else {
          this.#answer(client, chunk.toString('latin1'))
          // The rest of a request of HTTP is no request.
          isSpoilt = typeof this.#mode !== 'object' || chunk.includes('HTTP/1.1')
          return
        }
      } else if (isTurn) this.turns++
      isTurn = false
      server.write(chunk)
    })
    server.on('data', chunk => {
      isTurn = true
      relay(chunk)
    })
    client.on('close', () => server.destroy())
    server.on('close', () => {
      if (!isSpoilt) client.destroy()
    })
  }

  get #isHostile(): boolean {
    return this.#mode !== null && this.turns >= this.#passing
  }

  /** Whether the server hears what the client says, although its answer does not arrive. */
  get #hears(): boolean {
    return this.#mode === 'slow' || this.#mode === 'lost'
  }

  #answer(client: Socket, asked: string): void {
    const mode = this.#mode!
    if (mode === 'refused') void this.#refuse()
    else if (mode === 'reset') client.resetAndDestroy()
    else if (typeof mode === 'string') return
    else if ('answer' in mode) client.write(mode.answer(asked))
    else if ('trickle' in mode) {
      client.write(mode.trickle)
      drip(client, () => 'x')
    } else {
      client.write(mode.endless)
      this.#endless(client)
    }
  }

  #relayBadly(client: Socket): (chunk: Buffer) => void {
    let waiting: Buffer = Buffer.alloc(0)
    const isSlow = this.#mode === 'slow'
    if (isSlow)
      drip(client, () => {
        const next = waiting.subarray(0, 1)
        waiting = waiting.subarray(1)
        return next
      })
    return chunk => {
      if (isSlow) waiting = Buffer.concat([waiting, chunk])
      else client.write(chunk.subarray(0, chunk.length >> 1), () => client.resetAndDestroy())
    }
  }

  #endless(client: Socket): void {
    let taken = 0
    const write = () => {
      while (!client.destroyed && taken < mostEndless) {
        taken += endlessPiece.length
        this.taken = Math.max(this.taken, taken)
        if (!client.write(endlessPiece)) return
      }
    }
    client.on('drain', write)
    write()
  }
}

function drip(client: Socket, next: () => string | Buffer): void {
  timers.after(byteMs, () => {
    if (client.destroyed) return
    client.write(next())
    drip(client, next)
  })
}
