/** A broker that is given sockets made by the test, for what the buffers of the kernel would hide. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:net'
import { Duplex } from 'node:stream'
import { type FileSystem, realSystem } from '../../src/base.ts'
import { loadBrokerConfig, type RunningBroker, startBroker } from '../../src/broker.ts'
import { silentLogger } from '../../src/logger.ts'

export interface WithMadeSockets {
  broker: RunningBroker
  port: number
  /** As if a client had connected: `socket` is the broker's end. */
  accept(socket: Duplex): void
}

export async function startWithMadeSockets(files: FileSystem, set: Record<string, string>): Promise<WithMadeSockets> {
  return withMadeSockets(more =>
    startBroker({
      system: realSystem(files),
      config: loadBrokerConfig({ set: { listeners: 'PLAINTEXT://127.0.0.1:0', 'http.listen': 'none', 'log.dirs': '/data', ...set } }),
      logger: silentLogger,
      onFatal: error => assert.fail(error),
      ...more,
    }),
  )
}

/** A broker that is started in another way. */
export async function withMadeSockets(
  start: (more: { createServer: typeof createServer }) => Promise<RunningBroker>,
): Promise<WithMadeSockets> {
  const listening: Server[] = []
  const broker = await start({
    createServer: ((options: object) => {
      const server = createServer(options)
      listening.push(server)
      return server
    }) as typeof createServer,
  })
  return { broker, port: broker.ports.get('PLAINTEXT')!, accept: socket => void listening[0]!.emit('connection', socket) }
}

/** The broker's end of a connection whose client reads nothing: a write is done when the connection is. */
export class NonReader extends Duplex {
  readonly remoteAddress = '127.0.0.9'
  #writing: (error: Error) => void = () => {}

  override _read(): void {}

  override _writev(_: unknown, done: (error: Error) => void): void {
    this.#writing = done
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#writing(new Error('ECANCELED'))
    done(error)
  }
}
