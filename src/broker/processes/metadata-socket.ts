/**
 * The Unix socket over which the processes of one machine share the metadata log: the first process listens, the others connect.
 *
 * Whoever can connect can change the metadata. On Linux that takes write permission on the socket, which the system's usual umask leaves to
 * the user that runs the processes.
 */
import net from 'node:net'
import type { System } from '../../base.ts'
import { MetadataClient, type MetadataLog, serveMetadataLog } from '../../coordinator.ts'
import type { Logger } from '../../logger.ts'

/** Of `sockaddr_un`, without the zero at its end. */
const longestPath = 107

/** Replaces a socket that an earlier process left: the caller holds the lock of the data directory. */
export async function listenForMetadata(
  path: string,
  log: MetadataLog,
  system: System,
  logger: Logger,
): Promise<{ close(): Promise<void> }> {
  requireShort(path)
  if (system.files.exists(path)) system.files.remove(path)
  const open = new Set<net.Socket>()
  const server = net.createServer(socket => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    serveMetadataLog(log, socket, error => logger.warn({ err: error }, 'closing a connection to the metadata log'))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}

export function connectToMetadata(path: string, system: System, logger: Logger): MetadataLog {
  requireShort(path)
  return new MetadataClient({
    system,
    connect: () => connect(path),
    report: (what, error) => logger.warn({ err: error }, what),
  })
}

function connect(path: string): Promise<net.Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<net.Socket>()
  const socket = net.connect(path)
  socket.once('error', reject)
  socket.once('connect', () => {
    socket.off('error', reject)
    resolve(socket)
  })
  return promise
}

function requireShort(path: string): void {
  const bytes = Buffer.byteLength(path)
  if (bytes > longestPath) throw new Error(`the path of a Unix socket has at most ${longestPath} bytes; this one has ${bytes}: ${path}`)
}
