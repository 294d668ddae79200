/** A thousand connections that start a frame and do not complete it: memory stays bounded, and others are served. Their deadline: connections.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { attack } from '../support/attack.ts'
import { connect, type RawClient } from '../support/client.ts'

const many = 1_000

/** The size of the largest frame, and nothing of it. */
function largeSize(): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(100 * 1024 * 1024)
  return size
}

async function crowd(port: number): Promise<RawClient[]> {
  const clients: RawClient[] = []
  for (let n = 0; n < many; n += 100) clients.push(...(await Promise.all(Array.from({ length: 100 }, () => connect(port)))))
  return clients
}

test('a size and then nothing takes kilobytes, not what it announces', () =>
  attack({}, async ({ port }) => {
    const clients = await crowd(port)
    const before = process.memoryUsage()
    for (const client of clients) client.send(largeSize())
    await sleep(500)
    const { external, arrayBuffers } = process.memoryUsage()
    assert.ok(external + arrayBuffers - before.external - before.arrayBuffers < 128 * 2 ** 20, 'a thousand times 100 MiB were announced')
    assert.ok(
      clients.every(({ isClosed }) => !isClosed),
      'they have until the deadline of a frame',
    )
    for (const client of clients) client.close()
  }))

test('a byte now and then does not block others either', () =>
  attack({}, async ({ port }) => {
    const clients = await crowd(port)
    const size = largeSize()
    for (let at = 0; at < 8; at++) {
      for (const client of clients) client.send(at < 4 ? size.subarray(at, at + 1) : Buffer.from([at]))
      await sleep(100)
    }
    assert.ok(clients.every(({ isClosed }) => !isClosed))
    for (const client of clients) client.close()
  }))
