/** Many producers that are in the middle of large requests at the same time: `queued.max.request.bytes`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { apis } from '../../src/protocol.ts'
import { attack } from '../support/attack.ts'
import { connect, type RawClient, requestBytes } from '../support/client.ts'
import { heldBytes } from '../support/garbage.ts'

const boundBytes = 16 * 2 ** 20
/** What each connection may have had read before it was stopped, the sockets' own needs, and the test's. */
const toleratedBytes = 24 * 2 ** 20

test('1,000 slow producers of 256 KiB each take no more memory than they may, and all are served', { timeout: 300_000 }, () => {
  const config = { 'queued.max.request.bytes': String(boundBytes), 'max.connection.creation.rate': '100000' }
  return attack(config, async ({ port }) => {
    const clients: RawClient[] = []
    while (clients.length < 1000) clients.push(...(await Promise.all(Array.from({ length: 100 }, () => connect(port)))))
    // No such topic: what arrives is dropped when it has arrived, so that all memory is that of requests on their way.
    const records = Buffer.alloc(256 * 1024)
    const request = {
      transactionalId: null,
      acks: 1,
      timeoutMs: 1000,
      topicData: [{ name: 'none', partitionData: [{ index: 0, records }] }],
    }
    const bytes = requestBytes(apis.produce, 9, request)
    const before = heldBytes()
    const held = () => heldBytes() - before
    for (const client of clients) client.send(bytes.subarray(0, 40_000))
    await sleep(2000)
    assert.ok(held() > boundBytes / 2, `${held()}: too little to be a test`)
    assert.ok(held() < boundBytes + toleratedBytes, `${Math.round(held() / 2 ** 20)} MiB`)
    const answers = clients.map(client => client.nextFrame())
    for (const client of clients) client.send(bytes.subarray(40_000))
    assert.equal((await Promise.all(answers)).length, 1000)
    for (const client of clients) client.close()
  })
})
