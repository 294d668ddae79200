import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { realSystem } from '../../base.ts'
import { Elsewhere } from '../herder/errors.ts'
import { type Api, here } from './api.ts'

test('while the worker that has to do it is away, it is asked anew who has to', async () => {
  const api = { system: realSystem(), sessionKey: () => null } as unknown as Api
  const request = { query: {}, method: 'PUT', raw: { url: '/connectors/c/config' }, body: {} } as unknown as FastifyRequest
  let times = 0
  const done = await here(api, request, {} as FastifyReply, async () => {
    // Nothing listens on port 1.
    if (++times < 3) throw new Elsewhere('http://127.0.0.1:1')
    return 'done'
  })
  assert.equal(done, 'done')
  assert.equal(times, 3)
})
