import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { readInto } from './socket.ts'

test('bytes go where the reader wants them, also when it has changed its mind while it was paused', async () => {
  const buffers = [Buffer.alloc(64), Buffer.alloc(64)]
  let current = buffers[0]!
  const found: string[] = []
  let arrived = Promise.withResolvers<void>()
  const sockets: net.Socket[] = []
  const server = net.createServer({ pauseOnConnect: true }, socket => {
    const reading = readInto(socket, server, {
      target: () => current,
      received(length) {
        found.push(current.toString('latin1', 0, length))
        arrived.resolve()
        return false
      },
    })
    sockets.push(reading)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1')
  try {
    for (const [index, text] of ['first', 'second', 'third', 'fourth'].entries()) {
      arrived = Promise.withResolvers()
      current = buffers[index % 2]!
      client.write(text)
      sockets[0]?.resume()
      await arrived.promise
    }
    assert.deepEqual(found, ['first', 'second', 'third', 'fourth'])
  } finally {
    client.destroy()
    server.close()
    sockets[0]?.destroy()
  }
})
