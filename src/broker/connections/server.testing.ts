/** For tests of connections: a server with sockets and a given dispatch, and clients that send text in frames. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { afterEach } from 'node:test'
import { memoryFileSystem, realSystem, Turns, trustingClock } from '../../base.ts'
import { Session, type TlsListener } from '../security.ts'
import type { Dispatch } from './connection.ts'
import { FrameMemory } from './frame-memory.ts'
import { ResponseMemory } from './response-memory.ts'
import { Server, type ServerLimits } from './server.ts'

const limits: ServerLimits = {
  maxFrameBytes: 1 << 20,
  maxUnauthenticatedFrameBytes: 1 << 19,
  authenticationDeadlineMs: 30_000,
  maxIdleMs: 600_000,
  frameDeadlineMs: 60_000,
  maxConnections: 100,
  isProtected: () => false,
  maxConnectionsOf: () => Number.POSITIVE_INFINITY,
  maxConnectionsPerIp: () => 100,
  maxCreationRate: 1000,
  maxCreationRateOf: () => Number.POSITIVE_INFINITY,
  backlog: 100,
}

/** Closed after each test, in this order. */
export const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

export async function serve(
  dispatch: Dispatch,
  changed: Partial<ServerLimits> = {},
  pressure = { on: false, whenOff: (_: () => void) => {} },
  connectionDelay = (_address: string) => 0,
  system = realSystem(memoryFileSystem()),
  memory = { requests: 1e9, responses: 1e9 },
  tls: TlsListener | null = null,
) {
  const reasons: string[] = []
  const server = new Server({
    system,
    turns: new Turns(system),
    createServer: net.createServer,
    limits: { ...limits, ...changed },
    requestMemory: new FrameMemory(memory.requests),
    responseMemory: new ResponseMemory(memory.responses),
    security: { tls: () => tls, open: (_listener, address) => new Session('User:ANONYMOUS', address, null) },
    dispatch,
    endOfRead() {},
    pressure,
    connectionDelay,
    onOpen() {},
    onClose: (_, reason) => reasons.push(reason instanceof Error ? reason.message : String(reason)),
    onRefused: (_, reason) => reasons.push(`refused: ${reason}`),
  })
  const port = await server.listen({ name: 'PLAINTEXT', host: '127.0.0.1', port: 0, protocol: 'PLAINTEXT' })
  open.push({ close: () => server.close(0) })
  return { server, port, reasons }
}

export async function connect(port: number): Promise<{ socket: net.Socket; received: () => string }> {
  const socket = net.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  let text = ''
  socket.on('data', data => {
    text += data.toString('latin1')
  })
  socket.on('error', () => {})
  open.push({ close: () => socket.destroy() })
  return { socket, received: () => text }
}

export function frame(text: string): Buffer {
  const bytes = Buffer.alloc(4 + text.length)
  bytes.writeInt32BE(text.length)
  bytes.write(text, 4, 'latin1')
  return bytes
}

export const reply = (text: string) => ({ buffers: [Buffer.from(text, 'latin1')], length: text.length })

/** The clock stands still, except that each request takes a millisecond. */
export class SlowRequests {
  /** How many were served in one turn of the event loop. */
  most = 0
  readonly system
  #nowMs = 0
  #inTurn = 0

  constructor() {
    const now = () => this.#nowMs
    this.system = { ...realSystem(memoryFileSystem()), clock: trustingClock(now, now) }
  }

  /** One is being served. */
  pass(): void {
    this.#nowMs++
    this.most = Math.max(this.most, ++this.#inTurn)
    if (this.#inTurn === 1) this.system.timers.soon(() => (this.#inTurn = 0))
  }
}

export async function until(condition: () => boolean): Promise<void> {
  const { timers } = realSystem(memoryFileSystem())
  for (let turn = 0; turn < 2000 && !condition(); turn++) await new Promise<void>(resolve => void timers.after(4, resolve))
  assert.ok(condition(), `gave up waiting: ${condition}`)
}
