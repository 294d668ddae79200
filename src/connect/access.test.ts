import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyRequest } from 'fastify'
import { realSystem } from '../base.ts'
import type { Sessions } from '../sessions.ts'
import { demandRights } from './access.ts'
import { forwardedHeader, signForwarded } from './herder/signatures.ts'

test('what somebody may do is remembered by who it is, not by what the header says', async () => {
  let asked = 0
  const identity = { principal: 'User:a', key: '1' }
  const client = { clusterRights: async () => new Set([asked++ === 0 ? 'DESCRIBE' : 'ALL']) }
  const sessions = { identify: () => identity, clientOf: () => client } as unknown as Sessions
  const { rights: demand } = demandRights(sessions, realSystem())
  const request = (method: string, authorization: string) =>
    ({ method, url: '/connectors', ip: '127.0.0.1', headers: { authorization } }) as unknown as FastifyRequest
  await demand(request('GET', 'Basic YTpi'), null, 'http://w')
  await demand(request('GET', 'basic  YTpi'), null, 'http://w')
  await assert.rejects(async () => demand(request('PUT', 'BASIC YTpi'), null, 'http://w'), /This needs the operation ALTER on the cluster/)
  assert.equal(asked, 1)
})

test('of a request that a worker has sent on, the body is what it has sent', async () => {
  const system = realSystem()
  const identify = () => assert.fail('no login is needed')
  const demand = demandRights({ identify } as unknown as Sessions, system)
  const key = { key: Buffer.alloc(32, 1), algorithm: 'HmacSHA256', createdMs: 0 }
  const url = '/connectors/a/config?forward=true'
  const signed = signForwarded(key, { method: 'PUT', url: `http://w${url}`, body: '{"a":1}' }, system.clock.now())
  const request = { method: 'PUT', url, headers: { [forwardedHeader]: signed }, body: undefined as unknown } as unknown as FastifyRequest
  await demand.rights(request, key, 'http://w/')
  request.body = { a: 1 }
  demand.body(request)
  request.body = { a: 2 }
  assert.throws(() => demand.body(request), { status: 403 })
  request.body = undefined
  assert.throws(() => demand.body(request), { status: 403 })
})
