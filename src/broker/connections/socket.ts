/**
 * Lets the broker provide the buffer that a socket reads into.
 *
 * With a plain `'data'` listener, Node allocates 64 KiB for every read: a sink from socket to file then costs 1.7 CPU seconds per GB,
 * compared with 0.45 when all reads use one 256 KiB buffer (ADR 0003). Node supports that (`onread`) only for sockets that the program
 * creates, not for accepted ones; so the accepted socket's handle is moved to a new socket. If a handle cannot be moved (in a future
 * Node), bytes arrive by `'data'` and are copied to the reader's buffer: slower, but correct. For TLS see tls-reads.ts.
 */
import net from 'node:net'

export interface SocketReader {
  /** The buffer for the next bytes; called before each read. Never empty. */
  target(): Buffer
  /** `length` bytes have arrived at the start of what `target()` gave. false: read no more until the socket is resumed. */
  received(length: number): boolean
}

interface AcceptedSocket {
  _handle?: { readStop?: unknown; useUserBuffer?: unknown } | null
}

/** Takes over a socket accepted with `pauseOnConnect`; reading begins at once. */
export function readInto(accepted: net.Socket, server: net.Server, reader: SocketReader): net.Socket {
  const handle = (accepted as AcceptedSocket)._handle
  if (!handle || typeof handle.useUserBuffer !== 'function') return readByCopy(accepted, reader)
  ;(accepted as AcceptedSocket)._handle = null
  // Node asks for the next buffer as soon as it has delivered one, and a reader that was paused may since have changed its mind.
  let asked = reader.target()
  const buffer = () => {
    asked = reader.target()
    return asked
  }
  const callback = (length: number) => {
    const target = reader.target()
    if (target.byteOffset === asked.byteOffset && target.buffer === asked.buffer) return reader.received(length)
    return deliver(asked.subarray(0, length), reader)
  }
  const options = { handle, onread: { buffer, callback } }
  const socket = new net.Socket(options as unknown as net.SocketConstructorOpts)
  // The server counts its connections by this field; without it close() would wait for ever.
  Object.assign(socket, { _server: server, server })
  socket.resume()
  return socket
}

function readByCopy(socket: net.Socket, reader: SocketReader): net.Socket {
  socket.on('data', (data: Buffer) => {
    if (!deliver(data, reader)) socket.pause()
  })
  socket.resume()
  return socket
}

/** Copies the bytes to where the reader wants them; they may lie in the very buffer that it wants them at the start of. */
export function deliver(bytes: Buffer, reader: SocketReader): boolean {
  let open = true
  for (let at = 0; at < bytes.length; ) {
    const copied = bytes.copy(reader.target(), 0, at)
    at += copied
    open = reader.received(copied) && open
  }
  return open
}
