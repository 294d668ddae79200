import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type apis, encodeRequest } from '../protocol.ts'
import { classicGroups } from './classic-groups.ts'
import type { Ask } from './requests.ts'

test('a member leaves in the words of each version: before 3 one member at a time', async () => {
  for (const version of [2, 3]) {
    const asked: object[] = []
    const requests = {
      speaks: async (_: unknown, wanted: number) => version >= wanted,
      ask: async (api: typeof apis.leaveGroup, request: object) => {
        asked.push(encodeRequest(api, version, { correlationId: 1, clientId: 'c' }, request as never))
        return { errorCode: 0 }
      },
    }
    const ask: Ask = work => work(requests as never)
    await classicGroups(ask, ask).leaveGroup({ group: 'g', memberId: 'm' })
    assert.equal(asked.length, 1)
  }
})
