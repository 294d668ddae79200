/** What Elasticsearch and OpenSearch make of single records: versions, deletes, refusals, indices by date, data streams. */
import assert from 'node:assert/strict'
import { type SinkRecord, struct } from '../../../src/connector.ts'
import { openTask, plainRecord } from '../open.ts'
import type { Judge } from './system.ts'

type Config = Readonly<Record<string, string>>
interface Hits {
  readonly hits: { readonly hits: readonly { readonly _id: string; readonly _source: Record<string, unknown> }[] }
}

export async function judgeRecords(url: string, base: Config, judge: Judge, hasDataStreams: boolean): Promise<void> {
  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    assert(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
    return JSON.parse(text)
  }
  const documents = async (index: string): Promise<Record<string, unknown>> => {
    await ask('POST', `/${index}/_refresh`)
    const { hits } = (await ask('GET', `/${index}/_search?size=100`)) as Hits
    return Object.fromEntries(hits.hits.map(({ _id, _source }) => [_id, _source['v']]).sort())
  }
  const write = async (config: Config, records: readonly SinkRecord[]): Promise<string[]> => {
    const refused: string[] = []
    const task = await openTask('elasticsearch', { ...base, ...config }, record => void refused.push(String(record.original.offset)))
    await task.put(records)
    await task.flush()
    await task.close()
    return refused
  }
  await judge('versions-and-deletes', async () => {
    const record = (offset: number, key: string, v: number | null, version?: string) =>
      plainRecord('versions', offset, {
        key,
        value: v === null ? null : struct([['v', v]]),
        headers: version === undefined ? [] : [{ name: 'version', schema: null, value: version }],
      })
    const config = { 'behavior.on.null.values': 'delete' }
    await write(config, [record(0, 'a', 1), record(1, 'b', 1), record(2, 'a', 2), record(3, 'b', null)])
    // Again, as after a crash.
    await write(config, [record(0, 'a', 1), record(1, 'b', 1)])
    assert.deepEqual(await documents('versions'), { a: 2 })
    await write({ ...config, 'external.version.header': 'version' }, [record(4, 'c', 5, '50'), record(5, 'c', 3, '30')])
    assert.deepEqual(await documents('versions'), { a: 2, c: 5 })
  })
  await judge('refused-by-mapping', async () => {
    await ask('PUT', '/strict', { mappings: { properties: { v: { type: 'integer' } } } })
    const values = [1, 'two', 3]
    const refused = await write(
      {},
      values.map((v, offset) => plainRecord('strict', offset, { key: `k${offset}`, value: struct([['v', v]]) })),
    )
    assert.deepEqual(refused, ['1'])
    assert.deepEqual(await documents('strict'), { k0: 1, k2: 3 })
  })
  await judge('index-by-date', async () => {
    const at = (offset: number, day: string) =>
      plainRecord('Dated', offset, { key: `k${offset}`, value: struct([['v', offset]]), timestampMs: BigInt(Date.parse(day)) })
    await write({ 'index.name': '${topic}-${timestamp}' }, [at(0, '2026-11-29T23:59:59Z'), at(1, '2026-11-30')])
    assert.deepEqual(await documents('dated-20261129'), { k0: 0 })
    assert.deepEqual(await documents('dated-20261130'), { k1: 1 })
  })
  if (!hasDataStreams) return
  await judge('data-stream', async () => {
    await ask('PUT', '/_index_template/compat', { index_patterns: ['logs-compat-*'], data_stream: {}, priority: 500 })
    const records = [0, 1].map(offset =>
      plainRecord('streamed', offset, { key: null, value: struct([['v', offset]]), timestampMs: 1_764_475_200_000n }),
    )
    const config = { 'data.stream.type': 'logs', 'data.stream.dataset': 'compat', 'key.ignore': 'true' }
    await write(config, records)
    await write(config, records)
    assert.deepEqual(await documents('logs-compat-streamed'), { 'streamed+0+0': 0, 'streamed+0+1': 1 })
  })
}
