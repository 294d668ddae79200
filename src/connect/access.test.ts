import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyRequest } from 'fastify'
import { realSystem } from '../base.ts'
import type { Sessions } from '../sessions.ts'
import { demandRights } from './access.ts'

test('what somebody may do is remembered by who it is, not by what the header says', async () => {
  let asked = 0
  const identity = { principal: 'User:a', key: '1' }
  const client = { clusterRights: async () => new Set([asked++ === 0 ? 'DESCRIBE' : 'ALL']) }
  const sessions = { identify: () => identity, clientOf: () => client } as unknown as Sessions
  const demand = demandRights(sessions, realSystem())
  const request = (method: string, authorization: string) =>
    ({ method, url: '/connectors', ip: '127.0.0.1', headers: { authorization } }) as unknown as FastifyRequest
  await demand(request('GET', 'Basic YTpi'), null)
  await demand(request('GET', 'basic  YTpi'), null)
  await assert.rejects(async () => demand(request('PUT', 'BASIC YTpi'), null), /This needs the operation ALTER on the cluster/)
  assert.equal(asked, 1)
})
