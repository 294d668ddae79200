/** Each API gets its worst requests, derived from its definition: a short form of `npm run sim -- worst`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Stock, shapesOf } from '../sim/worst/shapes.ts'
import { specials } from '../sim/worst/specials.ts'
import { worst } from '../sim/worst.ts'
import { handlers } from '../src/broker.ts'
import { type Api, decodeRequest, encodeRequest, type Fields, type InputOf, KafkaError, type MessageOf, zeroUuid } from '../src/protocol.ts'

test('no request blocks the event loop, fills the audit log or keeps memory, whether it is allowed or denied', async () => {
  // A handler without slices needs this long for a list of the length that is allowed, one that looks at pairs for this one.
  const { requests } = await worst({ elements: 10_000, quick: true, victim: false, mostTurnMs: 100 })
  assert.equal(requests, 2 * handlers.length)
})

test('an API whose cost does not depend on its lists has a separate worst request', () => {
  for (const { api, cost } of handlers) {
    if (cost.regexSteps === undefined && cost.inflatedBytes === undefined) continue
    assert.ok(
      specials.some(special => special.api === api),
      `${api.name} has none in sim/worst/specials.ts`,
    )
  }
})

/** Through its bytes, so that every field is there. */
function decoded(api: Api, version: number, request: object): MessageOf<Fields> {
  const frame = Buffer.concat(encodeRequest(api, version, { correlationId: 1, clientId: null }, request as InputOf<Fields>).buffers)
  return decodeRequest(api, version, frame, version >= api.flexibleFrom ? 15 : 14)
}

test('what a large request is told when it fails as a whole is made in steps', () => {
  const stock: Stock = { topic: 'wide', topicId: zeroUuid, partitions: 1_000, group: 'group' }
  const elements = 2_000
  const long: string[] = []
  let inSteps = 0
  for (const { api, versions, fail } of handlers) {
    for (const shape of shapesOf(api, versions[1], elements, stock).filter(({ name }) => name.endsWith('unknown'))) {
      const response = fail(decoded(api, versions[1], shape.request) as never, new KafkaError('INVALID_REQUEST'), versions[1])
      if (!(Symbol.iterator in response)) {
        if (JSON.stringify(response).length > 10 * elements) long.push(`${api.name}: ${shape.name}`)
        continue
      }
      let steps = 0
      let step = response.next()
      for (; !step.done; step = response.next()) steps++
      if (JSON.stringify(step.value).length < 10 * elements) continue
      inSteps++
      assert.ok(steps >= elements / 100, `${api.name}: ${shape.name}: ${steps} steps`)
    }
  }
  // Its requests have fewer entries (`fewEntries`).
  assert.deepEqual([...new Set(long.map(what => what.split(':')[0]))], ['AlterClientQuotas'])
  assert.ok(inSteps > 50, `${inSteps} requests`)
})
