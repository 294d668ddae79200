import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../base.ts'
import { type Client, ClientError } from '../client.ts'
import { silentLogger } from '../logger.ts'
import { openTopicTable } from './table.ts'

test('a topic that was just made, and that a broker does not know yet, is waited for', async () => {
  const unknown = new ClientError('UNKNOWN_TOPIC_OR_PARTITION', 'topic not found: t')
  let asked = 0
  const client = {
    async topics() {
      throw unknown
    },
    async createTopic() {},
    async offsets() {
      if (++asked <= 4) throw unknown
      return new Map([[0, 0n]])
    },
    openReader: () => ({
      poll: () => new Promise(() => {}),
      async close() {},
    }),
  } as unknown as Client
  const { timers } = realSystem()
  const system = { timers: { ...timers, after: (_: number, act: () => void) => timers.after(0, act) } }
  const table = await openTopicTable({ client, topic: 't', logger: silentLogger, system, apply() {} })
  assert.ok(asked > 4)
  await table.close()
})
