import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { realSystem } from '../../base.ts'
import { Elsewhere } from '../herder/errors.ts'
import { type Api, here } from './api.ts'

const api = { system: realSystem(), sessionKey: () => null } as unknown as Api
const asked = (method: string, path = '/connectors') => ({ query: {}, method, raw: { url: path }, body: {} }) as unknown as FastifyRequest

test('while the worker that has to do it is away, it is asked anew who has to', async () => {
  let times = 0
  const done = await here(api, asked('POST'), {} as FastifyReply, async () => {
    // Nothing listens on port 1.
    if (++times < 3) throw new Elsewhere('http://127.0.0.1:1')
    return 'done'
  })
  assert.equal(done, 'done')
  assert.equal(times, 3)
})

test('what a worker that ends was asked is asked again only if it may be done twice', async t => {
  const ending = createServer(request => request.socket.destroy())
  await new Promise<void>(resolve => ending.listen(0, '127.0.0.1', resolve))
  t.after(() => ending.close())
  const { port } = ending.address() as { port: number }
  let times = 0
  const work = async () => {
    if (++times < 2) throw new Elsewhere(`http://127.0.0.1:${port}`)
    return 'done'
  }
  assert.equal(await here(api, asked('PUT'), {} as FastifyReply, work), 'done')
  times = 0
  assert.equal(await here(api, asked('POST', '/connectors/c/restart?includeTasks=true'), {} as FastifyReply, work), 'done')
  times = 0
  await assert.rejects(here(api, asked('POST'), {} as FastifyReply, work), { status: 500, message: /IO Error/ })
})
