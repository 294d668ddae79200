import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { memoryFileSystem, realSystem, trustingClock } from '../../base.ts'
import type { TlsListener } from '../security.ts'
import type { Dispatch } from './connection.ts'
import { connect, frame, open, reply, SlowRequests, serve, until } from './server.testing.ts'

test('replies leave in the order of the requests, whatever order they are ready in', async () => {
  const settle = new Map<string, () => void>()
  const { port } = await serve(bytes => {
    const text = bytes.toString('latin1')
    if (text.startsWith('now')) return reply(text)
    const made = Promise.withResolvers<ReturnType<typeof reply>>()
    settle.set(text, () => made.resolve(reply(text)))
    return { reply: made.promise, readOn: true }
  })
  const { socket, received } = await connect(port)
  socket.write(Buffer.concat([frame('a'), frame('b'), frame('now1'), frame('c'), frame('now2')]))
  await until(() => settle.size === 3)
  settle.get('c')!()
  settle.get('b')!()
  await new Promise(resolve => setTimeout(resolve, 10))
  assert.equal(received(), '')
  settle.get('a')!()
  await until(() => received() === 'abnow1cnow2')
})

test('a request that must be answered first keeps the next from being worked on', async () => {
  const seen: string[] = []
  const gate = Promise.withResolvers<ReturnType<typeof reply>>()
  const { port } = await serve(bytes => {
    seen.push(bytes.toString('latin1'))
    return seen.length === 1 ? { reply: gate.promise, readOn: false } : reply(seen.at(-1)!)
  })
  const { socket, received } = await connect(port)
  socket.write(Buffer.concat([frame('first'), frame('second'), frame('x'.repeat(300_000))]))
  await until(() => seen.length === 1)
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.deepEqual(seen, ['first'])
  gate.resolve(reply('1'))
  await until(() => received().length === 1 + 'second'.length + 300_000)
  assert.equal(seen.length, 3)
})

test('a client that ends its direction gets the replies that it waits for', async () => {
  const replies = Promise.withResolvers<ReturnType<typeof reply>>()
  let begun = 0
  const { server, port, reasons } = await serve((_, __, connection) => {
    begun++
    connection.signal.addEventListener('abort', () => replies.resolve(reply('given up')))
    return { reply: replies.promise, readOn: false }
  })
  const { socket, received } = await connect(port)
  socket.end(frame('first'))
  await until(() => begun === 1)
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.equal(server.connections.size, 1)
  replies.resolve(reply('1'))
  await until(() => received() === '1' && reasons.length === 1)
  assert.deepEqual(reasons, ['null'])
})

test('a client that is gone is noticed while its request waits', async () => {
  let begun = 0
  const { port, reasons } = await serve(() => {
    begun++
    return { reply: new Promise(() => {}), readOn: false }
  })
  const { socket } = await connect(port)
  socket.write(frame('first'))
  await until(() => begun === 1)
  socket.resetAndDestroy()
  await until(() => reasons.length === 1)
})

test('under pressure produce requests wait, in order and however idle their connections are; all others are served', async () => {
  const pressure = { on: true, whenOff: (callback: () => void) => void waiting.push(callback) }
  const waiting: (() => void)[] = []
  const seen: string[] = []
  const dispatch: Dispatch = bytes => {
    seen.push(bytes.toString('latin1', 2, 4))
    return reply(bytes.toString('latin1', 2, 4))
  }
  const { port, reasons } = await serve(dispatch, { maxIdleMs: 1500 }, pressure)
  const produce = (text: string, size = 0) => frame(`\0\0${text}${'x'.repeat(size)}`)
  const other = (text: string) => frame(`\0\x01${text}`)
  const producer = await connect(port)
  // Views of the shared buffer, frames of their own memory, and what comes behind them.
  const frames = [other('o1'), produce('p1'), produce('p2', 300_000), other('o2'), produce('p3')]
  producer.socket.write(Buffer.concat(frames))
  await until(() => seen.length === 1)
  const consumer = await connect(port)
  for (let nth = 1; nth <= 20; nth++) {
    consumer.socket.write(other(`c${nth % 10}`))
    await until(() => consumer.received().length === 2 * nth)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  assert.deepEqual([producer.received(), reasons], ['o1', []])
  pressure.on = false
  for (const callback of waiting) callback()
  await until(() => producer.received().length === 10)
  assert.equal(producer.received(), 'o1p1p2o2p3')
})

test('of clients that read nothing those go that have for longest, once replies take too much memory', async () => {
  const large = { buffers: [Buffer.alloc(20 << 20)], length: 20 << 20 }
  const { port, reasons } = await serve(() => large, {}, undefined, undefined, undefined, { requests: 1e9, responses: 45 << 20 })
  const sockets: net.Socket[] = []
  for (let nth = 0; nth < 3; nth++) {
    const { socket } = await connect(port)
    socket.pause()
    socket.write(frame('x'))
    sockets.push(socket)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  const reading = await connect(port)
  reading.socket.write(frame('x'))
  await until(() => reading.received().length === 20 << 20)
  await until(() => reasons.length > 0)
  assert.match(reasons.join(), /^the client read nothing for \d\.\d s, and fetch\.response\.memory\.bytes is used up$/)
  assert.deepEqual([sockets.length, reading.socket.destroyed], [3, false])
})

test('clients that read continuously, but too slowly, are closed as well', async () => {
  const real = realSystem(memoryFileSystem())
  const time = { ms: 0 }
  const clock = trustingClock(
    () => real.clock.now(),
    () => real.clock.monotonic() + time.ms,
  )
  const large = { buffers: [Buffer.alloc(60 << 20)], length: 60 << 20 }
  const { port, reasons } = await serve(() => large, {}, undefined, undefined, { ...real, clock }, { requests: 1e9, responses: 45 << 20 })
  const socket = net.connect(port, '127.0.0.1')
  socket.write(frame('x'))
  const reading = setInterval(() => socket.read(), 20)
  open.push({ close: () => clearInterval(reading) }, { close: () => socket.destroy() })
  await new Promise(resolve => setTimeout(resolve, 2_500))
  assert.deepEqual(reasons, [], 'it has time')
  time.ms += 30_000
  await until(() => reasons.length > 0)
  assert.match(reasons.join(), /^replies have waited for \d+\.\d s, and fetch\.response\.memory\.bytes is used up$/)
})

test('requests of one read take turns with others, whether they are answered immediately or later in the same turn', async () => {
  const slow = new SlowRequests()
  const { port } = await serve(
    bytes => {
      slow.pass()
      const answer = reply('x')
      return bytes[0] === 'a'.charCodeAt(0) ? answer : { reply: Promise.resolve(answer), readOn: false }
    },
    {},
    undefined,
    undefined,
    slow.system,
  )
  for (const kind of ['a', 'b']) {
    const { socket, received } = await connect(port)
    socket.write(Buffer.concat(Array(200).fill(frame(kind))))
    await until(() => received().length === 200)
  }
  assert.ok(slow.most <= 20, `${slow.most} requests of a millisecond in one turn`)
})

test('the reads of large frames take turns: what the kernel holds of twenty of them is not read in one', async () => {
  let looks = 0
  let most = 0
  // The broker looks at the clock once for each read, and then at most once more.
  const look = () => {
    if (++looks === 1) setImmediate(() => (looks = 0))
    most = Math.max(most, looks)
    return performance.now()
  }
  const clock = trustingClock(() => Date.now(), look)
  const changed = { maxFrameBytes: 100 << 20, maxUnauthenticatedFrameBytes: 100 << 20 }
  const { port } = await serve(() => reply('x'), changed, undefined, undefined, { ...realSystem(memoryFileSystem()), clock })
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect(port)))
  const whole = Buffer.alloc(4 + (9 << 20))
  whole.writeInt32BE(9 << 20)
  for (const { socket } of clients) await new Promise(resolve => socket.write(whole.subarray(0, 3 << 20), resolve))
  await new Promise(resolve => setTimeout(resolve, 100))
  most = 0
  for (const { socket } of clients) socket.write(whole.subarray(3 << 20))
  const began = performance.now()
  while (performance.now() - began < 5);
  await until(() => clients.every(({ received }) => received() === 'x'))
  assert.ok(most < 50, `${most} looks at the clock in one turn`)
})

test('a request that has to wait is retried, and later ones stay behind it', async () => {
  const waiting: (() => void)[] = []
  let free = false
  const { port } = await serve(bytes => {
    const text = bytes.toString('latin1')
    return text.startsWith('large') && !free ? { whenFree: callback => void waiting.push(callback) } : reply(text)
  })
  const { socket, received } = await connect(port)
  socket.write(Buffer.concat([frame('a'), frame('large'), frame('b')]))
  await until(() => waiting.length === 1)
  waiting.shift()!()
  await until(() => waiting.length === 1)
  await until(() => received() === 'a')
  free = true
  waiting.shift()!()
  await until(() => received() === 'alargeb')
})

test('a dispatch that throws closes its connection and no other', async () => {
  const { port, server, reasons } = await serve(bytes => {
    if (bytes.length === 0) throw new Error('unparseable')
    return reply('ok')
  })
  const bad = await connect(port)
  const good = await connect(port)
  bad.socket.write(frame(''))
  await once(bad.socket, 'close')
  good.socket.write(frame('x'))
  await until(() => good.received() === 'ok')
  assert.deepEqual(reasons, ['unparseable'])
  assert.equal(server.connections.size, 1)
})

test('limits: per address, in all, creation rate; a slot is free again after a close', async () => {
  const { port, server, reasons } = await serve(() => reply('ok'), { maxConnectionsPerIp: () => 2 })
  const first = await connect(port)
  await connect(port)
  const third = await connect(port)
  await once(third.socket, 'close')
  assert.match(reasons[0]!, /max.connections.per.ip=2/)
  first.socket.destroy()
  await until(() => server.connections.size === 1)
  const fourth = await connect(port)
  fourth.socket.write(frame('x'))
  await until(() => fourth.received() === 'ok')
})

test('limits of one listener hold for it alone, beside those of the broker', async () => {
  // Time stands still, or a slow machine would earn another connection.
  let nowMs = 0
  const stopped = {
    ...realSystem(memoryFileSystem()),
    clock: trustingClock(
      () => nowMs,
      () => nowMs,
    ),
  }
  const changed = {
    maxConnections: 4,
    isProtected: (name: string) => name === 'INSIDE',
    maxConnectionsOf: (name: string) => (name === 'PLAINTEXT' ? 2 : 10),
    maxCreationRateOf: (name: string) => (name === 'SLOW' ? 1 : Number.POSITIVE_INFINITY),
  }
  const { port, server, reasons } = await serve(() => reply('ok'), changed, undefined, undefined, stopped)
  const listen = (name: string) => server.listen({ name, host: '127.0.0.1', port: 0, protocol: 'PLAINTEXT' })
  const [other, slow, inside] = [await listen('OTHER'), await listen('SLOW'), await listen('INSIDE')]
  const answers = async (at: number) => {
    const { socket, received } = await connect(at)
    socket.write(frame('x'))
    await until(() => received() === 'ok' || socket.destroyed)
    return received() === 'ok' ? socket : null
  }
  const first = await answers(port)
  await answers(port)
  assert.equal(await answers(port), null)
  assert.match(reasons.at(-1)!, /max.connections=2 of listener PLAINTEXT/)
  assert.notEqual(await answers(slow), null)
  const late = answers(slow)
  assert.notEqual(await answers(other), null)
  assert.equal(await answers(other), null)
  assert.match(reasons.at(-1)!, /max.connections=4 reached/)
  const way = await answers(inside)
  assert.notEqual(way, null, 'the listener of brokers is always open')
  way!.destroy()
  first!.destroy()
  await until(() => server.connections.size === 3)
  assert.notEqual(await answers(port), null)
  assert.equal(await Promise.race([late, new Promise(resolve => setTimeout(resolve, 50, 'waits'))]), 'waits')
  // The connection that came last makes room for the one that waits.
  open.at(-1)!.close()
  nowMs = 1_000
  assert.notEqual(await late, null, 'the rate delays, it does not refuse')
})

test('connections that wait for their turn are bounded, and gone when the server closes', async () => {
  const { port, server, reasons } = await serve(() => reply('ok'), { maxCreationRate: 0.001, backlog: 2 })
  const clients = []
  for (let count = 0; count < 4; count++) clients.push(await connect(port))
  await once(clients[3]!.socket, 'close')
  assert.match(reasons[0]!, /refused: max.connection.creation.rate: too many connections are waiting/)
  assert.equal(server.connections.size, 1)
  const ended = [once(clients[1]!.socket, 'close'), once(clients[2]!.socket, 'close')]
  await server.close(0)
  await Promise.all(ended)
})

test('an IPv4 client of a listener for both families has the address that it has elsewhere', async t => {
  const addresses: string[] = []
  const { server } = await serve((_, __, connection) => {
    addresses.push(connection.remoteAddress)
    return reply('ok')
  })
  let port: number
  try {
    port = await server.listen({ name: 'BOTH', host: '::', port: 0, protocol: 'PLAINTEXT' })
  } catch (error) {
    t.skip(`no IPv6 here: ${error}`)
    return
  }
  const { socket, received } = await connect(port)
  socket.write(frame('x'))
  await until(() => received() === 'ok')
  assert.deepEqual(addresses, ['127.0.0.1'])
})

test('a slow frame and an idle connection are ended, an active one is not', async () => {
  const { port, reasons } = await serve(() => ({ reply: new Promise(() => {}), readOn: false }), { frameDeadlineMs: 50, maxIdleMs: 100 })
  const slow = await connect(port)
  const idle = await connect(port)
  const waiting = await connect(port)
  slow.socket.write(Buffer.from([0, 0, 1]))
  waiting.socket.write(frame('long poll'))
  await Promise.all([once(slow.socket, 'close'), once(idle.socket, 'close')])
  await new Promise(resolve => setTimeout(resolve, 50))
  assert.equal(waiting.socket.destroyed, false)
  assert.equal(reasons.filter(reason => reason.includes('not complete after')).length, 1)
  assert.equal(reasons.filter(reason => reason.includes('idle for')).length, 1)
})

test('a removed listener closes its connections, and handshakes that never end do not delay it', async () => {
  const began = Promise.withResolvers<void>()
  const never = { handshake: () => began.resolve() } as unknown as TlsListener
  const { port, server } = await serve(() => assert.fail(), {}, undefined, undefined, undefined, undefined, never)
  const { socket } = await connect(port)
  await began.promise
  const closed = once(socket, 'close')
  await server.stopListening('PLAINTEXT', 5_000)
  await closed
})

test('connections that a quota refuses do not delay the removal of their listener', { timeout: 10_000 }, async () => {
  const { port, server, reasons } = await serve(
    () => assert.fail(),
    {},
    undefined,
    () => 60_000,
  )
  const { socket } = await connect(port)
  await until(() => reasons.length === 1)
  const closed = once(socket, 'close')
  await server.stopListening('PLAINTEXT', 5_000)
  await closed
})

test('closing lets the reply under way leave', async () => {
  const gate = Promise.withResolvers<ReturnType<typeof reply>>()
  const { port, server } = await serve(() => ({ reply: gate.promise, readOn: false }))
  const { socket, received } = await connect(port)
  socket.write(frame('x'))
  await until(() => [...server.connections].some(connection => connection.owing))
  const closed = server.close(5_000)
  gate.resolve(reply('last words'))
  await once(socket, 'close')
  await closed
  assert.equal(received(), 'last words')
})
