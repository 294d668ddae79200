import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { afterEach, beforeEach, describe, test } from 'node:test'
import tls from 'node:tls'
import { realSystem } from '../../base.ts'
import type { SocketReader } from './socket.ts'
import { TlsReads } from './tls-reads.ts'

const pem = readFileSync(new URL('../../../test/security/fixtures/broker.pem', import.meta.url))

/** Keeps what it is told; its target lies at the start of a buffer that others use, too, as a connection's does. */
class Keeper implements SocketReader {
  text = ''
  tellings = 0
  open = true
  readonly #target: () => Buffer
  readonly #told: (keeper: Keeper) => void

  constructor(target: () => Buffer, told: (keeper: Keeper) => void) {
    this.#target = target
    this.#told = told
  }

  target(): Buffer {
    return this.#target()
  }

  received(length: number): boolean {
    this.text += this.#target().toString('latin1', 0, length)
    this.tellings++
    this.#told(this)
    return this.open
  }
}

for (const way of ['page', 'data'] as const) {
  describe(`TLS reads by ${way}`, () => {
    const keepers: Keeper[] = []
    const sockets: tls.TLSSocket[] = []
    let server: tls.Server
    let reads: TlsReads
    let target: () => Buffer
    let told: (keeper: Keeper) => void

    beforeEach(async () => {
      reads = new TlsReads(realSystem().timers)
      target = () => reads.buffers.shared
      told = () => {}
      server = tls.createServer({ cert: pem, key: pem }, socket => {
        // A Node without the means.
        if (way === 'data') Object.defineProperty((socket as unknown as { _handle: object })._handle, 'useUserBuffer', { value: null })
        const keeper = new Keeper(() => target(), told)
        keepers.push(keeper)
        sockets.push(socket)
        reads.read(socket, keeper)
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    })

    afterEach(() => {
      for (const socket of sockets.splice(0)) socket.destroy()
      keepers.length = 0
      server.close()
    })

    async function client(port = (server.address() as net.AddressInfo).port): Promise<tls.TLSSocket> {
      const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      return socket
    }

    const records = (name: string) => Array.from({ length: 2_000 }, (_, i) => `${name}${i};`)

    test('many small records of two connections are few reads, and none gets what is the other’s', async () => {
      const clients = [await client(), await client()]
      const expected = ['a', 'b'].map(name => records(name).join(''))
      for (const [i, one] of clients.entries()) for (const record of records('ab'[i]!)) one.write(record)
      for (const one of clients) one.end()
      while (sockets.length < 2 || sockets.some(socket => !socket.destroyed)) await new Promise(setImmediate)
      assert.deepEqual(keepers.map(({ text }) => text).sort(), expected)
      for (const socket of sockets) assert.equal(socket.listenerCount('data'), way === 'page' ? 0 : 1)
      for (const { tellings } of keepers) assert.ok(tellings < 1_000, `${tellings}`)
    })

    test('what comes together with the end is answered before it', async () => {
      told = () => void sockets[0]!.write('reply')
      let held: Buffer[] | null = null
      const between = net.createServer({ allowHalfOpen: true }, near => {
        const far = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1')
        far.pipe(near)
        near.on('data', data => (held === null ? far.write(data) : held.push(data)))
        near.on('end', () => far.end(Buffer.concat(held ?? [])))
      })
      between.listen(0, '127.0.0.1')
      await once(between, 'listening')
      const one = await client((between.address() as net.AddressInfo).port)
      let replies = ''
      one.setEncoding('latin1').on('data', text => (replies += text))
      while (sockets.length === 0) await new Promise(setImmediate)
      for (let i = 0; i < 20; i++) await new Promise(setImmediate)
      held = []
      one.end('last words')
      await once(one, 'close')
      between.close()
      assert.equal(replies, 'reply')
    })

    test('a target may be small, and another each time', async () => {
      const targets = [Buffer.alloc(7), Buffer.alloc(64)]
      let next = 0
      target = () => targets[next % 2]!
      told = () => next++
      const one = await client()
      for (const record of records('c')) one.write(record)
      one.end()
      while (sockets.length < 1 || !sockets[0]!.destroyed) await new Promise(setImmediate)
      assert.equal(keepers[0]!.text, records('c').join(''))
    })

    test('a reader that wants no more is left alone until it is resumed', async () => {
      let stopped = Promise.withResolvers<void>()
      told = keeper => {
        keeper.open = false
        stopped.resolve()
      }
      const one = await client()
      const text = 'x'.repeat(4_000_000)
      one.write(text)
      await stopped.promise
      for (let i = 0; i < 50; i++) await new Promise(setImmediate)
      const { length } = keepers[0]!.text
      assert.ok(length < 1_000_000, `${length}`)
      for (let i = 0; i < 50; i++) await new Promise(setImmediate)
      assert.equal(keepers[0]!.text.length, length)
      while (keepers[0]!.text.length < text.length) {
        stopped = Promise.withResolvers()
        keepers[0]!.open = true
        sockets[0]!.resume()
        await stopped.promise
      }
      assert.equal(keepers[0]!.text, text)
      one.destroy()
    })
  })
}
