/** Each API gets its worst requests, derived from its definition: a short form of `npm run sim -- worst`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { specials } from '../sim/worst/specials.ts'
import { worst } from '../sim/worst.ts'
import { handlers } from '../src/broker.ts'

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
