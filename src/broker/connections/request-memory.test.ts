import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, reply, serve, until } from './server.testing.ts'

test('large produce requests count against the memory for requests until they are answered', async () => {
  const waiting: (() => void)[] = []
  const requests: Buffer[] = []
  const { port } = await serve(
    request => {
      requests.push(request)
      const { promise, resolve } = Promise.withResolvers<ReturnType<typeof reply>>()
      waiting.push(() => resolve(reply('x')))
      return { reply: promise, readOn: true }
    },
    { maxFrameBytes: 100 << 20, maxUnauthenticatedFrameBytes: 100 << 20 },
    undefined,
    undefined,
    undefined,
    { requests: 4 << 20, responses: 1e9 },
  )
  const clients = await Promise.all(Array.from({ length: 12 }, () => connect(port)))
  const whole = Buffer.alloc(5 + (1 << 20))
  whole.writeInt32BE(1 + (1 << 20))
  for (const { socket } of clients) socket.write(whole)
  let most = 0
  for (let answered = 0; answered < clients.length; ) {
    await until(() => waiting.length > 0)
    await new Promise(resolve => setTimeout(resolve, 50))
    most = Math.max(most, waiting.length)
    for (const answer of waiting.splice(0)) {
      answered++
      answer()
    }
  }
  assert.ok(most <= 5, `${most} requests of a megabyte at the same time`)
  await until(() => clients.every(({ received }) => received() === 'x'))
  const freed = requests.filter(({ length }) => length === 0)
  assert.equal(freed.length, clients.length, 'their memory does not wait for a collection of garbage')
})
