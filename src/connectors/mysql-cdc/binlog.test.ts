import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import { test } from 'node:test'
import { createServer } from 'mysql2'
import { readValues, realSystem } from '../../base.ts'
import { Binlog } from './binlog.ts'
import { keys } from './keys.ts'

const hello = { protocolVersion: 10, serverVersion: '8.4.0', statusFlags: 2, characterSet: 8, capabilityFlags: 0xff_ffff }

test('a binlog that cannot be read leaves no connections behind', { timeout: 20_000 }, async t => {
  const closed: Promise<unknown>[] = []
  const streams: Socket[] = []
  // A server that takes everyone in, and refuses whatever is asked.
  const server = createServer(connection => {
    const { stream } = connection as unknown as { readonly stream: Socket }
    streams.push(stream)
    closed.push(once(stream, 'close'))
    connection.on('error', () => {}) // the client goes as it likes
    connection.serverHandshake({ ...hello, connectionId: closed.length })
    connection.on('query', () => connection.writeError({ code: 1_227, message: 'Access denied' }))
  })
  server.listen(0)
  const { _server: listening } = server as unknown as { readonly _server: Server }
  // Also if it takes too long: what is open keeps the process.
  t.after(() => {
    listening.close()
    for (const stream of streams) stream.destroy()
  })
  await once(listening, 'listening')
  const { port } = listening.address() as AddressInfo
  const login = { 'database.hostname': '127.0.0.1', 'database.port': String(port), 'database.user': 'me' }
  const config = readValues(keys, { ...login, 'topic.prefix': 'shop' })
  const place = { file: 'bin.000001', pos: 4, gtids: null }
  await assert.rejects(Binlog.start(config, realSystem(), { place, serverId: 1, isCaptured: () => true }), /Access denied/)
  assert.equal(closed.length, 2)
  await Promise.all(closed)
})
