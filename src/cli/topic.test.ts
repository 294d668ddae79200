import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openClient } from '../client.ts'
import { startBroker } from '../millrace.ts'
import { describeGroups, listGroups } from './group.ts'
import { describeTopics, listTopics } from './topic.ts'

test('a partition that is offline hides neither its topic nor the other partitions', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-topic-'))
  try {
    {
      await using broker = await startBroker({ directory })
      await using client = openClient({ bootstrap: broker.address })
      await client.createTopic({ name: 'halved', partitions: 2, configs: new Map() })
      for (const partition of [0, 1]) await client.send('halved', [{ key: null, value: Buffer.from('x'.repeat(500)), partition }])
      const offsets = [0, 1].map(partition => ({ topic: 'halved', partition, offset: 0n }))
      await client.setGroupOffsets('readers', offsets)
    }
    truncateSync(join(directory, 'halved-1/00000000000000000000.log'), 100)
    await using broker = await startBroker({ directory })
    let out = ''
    t.mock.method(process.stdout, 'write', (text: string) => {
      out += text
      return true
    })
    await listTopics({ bootstrap: broker.address })
    await describeTopics(['halved'], { bootstrap: broker.address })
    await listGroups({ bootstrap: broker.address, lag: true })
    await describeGroups(['readers'], { bootstrap: broker.address })
    t.mock.restoreAll()
    assert.match(out, /^halved\nhalved \(.{22}\), 2 partitions\n/)
    assert.match(out, /^ +0 +1 +1 +1 +0 +1$/m)
    assert.match(out, /^ +1 +-1 +1 .*- +-$/m)
    assert.match(out, /^partition 1: LEADER_NOT_AVAILABLE: halved-1 has no leader$/m)
    assert.match(out, /^readers +Empty +classic .* 1$/m)
    assert.match(out, /^readers: Empty, .*lag 1$/m)
    assert.match(out, /^halved +0 +0 +1 +1 +- +-$/m)
    assert.match(out, /^halved +1 +0 +- +- +- +-$/m)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
