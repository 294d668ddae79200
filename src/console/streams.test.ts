import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import fastify, { type FastifyReply } from 'fastify'
import { realSystem } from '../base.ts'
import { HttpError } from '../http.ts'
import { Streams } from './streams.ts'

test('a stream of which nothing is read ends', async t => {
  const streams = new Streams(realSystem(), 300)
  const app = fastify()
  t.after(() => app.close())
  const over = new Promise<void>(resolve => {
    app.get('/', async (_request, reply) => {
      await streams.run('ann', reply, async (send, signal) => {
        while (!signal.aborted) await send('x'.repeat(2 ** 20))
      })
      resolve()
    })
  })
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const reader = connect(Number(port), '127.0.0.1', () => reader.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'))
  t.after(() => reader.destroy())
  await over
})

test('one person cannot take all the streams', async t => {
  const streams = new Streams(realSystem())
  t.after(() => streams.close())
  const reply = { raw: { on() {}, once() {}, headersSent: false } } as unknown as FastifyReply
  const begin = (principal: string) =>
    streams.run(principal, reply, (_send, signal) => new Promise(resolve => signal.addEventListener('abort', () => resolve())))
  for (let n = 0; n < 256; n++) void begin('ann')
  assert.throws(
    () => void begin('ann'),
    (error: unknown) => error instanceof HttpError && error.status === 503,
  )
  void begin('bob')
})
