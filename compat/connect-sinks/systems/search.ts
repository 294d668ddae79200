/** Elasticsearch and OpenSearch: documents by their place, by key, updated, and refused by a mapping. */
import assert from 'node:assert/strict'
import { freePorts } from '../../support/run.ts'
import { startPeer } from '../peers.ts'
import { partitions, recordAt, records, topic } from '../records.ts'
import { judgeRecords } from './search-records.ts'
import type { System } from './system.ts'

export const searchSystems: readonly System[] = ['elasticsearch', 'opensearch'].map(name => ({
  name,
  async run(judge, stage) {
    const first = await freePorts(2)
    const peer = await startPeer(name, [first, first + 1])
    const url = `http://127.0.0.1:${peer.port}`
    const base = {
      'connection.url': url,
      'read.timeout.ms': '20000',
      'max.retries': '50',
      'max.retry.backoff.ms': '2000',
      'flush.timeout.ms': '120000',
    }
    try {
      await judge('once-by-place', async () => {
        const told = await stage.drive({
          connector: 'elasticsearch',
          config: { ...base, 'key.ignore': 'true' },
          kills: 3,
          harm: () => peer.killAndStart(),
        })
        await requireAll(url)
        const { _source: found } = JSON.parse(exactly(await text(`${url}/${topic}/_doc/${topic}+1+7`))) as {
          _source: Record<string, unknown>
        }
        const { value } = recordAt(1, 7) as unknown as { value: Record<string, unknown> }
        assert.equal(found['large'], String(value['large']))
        assert.equal(found['price'], String(value['price']))
        assert.equal(found['text'], value['text'])
        assert.equal(found['at'], '2025-11-30T04:00:00.007Z')
        assert.equal(found['nothing'], null)
        return told
      })
      await judge('once-by-key', async () => {
        await fetch(`${url}/${topic}`, { method: 'DELETE' })
        const told = await stage.drive({ connector: 'elasticsearch', config: base, kills: 3 })
        await requireAll(url)
        return told
      })
      await judge('upsert', async () => {
        await fetch(`${url}/${topic}`, { method: 'DELETE' })
        const told = await stage.drive({ connector: 'elasticsearch', config: { ...base, 'write.method': 'upsert' }, kills: 1 })
        await requireAll(url)
        return told
      })
      // Elasticsearch has data streams in parts that are not under the Apache License.
      await judgeRecords(url, base, judge, name === 'opensearch')
    } finally {
      await peer.stop()
    }
  },
}))

async function requireAll(url: string): Promise<void> {
  await fetch(`${url}/_refresh`, { method: 'POST' })
  const { count } = JSON.parse(await text(`${url}/${topic}/_count`)) as { count: number }
  assert.equal(count, partitions * records)
}

async function text(url: string): Promise<string> {
  return await (await fetch(url)).text()
}

/** Numbers as texts, because JSON.parse would round them. */
function exactly(json: string): string {
  return json.replace(/:(-?\d+(?:\.\d+)?)(?=[,}])/g, ':"$1"')
}
